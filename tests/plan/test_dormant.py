"""What breaks training and does not show, because another addition rescues it."""

import pytest
from simulated_searches import judged_by_hand

from bisector.model.session import Session
from bisector.plan.dormant import dormant


def of(session: Session) -> list[tuple[list[str], list[str]]]:
    return [(sorted(d.culprit), sorted(d.rescuers)) for d in dormant(session)]


@pytest.mark.parametrize(
    ("shows", "sleeps", "rescuer"), [("a6", "a7", "a4"), ("a1", "a2", "a4"), ("a3", "a0", "a6")]
)
def test_a_culprit_that_another_addition_rescues_is_found_beside_the_one_that_shows(
    shows: str, sleeps: str, rescuer: str
) -> None:
    session = judged_by_hand(8, lambda on: shows in on or (sleeps in on and rescuer not in on))
    met = [e for e in session.judged if e.verdict.signature and shows not in e.trial.arm.additions]
    end = session.conclusion
    assert met
    assert end is not None
    assert end.culprits == (frozenset({shows}),)
    assert [(sorted(d.culprit), sorted(d.rescuers)) for d in end.dormant] == [([sleeps], [rescuer])]
    assert end.dormant[0].probability >= 0.9


def test_nothing_is_dormant_where_nothing_is_masked() -> None:
    for broken in (lambda on: "a2" in on, lambda on: {"a1", "a5"} <= on):
        session = judged_by_hand(8, broken, seed=1)
        assert session.conclusion is not None
        assert session.conclusion.dormant == ()


def test_what_shows_in_a_larger_set_is_not_called_dormant() -> None:
    """`a1` unless `a3`, or `a1` with `a2`: with everything on, `a1` breaks it after all."""
    session = judged_by_hand(8, lambda on: "a1" in on and ("a3" not in on or "a2" in on), seed=2)
    assert all("a1" not in culprit for culprit, _ in of(session))
