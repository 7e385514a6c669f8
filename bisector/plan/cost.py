"""What a run of a set is expected to cost, learned from the runs so far.

Bigger models take longer, broken runs end early, and a run that cannot be judged
costs as much as any and tells nothing.
"""

import numpy as np

from bisector.plan.likelihood import Floats
from bisector.plan.observations import Observations
from bisector.plan.obstacles import obstacles
from bisector.plan.questions import Cost
from bisector.plan.space import Bools, Space

RIDGE = 4.0
"""Runs that an addition must be seen in before half of its apparent cost is believed."""
LOST_BEFORE = 0.02
"""Chance that a set can be judged which could not be before."""


def expected_cost(seen: Observations, space: Space) -> Cost:
    """Seconds per run that can be judged, relative to the baseline's, as a function of rows."""
    dearer, ending = _learned(seen, space)
    lost = space.encode(seen.unresolved)
    belief = obstacles(space.encode(run.subset for run in seen.runs), lost)
    known = {row.tobytes() for row in np.packbits(lost, axis=1)}

    def cost(rows: Bools, fails: Floats) -> Floats:
        seconds = np.exp(rows @ dearer) * (1 - fails + fails * ending)
        if belief is None:
            return np.asarray(seconds, dtype=np.float64)
        chance = belief.resolvable(rows)
        again = [row.tobytes() in known for row in np.packbits(rows, axis=1)]
        return np.asarray(seconds / np.where(again, LOST_BEFORE, chance), dtype=np.float64)

    return cost


def _learned(seen: Observations, space: Space) -> tuple[Floats, float]:
    """Log cost of each addition, shape (n,), and the share of a run that a broken one costs.

    Ridge regression of the logarithm of seconds on the additions and on failing; a
    session whose runs all took the same time gives zeros and 1 exactly.
    """
    timed = [run for run in seen.runs if run.seconds > 0]
    if not timed:
        return np.zeros(space.size), 1.0
    rows = space.encode(run.subset for run in timed).astype(np.float64)
    failed = np.array([[run.failed] for run in timed], dtype=np.float64)
    x = np.concatenate([rows, failed], axis=1)
    y = np.log([run.seconds for run in timed])
    x_mean, y_mean = x.mean(axis=0), y.mean()
    gram = (x - x_mean).T @ (x - x_mean) + RIDGE * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x - x_mean).T @ (y - y_mean))
    dearer = np.asarray(np.round(weights[:-1], 6), dtype=np.float64)
    return dearer, float(np.exp(np.round(weights[-1], 6)))
