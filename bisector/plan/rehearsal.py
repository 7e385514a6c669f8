"""Plays a search against an imagined truth, to know beforehand about how many runs it takes.

Every run is taken to show plainly whether the imagined culprit is on; real runs are
less plain, so a real search takes a little longer.
"""

from collections.abc import Sequence

from bisector.model.experiment import Experiment
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.phases import Phase, steer

_HEALTHY = Verdict(Outcome.HEALTHY, 0.01)
_BROKEN = Verdict(Outcome.BROKEN, 0.99, Signature(Symptom.NOT_FINITE))


def rehearse(
    experiment: Experiment, phases: Sequence[Phase], culprit: str | None, slots: int
) -> Session:
    """The whole search, if `culprit` breaks every run that it is on in; None: nothing does."""
    session = Session(experiment)
    while (decision := steer(session, slots - len(session.running), phases)) is not None:
        if decision.record:
            session = session.add(decision.record)
        for trial in decision.ask:
            session = session.add(Launched(trial, ""))
        if not decision.record and not decision.ask and not session.running:
            break
        if not decision.record and (not decision.ask or len(session.running) >= slots):
            session = session.add(_judged(session.running[0].trial, culprit))
    return session


def _judged(trial: Trial, culprit: str | None) -> Judged:
    return Judged(trial, _BROKEN if culprit in trial.arm.additions else _HEALTHY, 1.0)
