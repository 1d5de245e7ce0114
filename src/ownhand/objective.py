"""What training minimises and what validation measures, of a network on a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import cast

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from ownhand import metrics
from ownhand.data.frame import HandFrame
from ownhand.data.sample import HandSample
from ownhand.detection import detection_loss
from ownhand.estimators.base import Estimator, Network, Prediction
from ownhand.estimators.detector import Detector
from ownhand.hand.model import HandModel
from ownhand.losses import training_loss


class Objective(nn.Module):
    """A network and its loss: one forward pass is one call, as Fabric and its multi-process wrappers want it.

    The sample comes in a function because Fabric would change the fields of a dataclass, and ours are frozen.
    """

    def __init__(self, network: Network, hand: HandModel, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.network, self._hand, self._weights = network, hand, weights

    def forward(self, sample: Callable[[], HandSample | HandFrame]) -> dict[str, Tensor]:
        return {name: x.mean() for name, x in _predicted(self.network, sample(), self._hand, self._weights)[1].items()}


def _predicted(
    network: Network, sample: HandSample | HandFrame, hand: HandModel, weights: Mapping[str, float]
) -> tuple[Prediction, dict[str, Float[Tensor, "batch"]]]:
    """Prediction (a detector's is empty), and every loss term per sample.

    Raises:
        TypeError: The network is not taught by such samples.
    """
    image = sample.image.contiguous(memory_format=torch.channels_last)
    if isinstance(network, Detector) and isinstance(sample, HandFrame):
        return Prediction(), detection_loss(network(image), sample, weights)
    if not isinstance(network, Estimator) or not isinstance(sample, HandSample):
        raise TypeError(f"a {type(network).__name__} cannot learn from a {type(sample).__name__}")
    prediction, auxiliary = network.forward_training(image, sample.camera, sample.shape)
    return prediction, training_loss(prediction, auxiliary, sample, hand, weights)


@torch.no_grad()
def validate(
    network: Network,
    samples: Iterable[HandSample | HandFrame],
    hand: HandModel,
    weights: Mapping[str, float],
    fabric: Fabric,
) -> dict[str, float]:
    """Means over pictures: `loss`, its terms, and what can be measured of the predictions.

    Those are `keypoints_px` (at the network's size, visible joints), `mpjpe_mm` and `shape_error`. Under `torchrun`
    the processes share the batches.
    """
    network.eval()
    sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros(2, dtype=torch.float64))
    for sample in islice(samples, fabric.global_rank, None, fabric.world_size):
        sample = sample.to(fabric.device)
        with fabric.autocast():
            prediction, terms = _predicted(network, sample, hand, weights)
        values = {"loss" if name == "total" else f"loss/{name}": x for name, x in terms.items()}
        if isinstance(sample, HandSample):
            values |= _errors(prediction, sample)
        for name, x in values.items():
            sums[name] += torch.tensor([x.double().sum().item(), x.numel()])
    for name, x in sorted(sums.items()):
        sums[name] = cast(Tensor, fabric.all_reduce(x.to(fabric.device), reduce_op="sum"))
    return {name: (total[0] / total[1]).item() for name, total in sums.items()}


def _errors(prediction: Prediction, sample: HandSample) -> dict[str, Tensor]:
    """What can be measured of a prediction."""
    values = {}
    if prediction.keypoints is not None:
        values["keypoints_px"] = (prediction.keypoints - sample.keypoints).norm(dim=-1)[sample.visible]
    if prediction.joints is not None:
        values["mpjpe_mm"] = metrics.mpjpe_mm(prediction.joints, sample.joints)
    if prediction.shape is not None and sample.shape is not None:
        values["shape_error"] = metrics.shape_error(prediction.shape, sample.shape)
    return values
