"""Harm that adds up: every addition weighs something, and the sum crosses a line.

No minimal set is to blame then. How heavy each addition is nobody knows, so only a
set's size tells whether it has crossed the line, and near the line not even that.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from bisector.plan.likelihood import Floats, Likelihood
from bisector.plan.space import Bools, Space

LEAST = 5
"""Fewest additions among which harm can add up without a set of three being enough."""
LINES = 28
"""Places tried for the line, evenly from `LOWEST` to 1 as a share of all weight."""
LOWEST = 0.15
UNEVENNESS = (0.3, 0.6)
"""Spreads of the weights, over their mean."""
SHRINKAGE = 2.0
"""Runs that speak for an addition weighing as much as any other."""


@dataclass(frozen=True)
class AddingUp:
    """The class of all such explanations after some runs."""

    log: float
    """Log likelihood, the line and the noise integrated out."""
    fails: Floats
    """The chance that a run of a set of k additions fails, shape (n + 1,)."""


def adding_up(rows: Bools, likelihood: Likelihood, most: int) -> AddingUp:
    """What runs of `rows` (runs, n) say, where `most` additions can be on together."""
    n = rows.shape[1]
    if most < LEAST:
        return AddingUp(-np.inf, np.full(n + 1, 0.5))
    grid = likelihood.grid
    laws = _laws(most, n)
    logs = grid.log(laws[:, rows.sum(axis=1)]) - np.log(len(laws))
    log = float(logsumexp(logs))
    share = np.exp(logs - log)
    a, b = grid.slips.T
    fails = share.sum(axis=0) @ a + (1 - a - b) @ (share.T @ laws)
    return AddingUp(log, np.asarray(fails, dtype=np.float64))


def heaviest(space: Space, rows: Bools, failed: NDArray[np.bool_], fails: Floats) -> Floats:
    """How much more often runs fail with each addition than their size explains, (n,)."""
    if not len(rows):
        return np.zeros(space.size)
    excess = failed - fails[rows.sum(axis=1)]
    on = rows - rows.mean(axis=0)
    return np.asarray(excess @ on / (SHRINKAGE + (on**2).sum(axis=0)), dtype=np.float64)


@lru_cache(maxsize=16)
def _laws(most: int, n: int) -> Floats:
    """The chance that a set of k additions has crossed each line, shape (laws, n + 1)."""
    size = np.minimum(np.arange(n + 1), most) / most
    lines = LOWEST + (1 - LOWEST) * (np.arange(LINES) + 0.5) / LINES
    # The sum of k of `most` uneven weights, as a share of them all, is about normal.
    laws = [
        ndtr((size - line) / (cv * np.sqrt(size * (1 - size) / most) + 0.01))
        for cv in UNEVENNESS
        for line in lines
    ]
    law = np.array(laws)
    law[:, 0], law[:, most:] = 0.0, 1.0
    return law
