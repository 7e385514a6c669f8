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
    target = _searched(session)
    return tuple(
        replace(e, verdict=replace(e.verdict, outcome=Outcome.UNRESOLVED))
        if _otherwise(e, target)
        else e
        for e in session.judged
    )


def otherwise(session: Session, event: Judged) -> bool:
    """Whether a broken run has failed in another way than the one searched for."""
    return event.verdict.outcome is Outcome.BROKEN and _otherwise(event, _searched(session))


def _searched(session: Session) -> Signature | None:
    """The failure under search, once the full set has failed; before, every failure counts."""
    full = Arm(session.experiment.full)
    whole = (e.verdict.outcome is Outcome.BROKEN for e in session.judged if e.trial.arm == full)
    return followed(session) if any(whole) else None


def _otherwise(event: Judged, target: Signature | None) -> bool:
    signature = event.verdict.signature
    if target is None or signature is None or signature.like(target):
        return False
    # The baseline's own failures are nobody else's.
    return event.trial.arm.plain and event.trial.arm != Arm()
