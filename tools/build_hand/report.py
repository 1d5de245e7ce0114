"""The shipped hand's measurements beside their targets, as Markdown tables."""

from __future__ import annotations

import numpy as np
import torch

from ownhand.hand.builtin import open_hand
from ownhand.hand.measure import SURVEY, survey_measurements
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import FINGERS
from ownhand.structs import given
from ownhand.synth.people.population import draw_people
from ownhand.synth.poses.mixture import sample_poses
from tools.build_hand.rig import BONES, PULP
from tools.build_hand.survey import CORRELATIONS, MEANS, SDS, SEXES
from tools.build_hand.unfold import agreement, bend, normals

PEOPLE, POSED = 5000, 1000


def report() -> str:
    """Bones of the mean hand, the survey's moments over 5,000 drawn adults, and folds over 1,000 people in poses."""
    model = open_hand()
    joints = model.shaped(torch.zeros(10)).joints[1:].reshape(5, 4, 3).numpy()
    bones = 1000 * np.linalg.norm(np.diff(joints, axis=1), axis=-1) - [0, 0, 1000 * PULP]
    lines = ["| bones, mm | model | target |", "|---|---|---|"]
    for name, ours, target in zip(FINGERS, bones, 1000 * BONES, strict=True):
        lines.append(f"| {name} | {_joined(ours)} | {_joined(target)} |")
    shape, is_male = draw_people(PEOPLE, 0)
    values = survey_measurements(model, shape).numpy()
    for sex, name in enumerate(SEXES):
        own = values[is_male.numpy() == bool(sex)]
        lines += ["", f"| {name} ({len(own)} drawn), mm | model | survey |", "|---|---|---|"]
        for k, quantity in enumerate(SURVEY):
            ours = f"{own[:, k].mean():.1f} ± {own[:, k].std():.1f}"
            lines.append(f"| {quantity.replace('_', ' ')} | {ours} | {MEANS[sex, k]:.1f} ± {SDS[sex, k]:.1f} |")
        gap = np.abs(np.corrcoef(own.T) - CORRELATIONS[sex]).max()
        lines.append(f"| largest gap between correlations | {gap:.3f} | |")
    return "\n".join([*lines, "", _folds(model)])


def _folds(model: HandModel) -> str:
    """How many faces fold over people in drawn poses, and the smallest face."""
    shape, R = draw_people(POSED, 7)[0], sample_poses(POSED, 8, given(model.axes, "anatomical axes"))
    folded, smallest = 0, np.inf
    for s, r in zip(shape.split(50), R.split(50), strict=True):
        bent = bend(model, s, r)
        corners = bent.posed(model.pose_basis.double())[:, model.faces]
        folded += int((agreement(corners, bent.wanted) <= 0).sum())
        smallest = min(smallest, 1e6 * normals(corners).norm(dim=-1).min().item() / 2)
    count = POSED * len(model.faces)
    return f"{POSED} people in drawn poses: {folded} of {count} faces folded, the smallest {smallest:.2f} mm²"


def _joined(lengths: np.ndarray) -> str:
    return " / ".join(f"{x:.1f}" for x in lengths)
