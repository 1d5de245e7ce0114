"""Whose hand it is: a shape with error bars, and what it was found from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.measure import finger_lengths_mm, length_mm, width_mm
from ownhand.hand.model import HandModel, ShapedHand
from ownhand.hand.skeleton import FINGERS
from ownhand.structs import TensorStruct

CAUTION = 0.05
"""Precision of the prior that holds a shape shown by keypoints, against the pictures' mean precision."""


@dataclass(frozen=True, kw_only=True)
class ShapeLikelihood(TensorStruct):
    """What pictures say of a shape, whatever the pose: Gaussian likelihoods in information form.

    Those of several pictures multiply: precisions and informations add.

    Attributes:
        precision: Inverse covariance of the shape coefficients; zero in directions that a picture does not show.
        information: The precision times the most likely shape.
    """

    precision: Float[Tensor, "*batch shapes shapes"]
    information: Float[Tensor, "*batch shapes"]

    def posterior(self) -> tuple[Float[Tensor, "shapes"], Float[Tensor, "shapes shapes"]]:
        """Most probable shape and its covariance, all pictures together, for a person like others: N(0, 1)."""
        n = self.information.shape[-1]
        precision = self.precision.reshape(-1, n, n).sum(0) + torch.eye(n).to(self.precision)
        covariance = torch.linalg.inv(precision)
        return covariance @ self.information.reshape(-1, n).sum(0), (covariance + covariance.mT) / 2

    def shape(self, weights: Float[Tensor, "*batch"]) -> Float[Tensor, "shapes"]:
        """The shape that all pictures together show, zero in directions that they hardly show.

        As cautious as one picture, whatever their number: so the bias does not depend on it either.

        Args:
            weights: Of the pictures, summing to 1.
        """
        precision = (weights[..., None, None] * self.precision).flatten(0, -3).sum(0)
        information = (weights[..., None] * self.information).flatten(0, -2).sum(0)
        return torch.linalg.solve(precision + CAUTION * torch.eye(len(precision)).to(precision), information)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What a calibration saw, so that pictures can be added when the earlier ones are gone.

    Attributes:
        shapes: Shape coefficients found in each picture.
        metrics: H_k: `e' H_k e` is the mean squared vertex displacement that a shape change e causes in the pose of
            picture k [m^2].
        weights: Weight of each picture; they sum to 1.
        residual_mm: Root mean square vertex distance between each picture's hand and the combined one, in its pose.
        confidence: Scores the weights came from, if any.
        keypoints: What the keypoints of each picture say, if that was used.
        poses: Rotation vectors of the wrist, before the camera, and of the 15 joints, if it was asked how much pictures
            are alike.
        names: File names or hashes of the pictures, or nothing.
        settings: How the pictures were combined; written and read by `ownhand.calibrate`, JSON values only.
    """

    shapes: Float[Tensor, "pictures shapes"]
    metrics: Float[Tensor, "pictures shapes shapes"]
    weights: Float[Tensor, "pictures"]
    residual_mm: Float[Tensor, "pictures"]
    confidence: Float[Tensor, "pictures"] | None = None
    keypoints: ShapeLikelihood | None = None
    poses: Float[Tensor, "pictures 16 3"] | None = None
    names: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Identity(TensorStruct):
    """The shape of one person's hands, both of them: the left one is the mirrored right one.

    Attributes:
        shape: Shape coefficients beta. Calibration gives float64; `hand` converts to the model's precision.
        covariance: Of the error of `shape` against truth; None if it is not known.
        model_id: `HandModel.id` of the model in which the coefficients mean something.
        evidence: What the shape was found from; only for a single person, without batch axes.
    """

    shape: Float[Tensor, "*batch shapes"]
    covariance: Float[Tensor, "*batch shapes shapes"] | None = None
    model_id: str
    evidence: Evidence | None = None

    def hand(self, model: HandModel) -> ShapedHand:
        """The rest hand of this person.

        Raises:
            ValueError: The identity belongs to another hand model.
        """
        self.check_model(model)
        return model.shaped(self.shape.to(model.template))

    def check_model(self, model: HandModel) -> None:
        """Raise ValueError unless the coefficients belong to `model` or its mirror image."""
        if model.id.removesuffix("-left") != self.model_id.removesuffix("-left"):
            raise ValueError(f"this identity belongs to the hand model {self.model_id!r}, not to {model.id!r}")


def measure(
    identity: Identity, model: HandModel, measurement: Callable[[HandModel, Tensor], Tensor]
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"] | None]:
    """Any measurement of a person's rest hand and its standard deviation (delta method).

    Args:
        identity: Of one person.
        model: Hand model of the identity.
        measurement: From model and shape to one or several numbers, differentiable: see `ownhand.hand.measure`.

    Returns:
        Values, and standard deviations in the same unit; None without a covariance.
    """
    identity.check_model(model)
    model, shape = model.to(torch.float64), identity.shape.double()

    def numbers(shape: Tensor) -> Tensor:
        return measurement(model, shape).reshape(-1)

    values = numbers(shape)
    if identity.covariance is None:
        return values, None
    J: Any = torch.autograd.functional.jacobian(numbers, shape)
    return values, ((J @ identity.covariance.double()) * J).sum(-1).clamp_min(0).sqrt()


def measurements_mm(identity: Identity, model: HandModel) -> dict[str, tuple[float, float | None]]:
    """Length, width and the five fingers of one person's hand with their standard deviations [mm]."""

    def all_lengths(model: HandModel, shape: Tensor) -> Tensor:
        return torch.cat([length_mm(model, shape)[None], width_mm(model, shape)[None], finger_lengths_mm(model, shape)])

    values, errors = measure(identity, model, all_lengths)
    names = ("length", "width", *FINGERS)
    return {name: (values[i].item(), None if errors is None else errors[i].item()) for i, name in enumerate(names)}


def vertex_std_mm(identity: Identity, model: HandModel) -> Float[Tensor, "*batch verts"]:
    """How uncertain each vertex of the rest hand is, seen from the wrist: root of its total variance [mm].

    Raises:
        ValueError: The identity has no covariance, or belongs to another model.
    """
    identity.check_model(model)
    if identity.covariance is None:
        raise ValueError("this identity has no covariance: calibrate with an error model to get error bars")
    basis = model.shape_basis.double()
    basis = basis - torch.einsum("v,vcs->cs", model.joint_regressor[0].double(), basis)
    variance = torch.einsum("vcs,...st,vct->...v", basis, identity.covariance.double(), basis)
    return variance.clamp_min(0).sqrt() * 1000
