"""Sums over the runs that hold given additions, from which every family's likelihood follows."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bisector.plan.space import Bools

Ints = NDArray[np.int64]


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

    @property
    def by_order(self) -> tuple[NDArray[np.float32], ...]:
        """The sums by how many additions are held, each of shape (features, sets)."""
        total, two = self.total[:, None], self.two.reshape(len(self.two), -1)
        return total, self.one, two, self.three


def places(members: Ints, n: int) -> Ints:
    """Where the sums over the runs that hold each row of members are in `Moments.by_order`."""
    match members.shape[1]:
        case 0:
            return np.zeros(len(members), dtype=np.int64)
        case 1:
            return members[:, 0]
        case 2:
            return np.asarray(members[:, 0] * n + members[:, 1], dtype=np.int64)
        case _:
            return _rank(np.sort(members, axis=1).T, n)


def _rank(triple: Ints, n: int) -> Ints:
    """The position of i < j < k among all triples in lexical order."""
    i, j, k = triple
    below_i = n * (n - 1) * (n - 2) // 6 - (n - i) * (n - i - 1) * (n - i - 2) // 6
    rest = n - i - 1
    a = j - i - 1
    below_j = rest * (rest - 1) // 2 - (rest - a) * (rest - a - 1) // 2
    return np.asarray(below_i + below_j + (k - j - 1), dtype=np.int64)


def _triples(x: NDArray[np.float32], weighted: NDArray[np.float32]) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = [np.zeros((len(weighted), 0), np.float32)]
    for i in range(x.shape[1] - 2):
        on = np.flatnonzero(x[:, i])
        rest = x[on, i + 1 :]
        held = weighted[:, on, i + 1 :].swapaxes(1, 2) @ rest
        upper = _upper(rest.shape[1])
        parts.append(held.reshape(len(held), -1).take(upper, axis=1).astype(np.float32))
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=64)
def _upper(n: int) -> Ints:
    """The places of i < j in a flattened matrix of n columns."""
    i, j = np.triu_indices(n, 1)
    return np.asarray(i * n + j, dtype=np.int64)
