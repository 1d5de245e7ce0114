"""Files for public benchmarks, read back as their programs do."""

import json

import numpy as np
import pytest
import torch

from ownhand.experiments.submissions import write_dexycb, write_freihand, write_ho3d
from ownhand.hand.skeleton import JOINTS

JOINTS_M = 0.1 * torch.randn(3, 21, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([0, 0, 0.5])
VERTS_M = 0.1 * torch.randn(3, 778, 3, generator=torch.Generator().manual_seed(1))


def test_freihand_is_a_pair_of_lists(tmp_path):
    write_freihand(tmp_path / "pred.json", JOINTS_M, VERTS_M)
    joints, verts = json.loads((tmp_path / "pred.json").read_text())
    np.testing.assert_allclose(joints, JOINTS_M, atol=1e-7)
    np.testing.assert_allclose(verts, VERTS_M, atol=1e-7)


def test_ho3d_has_its_own_joints_and_axes(tmp_path):
    """Reordered to ours by the map that HO-3D's own loader uses (its jointsMapManoToSimple)."""
    write_ho3d(tmp_path / "pred.json", JOINTS_M, VERTS_M)
    joints, verts = (np.array(x) for x in json.loads((tmp_path / "pred.json").read_text()))
    simple = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
    opencv = np.array([1, -1, -1])
    np.testing.assert_allclose(joints[:, simple] * opencv, JOINTS_M, atol=1e-7)
    np.testing.assert_allclose(verts * opencv, VERTS_M, atol=1e-7)


def test_dexycb_has_a_picture_per_line_in_millimetres(tmp_path):
    write_dexycb(tmp_path / "s1.txt", [7, 3, 9], JOINTS_M)
    lines = [line.split(",") for line in (tmp_path / "s1.txt").read_text().splitlines()]
    assert [len(line) for line in lines] == [64] * 3
    assert [int(line[0]) for line in lines] == [7, 3, 9]
    tip = 1 + 3 * JOINTS.index("index_tip")
    np.testing.assert_allclose([float(x) for x in lines[1][tip : tip + 3]], 1000 * JOINTS_M[1, 8], atol=1e-3)
    with pytest.raises(ValueError, match="expected joints of 2 pictures"):
        write_dexycb(tmp_path / "s1.txt", [7, 3], JOINTS_M)
