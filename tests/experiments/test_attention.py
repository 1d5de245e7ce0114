"""The sheet of METRO's attention shows how strong it is, not only where it is strongest."""

import torch

from ownhand.experiments.figures import FULL, _attention


def test_even_attention_is_drawn_fainter_than_attention_to_one_token():
    points = torch.full((100, 2), 8.0)
    points[1] = 88.0  # the line to it crosses the middle of the picture, which nothing else does
    even, to_one = torch.full((100,), 0.01), torch.full((100,), (1 - FULL / 100) / 99)
    even[1] = 0.0101  # among those that are drawn
    to_one[1] = FULL / 100
    middle = [
        _attention(torch.zeros(3, 96, 96), points, 0, shares)[:, 46:51, 46:51].mean() for shares in (even, to_one)
    ]
    assert middle[0] > 0.1
    assert middle[1] > 1.5 * middle[0]
