import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from simulated_searches import judged_by_hand

from bisector.model.session import Ruling
from bisector.plan.obstacles import obstacles


def rows(*texts: str) -> np.ndarray:
    return np.array([[c == "1" for c in t] for t in texts], dtype=bool).reshape(len(texts), -1)


def test_with_nothing_lost_there_is_nothing_to_believe() -> None:
    assert obstacles(rows("1100"), np.zeros((0, 4), dtype=bool)) is None


def test_an_addition_that_needs_another_is_found_among_what_was_lost() -> None:
    judged = rows("0000", "1111", "1100", "0010", "0101")
    lost = rows("1000", "1010", "1001")
    found = obstacles(judged, lost)
    assert found is not None
    assert found.needs[0, 1] == found.needs.max() > 0.9
    chance = found.resolvable(rows("1000", "1100", "0011"))
    assert chance[0] < 0.1
    assert chance[1] == pytest.approx(1.0)
    assert chance[2] > 0.5


def test_two_that_exclude_each_other_are_avoided_together_and_not_apart() -> None:
    judged = rows("0000", "1010", "1001", "0110", "0101", "1000", "0100")
    found = obstacles(judged, rows("1100", "1110", "1101"))
    assert found is not None
    together, apart = found.resolvable(rows("1111", "1011"))
    assert together < 0.1
    assert apart > 0.9


def test_an_addition_that_never_runs_is_left_out() -> None:
    judged = rows("0000", "0111", "0110", "0101")
    found = obstacles(judged, rows("1000", "1111", "1010"))
    assert found is not None
    assert found.alone[0] > 0.5
    assert found.resolvable(rows("1001"))[0] < 0.2


@given(
    arrays(np.bool_, st.tuples(st.integers(0, 6), st.just(5))),
    arrays(np.bool_, st.tuples(st.integers(1, 4), st.just(5))),
)
def test_what_was_judged_can_be_judged_and_chances_are_chances(judged, lost) -> None:
    found = obstacles(judged, lost)
    assert found is not None
    everything = np.array(np.meshgrid(*[[False, True]] * 5)).reshape(5, -1).T
    chance = found.resolvable(everything)
    assert np.all((chance > 0) & (chance <= 1 + 1e-12))
    assert np.allclose(found.resolvable(judged), 1.0)


@pytest.mark.parametrize("n", [4, 12])
def test_a_culprit_that_does_not_run_without_another_is_accused_with_it(n: int) -> None:
    session = judged_by_hand(
        n, lambda on: "a1" in on, crashes=lambda on: "a1" in on and "a2" not in on
    )
    end = session.conclusion
    assert end is not None
    assert end.ruling is Ruling.INTERACTION
    assert end.culprits == (frozenset({"a1", "a2"}),)
    assert end.confidence > 0.99
    assert "a1 cannot be judged without a2" in end.because
    assert len(session.started) < 35


def test_a_harmless_addition_that_needs_another_is_not_accused_with_the_culprit() -> None:
    session = judged_by_hand(
        8, lambda on: "a3" in on, crashes=lambda on: "a1" in on and "a2" not in on
    )
    assert session.conclusion is not None
    assert session.conclusion.culprits == (frozenset({"a3"}),)
