"""Warp's start, quiet, and what is kept on a device between pictures."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np
import warp as wp

from ownhand.render.scene import Surface

T = TypeVar("T")
_kept: weakref.WeakKeyDictionary[object, dict[tuple, object]] = weakref.WeakKeyDictionary()


@cache
def start() -> None:
    """Initialise Warp without its greeting and, on a machine without a GPU, without its warning of that.

    The library prints the warning itself, past Python's streams, so these point nowhere meanwhile. Called by whoever
    launches a kernel, never on import: CUDA does not survive a fork.
    """
    wp.config.log_level = wp.LOG_ERROR
    nowhere, stderr = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    try:
        os.dup2(nowhere, 2)
        wp.init()
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)


def kept(owner: object, key: tuple, make: Callable[[], T]) -> T:
    """`make()` once per owner and key; forgotten together with the owner."""
    values = _kept.setdefault(owner, {})
    if key not in values:
        values[key] = make()
    return values[key]  # type: ignore[return-value]


def uploaded(owner: object, name: str, values: np.ndarray, dtype: Any, device: str) -> wp.array:
    """An array of `owner` on a device, uploaded once."""
    return kept(owner, (name, device), lambda: wp.array(values, dtype=dtype, device=device))


def empty(count: int, dtype: Any, device: str) -> wp.array:
    """An array of `count` values that a kernel will write."""
    return wp.empty(count, dtype=dtype, device=device)


def search_tree(surface: Surface, verts: np.ndarray, device: str, occurrence: int = 0) -> wp.Mesh:
    """Warp's mesh of a surface posed as `verts`; refitted where the surface has a rest shape.

    The tree never depends on what was drawn before, so neither does a picture.

    Args:
        surface: Owns the tree.
        verts: Vertex positions [m].
        device: Warp's name of the device.
        occurrence: Tells several meshes of one surface in one scene apart.
    """
    indices = uploaded(surface, "faces", surface.faces.ravel(), wp.int32, device)
    if surface.rest is None:
        return wp.Mesh(wp.array(verts, dtype=wp.vec3, device=device), indices)
    mesh = kept(
        surface,
        ("tree", device, occurrence),
        lambda: wp.Mesh(wp.array(surface.rest, dtype=wp.vec3, device=device), indices),
    )
    mesh.points.assign(verts)
    mesh.refit()
    return mesh
