"""Why what was convicted does not train: findings, and how far each has been put to the proof."""

from bisector.model.finding import Finding, Reason, Status
from bisector.model.session import Explained, Session
from bisector.ports import Decision

ORDER = (Status.PROVED, Status.SUSPECTED, Status.REFUTED)
"""A remedy that restores training outranks all that was only seen; one that fails clears it."""


def explained(session: Session, additions: frozenset[str]) -> Decision | None:
    """Record why an arm does not train, unless just that stands in the session already."""
    seen = session.diagnosed(additions)
    if seen is None:
        return None
    reasons = sorted(
        (_reason(f) for f in seen.diagnosis.findings if not f.shared),
        key=lambda r: ORDER.index(r.status),
    )
    told = Explained(additions, tuple(reasons), seen.diagnosis.unlooked)
    said = [e for e in session.explained if e.additions == additions]
    if said and (said[-1].reasons, said[-1].unlooked) == (told.reasons, told.unlooked):
        return None
    return Decision(record=told)


def _reason(finding: Finding) -> Reason:
    return Reason(finding=finding, status=Status.SUSPECTED)
