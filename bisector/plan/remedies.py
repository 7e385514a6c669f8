"""Proof by remedy: which changes may mend a convicted set, and what came of trying them.

A finding is a suspicion until the set trains with one change that answers it and nothing else
different. The likeliest is tried first, on one seed; what trains there, on as many as confirm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bisector.model.experiment import Experiment
from bisector.model.finding import Finding, Safety, Severity, Status
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.variant import BIRTH, BORN_IN, COUNTED, MEANS, PROVES, Variant, spelled
from bisector.model.verdict import Outcome
from bisector.plan.asks import Want

_SCALES = {Variant.LOWER_LR: 0.1, Variant.MUCH_LOWER_LR: 0.01, Variant.HIGHER_LR: 10.0}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One change to a set, and the arm that shows what it does."""

    variant: Variant
    arm: Arm


def altered(
    experiment: Experiment, additions: frozenset[str], variant: Variant, n: float | None = None
) -> Attempt | None:
    """A set with one change, of so much, made to it; None: nobody has said how to make it."""
    scale = n if variant is Variant.FITTING_LR else _SCALES.get(variant)
    if scale is not None:
        scaled = Arm(additions, lr_scale=scale)
        return Attempt(variant, scaled) if experiment.lr else None
    overrides = experiment.variants.get(variant, ())
    if variant is Variant.WEAKER and not overrides:
        overrides = tuple(o for a in experiment.additions if a.name in additions for o in a.weaker)
    return Attempt(variant, Arm(additions, spelled(overrides, n))) if overrides else None


def attempts(
    experiment: Experiment, additions: frozenset[str], finding: Finding
) -> tuple[Attempt, ...]:
    """The changes of which each would prove a finding, the likeliest first."""
    own = finding.remedy.variants if finding.remedy.safety is Safety.SAFE else ()
    named = tuple(map(Variant, own)) or _proving(finding)
    known = (variant for variant in named if COUNTED.get(variant, "") in ("", *finding.evidence))
    found = (altered(experiment, additions, v, _many(v, finding)) for v in known)
    return tuple(a for a in found if a is not None)


def _proving(finding: Finding) -> tuple[Variant, ...]:
    """The changes that would prove a finding, by what it is of; of a NaN, by where it was born."""
    if finding.check == BIRTH:
        return BORN_IN.get(str(finding.evidence.get("module", "")), ())
    return PROVES.get(finding.check, PROVES.get(finding.reason, ()))


def _many(variant: Variant, finding: Finding) -> float | None:
    """How much a change is to be, where the finding says it."""
    return float(str(finding.evidence[COUNTED[variant]])) if variant in COUNTED else None


def worth_trying(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings that may be the reason: a note is none, nor what a healthy run shows as well."""
    return (f for f in findings if not f.shared and f.severity is not Severity.NOTE)


def remedy_wants(session: Session, additions: frozenset[str]) -> tuple[Want, ...]:
    """The runs that would prove the findings about a set: one of each, more of what trains."""
    seen = session.diagnosed(additions)
    findings = seen.diagnosis.findings if seen else ()
    arms = [
        attempt.arm
        for finding in worth_trying(findings)
        for attempt in attempts(session.experiment, additions, finding)
    ]
    return tuple(try_of(session, arm, Purpose.TRY_REMEDY) for arm in dict.fromkeys(arms))


def try_of(session: Session, arm: Arm, purpose: Purpose) -> Want:
    """An arm on one seed, and on as many as confirm once it has trained there."""
    enough = max(1, session.experiment.budget.confirm)
    runs = session.runs(arm)
    promising = bool(runs) and all(e.verdict.outcome is Outcome.HEALTHY for e in runs)
    return Want(arm, enough if promising else 1, purpose)


def standing(session: Session, arm: Arm) -> Status:
    """What an arm's runs say of the change that it makes."""
    runs = session.runs(arm)
    if any(e.verdict.outcome is Outcome.BROKEN for e in runs):
        return Status.REFUTED
    enough = max(1, session.experiment.budget.confirm)
    return Status.PROVED if len(runs) >= enough else Status.SUSPECTED


def impossible(session: Session, arm: Arm) -> bool:
    """Whether an arm was asked for and cannot be judged, e.g. as it does not go with the set."""
    ended = [e.verdict for e in session.judged if e.trial.arm == arm]
    return bool(ended) and all(
        v.outcome is Outcome.UNRESOLVED and not (v.retry or v.interrupted) for v in ended
    )


def tried(session: Session, attempt: Attempt) -> str:
    """What was tried and how it came out, in one clause; empty: nothing was."""
    runs = session.runs(attempt.arm)
    if not runs:
        return ""
    trained = [e for e in runs if e.verdict.outcome is Outcome.HEALTHY]
    scores = [e.verdict.score for e in trained if e.verdict.score is not None]
    score = f", {session.experiment.metric.name} {sum(scores) / len(scores):.4g}" if scores else ""
    seeds = "seed" if len(runs) == 1 else "seeds"
    said = f"it trained on {len(trained)} of {len(runs)} {seeds}{score}"
    return f"told to {MEANS[attempt.variant]}{_gone_on(attempt, runs)}, {said}"


def _gone_on(attempt: Attempt, runs: Sequence[Judged]) -> str:
    """Where longer trainings began: they need not be what a training of that length is at once."""
    if attempt.variant is not Variant.LONGER:
        return ""
    begun = [f"run {e.verdict.continues}" for e in runs if e.verdict.continues is not None]
    if len(begun) < len(runs):
        begun.append("the start, where no state was kept")
    return f" (going on from {' and '.join(begun)})"


def mend_of(experiment: Experiment, attempt: Attempt) -> tuple[str, ...]:
    """The overrides that make a change, as they are typed behind a command."""
    lr, scale = experiment.lr, attempt.arm.lr_scale
    rate = (f"{lr.key}={lr.value * scale:g}",) if lr and scale != 1.0 else ()
    return (*attempt.arm.tweaks, *rate)
