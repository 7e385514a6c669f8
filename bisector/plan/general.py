"""A convicted set that no check suspects of anything: the changes that mend many ills are tried.

One that works is a mend and no reason, and is told as that.
"""

from collections.abc import Iterator

from bisector.model.finding import Finding, Reason, Remedy, Safety, Severity, Stage, Status
from bisector.model.session import Session
from bisector.model.trial import Purpose
from bisector.model.variant import MEANS
from bisector.model.verdict import Outcome
from bisector.plan.asks import Want
from bisector.plan.experiments import general_mends
from bisector.plan.explain import reason
from bisector.plan.remedies import Attempt, altered, mend_of, standing, tried, try_of, worth_trying


def general_wants(session: Session, additions: frozenset[str]) -> tuple[Want, ...]:
    """The runs that look for a mend, up to the first that is proved; none where a reason stands."""
    if _has_a_reason(session, additions):
        return ()
    wants: list[Want] = []
    for attempt in _attempts(session, additions):
        wants.append(try_of(session, attempt.arm, Purpose.TRY_REMEDY))
        if standing(session, attempt.arm) is Status.PROVED:
            break
    return tuple(wants)


def general_reasons(session: Session, additions: frozenset[str]) -> tuple[Reason, ...]:
    """The mend that was found, or else all that was tried in vain, as one reason."""
    if _has_a_reason(session, additions):
        return ()
    run = [a for a in _attempts(session, additions) if session.runs(a.arm)]
    proved = next((a for a in run if standing(session, a.arm) is Status.PROVED), None)
    if proved is not None:
        return (_found(session, proved),)
    failed = [a for a in run if standing(session, a.arm) is Status.REFUTED]
    return (_in_vain(session, failed),) if failed else ()


def _has_a_reason(session: Session, additions: frozenset[str]) -> bool:
    """Whether some finding still stands, or another learning rate is known to mend it."""
    seen = session.diagnosed(additions)
    findings = worth_trying(seen.diagnosis.findings if seen else ())
    standing_ = any(reason(session, additions, f).status is not Status.REFUTED for f in findings)
    return standing_ or any(
        e.verdict.outcome is Outcome.HEALTHY
        and e.trial.arm.additions == additions
        and e.trial.arm.lr_scale != 1.0
        and not e.trial.arm.tweaks
        for e in session.judged
    )


def _attempts(session: Session, additions: frozenset[str]) -> Iterator[Attempt]:
    experiment = session.experiment
    members = [a for a in experiment.additions if a.name in additions]
    made = (altered(experiment, additions, variant) for variant in general_mends(members))
    return (attempt for attempt in made if attempt is not None)


def _found(session: Session, attempt: Attempt) -> Reason:
    order = MEANS[attempt.variant]
    return Reason(
        finding=_finding(
            "a mend that works",
            f"with one change, to {order}, it trains; what ails it is not known",
            Remedy(f"{order[0].upper()}{order[1:]}.", safety=Safety.SAFE),
        ),
        status=Status.PROVED,
        because=tried(session, attempt),
        mend=mend_of(session.experiment, attempt),
    )


def _in_vain(session: Session, failed: list[Attempt]) -> Reason:
    return Reason(
        finding=_finding(
            "what mends many ills", "it was tried and did not help", Remedy("Look elsewhere.")
        ),
        status=Status.REFUTED,
        because="; ".join(tried(session, attempt) for attempt in failed),
    )


def _finding(title: str, summary: str, remedy: Remedy) -> Finding:
    return Finding(
        check="",
        reason="",
        title=title,
        severity=Severity.WARNING,
        stage=Stage.RUN,
        summary=summary,
        evidence={},
        crossing=None,
        remedy=remedy,
    )
