"""Why what was convicted does not train: findings, and how far each has been put to the proof."""

from collections.abc import Iterator, Sequence

from bisector.model.finding import Finding, Reason, Status
from bisector.model.session import Explained, Session
from bisector.model.variant import SEEN
from bisector.plan.remedies import (
    Attempt,
    attempts,
    impossible,
    mend_of,
    standing,
    tried,
    worth_trying,
)
from bisector.ports import Decision

ORDER = (Status.PROVED, Status.SUSPECTED, Status.REFUTED)
"""A remedy that restores training outranks all that was only seen; one that fails clears it."""


def explained(
    session: Session, additions: frozenset[str], more: Sequence[Reason] = ()
) -> Decision | None:
    """Record why an arm does not train, unless just that stands in the session already.

    `more` are reasons that experiments gave.
    """
    seen = session.diagnosed(additions)
    if seen is None and not more:
        return None
    found = list(_reasons(session, additions))
    # A change that has answered a finding is told there.
    known = {r.because for r in found if r.because}
    found += [r for r in more if r.because not in known]
    reasons = sorted(found, key=lambda r: ORDER.index(_counted(r)))
    told = Explained(additions, tuple(reasons), seen.diagnosis.unlooked if seen else ())
    said = [e for e in session.explained if e.additions == additions]
    if said and (said[-1].reasons, said[-1].unlooked) == (told.reasons, told.unlooked):
        return None
    return Decision(record=told)


def _counted(reason: Reason) -> Status:
    """How a reason is ranked.

    What was seen to happen explains what a mend of something further on has proved; what only tells
    a place, and mends nothing, is no more than seen.
    """
    if reason.finding.check in SEEN:
        return Status.PROVED
    tells_a_place = reason.status is Status.PROVED and not reason.mend
    return Status.SUSPECTED if tells_a_place else reason.status


def _reasons(session: Session, additions: frozenset[str]) -> Iterator[Reason]:
    seen = session.diagnosed(additions)
    for finding in seen.diagnosis.findings if seen else ():
        if not finding.shared:
            yield reason(session, additions, finding)


def reason(session: Session, additions: frozenset[str], finding: Finding) -> Reason:
    """A finding, with what its remedies have shown."""
    ways = attempts(session.experiment, additions, finding) if _may_be(finding) else ()
    ways = tuple(way for way in ways if not impossible(session, way.arm))
    told = [(standing(session, way.arm), way) for way in ways]
    best = min(told, key=lambda each: ORDER.index(each[0]), default=None)
    if best is None:
        because = "" if ways or not _may_be(finding) else "nothing here can be tried by itself"
        return Reason(finding=finding, status=Status.SUSPECTED, because=because)
    status, way = best
    if status is Status.REFUTED and finding.check in SEEN:
        return Reason(finding=finding, status=Status.SUSPECTED, because=_because(session, [way]))
    return Reason(
        finding=finding,
        status=status,
        because=_because(session, [w for _, w in told] if status is Status.REFUTED else [way]),
        mend=mend_of(session.experiment, way) if status is not Status.REFUTED else (),
    )


def _may_be(finding: Finding) -> bool:
    return finding in worth_trying([finding])


def _because(session: Session, ways: list[Attempt]) -> str:
    return "; ".join(filter(None, (tried(session, way) for way in ways)))
