"""What run checks have in common: reading series over looks that may hold numbers that are none."""

import math
from collections.abc import Sequence
from statistics import median

from bisector.model.finding import Case, Facts, Limit

Series = Sequence[Sequence[float]]
"""By look, then by layer or parameter."""


def numbers(values: Sequence[object]) -> list[float]:
    """The values as numbers; those that are not finite may be spelt as words."""
    return [float(str(v)) for v in values]


def finite(values: Sequence[object]) -> list[float]:
    """The values that are finite."""
    return [v for v in numbers(values) if math.isfinite(v)]


def column(series: Series, number: int) -> list[float]:
    """One layer's or parameter's finite values over the looks."""
    return finite([row[number] for row in series if number < len(row)])


def middle(values: Sequence[object]) -> float:
    """The median of what is finite; NaN if nothing is."""
    kept = finite(values)
    return median(kept) if kept else math.nan


def late(values: Sequence[float]) -> Sequence[float]:
    """The last third, at least one."""
    return values[-max(1, len(values) // 3) :]


def ends(facts: Facts, name: str) -> float:
    """The end of a curve of a run, in the median of its last third; NaN: there is none."""
    seen = finite(facts.get("course", {}).get(name, []))
    return middle(late(seen)) if seen else math.nan


WORSE = Limit(1.25, "our choice: the loss at the end over the baseline's")


def ends_above(case: Case, times: float, name: str = "loss") -> bool:
    """Whether a curve ends above so many times where the baseline's does; not, if one is not known."""
    own, usual = ends(case.facts, name), ends(case.healthy, name)
    return usual > 0 and own > times * usual


def length(facts: Facts) -> float:
    """The steps that a run has from its beginning to its own end; 0: nobody knows."""
    course, passes = facts.get("course", {}), facts.get("passes", {})
    if planned := float(course.get("planned", 0)):
        return planned
    whole = passes.get("ended", False) and not course.get("cut_short", True)
    return float(passes.get("steps", 0)) if whole else 0.0


def named(names: Sequence[object], shown: int = 5) -> str:
    """Names for a sentence: the first few, and how many more there are."""
    listed = ", ".join(f"`{n}`" for n in names[:shown])
    return listed + (f" and {len(names) - shown} more" if len(names) > shown else "")
