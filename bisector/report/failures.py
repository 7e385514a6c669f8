"""The failures a search met beside the one it followed, and the runs it could not judge."""

from dataclasses import dataclass

from bisector.model.session import Judged, Session
from bisector.model.verdict import Outcome, Signature, unmade
from bisector.report.arms import arm_name
from bisector.report.followed import followed, heard
from bisector.report.wording import clean


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure, and the runs that met it."""

    symptom: str
    detail: str
    trials: tuple[int, ...]
    arms: tuple[str, ...]
    """The arms' names, in order of first appearance."""
    counted: bool
    """Whether those runs count as broken; else they were set aside."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Runs that say nothing, and why."""

    because: str
    trials: tuple[int, ...]


def other_failures(session: Session) -> tuple[Failure, ...]:
    """Failures that cannot have the cause of the one followed, commonest first."""
    target = followed(session)
    groups: dict[tuple[Signature, bool], list[Judged]] = {}
    for event in heard(session):
        signature = event.verdict.signature
        if signature is not None and target is not None and not signature.like(target):
            counted = event.verdict.outcome is Outcome.BROKEN
            groups.setdefault((signature, counted), []).append(event)
    found = [
        Failure(
            symptom=signature.symptom.value,
            detail=clean(signature.detail),
            trials=tuple(e.trial.number for e in runs),
            arms=tuple(dict.fromkeys(arm_name(session.experiment, e.trial.arm) for e in runs)),
            counted=counted,
        )
        for (signature, counted), runs in groups.items()
    ]
    return tuple(sorted(found, key=lambda f: -len(f.trials)))


def unjudged(session: Session) -> tuple[Unjudged, ...]:
    """The unresolved runs, grouped by reason, commonest first; a change that never ran is none."""
    groups: dict[str, list[int]] = {}
    for event in session.judged:
        if event.verdict.outcome is Outcome.UNRESOLVED and not unmade(event.verdict):
            groups.setdefault(clean(event.verdict.because) or "not said", []).append(
                event.trial.number
            )
    found = [Unjudged(because, tuple(trials)) for because, trials in groups.items()]
    return tuple(sorted(found, key=lambda u: -len(u.trials)))
