"""What a run of a set is expected to cost, learned from the runs so far.

Bigger models take longer, broken runs end early, and a run that cannot be judged
costs as much as any and tells nothing.
"""

from collections.abc import Callable

import numpy as np

from bisector.plan.likelihood import Floats
from bisector.plan.observations import Observations
from bisector.plan.obstacles import obstacles
from bisector.plan.questions import Cost
from bisector.plan.space import Bools, Space

RIDGE = 4.0
"""Runs that an addition must be seen in before half of its apparent cost is believed."""
WORTH_TIMING = 1.0
"""Seconds below which a run's time is mostly chance, and no reason to prefer another."""
LOST_BEFORE = 1e-6
"""Chance that a set can be judged which could not be before."""

Chance = Callable[[Bools], Floats]
"""From rows, shape (rows, n), to a chance for each."""


def resolvable(seen: Observations, space: Space) -> Chance:
    """The chance that a set can be judged at all, as a function of rows."""
    lost = space.encode(seen.unresolved)
    judged = space.encode(run.subset for run in seen.runs) if len(lost) else lost
    belief = obstacles(judged, lost)
    if belief is None:
        return lambda rows: np.ones(len(rows))
    known = {row.tobytes() for row in np.packbits(lost, axis=1)}

    def chance(rows: Bools) -> Floats:
        again = [row.tobytes() in known for row in np.packbits(rows, axis=1)]
        return np.where(again, LOST_BEFORE, belief.resolvable(rows))

    return chance


def expected_cost(seen: Observations, space: Space, chance: Chance) -> Cost:
    """Seconds per run that can be judged, relative to the mean run, as a function of rows."""
    dearer, ending = _learned(seen, space)

    def cost(rows: Bools, fails: Floats) -> Floats:
        seconds = np.exp(rows @ dearer) * (1 - fails + fails * ending)
        return np.asarray(seconds / chance(rows), dtype=np.float64)

    return cost


def _learned(seen: Observations, space: Space) -> tuple[Floats, float]:
    """Log cost of each addition, shape (n,), and the share of a run that a broken one costs.

    Ridge regression of the logarithm of seconds on the additions and on failing; a
    session whose runs all took the same time gives zeros and 1 exactly.
    """
    timed = [run for run in seen.runs if run.seconds >= WORTH_TIMING]
    if not timed:
        return np.zeros(space.size), 1.0
    rows = space.encode(run.subset for run in timed).astype(np.float64)
    failed = np.array([run.failed for run in timed], dtype=np.float64)
    x = np.column_stack([rows, failed])
    y = np.log([run.seconds for run in timed])
    x_mean, y_mean = x.mean(axis=0), y.mean()
    gram = (x - x_mean).T @ (x - x_mean) + RIDGE * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x - x_mean).T @ (y - y_mean))
    dearer = np.asarray(np.round(weights[:-1], 6), dtype=np.float64)
    return dearer, float(np.exp(np.round(weights[-1], 6)))
