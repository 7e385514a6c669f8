"""What may be true of simulated additions: structures of guilt, drawn anew for every game."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from bisector.model.session import Suspect

Subset = frozenset[str]

MIXTURE = {"single": 0.60, "pair": 0.15, "disj2": 0.10, "triple": 0.05, "mix": 0.05, "cumul": 0.05}
STRUCTURES = (
    *("mixture", "single", "pair", "disj2", "triple", "mix", "cumul"),
    *("none", "mask", "needs", "disj3", "four"),
)
"""`needs`: one culprit, and another addition that cannot run without a third, undeclared."""


@dataclass(frozen=True)
class Truth:
    """A structure: which sets are broken, and which explanations name it rightly."""

    broken: Callable[[Subset], bool]
    culprits: tuple[tuple[Subset, ...], ...]
    cumulative: bool = False
    lost: Callable[[Subset], bool] = lambda _: False
    """Which sets cannot be judged."""

    def named(self, suspect: Suspect) -> bool:
        """Whether an explanation is the whole truth."""
        if self.cumulative or suspect.cumulative:
            return self.cumulative and suspect.cumulative
        return suspect.culprits in self.culprits


def draw(structure: str, names: Sequence[str], rng: Random) -> Truth:
    """One truth of a structure; of `mixture`, the structure is drawn first."""
    if structure == "mixture":
        (structure,) = rng.choices(list(MIXTURE), list(MIXTURE.values()))
    if structure == "cumul":
        return _cumulative(names, rng)
    i, j, k, m = rng.sample(list(names), 4)
    if structure == "mask":
        # k breaks, and so does i unless j is on. The full recipe shows k; i is dormant.
        return Truth(lambda s: k in s or (i in s and j not in s), (_sets(k), _sets(i, k)))
    if structure == "needs":
        return Truth(lambda s: i in s, (_sets(i),), lost=lambda s: j in s and k not in s)
    minimal = {
        "none": (),
        "single": _sets(i),
        "pair": _sets((i, j)),
        "triple": _sets((i, j, k)),
        "disj2": _sets(i, j),
        "mix": _sets(i, (j, k)),
        "disj3": _sets(i, j, k),
        "four": _sets((i, j, k, m)),
    }[structure]
    return Truth(lambda s: any(c <= s for c in minimal), (minimal,))


def _sets(*culprits: str | tuple[str, ...]) -> tuple[Subset, ...]:
    sets = (frozenset([c] if isinstance(c, str) else c) for c in culprits)
    return tuple(sorted(sets, key=lambda s: (len(s), sorted(s))))


def _cumulative(names: Sequence[str], rng: Random) -> Truth:
    weights, line = dict.fromkeys(names, 1.0), 0.0
    while sum(sorted(weights.values())[-3:]) >= line:  # a set of three would be to blame
        weights = {name: rng.uniform(0.5, 1.5) for name in names}
        line = rng.uniform(0.4, 0.9) * sum(weights.values())
    return Truth(lambda s: sum(weights[x] for x in s) >= line, (), cumulative=True)


def entropy(structure: str, n: int) -> float:
    """Bits in the answer, for the bound; harm that adds up is one answer."""
    match structure:
        case "mixture":
            weights = np.array(list(MIXTURE.values()))
            own = sum(w * entropy(s, n) for s, w in MIXTURE.items())
            return float(own - weights @ np.log2(weights))
        case "single" | "mask" | "needs":
            answers = n
        case "pair" | "disj2":
            answers = n * (n - 1) // 2
        case "triple" | "disj3":
            answers = n * (n - 1) * (n - 2) // 6
        case "four":
            answers = n * (n - 1) * (n - 2) * (n - 3) // 24
        case "mix":
            answers = n * (n - 1) * (n - 2) // 2
        case _:
            answers = 1
    return float(np.log2(answers))


def capacity(a: float, b: float) -> float:
    """Most bits that one run can tell, whatever share of the sets asked for is broken."""
    share = np.linspace(0, 1, 2001)
    fails = share * (1 - b) + (1 - share) * a
    told = _coin(fails) - share * _coin(np.array(b)) - (1 - share) * _coin(np.array(a))
    return float(told.max())


def _coin(p: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    q = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(-(q * np.log2(q) + (1 - q) * np.log2(1 - q)))
