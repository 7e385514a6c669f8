"""Which sets to train next: the most expected information for the least expected cost.

A batch is chosen one set at a time, each for what it adds to the others in the batch
and to what is training already, so that parallel workers never run near-twins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bisector.plan.belief import Belief
from bisector.plan.certificate import certificate
from bisector.plan.families import first_of_each
from bisector.plan.likelihood import Floats
from bisector.plan.space import Bools, Space

RANDOM = 160
"""Random sets among the candidates."""
LEADERS = 8
"""Likeliest families whose certificates are candidates, too."""
FLIPPED, FLIP_ROUNDS = 4, 3
"""Candidates improved by single changes, and how often."""
SCENES = 64
"""Joint outcomes of earlier picks that are told apart."""
SAVED = 0.5
"""Share of a run's cost that is saved if the certificate would ask for it anyway."""

LEADING = 0.5
"""Probability from which what the leader's certificate lacks comes first in a batch."""
SETTLED = 0.7
"""Chance of being sure of one explanation at which nothing is added to a batch and what is pending.

More saves rounds and costs runs: 0.7 took 2.35 rounds and 13.5 runs for a single culprit of 16
with eight workers, 0.9 took 2.2 and 16.
"""
SETTLED_AWAITED = 0.76
"""The same while runs are awaited, when a slot that is given nothing stands idle until one ends.

Of 8 slots .76 keeps 96 % busy (24 searches among 16, `bench_scale.py`) for 32.8 runs and 3.39 hours;
0.7 keeps 94 %, for 32.3 runs and 3.38 hours; 0.9 keeps 99 %, for 33.2 runs and 3.40 hours.
"""

Cost = Callable[[Bools, Floats], Floats]
"""Expected cost of rows (rows, n) that fail with given chances (rows,)."""


@dataclass(frozen=True)
class Question:
    """A set to train and what it is worth."""

    row: Bools
    bits: float
    """Expected information about the explanation."""


@dataclass(frozen=True)
class Terms:
    """What a question is weighed by, beside its information."""

    cost: Cost
    needed: Mapping[bytes, float] = field(default_factory=dict)
    """Packed rows of certificates not yet complete, and the chance that each is asked for."""
    urgent: tuple[Bools, ...] = ()
    """Rows that a batch begins with: each that is missing at its end takes another round."""
    sure: float = 0.99
    """Probability at which an explanation is accused."""

    def worth(self, rows: Bools, fails: Floats, gain: Floats) -> Floats:
        """Information per expected cost, rounded so that ties are ties everywhere; (rows,)."""
        packed = np.packbits(rows, axis=1)
        saved = np.array([self.needed.get(row.tobytes(), 0.0) for row in packed])
        return np.round(gain / (self.cost(rows, fails) * (1 - SAVED * saved)), 9)


@dataclass(frozen=True)
class Scenes:
    """Joint outcomes of the sets already picked: how the belief would stand after each.

    Unnormalised posteriors of the families and, last, of harm that adds up; shape
    (scenes, families + 1).
    """

    weights: Floats

    @staticmethod
    def now(belief: Belief) -> "Scenes":
        """Nothing is picked yet."""
        weights = np.append(belief.weights, belief.cumulative)
        return Scenes((weights / weights.sum())[None])

    def settled(self, sure: float) -> float:
        """The chance that some explanation will be at least `sure`."""
        mass = self.weights.sum(axis=1)
        return float(mass[self.weights.max(axis=1) >= sure * mass].sum())

    def after(self, fails: Floats) -> "Scenes":
        """Once a set is picked that fails with chance `fails` by explanation."""
        split = np.concatenate([self.weights * fails, self.weights * (1 - fails)])
        if len(split) > SCENES:
            mass = split.sum(axis=1)
            share = mass.sum() / SCENES
            steps = (np.arange(SCENES) + 0.5) * share
            drawn = np.minimum(np.searchsorted(np.cumsum(mass), steps), len(mass) - 1)
            split = split[drawn] * (share / mass[drawn])[:, None]
        return Scenes(split)


@dataclass(frozen=True)
class Weighed:
    """Some rows, and what every family says of them: the same for each pick of a batch."""

    rows: Bools
    broken: Floats
    """1 where a family says that a row is broken; (rows, families)."""

    @staticmethod
    def of(belief: Belief, rows: Bools) -> "Weighed":
        """The rows, held against all families."""
        return Weighed(rows, belief.rules.breaks(rows).astype(np.float64))


@dataclass(frozen=True)
class Outlook:
    """What each of some rows is expected to do and to tell; arrays of shape (rows,)."""

    fails: Floats
    gain: Floats
    """Expected bits about the explanation."""


def pick(
    belief: Belief, terms: Terms, pending: Bools, slots: int, pool: Bools
) -> tuple[Question, ...]:
    """Up to `slots` rows to train, each the best given those before it and `pending`."""
    scenes = Scenes.now(belief)
    for row in pending:
        scenes = scenes.after(_chances(belief, row))
    chosen: list[Question] = []
    urgent = iter(terms.urgent if slots + len(pending) > 1 else ())
    enough = SETTLED_AWAITED if len(pending) else SETTLED
    weighed = Weighed.of(belief, pool)
    while len(chosen) < slots and (
        scenes.settled(terms.sure) < enough or not (chosen or len(pending))
    ):
        row = next(urgent, None)
        best = _best(belief, terms, scenes, weighed) if row is None else _of(belief, scenes, row)
        chosen.append(best)
        scenes = scenes.after(_chances(belief, best.row))
    return tuple(chosen)


def candidates(belief: Belief, uniform: NDArray[np.float64]) -> Bools:
    """Trainable rows worth weighing, distinct; from random numbers of shape (any, n + 1)."""
    space = belief.space
    eye = np.eye(space.size, dtype=np.bool_)
    density = 0.05 + 0.9 * uniform[:, -1:]
    rows = [uniform[:, :-1] < density, eye, space.full & ~eye]
    for members, _ in belief.ranked[:LEADERS]:
        proof = certificate(members, space)
        rows += [proof.fails, proof.passes]
    return distinct(space, np.concatenate(rows))


def distinct(space: Space, rows: Bools) -> Bools:
    """The rows made trainable, without repeats, in order of first appearance."""
    rows = space.repair(rows)
    return rows[first_of_each(rows)]


def outlook(belief: Belief, scenes: Scenes, weighed: Weighed) -> Outlook:
    """What each row would do and tell, given the scenes."""
    high, low = belief.rates
    crossed = belief.size_fails[weighed.rows.sum(axis=1)]
    broken = weighed.broken
    weights, mass = scenes.weights[:, :-1], scenes.weights.sum(axis=1)
    fails = (weights * (high - low)) @ broken.T + (weights @ low)[:, None]
    fails += scenes.weights[:, -1:] * crossed
    mean = scenes.weights.sum(axis=0)
    calm, loud = entropy(low), entropy(high)
    noise = broken @ (mean[:-1] * (loud - calm)) + mean[:-1] @ calm + mean[-1] * entropy(crossed)
    told = mass @ entropy(fails / mass[:, None]) - noise
    return Outlook(fails.sum(axis=0), told)


def _best(belief: Belief, terms: Terms, scenes: Scenes, weighed: Weighed) -> Question:
    eye, pool = np.eye(belief.space.size, dtype=np.bool_), weighed.rows
    seen = outlook(belief, scenes, weighed)
    gains, worth = seen.gain, terms.worth(pool, seen.fails, seen.gain)
    for _ in range(FLIP_ROUNDS):
        top = pool[np.argsort(-worth, kind="stable")[:FLIPPED]]
        flips = distinct(belief.space, (top[:, None, :] ^ eye).reshape(-1, len(eye)))
        seen = outlook(belief, scenes, Weighed.of(belief, flips))
        better = terms.worth(flips, seen.fails, seen.gain)
        if better.max() <= worth.max():
            break
        pool, gains = np.concatenate([pool, flips]), np.concatenate([gains, seen.gain])
        worth = np.concatenate([worth, better])
    at = int(np.argmax(worth))
    return Question(pool[at], float(gains[at]))


def _of(belief: Belief, scenes: Scenes, row: Bools) -> Question:
    return Question(row, float(outlook(belief, scenes, Weighed.of(belief, row[None])).gain[0]))


def _chances(belief: Belief, row: Bools) -> Floats:
    """The chance that a row fails, by explanation; (families + 1,)."""
    high, low = belief.rates
    broken = belief.rules.breaks(row[None])[0]
    return np.append(np.where(broken, high, low), belief.size_fails[row.sum()])


def entropy(p: Floats) -> Floats:
    """Of a coin, in bits."""
    q = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(-(q * np.log2(q) + (1 - q) * np.log2(1 - q)), dtype=np.float64)
