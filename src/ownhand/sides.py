"""Left or right: of one hand, and of the hands in all pictures that somebody gives together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

SURE = 20.0
"""Log odds of a side that a locator knows."""

SHARES = 101
"""Shares of right hands among which a mixture is averaged."""


def sides_together(log_odds: Sequence[float]) -> list[bool]:
    """Which hands are right ones, in pictures that show one each: all of them, none, or each for itself.

    Somebody who photographs a hand often photographs that one only, and one look errs more often than all together.
    The three answers are equally likely before looking; for the third, any share of right hands is as likely as any
    other, so that some pictures which disagree weakly do not make a mixture, and many or sure ones do.

    Args:
        log_odds: Of each hand, how much likelier it is a right one, by itself.
    """
    if not log_odds:
        return []
    odds = torch.tensor(log_odds, dtype=torch.float64)
    right, left = F.logsigmoid(odds), F.logsigmoid(-odds)
    share = torch.linspace(0, 1, SHARES, dtype=torch.float64)[1:-1, None]
    mixed = torch.logaddexp(share.log() + right, (1 - share).log() + left).sum(-1).logsumexp(0) - math.log(SHARES - 2)
    best = int(torch.stack([right.sum(), left.sum(), mixed]).argmax())
    return (odds >= 0).tolist() if best == 2 else [best == 0] * len(log_odds)
