"""Why the convicted does not train, in words: each reason, how far it is proved, and its mend."""

from collections.abc import Sequence
from dataclasses import dataclass

from bisector.model.finding import Diagnosis, Reason, Severity, Status
from bisector.model.session import Explained, Session
from bisector.model.trial import Arm
from bisector.report.arms import arm_subject
from bisector.report.wording import capital, clean, count

SHOWN = 3
"""Reasons of one arm that a summary in sentences names; the tables have all."""


@dataclass(frozen=True, slots=True)
class Why:
    """What is known of why one arm does not train."""

    additions: tuple[str, ...]
    """The arm; empty: the baseline."""
    subject: str
    """The arm as sentences name it, names in backticks."""
    reasons: tuple[Reason, ...]
    """Proved ones first, refuted ones last."""
    unlooked: tuple[str, ...]
    """What the checks that could not look would have needed, each with their ids."""


def whys(session: Session) -> tuple[Why, ...]:
    """The last explanation of every arm that was to be explained."""
    last = {e.additions: e for e in session.explained}
    return tuple(_why(session, e) for e in last.values())


def sentences(told: Sequence[Why]) -> list[str]:
    """The reasons that still stand, the best proved first, one sentence each."""
    return [
        sentence(why.subject, reason)
        for why in told
        for reason in [r for r in why.reasons if r.status is not Status.REFUTED][:SHOWN]
        if reason.finding.severity is not Severity.NOTE or reason.status is Status.PROVED
    ]


def sentence(subject: str, reason: Reason) -> str:
    """One reason as a sentence that says how sure it is."""
    found = reason.finding
    said = clean(found.summary).rstrip(".")
    tried = f" ({clean(reason.because)})" if reason.because else ""
    return f"Why {subject}: {found.check} {clean(found.title)}, {reason.status}{tried}. {capital(said)}."


def first_reason(reasons: Sequence[Reason]) -> str:
    """The likeliest reason in a few words, and how many others there are."""
    if not reasons:
        return "no check says"
    first, *rest = reasons
    more = f", and {count(len(rest), 'other')}" if rest else ""
    return f"{first.finding.check} {clean(first.finding.title)} ({first.status}){more}"


def diagnosed(diagnosis: Diagnosis) -> str:
    """What the checks said of one arm, in a few words."""
    own = [f for f in diagnosis.findings if not f.shared]
    looked = len(diagnosis.findings) + len(diagnosis.silent)
    asked = looked + len(diagnosis.unlooked)
    if not looked:
        return f"none of {asked} could look"
    found = ", ".join(f"{f.check} {clean(f.title)}" for f in own) or "nothing found"
    return f"{looked} of {count(asked, 'check')} looked: {found}"


def _why(session: Session, told: Explained) -> Why:
    alike: dict[str, list[str]] = {}
    for u in told.unlooked:
        alike.setdefault(u.because, []).append(u.check)
    return Why(
        additions=tuple(sorted(told.additions)),
        subject=arm_subject(session.experiment, Arm(told.additions)),
        reasons=told.reasons,
        unlooked=tuple(f"{', '.join(ids)}: {clean(because)}" for because, ids in alike.items()),
    )
