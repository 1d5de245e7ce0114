"""Coarser meshes whose vertices are some of the finer one's, and the way back up."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

BOUNDARY = 100.0
"""How much more a boundary's edge resists than a face of its size."""


def decimate(
    verts: Float[np.ndarray, "verts 3"], faces: Int[np.ndarray, "faces 3"], count: int
) -> tuple[Int[np.ndarray, "count"], Int[np.ndarray, "coarse 3"]]:
    """Collapse edges into one of their ends, the cheapest first by its quadric error (Garland & Heckbert 1997).

    A collapse that would glue parts together (link condition) is left out; one that would fold a face over is, as long
    as there are others. Boundaries shrink along themselves only, which an upright plane on each of their edges makes
    costly where they bend.

    Args:
        verts: Positions.
        faces: Counter-clockwise triangles of a manifold.
        count: Vertices to keep.

    Returns:
        Which vertices are kept, ascending, and the faces between them, in their numbers among the kept ones.

    Raises:
        ValueError: There are not so many vertices, or no further edge can be collapsed.
    """
    if not 3 < count <= len(verts):
        raise ValueError(f"expected to keep between 4 and {len(verts)} vertices, got {count}")
    mesh = _Mesh.of(np.asarray(verts, dtype=np.float64), np.asarray(faces))
    alone = sum(not around for around in mesh.around)
    if alone:
        raise ValueError(f"expected every vertex in a face, but {alone} are in none")
    left, before, heap, fold = len(verts), -1, [], False
    while left > count:
        if not heap:  # what could not be collapsed once may be later
            if left == before and fold:
                raise ValueError(f"only {len(verts) - left} of {len(verts) - count} vertices can be taken away")
            fold = left == before
            heap, before = [mesh.candidate(a, b) for a, b in mesh.edges()], left
            heapq.heapify(heap)
        _, gone, kept, *versions = heapq.heappop(heap)
        if versions != [mesh.version[gone], mesh.version[kept]] or not mesh.can_collapse(gone, kept, fold):
            continue
        mesh.collapse(gone, kept)
        for end in mesh.neighbours(kept):
            heapq.heappush(heap, mesh.candidate(kept, end))
            heapq.heappush(heap, mesh.candidate(end, kept))
        left -= 1
    alive = np.array([i for i, around in enumerate(mesh.around) if around])
    number = np.full(len(verts), -1)
    number[alive] = np.arange(len(alive))
    return alive, number[np.array([face for face in mesh.faces if face is not None])]


def barycentric(
    points: Float[np.ndarray, "points 3"], verts: Float[np.ndarray, "verts 3"], faces: Int[np.ndarray, "faces 3"]
) -> tuple[Int[np.ndarray, "points 3"], Float[np.ndarray, "points 3"]]:
    """The nearest place of a mesh to each point, as three vertices and their weights (0 to 1, sum 1)."""
    corners = verts[faces]
    best_distance = np.full(len(points), np.inf)
    best_face, best_weights = np.zeros(len(points), dtype=np.int64), np.zeros((len(points), 3))
    for number, (a, b, c) in enumerate(corners):
        weights = _nearest_in_triangle(points, a, b, c)
        distance = np.linalg.norm(weights @ np.stack([a, b, c]) - points, axis=1)
        nearer = distance < best_distance
        best_distance[nearer], best_face[nearer] = distance[nearer], number
        best_weights[nearer] = weights[nearer]
    return faces[best_face], best_weights


@dataclass
class _Mesh:
    """A mesh in the middle of being made coarser.

    Attributes:
        verts: Positions; they never move.
        faces: Corners; None once a face is gone.
        around: Faces at each vertex; empty once it is gone.
        quadrics: Sum of squared distances to the planes that a vertex stands for, as a form of (x, y, z, 1).
        version: Counts the changes of a vertex, so that old costs are recognised.
    """

    verts: np.ndarray
    faces: list[tuple[int, int, int] | None]
    around: list[set[int]]
    quadrics: np.ndarray
    version: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, verts: np.ndarray, faces: np.ndarray) -> _Mesh:
        around: list[set[int]] = [set() for _ in verts]
        quadrics, sides = np.zeros((len(verts), 4, 4)), {}
        for number, face in enumerate(faces.tolist()):
            a, b, c = verts[face]
            normal = np.cross(b - a, c - a)
            quadric = _plane(normal, a, np.linalg.norm(normal) / 2)
            for place, corner in enumerate(face):
                around[corner].add(number)
                quadrics[corner] += quadric
                side = (corner, face[(place + 1) % 3])
                sides[side] = normal
        for (a, b), normal in sides.items():
            if (b, a) not in sides:
                along = verts[b] - verts[a]
                quadric = _plane(np.cross(normal, along), verts[a], BOUNDARY * float(along @ along))
                quadrics[[a, b]] += quadric
        return cls(verts, [tuple(face) for face in faces.tolist()], around, quadrics, [0] * len(verts))

    def neighbours(self, vertex: int) -> set[int]:
        return {corner for face in self.around[vertex] for corner in self._corners(face)} - {vertex}

    def edges(self) -> list[tuple[int, int]]:
        """Every edge, in both directions."""
        return [(a, b) for a in range(len(self.verts)) for b in sorted(self.neighbours(a))]

    def cost(self, gone: int, kept: int) -> float:
        """Of collapsing one vertex into the other; a hair more for longer edges, which settles ties on flat ground."""
        at = np.append(self.verts[kept], 1)
        edge = self.verts[kept] - self.verts[gone]
        return float(at @ (self.quadrics[gone] + self.quadrics[kept]) @ at) + 1e-9 * float(edge @ edge)

    def candidate(self, gone: int, kept: int) -> tuple[float, int, int, int, int]:
        return self.cost(gone, kept), gone, kept, self.version[gone], self.version[kept]

    def can_collapse(self, gone: int, kept: int, fold: bool) -> bool:
        shared = self.around[gone] & self.around[kept]
        if not shared:
            return False
        opposite = {corner for face in shared for corner in self._corners(face)} - {gone, kept}
        if self.neighbours(gone) & self.neighbours(kept) != opposite:
            return False
        if self._on_boundary(gone) and len(shared) != 1:
            return False
        # The last faces of a part must not vanish.
        if len(self.around[gone] | self.around[kept]) <= 2 + len(shared):
            return False
        return fold or not self._folds(gone, kept, shared)

    def _folds(self, gone: int, kept: int, shared: set[int]) -> bool:
        for face in self.around[gone] - shared:
            corners = self._corners(face)
            before = self.verts[list(corners)]
            after = self.verts[[kept if corner == gone else corner for corner in corners]]
            normal, turned = (np.cross(x[1] - x[0], x[2] - x[0]) for x in (before, after))
            if normal @ turned <= 0.2 * np.linalg.norm(normal) * np.linalg.norm(turned):
                return True
        return False

    def collapse(self, gone: int, kept: int) -> None:
        for face in list(self.around[gone]):
            corners = self._corners(face)
            if kept in corners:
                for corner in corners:
                    self.around[corner].discard(face)
                self.faces[face] = None
            else:
                a, b, c = (kept if corner == gone else corner for corner in corners)
                self.faces[face] = (a, b, c)
                self.around[kept].add(face)
        self.around[gone] = set()
        self.quadrics[kept] += self.quadrics[gone]
        self.version[gone] += 1
        self.version[kept] += 1

    def _on_boundary(self, vertex: int) -> bool:
        return len(self.neighbours(vertex)) != len(self.around[vertex])

    def _corners(self, face: int) -> tuple[int, int, int]:
        corners = self.faces[face]
        assert corners is not None
        return corners


def _plane(normal: np.ndarray, point: np.ndarray, weight: float) -> np.ndarray:
    length = np.linalg.norm(normal)
    if length == 0:
        return np.zeros((4, 4))
    plane = np.append(normal, -normal @ point) / length
    return weight * np.outer(plane, plane)


def _nearest_in_triangle(points: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Weights of the corners: of the plane's nearest point if that is inside, else of the sides' nearest."""
    sides = np.stack([b - a, c - a], 1)
    inside = np.linalg.lstsq(sides, (points - a).T, rcond=None)[0].T
    weights = np.column_stack([1 - inside.sum(1), inside])
    outside = (weights < 0).any(1)
    if outside.any():
        corners, best = np.stack([a, b, c]), np.full(int(outside.sum()), np.inf)
        found = np.zeros((len(best), 3))
        for first, second in ((0, 1), (1, 2), (2, 0)):
            along = corners[second] - corners[first]
            share = np.clip((points[outside] - corners[first]) @ along / max(along @ along, 1e-30), 0, 1)
            candidate = np.zeros((len(best), 3))
            candidate[:, first], candidate[:, second] = 1 - share, share
            distance = np.linalg.norm(candidate @ corners - points[outside], axis=1)
            nearer = distance < best
            best[nearer], found[nearer] = distance[nearer], candidate[nearer]
        weights[outside] = found
    return weights
