"""A questioner that no planner can be: for `bench_planner.py`, what its goals are worth.

It is told the error rates and how often each structure occurs, and may ask of each run whether the
truth is in any set of explanations that it likes, which no set of additions has to correspond to.
It completes no certificate. What it takes is close to the least that is possible at all.
"""

from functools import lru_cache
from math import comb, exp
from random import Random
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from simulated_truths import MIXTURE

Floats = NDArray[np.float64]

WEIGHED = 60
"""Likeliest explanations that are put on the lighter side one by one; the rest fill up."""
MOST = 400
"""Runs after which a game is lost."""


@lru_cache(maxsize=4)
def explanations(n: int) -> tuple[Floats, dict[str, range]]:
    """The chance of each explanation beforehand, and which of them are of which structure."""
    answers = {
        "single": n,
        "pair": comb(n, 2),
        "disj2": comb(n, 2),
        "triple": comb(n, 3),
        "mix": n * comb(n - 1, 2),
        "cumul": 1,
    }
    ends = np.cumsum([answers[s] for s in MIXTURE]).tolist()
    kinds = {s: range(end - answers[s], end) for s, end in zip(MIXTURE, ends, strict=True)}
    return np.concatenate([np.full(answers[s], w / answers[s]) for s, w in MIXTURE.items()]), kinds


def halves(chance: Floats) -> NDArray[np.bool_]:
    """A set of explanations about as likely as all others together."""
    order = np.argsort(-chance, kind="stable")
    asked, sides = np.zeros(len(chance), dtype=np.bool_), [0.0, 0.0]
    for at in order[:WEIGHED]:
        lighter = sides[0] <= sides[1]
        asked[at] = lighter
        sides[not lighter] += chance[at]
    rest = order[WEIGHED:]
    filled = np.searchsorted(np.cumsum(chance[rest]), 0.5 - sides[0])
    asked[rest[:filled]] = True
    return asked


class Run(Protocol):
    """What one run shows."""

    def __call__(self, rng: Random, *, broken: bool) -> tuple[float, float]:
        """How probable what it showed is of a broken run, and of a healthy one."""
        ...


def ask(structure: str, n: int, run: Run, sure: float, rng: Random) -> tuple[bool, int]:
    """One game: whether the leader was right once it was `sure`, and the runs until then."""
    chance, kinds = explanations(n)
    if structure == "mixture":
        (structure,) = rng.choices(list(MIXTURE), list(MIXTURE.values()))
    truth, runs = rng.choice(kinds[structure]), 0
    while chance.max() < sure and runs < MOST:
        asked = halves(chance)
        broken, healthy = run(rng, broken=bool(asked[truth]))
        chance = chance * np.where(asked, broken, healthy)
        chance /= chance.sum()
        runs += 1
    return int(chance.argmax()) == truth, runs


def passing_or_failing(a: float, b: float) -> Run:
    """Runs of which no more is known than whether they fail."""

    def run(rng: Random, *, broken: bool) -> tuple[float, float]:
        fails = rng.random() < (1 - b if broken else a)
        return (1 - b, a) if fails else (b, 1 - a)

    return run


def scored(effect: float) -> Run:
    """Runs with scores, those of broken ones worse by so many standard deviations."""

    def run(rng: Random, *, broken: bool) -> tuple[float, float]:
        harm = rng.gauss(effect if broken else 0.0, 1.0)
        return exp(-((harm - effect) ** 2) / 2), exp(-(harm**2) / 2)

    return run
