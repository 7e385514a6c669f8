"""The posterior over explanations, given every run so far.

All families of up to three additions are weighed exactly; larger ones are reached by
editing those that fit best, so that the class stays open. Questions are then chosen by
a `Belief`: the likeliest explanations in full, and a fair sample of all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from bisector.plan.catalogue import Catalogue, Moments, Shape, catalogue, shape_of
from bisector.plan.cumulative import Loads, sample
from bisector.plan.families import Family, Rules, bits, edits, literals, log_shape
from bisector.plan.likelihood import Likelihood
from bisector.plan.space import Bools, Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Prior = tuple[tuple[str, float], ...]
"""Weights by shape, as pairs so that they can be remembered by."""

KEPT, SAMPLED = 600, 200
"""Explanations kept in full, and those that stand for all others."""
LOADS = 400
"""Size of the sample that stands for cumulative harm."""
PARENTS, TOOLS, ROUNDS = 6, 20, 2
"""Explanations edited in a round, additions that edits may bring in, rounds."""
DECAY = 1.2
"""Prior cost, in nats, of each addition beyond four that a family names."""


@dataclass(frozen=True)
class Belief:
    """Explanations with probabilities that, with `chance`, sum to one."""

    space: Space
    families: tuple[Family, ...]
    loads: Loads
    """Ways in which harm may add up."""
    weights: Floats
    """Of the families, then of the loads."""
    exact: NDArray[np.bool_]
    """Which weights are an explanation's own; the others stand for their like as well."""
    chance: float
    """Probability that failures follow no subset at all."""
    rates: tuple[Floats, Floats]
    """Per explanation: the chance that a run fails that it calls broken, or healthy."""

    @cached_property
    def cumulative(self) -> float:
        """Probability that harm adds up."""
        return float(self.weights[len(self.families) :].sum())

    @cached_property
    def ranked(self) -> tuple[tuple[Family, float], ...]:
        """The families known in full, likeliest first."""
        own = [i for i in range(len(self.families)) if self.exact[i]]
        own.sort(key=lambda i: (-round(float(self.weights[i]), 9), self.families[i]))
        return tuple((self.families[i], float(self.weights[i])) for i in own)

    def breaks(self, rows: Bools) -> Bools:
        """Which rows each explanation calls broken, shape (rows, explanations)."""
        return np.concatenate([self._rules.breaks(rows), self.loads.breaks(rows)], axis=1)

    @cached_property
    def _rules(self) -> Rules:
        return Rules.of(self.families, self.space.size)


@dataclass(frozen=True)
class _Weighed:
    """Explanations with the sums their likelihood was made of and their log weights."""

    sums: NDArray[np.float32]
    log: Floats

    def __add__(self, other: "_Weighed") -> "_Weighed":
        return _Weighed(
            np.concatenate([self.sums, other.sums], axis=1), np.concatenate([self.log, other.log])
        )


def believe(space: Space, rows: Bools, likelihood: Likelihood, prior: Prior) -> Belief:
    """The belief after runs of `rows` (runs, n), whose features are in `likelihood`."""
    by_shape = dict(prior)
    listed = _listed(space, prior)
    sums = listed.sums(Moments.of(rows, likelihood.features, triples=listed.triples))
    known = _weigh(sums, listed.log_prior, likelihood)
    found, edited = _edit(listed, known, space, rows, (likelihood, by_shape))
    loads = sample(space.size, LOADS)
    share = by_shape[Shape.CUMULATIVE] / max(1, len(loads.lines))
    heavy = _weigh(
        _sums(loads.breaks(rows), likelihood), np.full(len(loads.lines), np.log(share)), likelihood
    )
    chance = np.log(by_shape[Shape.CHANCE]) + likelihood.chance()
    everything = known + edited + heavy
    p, p_chance = _normalise(everything.log, chance)
    chosen, weights, exact = _keep(p)
    families = len(known.log) + len(found)
    picked = tuple(
        listed.family(i) if i < len(known.log) else found[i - len(known.log)]
        for i in chosen[chosen < families].tolist()
    )
    at = chosen[chosen >= families] - families
    return Belief(
        space,
        picked,
        Loads(loads.weights[at], loads.lines[at]),
        weights,
        exact,
        p_chance,
        likelihood.rates(everything.sums[:, chosen]),
    )


@lru_cache(maxsize=8)
def _listed(space: Space, prior: Prior) -> Catalogue:
    return catalogue(space, dict(prior))


def _weigh(sums: NDArray[np.float32], log_prior: Floats, likelihood: Likelihood) -> _Weighed:
    return _Weighed(sums, log_prior + likelihood.log(sums))


def _sums(broken: Bools, likelihood: Likelihood) -> NDArray[np.float32]:
    return np.asarray(likelihood.features.T @ broken.astype(np.float32), dtype=np.float32)


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
    blame = listed.blame(np.exp(known.log - known.log.max()), n)
    tools = sum(1 << int(i) for i in _largest(blame, TOOLS))
    parents = [listed.family(int(i)) for i in _largest(known.log, PARENTS)]
    for _ in range(ROUNDS):
        reached = {e for p in parents for e in edits(p, bits(tools))} - set(found)
        fresh = sorted(e for e in reached if not listed.holds(e))
        if not fresh:
            break
        sums = _sums(Rules.of(fresh, n).breaks(rows), likelihood)
        weighed += _weigh(sums, np.array([_log_prior(f, space, prior) for f in fresh]), likelihood)
        found += fresh
        parents = [found[int(i)] for i in _largest(weighed.log, PARENTS)]
    return found, weighed


def _log_prior(members: Family, space: Space, prior: Mapping[str, float]) -> float:
    shape = shape_of(members)
    beyond = max(0, literals(members) - 4) if shape is Shape.DEEP else 0
    log_odds = sum(float(np.log(space.odds[i])) for t in members for i in bits(t.on))
    weight = float(np.log(prior[shape])) - DECAY * beyond
    return weight + log_odds - log_shape(members, space.size)


def _normalise(log: Floats, chance: float) -> tuple[Floats, float]:
    top = max(float(log.max()), chance)
    weights, other = np.exp(log - top), float(np.exp(chance - top))
    total = float(weights.sum()) + other
    return weights / total, other / total


def _keep(p: Floats) -> tuple[Ints, Floats, NDArray[np.bool_]]:
    """Indices in ascending order, weights, and which weights are exact."""
    top = np.sort(_largest(p, KEPT))
    rest = np.ones(len(p), dtype=np.bool_)
    rest[top] = False
    others = np.flatnonzero(rest)
    mass = float(p[others].sum())
    if mass <= 0.0:
        return top, p[top], np.ones(len(top), dtype=np.bool_)
    # Systematic resampling: equal steps along the cumulated weights.
    steps = (np.arange(SAMPLED) + 0.5) * (mass / SAMPLED)
    hits = np.minimum(np.searchsorted(np.cumsum(p[others]), steps), len(others) - 1)
    drawn, times = np.unique(others[hits], return_counts=True)
    chosen = np.concatenate([top, drawn])
    weights = np.concatenate([p[top], times * (mass / SAMPLED)])
    exact = np.arange(len(chosen)) < len(top)
    order = np.argsort(chosen)
    return chosen[order], weights[order], exact[order]


def _largest(values: Floats, count: int) -> Ints:
    """Indices of the largest values; ties go to the lowest index, on any machine."""
    rounded = np.round(values, 9)
    if count < len(values):
        least = np.partition(rounded, len(values) - count)[len(values) - count]
        pool = np.flatnonzero(rounded >= least)
    else:
        pool = np.arange(len(values))
    return np.asarray(pool[np.argsort(-rounded[pool], kind="stable")][:count], dtype=np.int64)
