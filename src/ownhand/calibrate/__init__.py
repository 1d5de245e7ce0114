"""Calibration: many pictures of one person in, the person's shape with error bars out."""

from ownhand.calibrate.calibration import (
    Calibration,
    Method,
    calibrate,
    combine,
    find_outliers,
    observed,
    picture_weights,
    update,
)
from ownhand.calibrate.errors import Anchor, ErrorModel, coverage, standardised
from ownhand.calibrate.metric import mesh_jacobian, shape_metric
from ownhand.calibrate.one_person import Division, divide, divided, strangers
from ownhand.calibrate.outlook import BEST, MORE, Outlook, expected_error_mm, outlook
from ownhand.calibrate.validation import KnownPerson, choose_weight_map, combined, fit_error_model
from ownhand.calibrate.weights import WeightMap, alike, most_different, weight_map_candidates

__all__ = [
    "BEST",
    "MORE",
    "Anchor",
    "Calibration",
    "Division",
    "ErrorModel",
    "KnownPerson",
    "Method",
    "Outlook",
    "WeightMap",
    "alike",
    "calibrate",
    "choose_weight_map",
    "combine",
    "combined",
    "coverage",
    "divide",
    "divided",
    "expected_error_mm",
    "find_outliers",
    "fit_error_model",
    "mesh_jacobian",
    "most_different",
    "observed",
    "outlook",
    "picture_weights",
    "shape_metric",
    "standardised",
    "strangers",
    "update",
    "weight_map_candidates",
]
