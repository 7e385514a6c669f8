import numpy as np
import pytest

from bisector.model.experiment import Addition, Experiment
from bisector.plan.cost import expected_cost, resolvable
from bisector.plan.observations import Observations, Run
from bisector.plan.space import Space

EXPERIMENT = Experiment(
    name="t", additions=tuple(Addition(name=n, overrides=(f"recipe.{n}=1",)) for n in "abcd")
)
SPACE = Space(EXPERIMENT)


def of(
    runs: list[tuple[str, bool, float]], *subsets: str, lost: tuple[str, ...] = ()
) -> np.ndarray:
    seen = Observations(
        tuple(Run(frozenset(s), failed, None, seconds) for s, failed, seconds in runs),
        tuple(map(frozenset, lost)),
    )
    rows = SPACE.encode(map(frozenset, subsets))
    return expected_cost(seen, SPACE, resolvable(seen, SPACE))(rows, np.zeros(len(rows)))


def test_runs_that_take_the_same_time_cost_the_same() -> None:
    alike = [("", False, 3.0), ("ab", False, 3.0), ("abcd", True, 3.0)]
    assert of(alike, "", "a", "abcd") == pytest.approx(1.0)
    assert of([], "", "abcd") == pytest.approx(1.0)


def test_an_addition_that_makes_runs_longer_makes_its_sets_dearer() -> None:
    runs = [("", False, 1.0), ("b", False, 1.0), ("c", False, 1.1), ("bcd", False, 1.0)] * 3
    runs += [("a", False, 4.0), ("ab", False, 4.2), ("acd", False, 4.0)] * 3
    without, with_it = of(runs, "bc", "ac")
    assert with_it > 2 * without


def test_a_run_likely_to_break_is_cheaper_where_broken_runs_end_early() -> None:
    runs = [("", False, 4.0), ("b", False, 4.0), ("c", False, 4.0)] * 4
    runs += [("a", True, 1.0), ("b", True, 1.0), ("c", True, 1.0)] * 4
    seen = Observations(tuple(Run(frozenset(s), f, None, t) for s, f, t in runs))
    cost = expected_cost(seen, SPACE, resolvable(seen, SPACE))
    rows = SPACE.encode([frozenset("b")] * 2)
    passing, failing = cost(rows, np.array([0.0, 1.0]))
    assert failing < 0.6 * passing


def test_what_could_not_be_judged_before_is_hardly_worth_another_run() -> None:
    runs = [("", False, 1.0), ("abcd", True, 1.0), ("ab", False, 1.0)]
    again, safe = of(runs, "ac", "ab", lost=("ac",))
    assert again > 10 * safe
