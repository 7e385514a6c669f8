"""Families of minimal failing sets: the explanations a search chooses between.

A family is an OR of terms; a term is an AND: "these are on, and none of those
rescues it". `a, or b with c` is two terms; `a unless d` is one term with a rescuer.
Members are bit masks over the columns of a `Space`, so that thousands are cheap.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bisector.plan.space import Bools, Space


class Term(NamedTuple):
    """A minimal failing set `on`, which any member of `off` rescues; both bit masks."""

    on: int
    off: int = 0

    @property
    def literals(self) -> int:
        """How many additions the term names."""
        return self.on.bit_count() + self.off.bit_count()


Family = tuple[Term, ...]
"""Sorted terms, none implied by another. `()`: nothing breaks; `(Term(0),)`: the baseline does."""

HEALTHY: Family = ()
BASE: Family = (Term(0),)


def family(terms: Iterable[Term]) -> Family:
    """The terms in canonical order, less those that a weaker term makes idle."""
    kept = set(terms)
    for term in tuple(kept):
        if any(_implies(term, other) for other in kept if other != term):
            kept.discard(term)
    return tuple(sorted(kept, key=lambda t: (t.literals, t.off.bit_count(), t.on, t.off)))


def shown(members: Family, full: int) -> Family:
    """The culprits that break the recipe with everything in the bit mask `full` on.

    A term that `full` rescues is dormant and left out. Of one that is not, the smallest part
    that breaks by itself counts: in `i unless r, or i with j` the culprit is i.
    """
    awake = [t.on for t in members if not t.off & full]
    return family(Term(core) for on in awake for core in _cores(members, on))


def _cores(members: Family, on: int) -> list[int]:
    """The smallest minimal failing sets within a bit mask."""
    within = {t.on for t in members if t.on & ~on == 0}
    least = min(core.bit_count() for core in within)
    return [core for core in within if core.bit_count() == least]


def literals(members: Family) -> int:
    """How many additions a family names, counted once per term."""
    return sum(term.literals for term in members)


def log_shape(members: Family, n: int) -> float:
    """Log of how many families of n additions have the same shape (term sizes)."""
    ways = sum(log(comb(n, t.on.bit_count())) + log(comb(n, t.off.bit_count())) for t in members)
    return max(ways - log(max(1, len(members))), 0.0)


def edits(members: Family, tools: Iterable[int]) -> Iterator[Family]:
    """The families one step away: an element more, less or other, a term more or less.

    Only the columns in `tools` are brought in.
    """
    columns = tuple(tools)
    for index, term in enumerate(members):
        rest = members[:index] + members[index + 1 :]
        yield family(rest)
        for changed in _changes(term, columns):
            yield family((*rest, changed))
        for split in _splits(term):
            yield family((*rest, *split))
        for other in members[:index]:
            kept = (t for t in rest if t != other)
            yield family((*kept, _merge(other, term)))
    for column in columns:
        yield family((*members, Term(1 << column)))


@lru_cache(maxsize=1 << 12)
def neighbours(members: Family, tools: int) -> frozenset[Family]:
    """All families that `edits` leads to, bringing in the columns of a bit mask."""
    return frozenset(edits(members, bits(tools)))


@dataclass(frozen=True)
class Rules:
    """Families as arrays, for evaluation by matrix product.

    `weights` has shape (terms, families, n): +1 on a term's additions and -2n on its
    rescuers, so that a row breaks a term exactly when their product reaches `needed`.
    """

    weights: NDArray[np.float32]
    needed: NDArray[np.float32]
    """Shape (terms, families); infinite where a family has no such term."""

    @staticmethod
    def of(families: Sequence[Family], n: int) -> "Rules":
        """The families as arrays."""
        depth = max((len(f) for f in families), default=1) or 1
        on, off = np.zeros((2, depth, len(families), n), dtype=np.bool_)
        real = np.zeros((depth, len(families)), dtype=np.bool_)
        for t in range(depth):
            at = [h for h, f in enumerate(families) if len(f) > t]
            on[t, at] = unpack([families[h][t].on for h in at], n)
            off[t, at] = unpack([families[h][t].off for h in at], n)
            real[t, at] = True
        return Rules.from_masks(on, off, real)

    @staticmethod
    def from_masks(on: Bools, off: Bools, real: Bools) -> "Rules":
        """The same from masks of shape (terms, families, n), `real` where there is a term."""
        weights = on.astype(np.float32) - np.float32(2 * on.shape[2]) * off.astype(np.float32)
        needed = np.where(real, on.sum(axis=2), np.inf).astype(np.float32)
        return Rules(weights, needed)

    def breaks(self, rows: Bools) -> Bools:
        """Which rows each family says are broken, shape (rows, families)."""
        x = rows.astype(np.float32)
        broken = np.zeros((len(rows), self.needed.shape[1]), dtype=np.bool_)
        for weights, needed in zip(self.weights, self.needed, strict=True):
            at = np.flatnonzero(np.isfinite(needed))
            if len(at) == len(needed):
                broken |= x @ weights.T >= needed
            elif len(at):
                broken[:, at] |= x @ weights[at].T >= needed[at]
        return broken

    def __add__(self, other: "Rules") -> "Rules":
        depth = max(len(self.needed), len(other.needed))
        one, two = self._deepened(depth), other._deepened(depth)
        return Rules(
            np.concatenate([one.weights, two.weights], axis=1),
            np.concatenate([one.needed, two.needed], axis=1),
        )

    def _deepened(self, depth: int) -> "Rules":
        more = ((0, depth - len(self.needed)), (0, 0))
        return Rules(
            np.pad(self.weights, (*more, (0, 0))),
            np.pad(self.needed, more, constant_values=np.inf),
        )


def unpack(masks: Sequence[int], n: int) -> Bools:
    """Bit masks as rows of booleans, shape (len, n)."""
    width = (n + 7) // 8
    if not masks:
        return np.zeros((0, n), dtype=np.bool_)
    raw = b"".join(mask.to_bytes(width, "little") for mask in masks)
    packed = np.frombuffer(raw, dtype=np.uint8).reshape(len(masks), width)
    bits = np.unpackbits(packed, axis=1, bitorder="little")[:, :n]
    return bits.astype(np.bool_)


def pack(row: Bools) -> int:
    """A row of booleans as a bit mask."""
    return int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")


def first_of_each(rows: Bools) -> list[int]:
    """Where each distinct row is first seen, in order."""
    seen: dict[bytes, int] = {}
    for at, row in enumerate(np.packbits(rows, axis=1)):
        seen.setdefault(row.tobytes(), at)
    return list(seen.values())


def named(members: Family, space: Space) -> tuple[frozenset[str], ...]:
    """The minimal failing sets by name, sorted by size, then name."""
    sets = (space.decode(unpack([t.on], space.size)[0]) for t in members)
    return tuple(sorted(sets, key=lambda s: (len(s), sorted(s))))


def bits(mask: int) -> Iterator[int]:
    """The columns that are on in a bit mask."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _implies(strong: Term, weak: Term) -> bool:
    return weak.on & ~strong.on == 0 and weak.off & ~strong.off == 0


def _changes(term: Term, columns: tuple[int, ...]) -> Iterator[Term]:
    for old in bits(term.on if term.on.bit_count() > 1 else 0):
        yield Term(term.on ^ (1 << old), term.off)
    for old in bits(term.off):
        yield Term(term.on, term.off ^ (1 << old))
    for flag in (1 << c for c in columns if not (term.on | term.off) >> c & 1):
        yield Term(term.on | flag, term.off)
        yield Term(term.on, term.off | flag)
        yield from (Term(term.on ^ (1 << old) | flag, term.off) for old in bits(term.on))


def _splits(term: Term) -> Iterator[tuple[Term, Term]]:
    if term.on.bit_count() > 1:
        for bit in bits(term.on):
            yield Term(1 << bit, term.off), Term(term.on ^ (1 << bit), term.off)


def _merge(one: Term, two: Term) -> Term:
    return Term(one.on | two.on, (one.off | two.off) & ~(one.on | two.on))
