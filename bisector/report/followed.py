"""Which failure a search is about, and its runs in the light of that."""

from collections import Counter
from dataclasses import replace

from bisector.model.session import Judged, Session
from bisector.model.trial import Arm
from bisector.model.verdict import Outcome, Signature


def followed(session: Session) -> Signature | None:
    """The failure under search: what most often breaks the full set, else what breaks most."""
    broken = [e for e in session.judged if e.verdict.outcome is Outcome.BROKEN]
    whole = [e for e in broken if e.trial.arm == Arm(session.experiment.full)]
    seen = Counter(e.verdict.signature for e in whole or broken if e.verdict.signature)
    return seen.most_common(1)[0][0] if seen else None


def heard(session: Session) -> tuple[Judged, ...]:
    """The judged runs as planners read them.

    A set that fails in another way than the full one does says nothing of who is to blame.
    """
    full = Arm(session.experiment.full)
    whole = any(e.trial.arm == full and e.verdict.outcome is Outcome.BROKEN for e in session.judged)
    target = followed(session)
    if target is None or not whole:
        return session.judged
    return tuple(_heard(e, target) for e in session.judged)


def _heard(event: Judged, target: Signature) -> Judged:
    verdict = event.verdict
    alike = verdict.signature is None or verdict.signature.like(target)
    # The baseline's own failures are nobody else's.
    if alike or not event.trial.arm.plain or event.trial.arm == Arm():
        return event
    return replace(event, verdict=replace(verdict, outcome=Outcome.UNRESOLVED))
