"""Harm that adds up: every addition weighs something, and the sum crosses a line.

No minimal set is to blame then. The class is represented by a fixed sample of weights
and lines, drawn so that no set of three is enough: those are families already.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bisector.plan.space import Bools

LEAST = 5
"""Fewest additions among which harm can add up without a set of three being enough."""
UNEVENNESS = (0.15, 0.4, 0.8)
"""Spreads of the log weights: from all alike to a few heavy ones."""
LINES = (0.2, 0.97)
"""Where the line may lie, as a share of the sum of all weights."""
SCALE = 1 << 10
"""Weights are whole numbers, so that sums are exact."""


@dataclass(frozen=True)
class Loads:
    """A sample of the class: `weights` (size, n), whole numbers, and `lines` (size,)."""

    weights: NDArray[np.float32]
    lines: NDArray[np.float32]

    def breaks(self, rows: Bools) -> Bools:
        """Which rows each member says are broken, shape (rows, size)."""
        loads = rows.astype(np.float32) @ self.weights.T
        return np.asarray(loads >= self.lines, dtype=np.bool_)


@lru_cache(maxsize=16)
def sample(n: int, size: int) -> Loads:
    """`size` members for n additions at most; the same every time."""
    if n < LEAST:
        return Loads(np.zeros((0, n), np.float32), np.zeros(0, np.float32))
    uniform = uniforms(7, n, count=4 * size * (n + 1)).reshape(4 * size, n + 1)
    spread = np.resize(np.array(UNEVENNESS), 4 * size)[:, None]
    # A sum of uniforms is normal enough, and needs no function that differs by platform.
    weights = np.exp(spread * np.sqrt(12.0) * (uniform[:, :n] - 0.5))
    weights = np.rint(weights * SCALE)
    low, high = LINES
    lines = np.rint((low + (high - low) * uniform[:, n]) * weights.sum(axis=1))
    three = np.sort(weights, axis=1)[:, -3:].sum(axis=1)
    fit = np.flatnonzero(three < lines)[:size]
    return Loads(weights[fit].astype(np.float32), lines[fit].astype(np.float32))


def uniforms(*seed: int, count: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that depend on `seed` alone.

    From the raw bits of PCG64, whose stream numpy guarantees, unlike its distributions'.
    """
    raw = np.random.PCG64([abs(s) for s in seed]).random_raw(count)
    return np.asarray(raw >> np.uint64(11), dtype=np.float64) * 2.0**-53
