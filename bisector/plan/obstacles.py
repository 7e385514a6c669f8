"""Which sets cannot be judged at all: a belief over needs and exclusions nobody declared.

A run that crashes in its own way, or says that it cannot be judged, teaches nothing
about blame. It does say that something in its set does not go together, and a planner
that does not listen asks for the same set for ever. Three kinds of obstacle are
weighed: an addition that never runs, one that needs another, two that exclude each
other; they combine as a noisy-or (Pearl, 1988, section 4.3.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bisector.plan.space import Bools

Floats = NDArray[np.float64]

SURE = 0.9999
"""Largest probability that one obstacle can earn: others are always possible."""
WEIGHT = 10.0
"""How much likelier an obstacle becomes with every further set that it explains."""


@dataclass(frozen=True)
class Obstacles:
    """Probabilities of obstacles among n additions."""

    alone: Floats
    """That i never runs, shape (n,)."""
    needs: Floats
    """`needs[i, j]`: that i does not run without j, shape (n, n)."""
    excludes: Floats
    """That i and j do not run together, symmetric, shape (n, n)."""

    def resolvable(self, rows: Bools) -> Floats:
        """The chance that each row can be judged, shape (rows,)."""
        on = rows.astype(np.float64)
        free = on @ np.log1p(-self.alone)
        free += ((on @ np.log1p(-self.needs)) * (1 - on)).sum(axis=1)
        free += ((on @ np.log1p(-self.excludes)) * on).sum(axis=1) / 2
        return np.asarray(np.exp(free), dtype=np.float64)


def obstacles(judged: Bools, lost: Bools) -> Obstacles | None:
    """The belief after rows that were judged and rows that could not be; None: none were lost.

    Args:
        judged: rows of runs that had an outcome: no obstacle stands in them, shape (any, n).
        lost: rows that could not be judged, through no fault of the machine, shape (any, n).
    """
    if not len(lost):
        return None
    n = lost.shape[1]
    off_diagonal = ~np.eye(n, dtype=np.bool_)
    alone = ~judged.any(axis=0)
    needs = off_diagonal & ~_together(judged, ~judged)
    excludes = off_diagonal & ~_together(judged, judged)
    weights = (
        alone * WEIGHT ** lost.sum(axis=0),
        needs * WEIGHT ** _count(lost, ~lost),
        excludes * WEIGHT ** _count(lost, lost),
    )
    free = tuple(np.ones_like(w) for w in weights)
    for row in lost:
        stands = (row, np.outer(row, ~row), np.outer(row, row))
        blame = tuple(np.where(s, w, 0.0) for w, s in zip(weights, stands, strict=True))
        # A pair that excludes each other stands twice in its matrix.
        total = max(blame[0].sum() + blame[1].sum() + blame[2].sum() / 2, 1e-300)
        free = tuple(f * (1 - SURE * b / total) for f, b in zip(free, blame, strict=True))
    p = [np.minimum(1 - f, SURE) for f in free]
    return Obstacles(p[0], p[1], p[2])


def _count(one: Bools, other: Bools) -> Floats:
    """In how many rows i is in `one` and j in `other`, shape (n, n)."""
    return np.asarray(one.T.astype(np.float64) @ other.astype(np.float64), dtype=np.float64)


def _together(one: Bools, other: Bools) -> Bools:
    """Whether i in `one` and j in `other` ever stand in the same row, shape (n, n)."""
    return np.asarray(_count(one, other) > 0, dtype=np.bool_)
