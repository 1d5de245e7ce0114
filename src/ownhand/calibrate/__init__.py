"""Calibration: many pictures of one person in, the person's shape with error bars out."""

from ownhand.calibrate.calibration import Calibration, Method, calibrate, combine, find_outliers, observed, update
from ownhand.calibrate.errors import Anchor, ErrorModel, coverage, standardised
from ownhand.calibrate.metric import mesh_jacobian, shape_metric
from ownhand.calibrate.validation import KnownPerson, choose_weight_map, combined, fit_error_model
from ownhand.calibrate.weights import WeightMap, alike, most_different, weight_map_candidates

__all__ = [
    "Anchor",
    "Calibration",
    "ErrorModel",
    "KnownPerson",
    "Method",
    "WeightMap",
    "alike",
    "calibrate",
    "choose_weight_map",
    "combine",
    "combined",
    "coverage",
    "find_outliers",
    "fit_error_model",
    "mesh_jacobian",
    "most_different",
    "observed",
    "shape_metric",
    "standardised",
    "update",
    "weight_map_candidates",
]
