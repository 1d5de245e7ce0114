"""Confidence judged as confidence: does it order pictures by their error?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray


def ranking_accuracy(
    confidence: Float[Array, "n"], error: Float[Array, "n"], subject: Int[Array, "n"]
) -> dict[int, float]:
    """For each person, the share of pairs of pictures in which the more confident one has the smaller error.

    0.5 is chance. Pairs of equal confidence count half, pairs of equal error not at all.

    Args:
        confidence: Of each picture, larger is better.
        error: Of each picture.
        subject: Whose picture it is; people without a pair are left out.
    """
    found = {}
    for person in np.unique(subject).tolist():
        c, e = confidence[subject == person], error[subject == person]
        i, j = np.triu_indices(len(c), 1)
        differs = e[i] != e[j]
        i, j = i[differs], j[differs]
        if len(i):
            agrees = np.sign(c[i] - c[j]) * np.sign(e[j] - e[i])
            found[person] = float((agrees.mean() + 1) / 2)
    return found


def sparsification(
    confidence: Float[Array, "n"], error: Float[Array, "n"], kept: Float[Array, "points"]
) -> Float[Array, "points"]:
    """Mean error of the most confident pictures, for each share of them that is kept (Ilg et al. 2018).

    With `-error` for confidence it is the best that any confidence could do.

    Args:
        confidence: Of each picture, larger is better; of equal ones the earlier is kept.
        error: Of each picture.
        kept: Shares in (0, 1].
    """
    best_first = error[np.argsort(-confidence, kind="stable")]
    running = np.cumsum(best_first) / np.arange(1, len(error) + 1)
    count = np.clip(np.ceil(kept * len(error) - 1e-9).astype(int), 1, len(error))
    return running[count - 1]


def area_under_sparsification_error(confidence: Float[Array, "n"], error: Float[Array, "n"]) -> float:
    """How far sparsification lies above the best possible, over all shares, in units of the mean error of all.

    0 is a perfect order; an order by chance gives what the best possible one gains.
    """
    kept = np.arange(1, len(error) + 1) / len(error)
    gap = sparsification(confidence, error, kept) - sparsification(-error, error, kept)
    return float(gap.mean() / error.mean())
