"""What breaks training by itself, and is held harmless by another addition while everything is on.

Nobody searches for it: a culprit of the whole recipe does not need it. But sets that fail without
that culprit have to be explained, and once such sets were met the belief names their reason.
"""

from collections import defaultdict

import numpy as np

from bisector.model.session import Dormant, Session
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.belief import Belief
from bisector.plan.observations import Subset
from bisector.plan.space import Bools

SURE = 0.9
"""Probability from which a dormant culprit is worth a word; it is a remark, not a verdict."""


def dormant(session: Session) -> tuple[Dormant, ...]:
    """The sets that are dormant with a probability of at least `SURE`, likeliest first."""
    return rescued(AdaptivePlanner().belief(session))


def rescued(belief: Belief) -> tuple[Dormant, ...]:
    """What a belief says of sets that the full recipe holds harmless."""
    mass: dict[Subset, dict[Subset, float]] = defaultdict(lambda: defaultdict(float))
    for culprit, rescuers, weight in _terms(belief):
        mass[culprit][rescuers] += weight
    found = [
        Dormant(culprit, max(by, key=lambda r: (round(by[r], 9), sorted(r))), sum(by.values()))
        for culprit, by in mass.items()
    ]
    sure = [d for d in found if d.probability >= SURE]
    return tuple(sorted(sure, key=lambda d: (-round(d.probability, 9), sorted(d.culprit))))


def _terms(belief: Belief) -> list[tuple[Subset, Subset, float]]:
    """Each family's terms that the full recipe disarms: additions, rescuers that are on, weight."""
    space, rules = belief.space, belief.rules
    on, off = rules.weights > 0, (rules.weights < 0) & space.full
    disarmed = np.isfinite(rules.needed) & on.any(axis=2) & off.any(axis=2)
    return [
        (space.decode(on[t, f]), space.decode(off[t, f]), float(belief.weights[f]))
        for t, f in np.argwhere(disarmed)
        if not _awake(belief, on[:, f], off[:, f], t)
    ]


def _awake(belief: Belief, on: Bools, off: Bools, term: int) -> bool:
    """Whether another term breaks the full recipe by what includes this one: then it shows."""
    includes = (on >= on[term]).all(axis=1) & (on <= belief.space.full).all(axis=1)
    return bool((includes & ~off.any(axis=1)).any())
