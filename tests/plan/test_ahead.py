"""What is trained on slots that would stand idle while the last runs of an isolation are awaited."""

from heapq import heappop, heappush

import pytest

from bisector.model.experiment import Addition, Budget, Experiment, LearningRate
from bisector.model.session import Accused, Judged, Launched, Session, Suspect
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.ahead import ahead, confirmed_from
from bisector.plan.phases import conclude, confirm, isolate, reproduce, steer, sweep_lr

NAMES = tuple(f"a{n}" for n in range(8))
ASKED = Experiment(
    name="t",
    additions=tuple(Addition(name=name, overrides=()) for name in NAMES),
    budget=Budget(confirm=2),
    lr=LearningRate(key="recipe.lr", value=0.1),
)
HEALTHY = Verdict(Outcome.HEALTHY, 0.01)
BROKEN = Verdict(Outcome.BROKEN, 0.99, Signature(Symptom.WORSE))
A3 = frozenset({"a3"})
SURE, LIKELY = (Suspect((A3,), p) for p in (0.995, 0.7))


def purposes(trials: tuple[Trial, ...]) -> set[Purpose]:
    return {t.purpose for t in trials}


def searched(slots: int) -> Session:
    """A whole search for `a3`, in which runs of everything but one addition take thrice as long."""
    planner = AdaptivePlanner()
    phases = (reproduce, isolate(planner), confirm, sweep_lr, conclude(planner))
    session, now, ends = Session(ASKED), 0.0, []
    while not session.conclusion:
        free = slots - len(ends)
        decision = steer(session, free, phases) if free else None
        if decision and decision.record:
            session = session.add(decision.record)
        for trial in decision.ask if decision else ():
            session = session.add(Launched(trial, "-", now))
            long = 3.0 if len(trial.arm.additions) == len(NAMES) - 1 else 1.0
            heappush(ends, (now + long, trial.number, trial))
        if not decision or not (decision.ask or decision.record):
            now, _, trial = heappop(ends)
            broken = "a3" in trial.arm.additions
            session = session.add(Judged(trial, BROKEN if broken else HEALTHY, 1.0, now))
    return session


def test_a_sure_leader_s_confirmation_and_learning_rates_are_started_ahead() -> None:
    trials = ahead(Session(ASKED), SURE)
    assert purposes(trials) == {Purpose.CONFIRM, Purpose.SWEEP_LR}
    assert {t.arm.additions for t in trials} == {A3, ASKED.full - A3}


def test_a_leader_that_is_only_likely_is_swept_and_proved_but_not_confirmed() -> None:
    session = Session(ASKED)
    assert purposes(ahead(session, LIKELY)) == {Purpose.SWEEP_LR}
    for trial in ahead(session, LIKELY):
        session = session.add(Launched(trial, "-"))
    more = ahead(session, LIKELY)
    assert purposes(more) == {Purpose.ISOLATE}
    for trial in more:
        session = session.add(Launched(trial, "-"))
    assert ahead(session, LIKELY) == (), "all of it is training"


@pytest.mark.parametrize("leader", [Suspect((A3,), 0.4), Suspect((), 0.99)])
def test_nothing_is_started_ahead_while_too_little_is_known(leader: Suspect) -> None:
    assert ahead(Session(ASKED), leader) == ()


def test_what_was_launched_for_another_suspect_confirms_nothing() -> None:
    session = Session(ASKED)
    arms = [frozenset({"a1"}), A3, ASKED.full - A3]
    for number, additions in enumerate(arms):
        session = session.add(Launched(Trial(number, Arm(additions), 0, Purpose.CONFIRM), "-"))
    assert confirmed_from(session, SURE) == 1
    assert confirmed_from(session, Suspect((frozenset({"a1"}),), 0.995)) == 3


def test_a_search_with_one_slot_starts_nothing_ahead() -> None:
    session = searched(1)
    (accused,) = (e for e in session.events if isinstance(e, Accused))
    before = [e.trial.purpose for e in session.launched if e.trial.number < accused.trials]
    assert not set(before) & {Purpose.CONFIRM, Purpose.SWEEP_LR}


def test_a_search_with_many_slots_confirms_on_fresh_seeds_that_began_before_the_accusation() -> (
    None
):
    session = searched(8)
    assert session.conclusion
    assert session.conclusion.culprits == (A3,)
    at = next(n for n, e in enumerate(session.events) if isinstance(e, Accused))
    accused = session.events[at]
    assert isinstance(accused, Accused)
    begun = [e.trial for e in session.events[:at] if isinstance(e, Launched)]
    early = [t for t in begun if t.purpose is Purpose.CONFIRM]
    assert early
    assert accused.trials == early[0].number
    seeds: dict[Arm, list[int]] = {}
    for e in session.launched:
        seeds.setdefault(e.trial.arm, []).append(e.trial.seed)
    assert all(len(set(had)) == len(had) for had in seeds.values()), "no seed is trained twice"
