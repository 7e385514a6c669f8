"""The runs that show an explanation minimal, whatever anybody believed before.

Each minimal failing set, alone on the baseline, must have failed; each maximal passing
set, the full recipe less one way of disarming every culprit, must have passed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from bisector.plan.families import Family, Rules, bits, first_of_each, unpack
from bisector.plan.space import Bools, Space

MOST = 12
"""Passing sets that are asked for at most; more would add nothing but cost."""


@dataclass(frozen=True)
class Certificate:
    """Rows that must have failed, and rows that must have passed; each (any, n)."""

    fails: Bools
    passes: Bools


@lru_cache(maxsize=4096)
def certificate(members: Family, space: Space) -> Certificate:
    """What must have been seen before a family is believed."""
    n = space.size
    fails = space.close(unpack([t.on for t in members], n)) if members else _no_rows(n)
    passes = [space.without(unpack([cut], n)[0]) for cut in _cuts(members)]
    for term in members:
        passes += list(space.close(unpack([term.on | 1 << r for r in bits(term.off)], n)))
    rules = Rules.of([members], n)
    fails = fails[space.admits(fails) & rules.breaks(fails)[:, 0]]
    kept = np.array(passes, dtype=np.bool_).reshape(-1, n)
    kept = kept[space.admits(kept) & ~rules.breaks(kept)[:, 0]]
    return Certificate(_distinct(fails), _distinct(kept))


def _cuts(members: Family) -> Iterator[int]:
    """The smallest ways to take one addition out of every minimal failing set."""
    if any(t.on == 0 for t in members):
        return
    ways = {sum(1 << c for c in set(choice)) for choice in product(*(bits(t.on) for t in members))}
    least = (w for w in ways if not any(o != w and o & ~w == 0 for o in ways))
    yield from sorted(least, key=lambda w: (w.bit_count(), w))[:MOST]


def _distinct(rows: Bools) -> Bools:
    return rows[first_of_each(rows)]


def _no_rows(n: int) -> Bools:
    return np.zeros((0, n), dtype=np.bool_)
