"""How wrong a calibrated shape is: a model of its error against truth, fitted on people whose shape is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from scipy.stats import chi2
from torch import Tensor

from ownhand.hand.model import HandModel

_MAX_STEPS = 1000
_CROSS_GAIN = 0.1
"""Standard deviation of the gain from one coefficient to another, before the validation people are seen."""

_FLOOR = 1e-6
"""Of the mean variance: keypoints show nothing at all of size, and no covariance may be singular."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ErrorModel:
    """`observed = offset + gain @ truth + error`, `cov(error) = person + picture / k_effective`.

    Observed is the combined shape; for the method `joint`, after it the shape that the keypoints of all pictures
    show (`ShapeLikelihood.shape`): both, and what they get wrong together, are described at once. Pictures of one
    person share what a picture does not show (absolute size above all) and what the networks get wrong about this
    person; more pictures only lessen the rest. `k_effective = 1 / sum(w^2)`. Without gain the error is what separates
    the combined shape from the truth, and the covariance is its error bar. With gain (a network predicts less than the
    truth of what it hardly sees) Bayes' rule turns what is observed into a better shape, see `posterior`.

    Attributes:
        person: Covariance of the error that all pictures of a person share.
        picture: Covariance of the error of a single picture on top.
        gain: None stands for the identity matrix.
        offset: None with gain None.
        method: How the pictures were combined when this was fitted.
        model_id: Hand model of the shapes.
    """

    person: Float[Tensor, "observed observed"]
    picture: Float[Tensor, "observed observed"]
    gain: Float[Tensor, "observed shapes"] | None = None
    offset: Float[Tensor, "observed"] | None = None
    method: str
    model_id: str

    def __post_init__(self) -> None:
        n = len(self.person)
        for matrix in (self.person, self.picture):
            if matrix.shape != (n, n) or not matrix.isfinite().all():
                raise ValueError(f"expected an error model of finite {n} x {n} matrices, got one {tuple(matrix.shape)}")
        if (self.gain is None) != (self.offset is None):
            raise ValueError("expected an error model with both gain and offset, or neither")
        if self.gain is not None and (len(self.gain) != n or not self.gain.isfinite().all()):
            raise ValueError(f"expected an error model with a finite gain of {n} rows, got {tuple(self.gain.shape)}")

    def covariance(self, k_effective: float) -> Float[Tensor, "observed observed"]:
        return self.person + self.picture / k_effective

    def covariance_of_shape(self, k_effective: float) -> Float[Tensor, "shapes shapes"]:
        """Of the shape in the end: with gain by Bayes' rule, see `posterior`."""
        if self.gain is None:
            return self.covariance(k_effective)
        return self.posterior(torch.zeros_like(self.person[0]), k_effective)[1]

    def posterior(
        self, observed: Float[Tensor, "observed"], k_effective: float
    ) -> tuple[Float[Tensor, "shapes"], Float[Tensor, "shapes shapes"]]:
        """Mean and covariance of the true shape, which is N(0, 1) over people, given what pictures say of it.

        Args:
            observed: What the pictures say, combined.
            k_effective: `1 / sum(w^2)`.

        Raises:
            ValueError: The model describes another number of observed values.
        """
        if len(observed) != len(self.person):
            raise ValueError(
                f"expected {len(self.person)} values of the method {self.method!r}, as its error model was fitted for, "
                f"got {len(observed)}"
            )
        B, c = self.gain, self.offset
        if B is None or c is None:
            B, c = torch.eye(len(self.person)).to(self.person), torch.zeros_like(self.person[0])
        back = torch.linalg.solve(B @ B.mT + self.covariance(k_effective), B).mT
        covariance = torch.eye(B.shape[-1]).to(B) - back @ B
        return back @ (observed.double() - c), (covariance + covariance.mT) / 2

    @classmethod
    def fit(
        cls,
        truth: Float[Tensor, "n shapes"],
        observed: Float[Tensor, "n observed"],
        k_effective: Float[Tensor, "n"],
        *,
        method: str,
        model_id: str,
        with_gain: bool = False,
    ) -> ErrorModel:
        """Maximum likelihood by expectation maximisation (Dempster et al. 1977), from calibrations of known people.

        Args:
            truth: True shape, one row for each calibration.
            observed: What the pictures say, combined. Give several calibrations of each person, from few and from many
                pictures: where all count about as many, nothing tells the two covariances apart, and the error is
                taken as shared.
            k_effective: `1 / sum(w^2)` of each calibration.
            method: How the pictures were combined.
            model_id: Hand model of the shapes.
            with_gain: Also fit gain and offset.

        Raises:
            ValueError: Too few people.
        """
        truth, observed, k = truth.double(), observed.double(), k_effective.double()
        n, size = observed.shape
        people = len(truth.unique(dim=0))
        if people <= size + 1:
            raise ValueError(f"expected more than {size + 1} people for errors of {size} coefficients, got {people}")
        gain = offset = None
        if with_gain:
            gain, offset = _gain(truth, observed, n / people)
            error = observed - offset - truth @ gain.mT
        else:
            error = observed - truth
        told_apart = k.max() >= 1.5 * k.min()
        person, picture = _two_covariances(error, k if told_apart else torch.ones_like(k), people)
        if not told_apart:
            person, picture = person + picture, torch.zeros_like(picture)
        if with_gain:
            # The fit took some of the error away, and will add some to further people; the more values, the more.
            varying = int(torch.linalg.matrix_rank(person + picture, rtol=_FLOOR, hermitian=True))
            person = person * (people + varying + 1) / (people - varying - 1)
        person = person + _FLOOR * person.diag().mean() * torch.eye(size).to(person)
        return cls(person=person, picture=picture, gain=gain, offset=offset, method=method, model_id=model_id)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "model": self.model_id,
            "person": self.person.tolist(),
            "picture": self.picture.tolist(),
            "gain": None if self.gain is None else self.gain.tolist(),
            "offset": None if self.offset is None else self.offset.tolist(),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ErrorModel:
        try:
            arrays = {
                name: None if content[name] is None else torch.tensor(content[name], dtype=torch.float64)
                for name in ("person", "picture", "gain", "offset")
            }
            names = {"method": content["method"], "model_id": content["model"]}
            return cls(**names, **arrays)  # pyright: ignore
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"expected an error model as `to_dict` writes it, but {error!r}") from error


def _gain(truth: Tensor, observed: Tensor, rows_per_person: float) -> tuple[Tensor, Tensor]:
    """Gain and offset by least squares; gains between different coefficients are small a priori, N(0, 0.1^2)."""
    n, shapes = truth.shape
    inputs = torch.cat([truth, torch.ones_like(truth[:, :1])], 1)
    normal, right = inputs.mT @ inputs, inputs.mT @ observed
    noise = (observed - inputs @ torch.linalg.solve(normal, right)).square().mean(0) * n / (n - shapes)
    rows = []
    for i in range(observed.shape[-1]):
        stiffness = torch.full_like(inputs[0], (noise[i] * rows_per_person / _CROSS_GAIN**2).item())
        stiffness[i % shapes] = stiffness[-1] = 0
        rows.append(torch.linalg.solve(normal + stiffness.diag(), right[:, i]))
    solution = torch.stack(rows)
    return solution[:, :-1].contiguous(), solution[:, -1].contiguous()


def _two_covariances(error: Tensor, k: Tensor, people: int) -> tuple[Tensor, Tensor]:
    """U and E of errors with covariance U + E / k.

    U comes from few people: it is drawn to its diagonal as if by one more person per coefficient, then widened so that
    squared errors of further people come out right (the predictive covariance of an inverse Wishart model).
    """
    n, shapes = error.shape
    k = k[:, None]
    U = E = error.mT @ error / n / 2
    for _ in range(_MAX_STEPS):
        # Coordinates z in which E is the identity and U diagonal.
        root = torch.linalg.cholesky(E + 1e-9 * E.diag().mean() * torch.eye(shapes).to(E))
        half = torch.linalg.solve_triangular(root, U, upper=False)
        values, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(root, half.mT, upper=False))
        T = root @ vectors
        z = torch.linalg.solve(T, error.mT).mT
        share = values * k / (values * k + 1)
        shared, variance = share * z, values * (1 - share)
        rest = z - shared
        E = T @ ((k * rest).mT @ rest / n + (k * variance).mean(0).diag()) @ T.mT
        new_U = T @ (shared.mT @ shared / n + variance.mean(0).diag()) @ T.mT
        new_U = (people * new_U + shapes * new_U.diag().diag()) / (people + shapes)
        change, U = (new_U - U).abs().max() / U.abs().max(), new_U
        if change < 1e-6:
            break
    U = U * (people + shapes) / (people - 1)
    return (U + U.mT) / 2, (E + E.mT) / 2


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A measurement of the hand's length, wrist crease to middle fingertip: what a picture hardly shows.

    Attributes:
        length_mm: What a tape says, or cameras in known places, or a card beside the hand.
        std_mm: Standard deviation of that.
    """

    length_mm: float
    std_mm: float = 1.0

    def __post_init__(self) -> None:
        if not (50 < self.length_mm < 350 and 0 < self.std_mm < 100):
            raise ValueError(
                "expected an anchor as a hand length between 50 and 350 mm with its standard deviation in mm, "
                f"got {self.length_mm} and {self.std_mm}"
            )

    def condition(
        self, model: HandModel, shape: Float[Tensor, "shapes"], covariance: Float[Tensor, "shapes shapes"]
    ) -> tuple[Float[Tensor, "shapes"], Float[Tensor, "shapes shapes"]]:
        """Mean and covariance of the shape, given the measurement.

        The length `|a + B beta|` is replaced by its projection on the wrist-to-tip axis of the answer's rest hand,
        which is linear and, within two standard deviations of proportions, off by some 0.01 mm.

        Args:
            model: Hand model.
            shape: Mean before.
            covariance: Covariance before.
        """
        template, basis = model.template.double(), model.shape_basis.double()
        tip_less_wrist = -model.joint_regressor[0].double()
        tip_less_wrist[model.tips[2]] += 1
        a, B = (tip_less_wrist @ template) * 1000, torch.einsum("v,vcs->cs", tip_less_wrist, basis) * 1000
        prior, covariance = shape.double(), covariance.double()
        shape, gain, row = prior, torch.zeros_like(prior), torch.zeros_like(prior)
        for _ in range(10):
            axis = torch.nn.functional.normalize(a + B @ shape, dim=0)
            row = axis @ B
            gain = covariance @ row / (row @ covariance @ row + self.std_mm**2)
            shape = prior + gain * (self.length_mm - axis @ (a + B @ prior))
        left = torch.eye(len(prior)).to(prior) - torch.outer(gain, row)
        return shape, left @ covariance @ left.mT + torch.outer(gain, gain) * self.std_mm**2


def standardised(
    error: Float[Tensor, "*batch n"], covariance: Float[Tensor, "*#batch n n"]
) -> Float[Tensor, "*batch n"]:
    """Errors in standard deviations, along the principal directions of their covariance: N(0, 1) if it is right."""
    values, vectors = torch.linalg.eigh(covariance.double())
    along = (vectors.mT @ error.double()[..., None])[..., 0]
    return along / values.clamp_min(1e-12 * values.amax(-1, keepdim=True)).sqrt()


def coverage(
    error: Float[Tensor, "people n"],
    covariance: Float[Tensor, "*#people n n"],
    levels: tuple[float, ...] = (0.5, 0.68, 0.9, 0.95),
) -> dict[float, float]:
    """Share of people whose truth lies within the ellipsoid that should hold each share of them."""
    squared = standardised(error, covariance).square().sum(-1)
    limits = {level: float(chi2.ppf(level, error.shape[-1])) for level in levels}
    return {level: (squared <= limit).double().mean().item() for level, limit in limits.items()}
