"""A hand of known shape fitted to its 2D keypoints: position first, then pose by Levenberg-Marquardt.

Nothing here is differentiable: fitting happens after training.
"""

from ownhand.fit.fitting import FitResult, fit
from ownhand.fit.placing import believe, distance_at_which_it_fills, place, place_covariance, register, size_beside
from ownhand.fit.shape import fit_shape, shape_likelihood

__all__ = [
    "FitResult",
    "believe",
    "distance_at_which_it_fills",
    "fit",
    "fit_shape",
    "place",
    "place_covariance",
    "register",
    "shape_likelihood",
    "size_beside",
]
