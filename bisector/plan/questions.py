"""Which sets to train next: the most expected information for the least expected cost.

A batch is chosen one set at a time, each for what it adds to the others in the batch
and to what is training already, so that parallel workers never run near-twins.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bisector.plan.belief import Belief
from bisector.plan.certificate import certificate
from bisector.plan.cumulative import uniforms
from bisector.plan.families import pack
from bisector.plan.space import Bools, Space

Floats = NDArray[np.float64]

RANDOM = 160
"""Random sets among the candidates."""
LEADERS = 8
"""Likeliest families whose certificates are candidates, too."""
FLIPPED, FLIP_ROUNDS = 4, 3
"""Candidates improved by single changes, and how often."""
SCENES = 64
"""Joint outcomes of earlier picks that are told apart."""


@dataclass(frozen=True)
class Scenes:
    """Joint outcomes of the sets already picked: how the belief would stand after each."""

    weights: Floats
    """Unnormalised posteriors, shape (scenes, explanations); all sum to one minus chance."""

    @staticmethod
    def now(belief: Belief) -> "Scenes":
        """Nothing is picked yet."""
        return Scenes(belief.weights[None])

    def after(self, fails: Floats) -> "Scenes":
        """Once a set is picked that fails with `fails` per explanation."""
        split = np.concatenate([self.weights * fails, self.weights * (1 - fails)])
        if len(split) > SCENES:
            mass = split.sum(axis=1)
            steps = (np.arange(SCENES) + 0.5) * (mass.sum() / SCENES)
            drawn = np.minimum(np.searchsorted(np.cumsum(mass), steps), len(mass) - 1)
            split = split[drawn] * (mass.sum() / SCENES / mass[drawn])[:, None]
        return Scenes(split)


@dataclass(frozen=True)
class Question:
    """A set to train and what it is worth."""

    row: Bools
    bits: float
    """Expected information about the explanation."""


def candidates(belief: Belief, seed: tuple[int, ...]) -> Bools:
    """Trainable rows worth weighing, distinct; shape (any, n)."""
    space = belief.space
    n = space.size
    u = uniforms(*seed, count=RANDOM * (n + 1)).reshape(RANDOM, n + 1)
    rows = [u[:, :n] < u[:, n:] * 0.9 + 0.05, np.eye(n, dtype=np.bool_)]
    rows.append(space.full & ~np.eye(n, dtype=np.bool_))
    for members, _ in belief.ranked[:LEADERS]:
        proof = certificate(members, space)
        rows += [proof.fails, proof.passes]
    return distinct(space, np.concatenate(rows))


def distinct(space: Space, rows: Bools) -> Bools:
    """The rows made trainable, without repeats, in order of first appearance."""
    rows = space.repair(rows)
    rows = rows[space.admits(rows)]
    seen: dict[int, int] = {}
    for at, row in enumerate(rows):
        seen.setdefault(pack(row), at)
    return rows[list(seen.values())]


def information(belief: Belief, scenes: Scenes, rows: Bools) -> Floats:
    """Expected bits that each row's outcome tells, given the scenes; shape (rows,)."""
    broken = belief.breaks(rows).astype(np.float64)
    high, low = belief.rates
    w = scenes.weights
    mass = w.sum(axis=1)
    fails = (w @ low)[:, None] + (w * (high - low)) @ broken.T
    noise = (w @ entropy(low))[:, None] + (w * (entropy(high) - entropy(low))) @ broken.T
    gain = mass[:, None] * entropy(fails / mass[:, None]) - noise
    return np.asarray(gain.sum(axis=0), dtype=np.float64)


def entropy(p: Floats) -> Floats:
    """Of a coin, in bits."""
    q = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(-(q * np.log2(q) + (1 - q) * np.log2(1 - q)), dtype=np.float64)


def pick(
    belief: Belief, worth: "Worth", pending: Bools, slots: int, seed: tuple[int, ...]
) -> list[Question]:
    """Up to `slots` rows to train, each the best given the others and `pending`."""
    scenes = Scenes.now(belief)
    for row in pending:
        scenes = scenes.after(_fails(belief, row))
    pool = candidates(belief, seed)
    chosen: list[Question] = []
    for _ in range(slots):
        row, value = _best(belief, worth, scenes, pool)
        chosen.append(Question(row, value))
        scenes = scenes.after(_fails(belief, row))
    return chosen


@dataclass(frozen=True)
class Worth:
    """What turns information into preference: costs, and runs that will be needed anyway."""

    bonus: tuple[tuple[int, float], ...] = ()
    """Packed rows of certificates not yet complete, and the probability that each is needed."""
    share: float = 0.5

    def of(self, rows: Bools, gain: Floats) -> Floats:
        """Information per expected cost; shape (rows,)."""
        bonus = dict(self.bonus)
        needed = np.array([bonus.get(pack(row), 0.0) for row in rows]) if bonus else 0.0
        return np.round(gain / (1 - self.share * needed), 9)


def _best(belief: Belief, worth: Worth, scenes: Scenes, pool: Bools) -> tuple[Bools, float]:
    n = belief.space.size
    gains = information(belief, scenes, pool)
    values = worth.of(pool, gains)
    for _ in range(FLIP_ROUNDS):
        top = pool[np.argsort(-values, kind="stable")[:FLIPPED]]
        flips = (top[:, None, :] ^ np.eye(n, dtype=np.bool_)).reshape(-1, n)
        flips = distinct(belief.space, flips)
        more = information(belief, scenes, flips)
        better = worth.of(flips, more)
        if better.max() <= values.max():
            break
        pool, gains = np.concatenate([pool, flips]), np.concatenate([gains, more])
        values = np.concatenate([values, better])
    at = int(np.argmax(values))
    return pool[at], float(gains[at])


def _fails(belief: Belief, row: Bools) -> Floats:
    high, low = belief.rates
    return np.where(belief.breaks(row[None])[0], high, low)
