"""A hand of known shape fitted to its 2D keypoints: position first, then pose by Levenberg-Marquardt.

Nothing here is differentiable: fitting happens after training.
"""

from ownhand.fit.fitting import FitResult, fit, shape_likelihood
from ownhand.fit.placing import place

__all__ = ["FitResult", "fit", "place", "shape_likelihood"]
