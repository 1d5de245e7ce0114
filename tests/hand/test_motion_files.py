"""Motion in files, read back."""

import re

import numpy as np
import pytest
import roma
import torch
from toy import random_pose, toy_hand

from ownhand.hand.mano import pose_from_mano
from ownhand.hand.model import mirror_pose
from ownhand.hand.motion import write_arrays, write_bvh
from ownhand.hand.skeleton import JOINTS, PARENTS_21

HALF_TURN = torch.diag(torch.tensor([1.0, -1.0, -1.0]))


def read_bvh(path):
    """Joint positions [frames 21 3] in metres, in the file's frame, by a reader that knows nothing of hands."""
    words = path.read_text().split()
    names, parents, offsets, channels, stack, place = [], [], [], [], [], 1
    while words[place] != "MOTION":
        word = words[place]
        if word in ("ROOT", "JOINT", "End"):
            names.append(words[place + 1] if word != "End" else f"end of {names[stack[-1]]}")
            parents.append(stack[-1] if stack else -1)
            channels.append([])
            place += 2
        elif word == "{":
            stack.append(len(names) - 1)
            place += 1
        elif word == "}":
            stack.pop()
            place += 1
        elif word == "OFFSET":
            offsets.append([float(x) for x in words[place + 1 : place + 4]])
            place += 4
        else:
            count = int(words[place + 1])
            channels[-1] = words[place + 2 : place + 2 + count]
            place += 2 + count
    frames, seconds = int(words[place + 2]), float(words[place + 5])
    values = np.array([float(x) for x in words[place + 6 :]]).reshape(frames, -1)
    found = np.zeros((frames, len(names), 3))
    for f in range(frames):
        turns, column = [], 0
        for i, offset in enumerate(offsets):
            R, t = np.eye(3), np.array(offset)
            for channel in channels[i]:
                value = values[f, column]
                axis = "XYZ".index(channel[0])
                if channel.endswith("position"):
                    t = t + value * np.eye(3)[axis]
                else:
                    R = R @ roma.rotvec_to_rotmat(torch.tensor(np.radians(value) * np.eye(3)[axis])).numpy()
                column += 1
            p = parents[i]
            turns.append(R if p < 0 else turns[p] @ R)
            found[f, i] = t if p < 0 else found[f, p] + turns[p] @ t
    return names, parents, found / 100, seconds


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_bvh_file_holds_the_joints_of_every_frame(tmp_path, side):
    model = toy_hand() if side == "right" else toy_hand().mirrored()
    hand, pose = model.shaped(torch.randn(10)), random_pose(5)
    write_bvh(tmp_path / "clip.bvh", hand, pose, fps=25)
    names, parents, found, seconds = read_bvh(tmp_path / "clip.bvh")
    assert seconds == pytest.approx(0.04)
    tip = "end of (.*)_(dip|ip)"
    order = [JOINTS.index(re.sub(tip, r"\1_tip", name)) for name in names]
    assert sorted(order) == list(range(21))
    assert [-1 if p < 0 else order[p] for p in parents] == [PARENTS_21[j] for j in order]
    joints = hand.posed(pose).joints @ HALF_TURN
    rotating = [place for place, joint in enumerate(order) if not JOINTS[joint].endswith("_tip")]
    mine = joints[:, [order[place] for place in rotating]]
    torch.testing.assert_close(torch.from_numpy(found[:, rotating]).float(), mine, atol=2e-5, rtol=0)
    tips = [place for place in range(21) if place not in rotating]
    away = torch.from_numpy(found[:, tips]).float() - joints[:, [order[place] for place in tips]]
    assert away.norm(dim=-1).max() < 5e-3  # pose correctives move fingertips a little


@pytest.mark.parametrize("is_right", [True, False])
def test_arrays_give_the_pose_back(tmp_path, is_right):
    model, shape, pose = toy_hand(), torch.randn(4, 10), random_pose(4)
    times = torch.arange(4) / 25
    write_arrays(tmp_path / "a.npz", model, shape, pose, is_right=is_right, names=list("abcd"), times=times)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        found = {name: torch.from_numpy(x) for name, x in arrays.items() if x.dtype == np.float32}
        assert str(arrays["model"]) == model.id
        assert arrays["names"].tolist() == list("abcd")
    back = pose_from_mano(
        model, found["global_orient"], found["hand_pose"], found["transl"], found["betas"],
        flat_hand_mean=True, is_right=is_right,
    )  # fmt: skip
    torch.testing.assert_close(back.R_parent_joint, pose.R_parent_joint, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.t_cam_root, pose.t_cam_root, atol=1e-6, rtol=0)
    shown, hand = (pose, model) if is_right else (mirror_pose(pose), model.mirrored())
    torch.testing.assert_close(found["joints"], hand.shaped(shape).posed(shown).joints)
    torch.testing.assert_close(found["rotations"][:, 1:], shown.R_parent_joint)
    torch.testing.assert_close(found["times"], times)
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz"}
