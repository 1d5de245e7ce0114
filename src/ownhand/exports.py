"""Hands for other programs and other hand models, from `.hand` files and from what `ownhand reconstruct` wrote."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from ownhand import __version__
from ownhand.console import check_writable
from ownhand.files import write_text
from ownhand.hand.builtin import open_hand
from ownhand.hand.convert import converted
from ownhand.hand.drawing import draw_hand
from ownhand.hand.export import write_glb, write_mesh
from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import Identity, measurements_mm
from ownhand.hand.mano import load_mano
from ownhand.hand.model import HandModel, HandPose, at_rest, mirror_pose
from ownhand.hand.motion import write_arrays, write_bvh
from ownhand.hand.usd import SUFFIXES as USD
from ownhand.hand.usd import write_usd
from ownhand.structs import stack

SCHEMA = "ownhand reconstruction 1"
MANO_FILE = "MANO_RIGHT.pkl"

FPS = 30.0
"""Frames per second of exported motion where neither the files nor the user say."""


def draw_hand_file(source: Path, out: Path, *, mano: Path | None) -> None:
    """`ownhand info --picture`: the hand from above with its lengths."""
    if out.suffix.lower() != ".svg":
        raise ValueError(f"{out}: expected a picture ending in .svg")
    check_writable(out.parent)
    identity = load_identity(source)
    write_text(out, draw_hand(identity, _model_of(identity, mano), title=source.name))


def convert_hand_file(source: Path, out: Path, *, mano: Path | None) -> None:
    """`ownhand export --mano`: a `.hand` file of the open hand for MANO, or of MANO for the open hand."""
    if mano is None:
        raise ValueError(f"{out}: expected --mano FOLDER, the hand model to convert to or from")
    check_writable(out.parent)
    identity, ours, theirs = load_identity(source), open_hand(), load_mano(mano / MANO_FILE)
    source_model, target = (ours, theirs) if identity.model_id == ours.id else (theirs, ours)
    answer, differ = converted(identity, source_model, target)
    rms, most = float(differ.square().mean().sqrt()), float(differ.abs().max())
    provenance = {
        "software": f"ownhand {__version__}",
        "converted": f"from {source.name}, of the hand model {source_model.id}",
        "lengths_differ_mm": {"root mean square": rms, "largest": most},
        "measurements_mm": {name: list(pair) for name, pair in measurements_mm(answer, target).items()},
    }
    save_identity(answer, out, provenance=provenance)
    shape = " ".join(f"{x:+.2f}" for x in answer.shape.tolist())
    print(f"{out}: the hand in the coefficients of {target.id}: {shape}")
    print(f"  Its {len(differ)} lengths differ by {rms:.2f} mm (root mean square), at most by {most:.2f} mm.")


def _model_of(identity: Identity, mano: Path | None) -> HandModel:
    """The open hand, or MANO if its folder is given."""
    model = open_hand() if mano is None else load_mano(mano / MANO_FILE)
    identity.check_model(model)
    return model


def export_hand(source: Path, out: Path, *, side: str, fps: float | None, mano: Path | None) -> None:
    """`ownhand export`: a `.hand` file at rest, or reconstructions in their poses, as a mesh or a motion."""
    suffix = out.suffix.lower()
    if suffix == ".hand":
        convert_hand_file(source, out, mano=mano)
        return
    if suffix not in (".glb", *USD, ".obj", ".ply", ".bvh", ".npz"):
        raise ValueError(f"{out}: expected a file ending in .glb, {', '.join(USD)}, .obj, .ply, .bvh, .npz or .hand")
    if mano is not None:
        raise ValueError(f"{out}: expected a file ending in .hand with --mano, which converts between hand models")
    check_writable(out.parent)
    model, pose, names, times = open_hand(), None, ["rest"], torch.zeros(1)
    if source.is_dir() or source.suffix == ".json":
        files = sorted(source.glob("*.json")) if source.is_dir() else [source]
        if not files:
            raise ValueError(f"{source}: expected a folder written by `ownhand reconstruct`, found no .json in it")
        found = [_read_reconstruction(path, model.id) for path in files]
        if len({is_right for _, _, is_right, _ in found}) > 1:
            raise ValueError(f"{source}: expected hands of one side, got left and right ones")
        times = _times(source, [time for *_, time in found], fps)
        shape, pose, is_right = torch.stack([f[0] for f in found]), stack([f[1] for f in found]), found[0][2]
        names = [path.stem for path in files]
    else:
        shape, is_right = load_identity(source, model).shape.to(model.template)[None], side == "right"
    if suffix in (".bvh", ".npz"):
        shown = at_rest(1) if pose is None else pose
        right = shown if is_right or pose is None else mirror_pose(shown)
        if suffix == ".npz":
            write_arrays(out, model, shape, right, is_right=is_right, names=names, times=times)
        else:
            hand = (model if is_right else model.mirrored()).shaped(shape.mean(0))
            every = float(times.diff().median()) if len(times) > 1 else 1 / (fps or FPS)
            evenly = times[0] + every * torch.arange(int((times[-1] - times[0]) / every + 1.5))
            shown = right[torch.searchsorted(times, evenly + every / 2) - 1]
            write_bvh(out, hand, shown if is_right else mirror_pose(shown), fps=1 / every)
        print(f"{out}: {'right' if is_right else 'left'} hand, {len(names)} frame{'s' if len(names) > 1 else ''}")
        return
    if suffix == ".glb" or suffix in USD:
        right_pose = pose if pose is None or is_right else mirror_pose(pose)
        if right_pose is not None and len(names) == 1:
            right_pose = right_pose[0]
        write = write_glb if suffix == ".glb" else write_usd
        write(out, model.shaped(shape.mean(0)), right_pose, times=times if len(names) > 1 else None, is_right=is_right)
    elif len(names) > 1:
        raise ValueError(f"{source}: expected one reconstruction for a {suffix} file, got {len(names)}")
    else:
        shape, pose = shape[0], None if pose is None else pose[0]
        hand = (model if is_right else model.mirrored()).shaped(shape)
        write_mesh(out, hand.verts if pose is None else hand.posed(pose).verts, hand.model.faces)
    moving = f", {len(names)} frames in {times[-1] - times[0]:.2f} s" if len(names) > 1 else ""
    print(f"{out}: {'right' if is_right else 'left'} hand, {len(model.template)} vertices{moving}")


def _times(source: Path, known: list[float | None], fps: float | None) -> Tensor:
    """When each frame was taken [s]: `fps` decides, else the files (`ownhand track` writes it), else FPS."""
    if fps is not None and not 0 < fps < math.inf:
        raise ValueError(f"expected a positive number of frames per second, got {fps:g}")
    if fps is None and None not in known:
        times = torch.tensor(known, dtype=torch.float64)
        if not times.isfinite().all() or (times < 0).any() or (times.diff() <= 0).any():
            raise ValueError(f"{source}: expected times that grow from frame to frame; --fps replaces them")
        return times
    return torch.arange(len(known), dtype=torch.float64) / (fps or FPS)


def _read_reconstruction(path: Path, model_id: str) -> tuple[torch.Tensor, HandPose, bool, float | None]:
    try:
        content = json.loads(path.read_text())
        if content["format"] != SCHEMA or content["model"] != model_id:
            raise ValueError(f"it is {content['format']!r} for the hand model {content['model']!r}")
        pose = HandPose(**{name: torch.tensor(value) for name, value in content["pose"].items()})
        time = None if content.get("time") is None else float(content["time"])
        return torch.tensor(content["shape"]), pose, bool(content["is_right"]), time
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a file written by `ownhand reconstruct` ({error})") from None
