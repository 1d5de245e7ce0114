"""Spirals over meshes (Gong et al. 2019, SpiralNet++): each vertex's surroundings in one fixed order."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def spirals(
    verts: Float[np.ndarray, "verts 3"], faces: Int[np.ndarray, "faces 3"], length: int
) -> Int[np.ndarray, "verts length"]:
    """The first vertices of a spiral around every vertex: itself, its neighbours in order, then theirs, and so on.

    Rings run counter-clockwise seen from outside. The first one starts with the nearest neighbour, or where the faces
    around a boundary's vertex begin; later ones follow the ring within.

    Args:
        verts: Positions of the template.
        faces: Counter-clockwise triangles of a manifold.
        length: Of the spirals.

    Raises:
        ValueError: A vertex is connected to fewer others than that.
    """
    ring = [_ring(verts, vertex, after) for vertex, after in enumerate(_following(faces, len(verts)))]
    found = np.zeros((len(verts), length), dtype=np.int64)
    for vertex in range(len(verts)):
        order, seen, current = [vertex], {vertex}, [vertex]
        while current and len(order) < length:
            following = []
            for inner in current:
                around = ring[inner]
                known = [place for place, other in enumerate(around) if other in seen]
                start = known[-1] + 1 if known else 0
                for other in around[start:] + around[:start]:
                    if other not in seen:
                        seen.add(other)
                        following.append(other)
            order += following
            current = following
        if len(order) < length:
            raise ValueError(f"expected {length} vertices around vertex {vertex}, which is connected to {len(order)}")
        found[vertex] = order[:length]
    return found


def _following(faces: np.ndarray, count: int) -> list[dict[int, int]]:
    """Around each vertex: the neighbour that follows a neighbour, counter-clockwise."""
    after: list[dict[int, int]] = [{} for _ in range(count)]
    for a, b, c in faces.tolist():
        after[a][b], after[b][c], after[c][a] = c, a, b
    return after


def _ring(verts: np.ndarray, vertex: int, after: dict[int, int]) -> list[int]:
    """A vertex's neighbours in order."""
    if not after:
        return []
    beginnings = sorted(after.keys() - set(after.values()))
    start = beginnings[0] if beginnings else min(after, key=lambda n: np.linalg.norm(verts[n] - verts[vertex]))
    ring = [start]
    while (following := after.get(ring[-1])) is not None and following != start:
        ring.append(following)
    return ring
