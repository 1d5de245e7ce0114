"""A hand from above, as a drawing."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch
from toy import toy_hand

from ownhand.hand.builtin import open_hand
from ownhand.hand.drawing import SURE, draw_hand
from ownhand.hand.identity import Identity, measurements_mm

OURS = open_hand()
ME = Identity(shape=torch.linspace(-1, 1, 10), covariance=0.04 * torch.eye(10).double(), model_id=OURS.id)


def words(svg: str) -> str:
    return " ".join(text.strip() for text in ElementTree.fromstring(svg).itertext())


def test_every_length_is_written_with_its_interval():
    svg = draw_hand(ME, OURS, title="<me>")
    for name, (value, error) in measurements_mm(ME, OURS).items():
        expected = f"{name} {value:.0f} mm ({value - SURE * error:.0f} to {value + SURE * error:.0f})"
        assert expected in re.sub(r"\s+", " ", words(svg).replace(") ", ") "))
    assert "<me>" in words(svg)


def test_without_error_bars_no_interval_is_claimed():
    svg = words(draw_hand(replace(ME, covariance=None), OURS))
    assert " to " not in svg
    assert "95" not in svg.replace("95 mm", "")


@pytest.mark.parametrize("model", [OURS, toy_hand()], ids=["open hand", "toy"])
def test_the_drawing_is_life_sized_and_everything_is_inside(model):
    me = replace(ME, model_id=model.id)
    root = ElementTree.fromstring(draw_hand(me, model))
    _, _, wide, tall = map(float, root.get("viewBox").split())
    assert root.get("width") == f"{wide}mm"
    points = [
        tuple(map(float, pair.split(",")))
        for shape in root.iter()
        if shape.get("points")
        for pair in shape.get("points").split()
    ]
    x, y = torch.tensor(points).T
    assert x.min() > 0
    assert y.min() > 0
    assert x.max() < wide
    assert y.max() < tall
    verts = model.shaped(me.shape).verts
    assert float(x.max() - x.min()) * 1e-3 <= float((verts[:, None] - verts[None]).norm(dim=-1).max()) + 1e-3
    bones = [shape.get("points").split()[-1] for shape in root.iter() if shape.tag.endswith("polyline")]
    tips = [tuple(map(float, bone.split(","))) for bone in bones]
    assert tips[0][0] < tips[2][0] < tips[4][0], "on the back of a right hand, the thumb is on the left"
    assert tips[2][1] < tips[0][1], "the middle finger reaches higher than the thumb"
