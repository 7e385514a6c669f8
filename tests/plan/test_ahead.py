"""What is trained on slots that would stand idle while the last runs of an isolation are awaited."""

from heapq import heappop, heappush

import pytest

from bisector.model.experiment import Addition, Budget, Experiment, LearningRate
from bisector.model.session import Accused, Judged, Launched, Session, Suspect
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.ahead import ahead
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


def test_a_likely_leader_is_swept_and_then_proved_once_more() -> None:
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


def test_a_search_with_one_slot_starts_nothing_ahead() -> None:
    session = searched(1)
    (accused,) = (e for e in session.events if isinstance(e, Accused))
    before = [e.trial.purpose for e in session.launched if e.trial.number < accused.trials]
    assert not set(before) & {Purpose.CONFIRM, Purpose.SWEEP_LR}


@pytest.mark.parametrize("slots", [1, 8])
def test_a_likely_suspect_is_put_to_the_proof_on_fresh_seeds_and_convicted_only_when_sure(
    slots: int,
) -> None:
    session = searched(slots)
    (accused,) = (e for e in session.events if isinstance(e, Accused))
    end = session.conclusion
    assert end
    assert end.culprits == (A3,)
    assert accused.suspect.probability < ASKED.budget.confidence <= end.confidence
    fresh = [t for e in session.launched if (t := e.trial).purpose is Purpose.CONFIRM]
    assert all(trial.number >= accused.trials for trial in fresh)
    seeds: dict[Arm, list[int]] = {}
    for e in session.launched:
        seeds.setdefault(e.trial.arm, []).append(e.trial.seed)
    assert all(len(set(had)) == len(had) for had in seeds.values()), "no seed is trained twice"
