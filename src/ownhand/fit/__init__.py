"""A hand of known shape fitted to its 2D keypoints: position first, then pose by Levenberg-Marquardt.

Nothing here is differentiable: fitting happens after training.
"""

from ownhand.fit.fitting import FitResult, fit, shape_likelihood
from ownhand.fit.placing import believe, distance_at_which_it_fills, place

__all__ = ["FitResult", "believe", "distance_at_which_it_fills", "fit", "place", "shape_likelihood"]
