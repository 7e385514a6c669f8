"""Every family that names at most three additions, with its prior, as arrays.

Whatever a likelihood sums over the runs that a family calls broken follows, by
inclusion and exclusion, from sums over the runs that hold one, two or three given
additions. Those are matrix products, so 200,000 families cost what a few hundred would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from bisector.plan.families import BASE, HEALTHY, Family, Rules, Term, family
from bisector.plan.space import Bools, Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TRIPLES_UP_TO = 64
"""Additions up to which families of three are listed; beyond, they are found by edits."""
DORMANT_UP_TO = 24
"""The same for `k, or i unless j`, of which there are six to every triple."""


class Shape(StrEnum):
    """What an explanation looks like."""

    NONE = "none"
    BASE = "base"
    SINGLE = "single"
    PAIR = "pair"
    TRIPLE = "triple"
    EITHER = "either"
    EITHER3 = "either3"
    MIX = "mix"
    MASK = "mask"
    DORMANT = "dormant"
    DEEP = "deep"
    """More than three additions, or a rescuer in company; reached by edits only."""
    CUMULATIVE = "cumulative"
    CHANCE = "chance"
    """Failures that follow no subset: what remains when nothing else fits."""


PRIOR: Mapping[str, float] = {
    Shape.NONE: 0.01,
    Shape.BASE: 0.002,
    Shape.SINGLE: 0.58,
    Shape.PAIR: 0.14,
    Shape.EITHER: 0.10,
    Shape.TRIPLE: 0.04,
    Shape.MIX: 0.04,
    Shape.EITHER3: 0.01,
    Shape.MASK: 0.01,
    Shape.DORMANT: 0.01,
    Shape.DEEP: 0.01,
    Shape.CUMULATIVE: 0.045,
    Shape.CHANCE: 0.003,
}
"""How often each shape occurs: mostly one culprit, then two that break only together."""

_ROLES: Mapping[str, tuple[int, ...]] = {
    # The term of each member; -1 - t: a rescuer of term t.
    Shape.NONE: (),
    Shape.BASE: (),
    Shape.SINGLE: (0,),
    Shape.PAIR: (0, 0),
    Shape.EITHER: (0, 1),
    Shape.MASK: (0, -1),
    Shape.TRIPLE: (0, 0, 0),
    Shape.EITHER3: (0, 1, 2),
    Shape.MIX: (0, 1, 1),
    Shape.DORMANT: (0, 1, -2),
}


WIDTH = 3
"""Most terms of a listed family."""
_TERMS = {shape: max((r + 1 for r in roles), default=0) for shape, roles in _ROLES.items()}
_TERMS[Shape.BASE] = 1

_POLYNOMIALS: Mapping[str, tuple[tuple[int, list[int]], ...]] = {
    # A family's verdict as a polynomial in its members: sign, and who is multiplied.
    Shape.NONE: (),
    Shape.BASE: ((1, []),),
    Shape.SINGLE: ((1, [0]),),
    Shape.PAIR: ((1, [0, 1]),),
    Shape.EITHER: ((1, [0]), (1, [1]), (-1, [0, 1])),
    Shape.MASK: ((1, [0]), (-1, [0, 1])),
    Shape.TRIPLE: ((1, [0, 1, 2]),),
    Shape.EITHER3: (
        *((1, [i]) for i in range(3)),
        *((-1, pair) for pair in ([0, 1], [0, 2], [1, 2])),
        (1, [0, 1, 2]),
    ),
    Shape.MIX: ((1, [0]), (1, [1, 2]), (-1, [0, 1, 2])),
    Shape.DORMANT: ((1, [0]), (1, [1]), (-1, [1, 2]), (-1, [0, 1]), (1, [0, 1, 2])),
}

_SHAPES: Mapping[tuple[tuple[int, int], ...], Shape] = {
    # Additions and rescuers of each term, in a family's own order.
    (): Shape.NONE,
    ((0, 0),): Shape.BASE,
    ((1, 0),): Shape.SINGLE,
    ((2, 0),): Shape.PAIR,
    ((3, 0),): Shape.TRIPLE,
    ((1, 0), (1, 0)): Shape.EITHER,
    ((1, 0), (1, 0), (1, 0)): Shape.EITHER3,
    ((1, 0), (2, 0)): Shape.MIX,
    ((1, 1),): Shape.MASK,
    ((1, 0), (1, 1)): Shape.DORMANT,
}


@dataclass(frozen=True)
class Section:
    """All families of one shape: their members as columns, shape (families, arity)."""

    shape: Shape
    members: Ints
    log_prior: Floats

    def family(self, at: int) -> Family:
        """One family of the section."""
        if self.shape is Shape.BASE:
            return BASE
        if self.shape is Shape.NONE:
            return HEALTHY
        on, off = [0, 0, 0], [0, 0, 0]
        for member, role in zip(self.members[at], _ROLES[self.shape], strict=True):
            if role >= 0:
                on[role] |= 1 << int(member)
            else:
                off[-1 - role] |= 1 << int(member)
        return family(Term(a, b) for a, b in zip(on, off, strict=True) if a)


@dataclass(frozen=True)
class Moments:
    """Sums of each feature over the runs that hold one, two or three given additions."""

    total: NDArray[np.float32]
    """Over all runs, shape (features,)."""
    one: NDArray[np.float32]
    """Shape (features, n)."""
    two: NDArray[np.float32]
    """Shape (features, n, n)."""
    three: NDArray[np.float32]
    """Shape (features, triples i < j < k), or empty."""

    @staticmethod
    def of(rows: Bools, features: NDArray[np.float32], *, triples: bool) -> "Moments":
        """Of runs `rows` (runs, n) with whole-numbered `features` (runs, features).

        Whole numbers below 2**24 make every sum exact, whatever the order of summation.
        """
        x = rows.astype(np.float32)
        weighted = features.T[:, :, None] * x
        three = _triples(x, weighted) if triples else np.zeros((features.shape[1], 0), np.float32)
        two = np.asarray(weighted.swapaxes(1, 2) @ x, dtype=np.float32)
        return Moments(features.sum(axis=0), weighted.sum(axis=1), two, three)

    def at(self, members: Ints) -> NDArray[np.float32]:
        """The sums for each row of members, shape (features, rows)."""
        match members.shape[1]:
            case 0:
                return self.total[:, None]
            case 1:
                return self.one[:, members[:, 0]]
            case 2:
                return self.two[:, members[:, 0], members[:, 1]]
            case _:
                return self.three[:, _rank(np.sort(members, axis=1).T, self.one.shape[1])]


@dataclass(frozen=True)
class Catalogue:
    """The sections, one per shape, in a fixed order."""

    sections: tuple[Section, ...]
    triples: bool

    @property
    def log_prior(self) -> Floats:
        """Of all families, section after section."""
        return np.concatenate([s.log_prior for s in self.sections])

    def sums(self, moments: Moments) -> NDArray[np.float32]:
        """Each feature summed over the runs each family calls broken; shape (features, all)."""
        return np.concatenate([_sums(s, moments) for s in self.sections], axis=1)

    def blame(self, weights: Floats, n: int) -> Floats:
        """The weight of all families that name each addition, in any role; shape (n,)."""
        total, start = np.zeros(n), 0
        for section in self.sections:
            stop = start + len(section.log_prior)
            for column in section.members.T:
                total += np.bincount(column, weights[start:stop], minlength=n)
            start = stop
        return total

    def hidden(self, weights: Floats, space: Space) -> Floats:
        """Per addition k, the weight of all `k, or i unless j` with j in the full recipe."""
        total, start = np.zeros(space.size), 0
        for section in self.sections:
            stop = start + len(section.log_prior)
            if section.shape is Shape.DORMANT:
                hidden = weights[start:stop] * space.full[section.members[:, 2]]
                total += np.bincount(section.members[:, 0], hidden, minlength=space.size)
            start = stop
        return total

    def holds(self, members: Family) -> bool:
        """Whether a family is among those listed."""
        return shape_of(members) in {section.shape for section in self.sections}

    def family(self, at: int) -> Family:
        """Family number `at`."""
        section, rest = self._split(at)
        return self.sections[section].family(rest)

    def rules(self, chosen: Ints, n: int) -> Rules:
        """The families with these numbers, in ascending order, as arrays."""
        on, off = np.zeros((2, WIDTH, len(chosen), n), dtype=np.bool_)
        real = np.zeros((WIDTH, len(chosen)), dtype=np.bool_)
        start = 0
        for section in self.sections:
            stop = start + len(section.log_prior)
            here = np.flatnonzero((chosen >= start) & (chosen < stop))
            real[: _TERMS[section.shape], here] = True
            members = section.members[chosen[here] - start]
            for member, role in zip(members.T, _ROLES[section.shape], strict=True):
                side, term = (on, role) if role >= 0 else (off, -1 - role)
                side[term, here, member] = True
            start = stop
        return Rules.from_masks(on, off, real)

    def _split(self, at: int) -> tuple[int, int]:
        for number, section in enumerate(self.sections):
            if at < len(section.log_prior):
                return number, at
            at -= len(section.log_prior)
        raise IndexError(at)


@lru_cache(maxsize=1 << 16)
def shape_of(members: Family) -> Shape:
    """What a family looks like."""
    return _SHAPES.get(tuple((t.on.bit_count(), t.off.bit_count()) for t in members), Shape.DEEP)


def catalogue(space: Space, prior: Mapping[str, float]) -> Catalogue:
    """The listed families of a space; those that repeat a smaller one have no prior."""
    n, triples = space.size, space.size <= TRIPLES_UP_TO
    members = {
        Shape.NONE: np.zeros((1, 0), np.int64),
        Shape.BASE: np.zeros((1, 0), np.int64),
        Shape.SINGLE: np.arange(n)[:, None],
        Shape.PAIR: _choose(n, 2),
        Shape.EITHER: _choose(n, 2),
        Shape.MASK: np.concatenate([_choose(n, 2), _choose(n, 2)[:, ::-1]]),
    }
    if triples:
        three = _choose(n, 3)
        turns = [three, three[:, [1, 0, 2]], three[:, [2, 0, 1]]]
        members |= {Shape.TRIPLE: three, Shape.EITHER3: three, Shape.MIX: np.concatenate(turns)}
    if n <= DORMANT_UP_TO:
        orders = [three[:, list(order)] for order in permutations(range(3))]
        members[Shape.DORMANT] = np.concatenate(orders)
    clash = _clashes(space)
    sections = [_section(s, m, space, clash, prior.get(s, 0.0)) for s, m in members.items()]
    return Catalogue(tuple(s for s in sections if len(s.log_prior)), triples)


def _section(shape: Shape, members: Ints, space: Space, clash: Bools, weight: float) -> Section:
    roles = _ROLES[shape]
    idle = _idle(roles, members, space.requires, clash)
    members = members[~idle]
    guilty = [at for at, role in enumerate(roles) if role >= 0]
    log_odds = space.log_odds[members[:, guilty]].sum(axis=1)
    odds = np.exp(log_odds)
    with np.errstate(divide="ignore"):
        log_prior = log_odds + np.log(weight) - np.log(odds.sum() if len(odds) else 1.0)
    return Section(shape, members, log_prior)


def _idle(roles: tuple[int, ...], members: Ints, requires: Bools, clash: Bools) -> Bools:
    """Families that no trainable subset tells from one with fewer members."""
    idle = np.zeros(len(members), dtype=np.bool_)
    for a, b in permutations(range(len(roles)), 2):
        i, j = members[:, a], members[:, b]
        term_a, term_b = roles[a], roles[b]
        same = max(term_a, -1 - term_a) == max(term_b, -1 - term_b)
        if term_a >= 0 and same:
            # `i and j` where i brings j along, or where they never meet; `i unless j` alike.
            idle |= requires[i, j] | clash[i, j]
        elif not same and term_b >= 0 and roles.count(term_b) == 1:
            # Whoever brings a sufficient culprit along is never seen without it.
            idle |= requires[i, j]
    return idle


def _clashes(space: Space) -> Bools:
    brings = (space.requires | np.eye(space.size, dtype=np.bool_)).astype(np.float32)
    return np.asarray(brings @ space.excludes @ brings.T > 0, dtype=np.bool_)


def _choose(n: int, size: int) -> Ints:
    if size == 2:
        return np.stack(np.triu_indices(n, 1), axis=1)
    i, j, k = np.ogrid[:n, :n, :n]
    return np.stack(np.nonzero((i < j) & (j < k)), axis=1)


def _triples(x: NDArray[np.float32], weighted: NDArray[np.float32]) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = [np.zeros((len(weighted), 0), np.float32)]
    for i in range(x.shape[1] - 2):
        rest = x[:, i + 1 :]
        held = (weighted[:, :, i, None] * rest).swapaxes(1, 2) @ rest
        parts.append(np.asarray(held[:, *np.triu_indices(rest.shape[1], 1)], np.float32))
    return np.concatenate(parts, axis=1)


def _sums(section: Section, m: Moments) -> NDArray[np.float32]:
    total = np.zeros((len(m.total), len(section.members)), np.float32)
    for sign, held in _POLYNOMIALS[section.shape]:
        total += sign * m.at(section.members[:, held])
    return total


def _rank(triple: Ints, n: int) -> Ints:
    """The position of i < j < k among all triples in lexical order."""
    i, j, k = triple
    below_i = n * (n - 1) * (n - 2) // 6 - (n - i) * (n - i - 1) * (n - i - 2) // 6
    rest = n - i - 1
    a = j - i - 1
    below_j = rest * (rest - 1) // 2 - (rest - a) * (rest - a - 1) // 2
    return np.asarray(below_i + below_j + (k - j - 1), dtype=np.int64)
