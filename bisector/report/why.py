"""Why the convicted does not train, in words: each reason, how far it is proved, and its mend."""

from collections.abc import Sequence
from dataclasses import dataclass

from bisector.model.finding import Diagnosis, Reason, Status
from bisector.model.session import Explained, Session
from bisector.model.trial import Arm
from bisector.report.arms import arm_subject
from bisector.report.wording import capital, clean, count


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

    @property
    def several(self) -> bool:
        """Whether the subject is a plural."""
        return self.subject.endswith(" together")


def whys(session: Session) -> tuple[Why, ...]:
    """The last explanation of every arm that was to be explained."""
    last = {e.additions: e for e in session.explained}
    return tuple(_why(session, e) for e in last.values())


def sentences(told: Sequence[Why]) -> list[str]:
    """For each arm the reason that stands first, and then the others in brief; or that none does."""
    said = []
    for why in told:
        standing = [r for r in why.reasons if r.status is not Status.REFUTED]
        first, rest = standing[:1], standing[1:]
        said += [sentence(why.subject, reason) for reason in first] or [_unknown(why)]
        if rest:
            also = ", ".join(_brief(r) for r in rest)
            said.append(f"Also seen of {why.subject}: {also}.")
    return said


def sentence(subject: str, reason: Reason) -> str:
    """One reason as a sentence that says how sure it is."""
    found = reason.finding
    said = clean(found.summary).rstrip(".")
    tried = f": {clean(reason.because)}" if reason.because else ""
    if not found.check:
        return f"Why {subject} fails is not known, but there is a mend that works ({reason.status}{tried})."
    why = f"{found.check} {clean(found.title)}"
    return f"Why {subject} fails: {why} ({reason.status}{tried}). {capital(said)}."


def _unknown(why: Why) -> str:
    """That no reason stands: what was tried in vain, and how much could not be looked at."""
    denied = [_brief(r) for r in why.reasons if r.finding.check]
    blind = sum(ids.count(",") + 1 for ids in (u.partition(": ")[0] for u in why.unlooked))
    parts = [
        f"what was suspected is not it: {', '.join(denied)}"
        if denied
        else "no check found a reason",
        "what mends many ills did not help" if len(denied) < len(why.reasons) else "",
        f"{count(blind, 'check')} could not look, and the report says what they would need"
        if blind
        else "",
    ]
    return f"Why {why.subject} fails is not known: {'; '.join(filter(None, parts))}."


def reason_in_brief(session: Session) -> str:
    """The likeliest reasons of all that was explained: `R07a samples in stored order (proved)`."""
    firsts = [why.reasons[0] for why in whys(session) if why.reasons]
    return "; ".join(map(_brief, firsts))


def first_reason(reasons: Sequence[Reason]) -> str:
    """The likeliest reason in a few words, and how many others there are."""
    if not reasons:
        return "no check says"
    first, *rest = reasons
    more = f", and {count(len(rest), 'other')}" if rest else ""
    return f"{_brief(first)}{more}"


def _brief(reason: Reason) -> str:
    return f"{reason.finding.check} {clean(reason.finding.title)} ({reason.status})".lstrip()


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
