"""Chooses the ten shape coefficients and how women and men are spread over them, so that the survey is met."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch

from tools.build_hand.cut import Cut
from tools.build_hand.rig import Rig
from tools.build_hand.shapes import GENERATORS, Fields
from tools.build_hand.survey import COVARIANCES, MEAN, MEANS, landmarks_on, measure_people

SIZE_SD = 0.065  # expected before the fit
ROUNDS = 400
PROPORTIONS = 9

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class People:
    """The shape space and its population.

    Attributes:
        basis: Size and nine proportions, per standard deviation.
        mean: [2 10] of women and men.
        covariance: [2 10 10] of women and men. Half women, half men: mean zero, covariance the identity.
    """

    basis: Fields
    mean: np.ndarray
    covariance: np.ndarray


def fit_people(fields: Fields, rig: Rig, cut: Cut) -> People:
    """Fit the population to the survey, starting from the generators' expected spreads.

    First over all generators, whose nine main proportions (by vertex variance of the hand) become the basis; then again
    over that basis, so that leaving out the rest costs nothing in what the survey measures.
    """
    spread = np.square([SIZE_SD, *GENERATORS.values()])
    response = _response(fields, rig, cut)
    mean, covariance = _meet_survey(response, np.diag(spread))
    mix = _principal_mix(fields, _mixture(mean, covariance), cut.hand_verts)
    fields, response = fields.mixed(mix), response @ mix.T
    mean, covariance = _meet_survey(response, np.eye(len(mix)))
    mix = _principal_mix(fields, _mixture(mean, covariance), cut.hand_verts)
    whiten = np.linalg.inv(mix.T)
    return People(basis=fields.mixed(mix), mean=mean @ whiten.T, covariance=whiten @ covariance @ whiten.T)


def _response(fields: Fields, rig: Rig, cut: Cut) -> np.ndarray:
    """Derivative [5 fields] of the survey's measurements [mm] at the template."""
    landmarks = landmarks_on(rig, cut)

    def measured(amounts: torch.Tensor) -> torch.Tensor:
        verts = torch.from_numpy(rig.verts) + torch.tensordot(amounts, torch.from_numpy(fields.verts), 1)
        joints = torch.from_numpy(rig.joints) + torch.tensordot(amounts, torch.from_numpy(fields.joints), 1)
        return measure_people(landmarks, verts, joints, rig)

    zero = torch.zeros(len(fields.verts), dtype=torch.float64)
    return torch.autograd.functional.jacobian(measured, zero).numpy()


def _meet_survey(response: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means [2 n] and covariances [2 n n] of women and men near the prior that have the survey's moments.

    Two corrections in turn until both hold: the Gaussian nearest to the present one (in relative entropy) whose
    measurements have the survey's moments; and removing from every proportion its regression on size.
    """
    n = len(prior)
    mean, covariance = np.zeros((2, n)), np.stack([prior, prior])
    target = MEANS - MEAN
    for _ in range(ROUNDS):
        for s in range(2):
            predicted = response @ covariance[s] @ response.T
            gain = np.linalg.solve(predicted, response @ covariance[s]).T
            mean[s] += gain @ (target[s] - response @ mean[s])
            covariance[s] += gain @ (COVARIANCES[s] - predicted) @ gain.T
        mixture = _mixture(mean, covariance)
        shear = np.eye(n)
        shear[1:, 0] = -mixture[1:, 0] / mixture[0, 0]
        gap = np.abs(mixture[1:, 0]).max() / mixture[0, 0] ** 0.5 / np.diag(mixture)[1:].max() ** 0.5
        mean, covariance = mean @ shear.T, shear @ covariance @ shear.T
    log.info("population: size and proportions correlate by %.0e before the last correction", gap)
    return mean, covariance


def _mixture(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Covariance of half women, half men, whose joint mean is zero."""
    return covariance.mean(0) + mean.T @ mean / 2


def _principal_mix(fields: Fields, covariance: np.ndarray, hand_verts: int) -> np.ndarray:
    """Rows [1 + count, fields]: size and the main proportions, each for one standard deviation."""
    flat = fields.verts[1:, :hand_verts].reshape(len(fields.verts) - 1, -1)
    root = np.linalg.cholesky(covariance[1:, 1:] + 1e-14 * np.eye(len(flat)))
    values, vectors = np.linalg.eigh(root.T @ (flat @ flat.T) @ root)
    mix = np.zeros((1 + PROPORTIONS, 1 + len(flat)))
    mix[0, 0] = np.sqrt(covariance[0, 0])
    mix[1:, 1:] = (root @ vectors[:, ::-1][:, :PROPORTIONS]).T
    mix[1:] *= np.sign(mix[1:].sum(1, keepdims=True))
    share = values[::-1][:PROPORTIONS].cumsum() / values.sum()
    log.info("cumulative share of nine proportions: %s", np.round(share, 3))
    return mix
