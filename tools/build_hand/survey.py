"""ANSUR II (2012 survey of US Army personnel, Gordon et al. 2014, Natick/TR-15/007; public data), as moments.

Computed from the individual records: 1,986 women and 4,082 men. Correlations are those of the logarithms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ownhand.hand.measure import SURVEY, SurveyLandmarks
from ownhand.hand.skeleton import ROTATING_21, TIPS_21

if TYPE_CHECKING:
    from tools.build_hand.cut import Cut
    from tools.build_hand.rig import Rig

SEXES = ("women", "men")
MEANS = np.array([[181.1, 108.7, 78.2, 186.6, 154.8], [193.3, 116.5, 88.3, 212.3, 175.9]])  # mm, in the order of SURVEY
SDS = np.array([[10.1, 5.9, 3.8, 8.8, 7.8], [9.9, 6.2, 4.4, 10.2, 9.0]])
_LOG_COVARIANCE = np.array(  # x 1e-4
    [
        [
            [30.55, 25.15, 15.45, 14.69, 15.00],
            [25.15, 29.55, 13.29, 13.00, 13.67],
            [15.45, 13.29, 24.13, 20.76, 16.63],
            [14.69, 13.00, 20.76, 22.41, 17.63],
            [15.00, 13.67, 16.63, 17.63, 25.42],
        ],
        [
            [26.36, 21.71, 14.85, 14.65, 14.26],
            [21.71, 28.45, 12.63, 12.87, 12.72],
            [14.85, 12.63, 24.70, 22.12, 18.04],
            [14.65, 12.87, 22.12, 23.33, 19.00],
            [14.26, 12.72, 18.04, 19.00, 25.85],
        ],
    ]
)
_LOG_SD = np.sqrt(np.diagonal(_LOG_COVARIANCE, axis1=1, axis2=2))
CORRELATIONS = _LOG_COVARIANCE / _LOG_SD[:, :, None] / _LOG_SD[:, None, :]
COVARIANCES = CORRELATIONS * SDS[:, :, None] * SDS[:, None, :]  # mm^2
MEAN = MEANS.mean(0)  # of a population half women, half men
assert MEANS.shape[1] == len(SURVEY)


def landmarks_on(rig: Rig, cut: Cut) -> SurveyLandmarks:
    """Where to measure the rigged template and everybody who deforms it."""
    arrays = (rig.verts, rig.joints, cut.faces, rig.weights)
    return SurveyLandmarks.on(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))


def measure_people(landmarks: SurveyLandmarks, verts: Tensor, joints_16: Tensor, rig: Rig) -> Tensor:
    """Measurements [*batch 5] mm of vertices [*batch verts 3] and joints [*batch 16 3]."""
    joints = joints_16.new_zeros(*joints_16.shape[:-2], 21, 3)
    joints[..., list(ROTATING_21), :] = joints_16
    joints[..., list(TIPS_21), :] = verts[..., rig.tip_verts.tolist(), :]
    return landmarks.measure(verts, joints)


def measure(rig: Rig, cut: Cut) -> np.ndarray:
    """Measurements [5] mm of the rigged template."""
    verts, joints = torch.from_numpy(rig.verts), torch.from_numpy(rig.joints)
    return measure_people(landmarks_on(rig, cut), verts, joints, rig).numpy()
