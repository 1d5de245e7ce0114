"""From pictures of one person to the person's shape (Kong et al. 2022, identity calibration)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.calibrate.errors import Anchor, ErrorModel
from ownhand.calibrate.metric import shape_metric
from ownhand.calibrate.weights import WeightMap, alike, independent_pictures, spread_evenly
from ownhand.geometry.median import geometric_median
from ownhand.hand.identity import Evidence, Identity, ShapeLikelihood
from ownhand.hand.model import HandModel
from ownhand.structs import concatenate, given

Method = Literal["paper", "squared", "robust", "mean", "median", "top-k", "bayes", "joint", "fit"]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A person's shape and what to think of it. Weights and residuals of the pictures: `identity.evidence`.

    Attributes:
        identity: The shape, its covariance if an error model was given, and the evidence.
        outliers: Numbers of the pictures that disagree with the others.
        optimality: Relative distance of zero to the subdifferential of the objective; None for means and medians of
            coefficients.
    """

    identity: Identity
    outliers: tuple[int, ...]
    optimality: float | None


@dataclass(frozen=True, kw_only=True)
class _Settings:
    method: Method
    top_k: int
    weight_map: WeightMap
    error_model: ErrorModel | None
    anchor: Anchor | None

    def check(self, model: HandModel) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"expected a method among {', '.join(get_args(Method))}, got {self.method!r}")
        if self.top_k < 1:
            raise ValueError(f"expected top_k of at least 1, got {self.top_k}")
        errors = self.error_model
        if errors is None:
            if self.method in ("bayes", "joint") or (self.anchor is not None and self.method != "fit"):
                what = "an anchor" if self.anchor is not None else f'the method "{self.method}"'
                raise ValueError(f"{what} needs an error model, which says how far to trust the pictures")
            return
        if errors.method != self.method:
            raise ValueError(f"the error model was fitted for the method {errors.method!r}, not {self.method!r}")
        if errors.model_id != model.id:
            raise ValueError(f"the error model belongs to the hand model {errors.model_id!r}, not to {model.id!r}")

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "top_k": self.top_k,
            "weight_map": self.weight_map.to_dict(),
            "error_model": None if self.error_model is None else self.error_model.to_dict(),
            "anchor": None if self.anchor is None else vars(self.anchor),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> _Settings:
        try:
            errors, anchor = content["error_model"], content["anchor"]
            return cls(
                method=content["method"],
                top_k=content["top_k"],
                weight_map=WeightMap.from_dict(content["weight_map"]),
                error_model=None if errors is None else ErrorModel.from_dict(errors),
                anchor=None if anchor is None else Anchor(**anchor),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the identity was not made by calibration: its settings lack {error}") from error


def calibrate(
    model: HandModel,
    R_parent_joint: Float[Tensor, "pictures 15 3 3"],
    shapes: Float[Tensor, "pictures shapes"],
    confidence: Float[Tensor, "pictures"] | None = None,
    *,
    method: Method = "paper",
    weight_map: WeightMap | None = None,
    top_k: int = 5,
    error_model: ErrorModel | None = None,
    anchor: Anchor | None = None,
    keypoints: ShapeLikelihood | None = None,
    R_cam_root: Float[Tensor, "pictures 3 3"] | None = None,
    names: Sequence[str] = (),
) -> Calibration:
    """Find the one shape that fits all pictures of a person.

    The paper's objective is `min_beta sum_k w_k ||M(beta, theta_k) - M(beta_k, theta_k)||_F`, here with meshes seen
    from the wrist. For a fixed pose the mesh is affine in shape, so the problem is a convex one of ten unknowns.

    Args:
        model: Hand model of the shapes.
        R_parent_joint: theta_k: rotations of the 15 joints in each picture.
        shapes: beta_k: shape coefficients found in each picture.
        confidence: How good each picture's shape is, larger is better; None: all alike.
        method: `paper`: the objective above. `squared`: its norms squared, so that bad pictures have more to say.
            `robust`: the objective with one metric, the mean over pictures, so that an error in what is seen well
            (size) does not leak into what is hardly seen. `mean`, `median` (of each coefficient): weighted likewise.
            `top-k`: mean of the `top_k` most confident. `bayes`: `robust`, then corrected for what a network gets
            wrong systematically, by an error model fitted for `bayes`. `joint`: the same with, beside it, the shape
            that the keypoints of all pictures show together. `fit`: one shape and all poses fitted together to the
            keypoints, and to nothing else (`fit.fit_shape`); its covariance holds for keypoints that err independently.
        weight_map: From confidence to weights; default: softmax. Choose it with `choose_weight_map`.
        top_k: For `top-k`.
        error_model: Fitted on people of known shape, for this method; gives the covariance.
        anchor: A measured hand length; needs an error model.
        keypoints: What each picture's keypoints say: `fit.shape_likelihood` for `joint`, `fit.fit_shape` for `fit`.
        R_cam_root: How the hand is turned before each camera. Pictures of much the same pose from much the same side,
            as neighbouring frames of a clip are, then count as one (`alike`); None: all count as independent.
        names: File names or hashes of the pictures, to be kept with the evidence.

    Raises:
        ValueError: No pictures; numbers that are not finite; matrices that are no rotations; counts that disagree; an
            error model of another method or hand model; `top-k` without confidence, `joint` or `fit` without keypoints.
    """
    settings = _Settings(
        method=method,
        top_k=top_k,
        weight_map=weight_map or WeightMap(),
        error_model=error_model,
        anchor=anchor,
    )
    evidence = _seen(model, R_parent_joint, shapes, confidence, keypoints, R_cam_root, names)
    return _solved(model, settings, **evidence)


def update(
    identity: Identity,
    model: HandModel,
    R_parent_joint: Float[Tensor, "pictures 15 3 3"],
    shapes: Float[Tensor, "pictures shapes"],
    confidence: Float[Tensor, "pictures"] | None = None,
    *,
    keypoints: ShapeLikelihood | None = None,
    R_cam_root: Float[Tensor, "pictures 3 3"] | None = None,
    names: Sequence[str] = (),
) -> Calibration:
    """Add pictures to a calibrated identity; the earlier ones are not needed. Equals calibrating from all of them.

    Args:
        identity: From `calibrate` or `update`, or loaded from its file.
        model: Its hand model.
        R_parent_joint: As in `calibrate`, new pictures only; likewise the others.
        shapes: Shape coefficients found in the new pictures.
        confidence: Needed if and only if the earlier pictures had one.
        keypoints: Likewise.
        R_cam_root: Likewise.
        names: Of the new pictures.

    Raises:
        ValueError: As `calibrate`; an identity without evidence or of another hand model.
    """
    identity.check_model(model)
    old = identity.evidence
    if old is None:
        raise ValueError("this identity holds no evidence, so no pictures can be added to it")
    for what, earlier, later in (
        ("confidence", old.confidence, confidence),
        ("keypoints", old.keypoints, keypoints),
        ("R_cam_root", old.poses, R_cam_root),
    ):
        if (earlier is None) != (later is None):
            raise ValueError(f"expected {what} for all pictures or for none: the earlier and the new ones differ")
    new = _seen(model, R_parent_joint, shapes, confidence, keypoints, R_cam_root, names)
    if old.names or new["names"]:
        names = (*(old.names or ("",) * len(old.shapes)), *(new["names"] or ("",) * len(shapes)))
    return _solved(
        model,
        _Settings.from_dict(old.settings),
        shapes=torch.cat([old.shapes, new["shapes"]]),
        metrics=torch.cat([old.metrics, new["metrics"]]),
        confidence=None if old.confidence is None else torch.cat([old.confidence, new["confidence"]]),
        keypoints=None if old.keypoints is None else concatenate([old.keypoints, new["keypoints"]]),
        poses=None if old.poses is None else torch.cat([old.poses, new["poses"]]),
        names=tuple(names),
    )


def combined_by(identity: Identity) -> tuple[ErrorModel | None, Anchor | None]:
    """The error model and the measured length that a calibrated identity owes its error bars to.

    Raises:
        ValueError: It holds no evidence, or was not made by calibration.
    """
    if identity.evidence is None:
        raise ValueError("this identity holds no evidence of the pictures that it was calibrated from")
    settings = _Settings.from_dict(identity.evidence.settings)
    return settings.error_model, settings.anchor


def errors_together(evidence: Evidence) -> Float[Tensor, "pictures pictures"] | None:
    """How much the errors of two pictures go together (`alike`); None if all count as independent."""
    if evidence.poses is None:
        return None
    R = roma.rotvec_to_rotmat(evidence.poses)
    return alike(R[:, 0], R[:, 1:])


def picture_weights(
    pictures: int,
    confidence: Float[Tensor, "pictures"] | None,
    *,
    method: Method = "paper",
    weight_map: WeightMap | None = None,
    top_k: int = 5,
    together: Float[Tensor, "pictures pictures"] | None = None,
) -> Float[Tensor, "pictures"]:
    """How much each picture counts; arguments as in `calibrate`. Float64, sum 1.

    For `bayes` and `joint`, pictures whose errors go `together` (`alike`) share their weight.
    """
    if together is not None and method in ("bayes", "joint"):
        return spread_evenly(picture_weights(pictures, confidence, method=method, weight_map=weight_map), together)
    if confidence is None:
        if method == "top-k":
            raise ValueError('the method "top-k" needs the confidence of each picture')
        return torch.full((pictures,), 1 / pictures, dtype=torch.float64)
    if method == "top-k":
        best = confidence.topk(min(top_k, pictures)).indices
        return torch.zeros_like(confidence, dtype=torch.float64).index_fill(0, best, 1 / len(best))
    return (weight_map or WeightMap())(confidence)


def combine(
    shapes: Float[Tensor, "pictures shapes"],
    metrics: Float[Tensor, "pictures shapes shapes"],
    weights: Float[Tensor, "pictures"],
    method: Method = "paper",
) -> tuple[Float[Tensor, "shapes"], float | None]:
    """The combined shape, before error model and anchor, and its optimality if it is a geometric median."""
    if method in ("paper", "robust", "bayes", "joint"):
        if method != "paper":
            metrics = metrics.mean(0).expand_as(metrics)
        solution = geometric_median(shapes, metrics, weights)
        return solution.point, solution.optimality
    if method == "squared":
        weighted = weights[:, None, None] * metrics
        return torch.linalg.solve(weighted.sum(0), (weighted @ shapes[..., None]).sum(0)[:, 0]), None
    if method == "median":
        return _weighted_median(shapes, weights), None
    return weights @ shapes, None


def observed(
    combined: Float[Tensor, "shapes"],
    keypoints: ShapeLikelihood | None,
    weights: Float[Tensor, "pictures"],
    method: Method,
) -> Float[Tensor, "observed"]:
    """What an `ErrorModel` of the method describes: the combined shape; for `joint` also what the keypoints show.

    Raises:
        ValueError: `joint` without keypoints.
    """
    if method != "joint":
        return combined
    if keypoints is None:
        raise ValueError(f"the method {method!r} needs what the keypoints of each picture say, got None")
    return torch.cat([combined, keypoints.to(torch.float64).shape(weights)])


def find_outliers(residual_mm: Float[Tensor, "pictures"]) -> tuple[int, ...]:
    """Pictures that lie further from the combined hand than the others' scatter explains.

    Named are residuals above `median + 5 s` with s = 1.4826 times the median absolute deviation, at least a fifth of
    the median and a tenth of a millimetre; none among fewer than five pictures. See the documentation for how often
    that names a good picture.
    """
    if len(residual_mm) < 5:
        return ()
    middle = residual_mm.quantile(0.5)
    spread = 1.4826 * (residual_mm - middle).abs().quantile(0.5)
    limit = middle + 5 * torch.maximum(spread, 0.2 * middle).clamp_min(0.1)
    return tuple((residual_mm > limit).nonzero().flatten().tolist())


def _seen(
    model: HandModel,
    R: Tensor,
    shapes: Tensor,
    confidence: Tensor | None,
    keypoints: ShapeLikelihood | None,
    R_cam_root: Tensor | None,
    names: Sequence[str],
) -> Any:
    """What the pictures say, checked, in float64."""
    k, n = len(shapes), model.shape_basis.shape[-1]
    if k == 0:
        raise ValueError("calibration needs at least one picture, got none")
    if shapes.shape != (k, n) or R.shape != (k, 15, 3, 3) or (confidence is not None and confidence.shape != (k,)):
        raise ValueError(
            f"expected {n} shape coefficients, 15 rotations and one confidence (or none at all) for each picture, got "
            f"shapes {tuple(shapes.shape)}, rotations {tuple(R.shape)}, "
            f"confidence {None if confidence is None else tuple(confidence.shape)}"
        )
    if names and len(names) != k:
        raise ValueError(f"expected names of {k} pictures or none, got {len(names)}")
    if keypoints is not None and keypoints.information.shape != (k, n):
        raise ValueError(f"expected what {k} pictures' keypoints say, got {tuple(keypoints.information.shape)}")
    for name, values in (
        ("shapes", shapes),
        ("rotations", R),
        ("rotations of the wrist", R_cam_root),
        ("confidence", confidence),
        ("precision of keypoints", None if keypoints is None else keypoints.precision),
        ("information of keypoints", None if keypoints is None else keypoints.information),
    ):
        if values is not None and not values.isfinite().all():
            raise ValueError(f"expected finite {name}, got NaN or infinity")
    if R_cam_root is not None and R_cam_root.shape != (k, 3, 3):
        raise ValueError(f"expected how the hands of {k} pictures are turned, got {tuple(R_cam_root.shape)}")
    rotations = R if R_cam_root is None else torch.cat([R_cam_root[:, None], R], 1)
    if ((rotations.mT @ rotations - torch.eye(3).to(R)).abs() > 1e-3).any():
        raise ValueError("expected rotation matrices, got some that are not orthogonal")
    return {
        "shapes": shapes.detach().double(),
        "metrics": shape_metric(model, R.detach()),
        "confidence": None if confidence is None else confidence.detach().double(),
        "keypoints": None if keypoints is None else keypoints.to(torch.float64),
        "poses": None if R_cam_root is None else roma.rotmat_to_rotvec(rotations.detach().double()),
        "names": tuple(names),
    }


def _solved(
    model: HandModel,
    settings: _Settings,
    *,
    shapes: Tensor,
    metrics: Tensor,
    confidence: Tensor | None,
    keypoints: ShapeLikelihood | None,
    poses: Tensor | None,
    names: tuple[str, ...],
) -> Calibration:
    settings.check(model)
    together = None
    if poses is not None:
        R = roma.rotvec_to_rotmat(poses)
        together = alike(R[:, 0], R[:, 1:])
    weights = picture_weights(
        len(shapes),
        confidence,
        method=settings.method,
        weight_map=settings.weight_map,
        top_k=settings.top_k,
        together=together,
    ).to(shapes)
    if settings.method == "fit":
        shape, covariance = given(keypoints, 'for the method "fit" what the keypoints of each picture say').posterior()
        optimality = None
    else:
        shape, optimality = combine(shapes, metrics, weights, settings.method)
        covariance = None
    e = shape - shapes
    residual_mm = (e * (metrics @ e[..., None])[..., 0]).sum(-1).clamp_min(0).sqrt() * 1000
    k_effective = independent_pictures(weights, together).item()
    if settings.error_model is not None:
        if settings.method in ("bayes", "joint"):
            shape, covariance = settings.error_model.posterior(
                observed(shape, keypoints, weights, settings.method), k_effective
            )
        else:
            covariance = settings.error_model.covariance(k_effective)
    if settings.anchor is not None and covariance is not None:
        shape, covariance = settings.anchor.condition(model, shape, covariance)
    evidence = Evidence(
        shapes=shapes,
        metrics=metrics,
        weights=weights,
        residual_mm=residual_mm,
        confidence=confidence,
        keypoints=keypoints,
        poses=poses,
        names=names,
        settings=settings.to_dict(),
    )
    return Calibration(
        identity=Identity(shape=shape, covariance=covariance, model_id=model.id, evidence=evidence),
        outliers=find_outliers(residual_mm),
        optimality=optimality,
    )


def _weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    """For each column the middle value: as much weight below as above; the mean of two if both are middle."""
    ordered, order = values.sort(0)
    share = weights[order].cumsum(0) / weights.sum()
    lower = ordered.gather(0, (share < 0.5 - 1e-12).sum(0, keepdim=True))
    upper = ordered.gather(0, (share <= 0.5 + 1e-12).sum(0, keepdim=True).clamp_max(len(values) - 1))
    return ((lower + upper) / 2)[0]
