"""The phases that look: at the parts before anything is paid for, and at what was convicted.

A look is a trial like any other, of an arm that is not trained (`Arm.trained`): it loads data and
model, takes no step, and leaves facts for the checks. It is no evidence about breaking.
"""

from collections.abc import Sequence
from dataclasses import replace

from bisector.model.finding import Finding, Severity, Stage
from bisector.model.session import Concluded, Diagnosed, Judged, Ruling, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Outcome
from bisector.plan.asks import Want, missing, pending
from bisector.plan.explain import explained
from bisector.plan.general import general_reasons, general_wants
from bisector.plan.proof import with_requirements
from bisector.plan.remedies import remedy_wants
from bisector.ports import Decision, Look

BASELINE: frozenset[str] = frozenset()
CLOSELY = 3
"""Culprits that are looked at one by one."""
BEFORE = frozenset({Stage.DATA, Stage.MODEL})


def looked_at(additions: frozenset[str]) -> Arm:
    """The arm that shows a set of additions without training it."""
    return Arm(additions, trained=False)


def inspect(session: Session, slots: int, blind: str) -> Decision | None:
    """The baseline and everything on, before the first run; a fatal fault ends the search there.

    Args:
        session: the search so far.
        slots: jobs that may start now.
        blind: why the workload cannot be looked at; empty: it can be.
    """
    if not session.experiment.inspect.enabled:
        return None
    arms = dict.fromkeys((BASELINE, session.experiment.full))
    if decision := _look(session, slots, [_before(session, arm, blind) for arm in arms]):
        return decision
    fatal = fatal_findings(session)
    if not fatal or session.judged or not session.experiment.inspect.stop:
        return None
    return explained(session, BASELINE) or Decision(record=_stopped(session, fatal))


def look_closer(session: Session, slots: int, blind: str, unseen: str) -> Decision | None:
    """What was convicted, by its parts and by what its runs have shown beside the baseline's."""
    if session.accusation is None or not session.experiment.inspect.enabled:
        return None
    return look_after(session, slots, convicted(session), blind, unseen)


def look_after(
    session: Session, slots: int, arms: Sequence[frozenset[str]], blind: str, unseen: str
) -> Decision | None:
    """Arms that have been trained, by their parts and by what their runs have shown.

    `blind` and `unseen` are why parts, and why runs, cannot be seen; empty where they can.
    """
    if not unseen and (decision := _watch(session, slots, arms)):
        return decision
    looks = [replace(_after(session, arm, blind), unseen=unseen) for arm in arms]
    return _look(session, slots, looks)


def watched(additions: frozenset[str]) -> Arm:
    """The arm that trains a set of additions under probes."""
    return Arm(additions, watched=True)


def _watch(session: Session, slots: int, arms: Sequence[frozenset[str]]) -> Decision | None:
    """Runs under probes that are missing: of what was convicted, and of the baseline beside it."""
    if session.experiment.observe or not session.experiment.inspect.watch:
        return None
    wants = [Want(watched(arm), 1, Purpose.EXPERIMENT) for arm in dict.fromkeys((*arms, BASELINE))]
    left = session.experiment.budget.trials - session.spent
    if left > 0 and (trials := missing(session, wants)):
        return Decision(ask=trials[: min(slots, left)])
    return Decision() if pending(session, wants) else None


def convicted(session: Session) -> tuple[frozenset[str], ...]:
    """The sets whose failure is to be explained: each culprit, or everything on where there is none."""
    accused = session.accusation
    if accused is None or accused.suspect.cumulative or not accused.suspect.culprits:
        return (session.experiment.full,)
    culprits = accused.suspect.culprits[:CLOSELY]
    return tuple(with_requirements(session.experiment, culprit) for culprit in culprits)


def try_remedy(session: Session, slots: int) -> Decision | None:
    """Each convicted set with what may mend it, the likeliest first, as far as the budget goes."""
    if session.accusation is None:
        return None
    arms, most = convicted(session), session.experiment.budget.remedies
    wants = [want for arm in arms for want in remedy_wants(session, arm)]
    if decision := afford(session, slots, wants, most):
        return decision
    wants = [want for arm in _unmixed(session) for want in general_wants(session, arm)]
    return afford(session, slots, wants, most)


def afford(session: Session, slots: int, wants: Sequence[Want], most: int) -> Decision | None:
    """What is missing of the wants, within the search's budget and their purpose's own."""
    trials = missing(session, wants)
    purposes = {want.purpose for want in wants}
    spent = sum(e.trial.purpose in purposes for e in session.started)
    left = min(most - spent, session.experiment.budget.trials - session.spent)
    if trials and left > 0:
        return Decision(ask=trials[: min(slots, left)])
    return Decision() if pending(session, wants) else None


def explain(session: Session, slots: int) -> Decision | None:
    """Say why each convicted set does not train, as far as that is known."""
    if session.accusation is None:
        return None
    told = (
        explained(session, arm, general_reasons(session, arm) if arm in _unmixed(session) else ())
        for arm in convicted(session)
    )
    return next((decision for decision in told if decision), None)


def _unmixed(session: Session) -> tuple[frozenset[str], ...]:
    """The convicted sets that are culprits, and not everything that is on."""
    accused = session.accusation
    named = accused is not None and accused.suspect.culprits and not accused.suspect.cumulative
    return convicted(session) if named else ()


def fatal_findings(session: Session) -> tuple[Finding, ...]:
    """What the baseline shows with which no training can work."""
    seen = session.diagnosed(BASELINE)
    found = seen.diagnosis.findings if seen else ()
    return tuple(f for f in found if f.severity is Severity.FATAL)


def _look(session: Session, slots: int, looks: Sequence[Look]) -> Decision | None:
    """What is missing until all looks are taken and the checks were asked; None: nothing is."""
    wants = [
        Want(looked_at(look.additions), 1, Purpose.INSPECT) for look in looks if not look.blind
    ]
    if trials := missing(session, wants):
        return Decision(ask=trials[:slots])
    if pending(session, wants):
        return Decision()
    open_ = (look for look in looks if not _answered(session, look))
    return next((Decision(look=look) for look in open_), None)


def _answered(session: Session, look: Look) -> bool:
    """Whether the checks were asked about all of this, or about more."""
    asked = [e for e in session.events if isinstance(e, Diagnosed)]
    return any(
        e.additions == look.additions
        and set(look.trials) <= set(e.trials)
        and set(look.beside) <= set(e.beside)
        for e in asked
    )


def _before(session: Session, additions: frozenset[str], blind: str) -> Look:
    beside = () if additions == BASELINE else _looks(session, BASELINE)
    return Look(additions, _looks(session, additions), beside, BEFORE, blind)


def _after(session: Session, additions: frozenset[str], blind: str) -> Look:
    broken = _telling(session, additions)
    healthy = _ended(session, BASELINE, Outcome.HEALTHY)
    seed = broken[0].trial.seed if broken else session.experiment.seed
    # On the same seed the two differ by the additions and by nothing else.
    neighbours = sorted(healthy, key=lambda e: e.trial.seed != seed)
    beside = (*_looks(session, BASELINE), *(e.trial.number for e in neighbours[:1]))
    return Look(
        additions,
        (*_looks(session, additions), *(e.trial.number for e in broken[:1])),
        () if additions == BASELINE else beside,
        blind=blind,
    )


def _telling(session: Session, additions: frozenset[str]) -> list[Judged]:
    """The runs that may show why a set fails, the most telling first.

    One that was watched and trained, as it fails on some seeds only, shows more than one that
    failed unseen.
    """
    seen = session.runs(watched(additions))
    failed = _ended(session, additions, Outcome.BROKEN)
    return [*(e for e in failed if e in seen), *seen, *failed]


def _ended(session: Session, additions: frozenset[str], outcome: Outcome) -> list[Judged]:
    """The runs of a set that came out so, those that were watched first."""
    runs = (*session.runs(watched(additions)), *session.runs(Arm(additions)))
    return [e for e in runs if e.verdict.outcome is outcome]


def _looks(session: Session, additions: frozenset[str]) -> tuple[int, ...]:
    return tuple(e.trial.number for e in session.runs(looked_at(additions))[:1])


def _stopped(session: Session, fatal: Sequence[Finding]) -> Concluded:
    first = fatal[0]
    because = (
        f"the baseline cannot train: {first.title} ({first.check}); nothing was run. "
        "To train all the same: inspect.stop=false"
    )
    return Concluded(
        Ruling.BASELINE_BROKEN, (BASELINE,), session.experiment.budget.confidence, because
    )
