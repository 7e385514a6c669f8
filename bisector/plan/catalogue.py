"""Every family that names at most three additions, with its prior, as arrays.

Whatever a likelihood sums over the runs that a family calls broken follows, by
inclusion and exclusion, from sums over the runs that hold one, two or three given
additions. Those are matrix products, so 200,000 families cost what a few hundred would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from bisector.plan.families import BASE, HEALTHY, Family, Rules, Term, bits, family
from bisector.plan.moments import Moments, places
from bisector.plan.shapes import POLYNOMIALS, ROLES, SHOWN, TERMS, WIDTH, Shape, shape_of
from bisector.plan.space import Bools, Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TRIPLES_UP_TO = 64
"""Additions up to which families of three are listed; beyond, they are found by edits."""
DORMANT_UP_TO = 24
"""The same for `k, or i unless j`, of which there are six to every triple."""


@dataclass(frozen=True)
class Section:
    """All families of one shape: their members as columns, shape (families, arity)."""

    shape: Shape
    members: Ints
    log_prior: Floats
    parts: tuple[tuple[int, int, Ints], ...]
    """A family's sums: sign, how many additions are held, and which of `Moments.by_order`."""
    keys: Ints
    """The families as numbers, ascending; `order` says which family each is."""
    order: Ints

    def sums(self, moments: Moments) -> NDArray[np.float32]:
        """Each feature over the runs that each family calls broken, shape (features, families)."""
        total = np.zeros((len(moments.total), len(self.members)), np.float32)
        for sign, order, at in self.parts:
            held = moments.by_order[order].take(at, axis=1)
            total = total + held if sign > 0 else total - held
        return total

    def family(self, at: int) -> Family:
        """One family of the section."""
        if self.shape is Shape.BASE:
            return BASE
        if self.shape is Shape.NONE:
            return HEALTHY
        on, off = [0, 0, 0], [0, 0, 0]
        for member, role in zip(self.members[at], ROLES[self.shape], strict=True):
            if role >= 0:
                on[role] |= 1 << int(member)
            else:
                off[-1 - role] |= 1 << int(member)
        return family(Term(a, b) for a, b in zip(on, off, strict=True) if a)


@dataclass(frozen=True)
class Catalogue:
    """The sections, one per shape, in a fixed order."""

    sections: tuple[Section, ...]
    triples: bool

    @cached_property
    def shapes(self) -> frozenset[Shape]:
        """The shapes that are listed."""
        return frozenset(section.shape for section in self.sections)

    @cached_property
    def log_prior(self) -> Floats:
        """Of all families, section after section."""
        return np.concatenate([s.log_prior for s in self.sections])

    def sums(self, moments: Moments) -> NDArray[np.float32]:
        """Each feature summed over the runs each family calls broken; shape (features, all)."""
        return np.concatenate([s.sums(moments) for s in self.sections], axis=1)

    def blame(self, weights: Floats, n: int) -> Floats:
        """The weight of all families that name each addition, in any role; shape (n,)."""
        total, start = np.zeros(n), 0
        for section in self.sections:
            stop = start + len(section.log_prior)
            for column in section.members.T:
                total += np.bincount(column, weights[start:stop], minlength=n)
            start = stop
        return total

    def shown(self, weights: Floats, space: Space) -> Floats:
        """The weights as the full recipe shows them: a rescued term's family goes to what is left.

        `k, or i unless j` counts as `k` where j is in the full recipe, and as `k or i` where
        not; `i unless j` as nothing, or as `i`. From and to shape (families,).
        """
        moved, n = weights.copy(), space.size
        for shape in self.shapes & SHOWN.keys():
            section, start = self._sections[shape]
            own = slice(start, start + len(section.log_prior))
            hidden = space.full[section.members[:, -1]]
            for rows, (kept, count) in zip((hidden, ~hidden), SHOWN[shape], strict=True):
                if not rows.any():
                    continue
                at = self._places(kept, np.sort(section.members[rows, :count], axis=1), n)
                np.add.at(moved, at[at >= 0], weights[own][rows][at >= 0])
                moved[start + np.flatnonzero(rows)[at >= 0]] = 0.0
        return moved

    def number(self, members: Family, n: int) -> int:
        """The number of a family, -1 if it is not listed."""
        shape = shape_of(members)
        if shape not in self.shapes:
            return -1
        columns = [c for term in members for mask in (term.on, term.off) for c in bits(mask)]
        return int(self._places(shape, np.array([columns], dtype=np.int64), n)[0])

    def _places(self, shape: Shape, members: Ints, n: int) -> Ints:
        """The numbers of families of a shape, -1 where there is none; members (any, arity)."""
        section, start = self._sections[shape]
        keys, order = section.keys, section.order
        wanted = _keys(members, n)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, start + order[at], -1)

    @cached_property
    def _sections(self) -> Mapping[Shape, tuple[Section, int]]:
        """Each section with the number of its first family."""
        starts = np.cumsum([0, *(len(s.log_prior) for s in self.sections)])
        return {s.shape: (s, int(at)) for s, at in zip(self.sections, starts, strict=False)}

    def holds(self, members: Family) -> bool:
        """Whether a family is among those listed."""
        return shape_of(members) in self.shapes

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
            real[: TERMS[section.shape], here] = True
            members = section.members[chosen[here] - start]
            for member, role in zip(members.T, ROLES[section.shape], strict=True):
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
    roles = ROLES[shape]
    idle = _idle(roles, members, space.requires, clash)
    members = members[~idle]
    guilty = [at for at, role in enumerate(roles) if role >= 0]
    log_odds = space.log_odds[members[:, guilty]].sum(axis=1)
    odds = np.exp(log_odds)
    with np.errstate(divide="ignore"):
        log_prior = log_odds + np.log(weight) - np.log(odds.sum() if len(odds) else 1.0)
    parts = tuple(
        (sign, len(held), places(members[:, held], space.size)) for sign, held in POLYNOMIALS[shape]
    )
    keys = _keys(members, space.size)
    order = np.argsort(keys, kind="stable")
    return Section(shape, members, log_prior, parts, keys[order], order)


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


def _keys(members: Ints, n: int) -> Ints:
    """Each row of members as one number."""
    return np.asarray(members @ n ** np.arange(members.shape[1]), dtype=np.int64)
