"""How far a network's poses and keypoints are from the truth: Gaussians fitted on validation people."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import roma
import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ownhand.hand.model import HandPose
from ownhand.structs import TensorStruct

FORMAT = "ownhand pose prior 2"

UNBELIEVABLE = 0.02
"""Share of validation pictures whose apparent length is not believed: the gross errors that it prevents are worse."""

LEAST_SURE = 0.05
"""Mean confidence below which keypoints are not taken to be worse still."""

_NUMBERS = (
    "keypoint_sigma",
    "confidence_power",
    "distance_sigma",
    "distance_bias",
    "across_sigma",
    "place_power",
    "apparent_length",
)
_MIDDLE_90 = torch.tensor([0.05, 0.5, 0.95])
_NORMAL_90 = 1.645


def pose_deviation(predicted: HandPose, truth: HandPose) -> Float[Tensor, "*batch 48"]:
    """The turns that lead from a predicted pose to the true one: log(R_predicted^T R_true), the wrist's first [rad]."""
    R = stacked_rotations(predicted).mT @ stacked_rotations(truth)
    return roma.rotmat_to_rotvec(R).flatten(-2)


def stacked_rotations(pose: HandPose) -> Float[Tensor, "*batch 16 3 3"]:
    """All 16 rotations, the wrist's (`R_cam_root`) first."""
    return torch.cat([pose.R_cam_root[..., None, :, :], pose.R_parent_joint], -3)


@dataclass(frozen=True, kw_only=True)
class PosePrior(TensorStruct):
    """The errors to expect from a network, as a fit needs them.

    Attributes:
        covariance: Of the 48 numbers of `pose_deviation`, which are taken to have mean zero [rad^2].
        keypoint_sigma: Standard deviation of a keypoint's x and y at confidence 1, in the pixels of the pictures that
            the prior was fitted on: the keypoint network's crops [px].
        confidence_power: The standard deviation is `keypoint_sigma * confidence ** -confidence_power`.
        depth_sigma: Standard deviation of each joint's depth relative to the wrist [m]; None if not predicted.
        distance_sigma: Standard deviation, at confidence 1, of the logarithm of the wrist's distance where the first
            pose is placed; None if any distance is as likely as any other.
        distance_bias: Logarithm of how many times too far away `fit.place` puts the wrist, at confidence 1.
        across_sigma: Standard deviation of the wrist's place along each direction across the line of sight, at
            confidence 1, in lengths of the hand; None if it is not known.
        place_power: These three are larger by mean confidence ** -place_power: see `unsureness`.
        apparent_length: Smallest and largest share of a crop's side that a hand's length is believed to cover; None if
            it may be anything.
    """

    covariance: Float[Tensor, "48 48"]
    keypoint_sigma: float = 3.0
    confidence_power: float = 0.5
    depth_sigma: Float[Tensor, "21"] | None = None
    distance_sigma: float | None = None
    distance_bias: float = 0.0
    across_sigma: float | None = None
    place_power: float = 0.0
    apparent_length: tuple[float, float] | None = None

    @classmethod
    def isotropic(cls, pose_sigma: float, keypoint_sigma: float = 3.0) -> PosePrior:
        """Before anything was measured: every angle errs by itself, all alike.

        Args:
            pose_sigma: Standard deviation of each of the 48 angles [rad].
            keypoint_sigma: As the attribute [px].
        """
        return cls(covariance=torch.eye(48) * pose_sigma**2, keypoint_sigma=keypoint_sigma)

    @classmethod
    def fit(
        cls,
        predicted: HandPose,
        truth: HandPose,
        *,
        keypoint_error: Float[Tensor, "*batch 21 2"] | None = None,
        confidence: Float[Tensor, "*batch 21"] | None = None,
        depth_error: Float[Tensor, "*batch 21"] | None = None,
        distance_error: Float[Tensor, "*batch"] | None = None,
        across_error: Float[Tensor, "*batch 2"] | None = None,
        apparent_length: Float[Tensor, "*batch"] | None = None,
        smallest_sigma: float = 0.01,
    ) -> PosePrior:
        """From predictions for pictures of validation people.

        The covariance is shrunk towards its diagonal as far as the pictures are too few to know it (Schäfer & Strimmer
        2005, target D). Keypoint noise is a line through log error against log confidence, with the level set by
        the median, so that gross errors do not count.

        Args:
            predicted: Poses of the network.
            truth: True poses of the same pictures.
            keypoint_error: Predicted minus true keypoints [px of the network's crop].
            confidence: Confidence of each keypoint; keypoints with 0 are left out.
            depth_error: Predicted minus true depth relative to the wrist [m].
            distance_error: Logarithm of the distance where `fit.place` puts the wrist, over the true one. Its median is
                the bias; the spread is such that nine of ten errors lie within 1.645 standard deviations, so that gross
                errors hardly count. With `confidence`, both are those at confidence 1.
            across_error: Across the line of sight, in lengths of the hand; likewise, about zero.
            apparent_length: True length over true distance, in sides of the crop. The range that holds all but
                `UNBELIEVABLE` of them, half at either end, becomes the bound.
            smallest_sigma: Lower bound of the standard deviations, for angles that never vary [rad].

        Raises:
            ValueError: There are fewer than two pictures, or one of the two keypoint arguments is missing.
        """
        deviation = pose_deviation(predicted, truth).reshape(-1, 48).double()
        if len(deviation) < 2:
            raise ValueError(f"a pose prior needs at least 2 pictures, got {len(deviation)}")
        if (keypoint_error is None) != (confidence is None):
            raise ValueError("keypoint_error and confidence must be given together")
        noise = {}
        if keypoint_error is not None and confidence is not None:
            noise = _keypoint_noise(keypoint_error.reshape(-1, 2).double(), confidence.reshape(-1).double())
        if depth_error is not None:
            noise["depth_sigma"] = depth_error.reshape(-1, 21).square().mean(0).sqrt()
        if confidence is not None:
            noise["place_power"] = noise["confidence_power"]
        unsure = 1.0 if confidence is None else unsureness(confidence, noise["place_power"])
        if distance_error is not None:
            low, middle, high = (distance_error / unsure).double().quantile(_MIDDLE_90.double()).tolist()
            noise["distance_bias"] = middle
            noise["distance_sigma"] = max((high - low) / 2 / _NORMAL_90, smallest_sigma)
        if across_error is not None:
            noise["across_sigma"] = float((across_error.mT / unsure).abs().quantile(0.9)) / _NORMAL_90
        if apparent_length is not None:
            ends = torch.tensor([UNBELIEVABLE / 2, 1 - UNBELIEVABLE / 2]).to(apparent_length)
            noise["apparent_length"] = tuple(apparent_length.quantile(ends).tolist())
        covariance = _shrunk_covariance(deviation) + smallest_sigma**2 * torch.eye(48).to(deviation)
        return cls(covariance=covariance.to(predicted.R_cam_root.dtype), **noise)

    def sigma(self, confidence: Float[Tensor, "*batch 21"]) -> Float[Tensor, "*batch 21"]:
        """Standard deviation of each keypoint's x and y [px]; infinite for confidence 0."""
        return self.keypoint_sigma * confidence**-self.confidence_power

    def unsureness(self, confidence: Float[Tensor, "*batch 21"]) -> Float[Tensor, "*batch"]:
        """By how much the errors of a hand's place are larger than at confidence 1.

        A place errs in proportion to its keypoints' noise, that at mean confidence standing for all: keypoints fall
        together as they grow unsure, which puts hands too far away.
        """
        return unsureness(confidence, self.place_power)

    def whitening(self) -> Float[Tensor, "48 48"]:
        """W with W^T W the inverse covariance: W times a deviation has unit covariance."""
        factor = torch.linalg.cholesky(self.covariance.double())
        eye = torch.eye(48).to(factor)
        return torch.linalg.solve_triangular(factor, eye, upper=False).to(self.covariance.dtype)

    def save(self, path: Path | str) -> None:
        """Write to a safetensors file."""
        path = Path(path)
        tensors = {"covariance": self.covariance.contiguous()}
        if self.depth_sigma is not None:
            tensors["depth_sigma"] = self.depth_sigma.contiguous()
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        beside = path.with_name(path.name + ".part")
        save_file(tensors, beside, metadata={"format": FORMAT, "numbers": json.dumps(numbers)})
        os.replace(beside, path)

    @classmethod
    def load(cls, path: Path | str) -> PosePrior:
        """Read what `save` wrote.

        Raises:
            ValueError: The file is something else.
            FileNotFoundError: There is no such file.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"expected a pose prior, but {path} is not a safetensors file") from error
        if metadata.get("format") != FORMAT:
            raise ValueError(f"expected a file of format {FORMAT!r}, but {path} is of {metadata.get('format')!r}")
        numbers = json.loads(metadata["numbers"])
        if numbers["apparent_length"] is not None:
            numbers["apparent_length"] = tuple(numbers["apparent_length"])
        return cls(**tensors, **numbers)


def unsureness(confidence: Float[Tensor, "*batch 21"], power: float) -> Float[Tensor, "*batch"]:
    """`PosePrior.unsureness` for a given power."""
    return confidence.mean(-1).clamp_min(LEAST_SURE) ** -power


def _shrunk_covariance(deviation: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """Second moments, off the diagonal scaled by one minus the estimated share of noise in them."""
    n, squares = len(deviation), deviation.square()
    moments = deviation.mT @ deviation / n
    variance = (squares.mT @ squares / n - moments.square()) / (n - 1)
    off = ~torch.eye(deviation.shape[-1], dtype=torch.bool, device=deviation.device)
    share = (variance[off].sum() / moments[off].square().sum().clamp_min(1e-30)).clamp(0, 1)
    return torch.where(off, moments * (1 - share), moments)


def _keypoint_noise(error: Float[Tensor, "n 2"], confidence: Float[Tensor, "n"]) -> dict:
    """`keypoint_sigma` and `confidence_power` of errors [px]."""
    length = error.norm(dim=-1)
    used: Bool[Tensor, "n"] = (confidence > 0) & (length > 0)
    x, y = confidence[used].log(), length[used].log()
    spread = (x - x.mean()).square().sum()
    slope = ((x - x.mean()) * y).sum() / spread if spread > 1e-12 else torch.zeros(())
    power = max(-float(slope), 0.0)
    rayleigh_median = math.sqrt(2 * math.log(2))
    level = float((length[used] * confidence[used] ** power).median()) / rayleigh_median
    return {"keypoint_sigma": level, "confidence_power": power}
