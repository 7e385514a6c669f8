"""What must be seen on fresh seeds before an accused set is convicted.

Alone on the baseline it breaks, everything without it trains, and no part of it
breaks by itself: 1-minimality in the sense of delta debugging (Zeller and
Hildebrandt, 2002, definition 10).
"""

from dataclasses import dataclass
from itertools import combinations

from scipy.special import betaln

from bisector.model.experiment import Experiment
from bisector.model.session import Accused, Judged, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Outcome, Signature
from bisector.plan.asks import Want, broken_share, missing, pending, seeds_used
from bisector.plan.observations import failure


@dataclass(frozen=True, slots=True)
class Clause:
    """One arm of the proof and how it must come out."""

    want: Want
    expected: Outcome
    says: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether an accusation has been borne out, and what speaks against it."""

    complete: bool
    """Every clause has been judged at least once, or is known not to be judgeable."""
    against: tuple[str, ...]
    """The clauses that came out otherwise."""
    unjudged: tuple[str, ...] = ()
    """The clauses that no run could judge: they crash in another way, or say so themselves."""


def clauses(session: Session, accused: Accused) -> tuple[Clause, ...]:
    """What an accusation must show, on `budget.confirm` seeds its arms had not had before it."""
    experiment = session.experiment
    if accused.suspect.cumulative:
        return ()
    found: dict[frozenset[str], Clause] = {}
    for culprit in accused.suspect.culprits:
        alone = with_requirements(experiment, culprit)
        want = _fresh(session, accused, alone)
        found[alone] = Clause(want, Outcome.BROKEN, f"{_said(culprit)} alone")
    for rest in passing(experiment, accused.suspect.culprits):
        off = ", ".join(sorted(experiment.full - rest))
        want = _fresh(session, accused, rest)
        found[rest] = Clause(want, Outcome.HEALTHY, f"everything without {off}")
    for part in _parts(experiment, accused.suspect.culprits):
        want = Want(Arm(part), _looks(session, accused, Arm(part)), Purpose.CONFIRM)
        found.setdefault(part, Clause(want, Outcome.HEALTHY, f"{_said(part)} alone"))
    return tuple(found.values())


def proof(session: Session, accused: Accused) -> Proof:
    """What the runs so far say of an accusation; failures of another kind say nothing."""
    wanted = failure(session.experiment, session.judged)
    judged = [(c, _telling(session.runs(c.want.arm), wanted)) for c in clauses(session, accused)]
    against = [c.says for c, runs in judged if runs and _speaks_against(runs, c.expected)]
    open_ = [c for c, runs in judged if not runs and _may_be_judged(session, c)]
    unjudged = [c.says for c, runs in judged if not runs and c not in open_]
    return Proof(not open_, tuple(against), tuple(unjudged))


def _telling(runs: tuple[Judged, ...], wanted: Signature | None) -> tuple[Judged, ...]:
    """The runs that trained, or failed in the way that is searched for."""
    seen = ((e, e.verdict.signature) for e in runs)
    return tuple(e for e, s in seen if s is None or wanted is None or s.like(wanted))


def _may_be_judged(session: Session, clause: Clause) -> bool:
    return bool(missing(session, [clause.want])) or pending(session, [clause.want])


def _speaks_against(runs: tuple[Judged, ...], expected: Outcome) -> bool:
    """Whether runs are not what was expected of their arm.

    What must train has to on half of its seeds. What must break may do so now and then only:
    it does if a failure rate that could be anything explains the runs better than chance
    failures of a healthy arm, Beta(1, 19), do.
    """
    share = broken_share(runs)
    if expected is not Outcome.BROKEN:
        return share > 0.5
    failed = round(share * len(runs))
    passed = len(runs) - failed
    anything = betaln(1 + failed, 1 + passed)
    chance = betaln(1 + failed, 19 + passed) - betaln(1, 19)
    return bool(anything <= chance)


def passing(
    experiment: Experiment, culprits: tuple[frozenset[str], ...]
) -> tuple[frozenset[str], ...]:
    """The full set less one member of each culprit.

    As many sets as the smallest culprit has members, at most; members go together
    with what requires them.
    """
    if not culprits:
        return ()
    first, *others = sorted(culprits, key=lambda c: (len(c), sorted(c)))
    rest = []
    for member in sorted(first):
        off = {member}
        for other in others:
            if not off & other:
                off.add(min(other))
        rest.append(without(experiment, frozenset(off)))
    return tuple(dict.fromkeys(rest))


def without(experiment: Experiment, off: frozenset[str]) -> frozenset[str]:
    """The full set less some additions and whatever cannot be on without them."""
    on = experiment.full - off
    while lame := {a.name for a in experiment.additions if a.name in on and not a.requires <= on}:
        on -= lame
    return on


def with_requirements(experiment: Experiment, subset: frozenset[str]) -> frozenset[str]:
    """The smallest set that can be trained and holds these additions."""
    known = {a.name: a for a in experiment.additions}
    while more := frozenset(r for name in subset for r in known[name].requires) - subset:
        subset |= more
    return subset


def _parts(
    experiment: Experiment, culprits: tuple[frozenset[str], ...]
) -> tuple[frozenset[str], ...]:
    """The largest proper parts of every culprit of two or more that can be trained."""
    parts = [
        frozenset(part)
        for culprit in culprits
        if len(culprit) > 1
        for part in combinations(sorted(culprit), len(culprit) - 1)
    ]
    trainable = [p for p in parts if experiment.admits(p)]
    return tuple(dict.fromkeys(trainable))


def _looks(session: Session, accused: Accused, part: Arm) -> int:
    """Seeds on which a part of a culprit is to train: one, or more where one broke.

    A single broken run may be chance, and must not undo what all others say.
    """
    had = seeds_used(session, part, before=accused.trials)
    broken = sum(e.verdict.outcome is Outcome.BROKEN for e in session.runs(part))
    return max(1, had, min(2 * broken, had + 2 * session.experiment.budget.confirm))


def _fresh(session: Session, accused: Accused, subset: frozenset[str]) -> Want:
    had = seeds_used(session, Arm(subset), before=accused.trials)
    return Want(Arm(subset), had + session.experiment.budget.confirm, Purpose.CONFIRM)


def _said(subset: frozenset[str]) -> str:
    return " with ".join(sorted(subset)) or "the baseline"
