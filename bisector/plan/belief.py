"""The posterior over explanations, given every run so far.

All families of up to three additions are weighed exactly; larger ones are reached by
editing those that fit best, so that the class stays open. Questions are then chosen by
a `Belief`: the likeliest families in full, and a fair sample of all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import comb, log

import numpy as np
from numpy.typing import NDArray

from bisector.plan.catalogue import TRIPLES_UP_TO, Catalogue, catalogue
from bisector.plan.cumulative import adding_up
from bisector.plan.families import Family, Rules, literals, log_shape, neighbours, pack, shown
from bisector.plan.likelihood import Floats, Likelihood
from bisector.plan.moments import Moments
from bisector.plan.shapes import Shape, shape_of
from bisector.plan.space import Bools, Space

Ints = NDArray[np.int64]
Prior = tuple[tuple[str, float], ...]
"""Weights by shape, as pairs so that they can be remembered by."""

RANKED, KEPT, SAMPLED = 40, 600, 200
"""Families that are named, that are kept in full, and that stand for all others."""
PARENTS, TOOLS, ROUNDS = 6, 20, 2
"""Families edited in a round, additions that edits may bring in, rounds."""
TRACE = 1e-6
"""Probability of an edited family below which it is not counted to what it looks like."""
TIED, NOTHING = 1e-12, 1e-12
"""Weights that differ by no more than rounding does count as equal, and as none."""
NEGLIGIBLE = 7.0
"""Nats below everything else at which an explanation is not looked for."""
DEEP_SHAPES = 6
"""Shapes with four additions, near enough; they share the prior of deep families."""
DECAY, RESCUER = 1.6, 2.3
"""Prior cost, in nats, of each addition beyond four that a family names, and of each rescuer."""


@dataclass(frozen=True)
class Belief:
    """Explanations with probabilities that sum to one."""

    space: Space
    rules: Rules
    """The families."""
    weights: Floats
    """Their probabilities; sampled ones stand for their like as well. Shape (families,)."""
    rates: tuple[Floats, Floats]
    """Per family: the chance that a run fails that it calls broken, and one it calls healthy."""
    ranked: tuple[tuple[Family, float], ...]
    """The likeliest families with their probabilities, likeliest first.

    What breaks the full recipe counts (`families.shown`): families that differ only by what
    it rescues are one.
    """
    cumulative: float
    """Probability that harm adds up."""
    size_fails: Floats
    """The chance that a run of k additions fails if harm adds up, shape (n + 1,)."""
    chance: float
    """Probability that failures follow no subset at all."""


@dataclass(frozen=True)
class _Weighed:
    """Families with the sums their likelihood was made of and their log weights."""

    sums: NDArray[np.float32]
    log: Floats

    def __add__(self, other: "_Weighed") -> "_Weighed":
        return _Weighed(
            np.concatenate([self.sums, other.sums], axis=1), np.concatenate([self.log, other.log])
        )


def believe(space: Space, rows: Bools, likelihood: Likelihood, prior: Prior) -> Belief:
    """The belief after runs of `rows` (runs, n), whose features are in `likelihood`."""
    by_shape = {shape: max(weight, 1e-12) for shape, weight in prior}
    listed = _listed(space, prior)
    sums = listed.sums(Moments.of(rows, likelihood.features, triples=listed.triples))
    known = _Weighed(sums, listed.log_prior + likelihood.log(sums))
    found, edited = _edit(listed, known, space, rows, (likelihood, by_shape))
    families = known + edited
    heap = adding_up(rows, likelihood, int(space.full.sum()))
    rest = np.array(
        [
            log(by_shape[Shape.CUMULATIVE]) + heap.log,
            log(by_shape[Shape.CHANCE]) + likelihood.grid.coin(),
        ]
    )
    p = _normalise(np.concatenate([families.log, rest]))
    chosen, weights = _keep(p[:-2])
    first = len(known.log)
    further = [found[i - first] for i in chosen if i >= first]
    return Belief(
        space,
        listed.rules(chosen[chosen < first], space.size) + Rules.of(further, space.size),
        weights,
        likelihood.rates(families.sums[:, chosen]),
        _rank(listed, found, p[:-2], space),
        float(p[-2]),
        heap.fails,
        float(p[-1]),
    )


@lru_cache(maxsize=8)
def _listed(space: Space, prior: Prior) -> Catalogue:
    return catalogue(space, dict(prior))


def _edit(
    listed: Catalogue,
    known: _Weighed,
    space: Space,
    rows: Bools,
    scale: tuple[Likelihood, Mapping[str, float]],
) -> tuple[list[Family], _Weighed]:
    """The families that edits of the best ones lead to, and what they weigh."""
    likelihood, prior = scale
    n = space.size
    weighed = _Weighed(known.sums[:, :0], known.log[:0])
    found: list[Family] = []
    if _hopeless(known, space, likelihood, prior):
        return found, weighed
    weights = _normalise(known.log)
    blame = listed.blame(weights, n)
    tools = sum(1 << int(i) for i in _leaders(blame, TOOLS))
    parents = [listed.family(int(i)) for i in _leaders(weights, PARENTS)]
    for _ in range(ROUNDS):
        reached = frozenset().union(*(neighbours(p, tools) for p in parents)) - set(found)
        fresh = sorted(e for e in reached if not listed.holds(e))
        if not fresh:
            break
        rules = Rules.of(fresh, n)
        broken = rules.breaks(rows).astype(np.float32)
        sums = np.asarray(likelihood.features.T @ broken, dtype=np.float32)
        odds = (rules.weights > 0).sum(axis=0) @ space.log_odds
        rarity = np.array([_rarity(f, n) for f in fresh])
        shapes = np.array([log(prior[shape_of(f)]) for f in fresh])
        weighed += _Weighed(sums, shapes - rarity + odds + likelihood.log(sums))
        found += fresh
        parents = [found[int(i)] for i in _leaders(_normalise(weighed.log), PARENTS)]
    return found, weighed


def _hopeless(
    known: _Weighed, space: Space, likelihood: Likelihood, prior: Mapping[str, float]
) -> bool:
    """Whether no edit could matter: not even one that explained every single run."""
    if space.size > TRIPLES_UP_TO:
        return False
    share = prior[Shape.DEEP] / DEEP_SHAPES / max(1, comb(space.size, 4))
    top = float(known.log.max())
    total = top + log(np.exp(known.log - top).sum())
    return likelihood.best() + log(share) < total - NEGLIGIBLE


@lru_cache(maxsize=1 << 16)
def _rarity(members: Family, n: int) -> float:
    """What a family loses of its shape's prior, in nats, to others of n additions like it."""
    nats = log_shape(members, n)
    if shape_of(members) is Shape.DEEP:
        rescuers = sum(t.off.bit_count() for t in members)
        beyond = max(0, literals(members) - 4)
        nats += log(DEEP_SHAPES) + DECAY * beyond + RESCUER * rescuers
    return nats


def _normalise(logs: Floats) -> Floats:
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _rank(
    listed: Catalogue, found: list[Family], p: Floats, space: Space
) -> tuple[tuple[Family, float], ...]:
    """The likeliest families as the full recipe shows them, with their probabilities."""
    full, first = pack(space.full), len(p) - len(found)
    weights = listed.shown(p[:first], space)
    mass: dict[Family, float] = {}
    for at in np.flatnonzero(p[first:] > TRACE):
        culprits = shown(found[at], full)
        number = listed.number(culprits, space.size)
        if number >= 0:
            weights[number] += p[first + at]
        else:
            mass[culprits] = mass.get(culprits, 0.0) + float(p[first + at])
    top = _leaders(weights, RANKED)
    for at in top if len(top) else _largest(weights, RANKED):
        mass[listed.family(int(at))] = float(weights[at])
    ranked = sorted(
        ((members, float(np.round(weight, 12))) for members, weight in mass.items()),
        key=lambda item: (-round(item[1], 9), item[0]),
    )
    edge = ranked[RANKED][1] + TIED if len(ranked) > RANKED else -1.0
    return tuple(r for r in ranked if r[1] > edge) or tuple(ranked[:RANKED])


def _keep(p: Floats) -> tuple[Ints, Floats]:
    """The families to work with, in ascending order, and the weights they carry."""
    top = np.sort(_largest(p, KEPT))
    weights = np.zeros(len(p))
    weights[top] = p[top]
    rest = p.copy()
    rest[top] = 0.0
    mass = float(rest.sum())
    if mass > 0.0:
        # Systematic resampling: equal steps along the cumulated weights.
        steps = (np.arange(SAMPLED) + 0.5) * (mass / SAMPLED)
        hits = np.minimum(np.searchsorted(np.cumsum(rest), steps), len(p) - 1)
        np.add.at(weights, hits, mass / SAMPLED)
    chosen = np.flatnonzero(weights)
    return chosen, weights[chosen]


def _leaders(weights: Floats, most: int) -> Ints:
    """Indices of the largest weights, in ascending order; of a tie that goes beyond `most`, none.

    So what is chosen depends on the weights alone, and not on the order they are in.
    """
    pool = np.flatnonzero(weights > NOTHING)
    if len(pool) > most:
        held = weights[pool]
        beyond = np.partition(held, len(held) - most - 1)[len(held) - most - 1]
        pool = pool[held > beyond + TIED]
    return np.asarray(pool, dtype=np.int64)


def _largest(weights: Floats, count: int) -> Ints:
    """Indices of the largest weights; ties go to the lowest index, on any machine."""
    rounded = np.round(weights, 9)
    pool = np.flatnonzero(rounded)
    if len(pool) > count:
        least = np.partition(rounded[pool], len(pool) - count)[len(pool) - count]
        pool = pool[rounded[pool] >= least]
    return np.asarray(pool[np.argsort(-rounded[pool], kind="stable")][:count], dtype=np.int64)
