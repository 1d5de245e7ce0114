"""The shipped hand's measurements beside their targets, as Markdown tables."""

from __future__ import annotations

import numpy as np
import torch

from ownhand.hand.builtin import open_hand
from ownhand.hand.measure import SURVEY, survey_measurements
from ownhand.hand.skeleton import FINGERS
from ownhand.synth.population import draw_people
from tools.build_hand.rig import BONES, PULP
from tools.build_hand.survey import CORRELATIONS, MEANS, SDS, SEXES

PEOPLE = 5000


def report() -> str:
    """Bones of the mean hand, then the survey's moments over 5,000 drawn adults."""
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
    return "\n".join(lines)


def _joined(lengths: np.ndarray) -> str:
    return " / ".join(f"{x:.1f}" for x in lengths)
