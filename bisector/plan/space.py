"""The additions as columns of a matrix, and which rows of it can be trained at all.

Every subset is one row of booleans over the additions' sorted names, so that a
thousand of them are repaired, scored and compared in one array operation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bisector.model.experiment import Experiment, Kind

Bools = NDArray[np.bool_]

KIND_PRIOR = {
    Kind.AUGMENTATION: 0.08,
    Kind.REGULARISATION: 0.08,
    Kind.LOSS: 0.12,
    Kind.MODEL: 0.12,
    Kind.OTHER: 0.1,
}
"""Chance that an addition of a kind breaks training, where the configuration names none."""


@dataclass(frozen=True, eq=False)
class Space:
    """The additions of an experiment, indexed 0..n-1 by sorted name."""

    experiment: Experiment
    learned_requires: frozenset[tuple[str, str]] = frozenset()
    """Pairs (addition, what it turned out to need), beyond what is declared."""
    learned_excludes: frozenset[tuple[str, str]] = frozenset()
    names: tuple[str, ...] = field(init=False)
    _rows: dict[frozenset[str], Bools] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(sorted(self.experiment.names)))

    @property
    def size(self) -> int:
        """The number of additions, n."""
        return len(self.names)

    @cached_property
    def index(self) -> dict[str, int]:
        """The column of each name."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def full(self) -> Bools:
        """The largest subset that can be trained, shape (n,)."""
        full = self.encode([self.experiment.full])
        return np.asarray(self.repair(full)[0], dtype=np.bool_)

    @cached_property
    def log_odds(self) -> NDArray[np.float64]:
        """Log of each addition's prior odds of guilt, over their mean; shape (n,)."""
        prior = {
            a.name: KIND_PRIOR[a.kind] if a.prior is None else a.prior for a in self._additions
        }
        p = np.clip([prior[name] for name in self.names], 1e-4, 1 - 1e-4)
        odds = p / (1 - p)
        return np.asarray(np.log(odds / odds.mean()), dtype=np.float64)

    @cached_property
    def requires(self) -> Bools:
        """`requires[i, j]`: i cannot run without j, directly or through others; shape (n, n)."""
        matrix = np.zeros((self.size, self.size), dtype=np.bool_)
        for addition in self._additions:
            for need in addition.requires & self.index.keys():
                matrix[self.index[addition.name], self.index[need]] = True
        for name, need in self.learned_requires:
            matrix[self.index[name], self.index[need]] = True
        for via in range(self.size):
            matrix |= np.outer(matrix[:, via], matrix[via])
        return matrix

    @cached_property
    def excludes(self) -> Bools:
        """`excludes[i, j]`: i and j never run together; symmetric, shape (n, n)."""
        matrix = np.zeros((self.size, self.size), dtype=np.bool_)
        for addition in self._additions:
            for other in addition.excludes & self.index.keys():
                matrix[self.index[addition.name], self.index[other]] = True
        for name, other in self.learned_excludes:
            matrix[self.index[name], self.index[other]] = True
        return matrix | matrix.T

    @cached_property
    def bound(self) -> bool:
        """Whether any subset at all is ruled out."""
        return bool(self.requires.any() or self.excludes.any())

    def encode(self, subsets: Iterable[frozenset[str]]) -> Bools:
        """One row per subset, shape (len, n)."""
        rows = [self._row(subset) for subset in subsets]
        return np.array(rows, dtype=np.bool_).reshape(len(rows), self.size)

    def _row(self, subset: frozenset[str]) -> Bools:
        """The row of a subset; remembered, for a session asks for its own over and over."""
        row = self._rows.get(subset)
        if row is None:
            row = np.zeros(self.size, dtype=np.bool_)
            row[[self.index[name] for name in subset]] = True
            self._rows[subset] = row
        return row

    def decode(self, row: Bools) -> frozenset[str]:
        """The names that are on in a row."""
        return frozenset(self.names[i] for i in np.flatnonzero(row))

    def repair(self, rows: Bools) -> Bools:
        """The rows with what they may not hold taken out: rivals first, then dependents."""
        if not self.bound:
            return rows
        rows = rows.copy()
        for i, j in np.argwhere(np.triu(self.excludes)):
            both = rows[:, i] & rows[:, j]
            # Which rival stays alternates by row, so that both get their share of tests.
            stays = np.arange(len(rows)) % 2 == 0
            rows[both & stays, j] = False
            rows[both & ~stays, i] = False
        lacking = (~rows).astype(np.float32) @ self.requires.T.astype(np.float32)
        return np.asarray(rows & (lacking == 0), dtype=np.bool_)

    def close(self, rows: Bools) -> Bools:
        """The rows with everything added that their members need."""
        if not self.bound:
            return rows
        return np.asarray(rows | (rows.astype(np.float32) @ self.requires > 0), dtype=np.bool_)

    def without(self, removed: Bools) -> Bools:
        """The full set less `removed` and less whatever needs it, shape (n,)."""
        return np.asarray(self.repair((self.full & ~removed)[None])[0], dtype=np.bool_)

    def admits(self, rows: Bools) -> Bools:
        """Which rows can be trained, shape (len,)."""
        on = rows.astype(np.float32)
        clash = ((on @ self.excludes) * on).sum(axis=1)
        lacking = (on @ self.requires.astype(np.float32)) * (1 - on)
        return np.asarray((clash == 0) & (lacking.sum(axis=1) == 0), dtype=np.bool_)

    @cached_property
    def _additions(self) -> tuple:  # type: ignore[type-arg]
        return tuple(sorted(self.experiment.additions, key=lambda a: a.name))
