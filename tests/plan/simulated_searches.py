"""Whole searches of the default planner against a made-up truth, with a little noise."""

from collections.abc import Callable
from random import Random

from bisector.model.experiment import Addition, Experiment
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.phases import conclude, confirm, isolate, reproduce, steer

Breaks = Callable[[frozenset[str]], bool]


def nothing(on: frozenset[str]) -> bool:
    return False


def judged_by_hand(
    n: int, breaks: Breaks, seed: int = 0, sd: float = 0.004, crashes: Breaks = nothing
) -> Session:
    """A search to its end among `n` additions, one run at a time; scores are .3 or .9."""
    planner, rng = AdaptivePlanner(), Random(seed)
    phases = (reproduce, isolate(planner), confirm, conclude(planner))
    additions = tuple(Addition(name=f"a{i}", overrides=(f"recipe.a{i}=1",)) for i in range(n))
    session = Session(Experiment(name="simulated", additions=additions))
    while not session.conclusion:
        decision = steer(session, 1, phases)
        assert decision is not None
        if decision.record:
            session = session.add(decision.record)
        for trial in decision.ask:
            verdict = _verdict(trial, breaks, rng.gauss(0, sd))
            if crashes(trial.arm.additions):
                verdict = Verdict(Outcome.BROKEN, 1.0, Signature(Symptom.CRASH, "KeyError"))
            session = session.add(Launched(trial, "")).add(Judged(trial, verdict, 1.0))
    return session


def _verdict(trial: Trial, breaks: Breaks, noise: float) -> Verdict:
    if breaks(trial.arm.additions):
        return Verdict(Outcome.BROKEN, 0.99, Signature(Symptom.WORSE), score=0.3 + noise)
    return Verdict(Outcome.HEALTHY, 0.01, score=0.9 + noise)
