"""What a batch for several slots is made of."""

from bisector.model.session import Judged, Session
from bisector.plan.adaptive import AdaptivePlanner
from bisector.testing.planner import Subset, breaks_with, experiment, launched, opened

NAMES = "abcdefghijklmnop"
ALONE, REST = frozenset("c"), frozenset(NAMES) - {"c"}
TRAIN = breaks_with("c")


def after(*sets: str) -> Session:
    """A search in which these sets have been trained; `c` is what breaks."""
    session = launched(opened(experiment(NAMES), TRAIN), [frozenset(s) for s in sets])
    for event in session.running:
        session = session.add(Judged(event.trial, TRAIN(event.trial), 1.0))
    return session


def asked(session: Session, slots: int) -> tuple[Subset, ...]:
    answer = AdaptivePlanner().decide(session, slots)
    assert isinstance(answer, tuple)
    return answer


HALVES = ("abcdefgh", "ijklmnop", "abcdijkl", "abefijmn", "cdgh", "bcfg", "aceg", "abdefghijklm")


def test_a_batch_begins_with_what_the_leader_has_to_show_and_is_no_longer_than_it_must_be() -> None:
    session = after(*HALVES)
    leader = AdaptivePlanner().rank(session)[0]
    assert leader.culprits == (ALONE,)
    assert 0.5 < leader.probability < 0.99
    batch = asked(session, 8)
    assert set(batch[:2]) == {ALONE, REST}
    assert len(batch) < 8


def test_what_the_leader_has_to_show_is_not_asked_for_again_while_it_trains() -> None:
    session = launched(after(*HALVES), [ALONE])
    assert asked(session, 7)[0] == REST


def test_while_nobody_is_suspect_all_slots_are_used_on_sets_that_differ() -> None:
    batch = asked(after(), 8)
    assert len(set(batch)) == 8
