"""Plays a search against an imagined truth, to know beforehand about how many runs it takes.

Every run is taken to show plainly whether the imagined culprit is on; real runs are
less plain, so a real search takes a little longer.
"""

from collections.abc import Sequence

from bisector.model.experiment import Experiment
from bisector.model.finding import Diagnosis
from bisector.model.session import Diagnosed, Judged, Launched, Session
from bisector.model.trial import Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.phases import Phase, steer
from bisector.ports import Decision

_HEALTHY = Verdict(Outcome.HEALTHY, 0.01)
_BROKEN = Verdict(Outcome.BROKEN, 0.99, Signature(Symptom.NOT_FINITE))


def rehearse(
    experiment: Experiment, phases: Sequence[Phase], culprit: str | None, slots: int
) -> Session:
    """The whole search, if `culprit` breaks every run that it is on in; None: nothing does."""
    session = Session(experiment)
    while (decision := steer(session, slots - len(session.running), phases)) is not None:
        if decision == Decision() and not session.running:
            break
        session = _after(session, decision)
        told = decision.record or decision.look
        if not told and (not decision.ask or len(session.running) >= slots):
            session = session.add(_judged(session.running[0].trial, culprit))
    return session


def first_runs(session: Session, phases: Sequence[Phase], slots: int) -> tuple[Trial, ...]:
    """What would be trained first, whatever is looked at before; empty: nothing would."""
    while (decision := steer(session, slots, phases)) not in (None, Decision()):
        assert decision is not None
        if any(t.arm.trained for t in decision.ask):
            return decision.ask
        session = _after(session, decision)
        for trial in decision.ask:
            session = session.add(_judged(trial, None))
    return ()


def _after(session: Session, decision: Decision) -> Session:
    """The session once a decision is carried out; the checks find nothing."""
    if decision.record:
        session = session.add(decision.record)
    if look := decision.look:
        session = session.add(Diagnosed(look.additions, Diagnosis(), look.trials, look.beside))
    for trial in decision.ask:
        session = session.add(Launched(trial, ""))
    return session


def _judged(trial: Trial, culprit: str | None) -> Judged:
    broken = trial.arm.trained and culprit in trial.arm.additions
    return Judged(trial, _BROKEN if broken else _HEALTHY, 1.0)
