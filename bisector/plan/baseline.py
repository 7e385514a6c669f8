"""A baseline that breaks by itself: checks, remedies, experiments and the ladder, to say why.

Nothing can be compared with such a baseline, so no addition is looked for. What is asked instead is
which one change makes it train, likeliest first; where none does, how far it gets.
"""

from bisector.model.finding import Finding, Reason, Remedy, Safety, Severity, Stage, Status
from bisector.model.session import Concluded, Ruling, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.variant import MEANS, Variant
from bisector.model.verdict import Outcome
from bisector.plan.asks import Want
from bisector.plan.experiments import (
    DATA_OR_MODEL,
    EARLY,
    MENDS,
    OF_DATA,
    PLACES,
    TRICKS,
    Row,
)
from bisector.plan.explain import explained
from bisector.plan.ladder import rung_wants, rungs, told
from bisector.plan.looks import BASELINE, afford, look_after
from bisector.plan.phases import baseline_is_known, reproduce
from bisector.plan.remedies import (
    Attempt,
    altered,
    mend_of,
    remedy_wants,
    standing,
    tried,
    try_of,
    worth_trying,
)
from bisector.plan.rulings import baseline_ruling
from bisector.ports import Decision

PAIR = {
    "data": "; a standard model breaks on these data, and this model trains on standard ones: "
    "the data are at fault",
    "model": "; a standard model trains on these data, and this model breaks on standard ones: "
    "the model, its loss or its optimizer are at fault, and not the data",
}
"""What the pair says, by where the fault lies."""
_PAIRED = {variant for variant, _, _ in DATA_OR_MODEL}


def mend_baseline(session: Session, slots: int, blind: str, unseen: str) -> Decision | None:
    """Why the baseline breaks, or what the checks say of one that decides nothing.

    Then the search ends as `reproduce` says.
    """
    if not breaks_by_itself(session):
        return suspicions(session) if is_unreliable(session) else None
    if session.experiment.inspect.enabled and (
        decision := look_after(session, slots, [BASELINE], blind, unseen)
    ):
        return decision
    most = session.experiment.budget.experiments
    for wants in (remedy_wants(session, BASELINE), mend_wants(session), place_wants(session)):
        if decision := afford(session, slots, wants, most):
            return decision
    return explained(session, BASELINE, experimental(session))


def is_unreliable(session: Session) -> bool:
    """Whether the search is about to end, as the baseline's runs lie too far apart."""
    end = reproduce(session, 1)
    return (
        end is not None
        and isinstance(end.record, Concluded)
        and end.record.ruling is Ruling.BASELINE_FLAKY
    )


def suspicions(session: Session) -> Decision | None:
    """What was seen of the baseline before it trained, for the record; None: nothing, or it stands."""
    seen = session.diagnosed(BASELINE)
    found = any(worth_trying(seen.diagnosis.findings)) if seen else False
    return explained(session, BASELINE) if found else None


def breaks_by_itself(session: Session) -> bool:
    """Whether the baseline's repeats are all there, and most of them broke."""
    if not session.runs(Arm()) or not baseline_is_known(session):
        return False
    ruling = baseline_ruling(session, Arm())
    return ruling is not None and ruling.ruling is Ruling.BASELINE_BROKEN


def mend_wants(session: Session) -> tuple[Want, ...]:
    """The mends, likeliest first, up to the first that is proved; none if a remedy was.

    After the first few, the pair that tells data from model: what it says decides which come next.
    """
    wants: list[Want] = []
    if any(standing(session, e.trial.arm) is Status.PROVED for e in session.of(Purpose.TRY_REMEDY)):
        return ()
    late = sorted(MENDS[EARLY:], key=lambda row: _elsewhere(session, row[0]))
    for row in (*MENDS[:EARLY], *DATA_OR_MODEL, *late):
        for attempt in _attempts(session, (row,)):
            wants.append(try_of(session, attempt.arm, Purpose.EXPERIMENT))
            if row in MENDS and standing(session, attempt.arm) is Status.PROVED:
                return (*wants, *_trick_wants(session, row[0]))
    return tuple(wants)


def _trick_wants(session: Session, mended_by: Variant) -> tuple[Want, ...]:
    """Which trick it was, where leaving all of them out has mended it."""
    rows = TRICKS if mended_by is Variant.STRIPPED else ()
    return tuple(try_of(session, a.arm, Purpose.EXPERIMENT) for a in _attempts(session, rows))


def fault_lies(session: Session) -> str:
    """What the pair says: in the `data`, or in the `model`; empty: it does not say, or not yet."""
    trains = [
        {e.verdict.outcome for e in session.runs(attempt.arm)}
        for attempt in _attempts(session, DATA_OR_MODEL)
    ]
    healthy, broken = {Outcome.HEALTHY}, {Outcome.BROKEN}
    if trains == [broken, healthy]:
        return "data"
    return "model" if trains == [healthy, broken] else ""


def _elsewhere(session: Session, variant: Variant) -> bool:
    """Whether a mend is of what the pair has cleared."""
    where = fault_lies(session)
    return bool(where) and (where == "data") != (variant in OF_DATA)


def place_wants(session: Session) -> tuple[Want, ...]:
    """Where nothing mends it: what tells the place of the fault, and the ladder."""
    if mended(session):
        return ()
    places = [try_of(session, a.arm, Purpose.EXPERIMENT) for a in _attempts(session, PLACES)]
    return (*rung_wants(session, BASELINE, Purpose.EXPERIMENT), *places)


def mended(session: Session) -> bool:
    """Whether some one change was seen to make it train."""
    seen = session.of(Purpose.TRY_REMEDY)
    arms = {a.arm for a in _attempts(session, MENDS)} | {e.trial.arm for e in seen}
    return any(standing(session, arm) is Status.PROVED for arm in arms)


def experimental(session: Session) -> tuple[Reason, ...]:
    """What the experiments say, each as a reason; those that were not run say nothing."""
    found = [
        _reason(session, attempt, reason, title)
        for (_, reason, title), attempt in _rows(session)
        if session.runs(attempt.arm)
    ]
    if len(rungs(session, BASELINE)) > 1:
        found.append(_of_ladder(told(session, BASELINE)))
    return tuple(found)


def _rows(session: Session) -> list[tuple[Row, Attempt]]:
    every = (*MENDS, *TRICKS, *DATA_OR_MODEL, *PLACES)
    rows = ((row, altered(session.experiment, BASELINE, row[0])) for row in every)
    return [(row, attempt) for row, attempt in rows if attempt]


def _attempts(session: Session, rows: tuple[Row, ...]) -> list[Attempt]:
    made = (altered(session.experiment, BASELINE, variant) for variant, _, _ in rows)
    return [attempt for attempt in made if attempt]


def _reason(session: Session, attempt: Attempt, reason: str, title: str) -> Reason:
    status = standing(session, attempt.arm)
    place = attempt.variant in {variant for variant, _, _ in (*DATA_OR_MODEL, *PLACES)}
    order = MEANS[attempt.variant]
    verb = "trains" if status is Status.PROVED else "breaks as well"
    pair = PAIR.get(fault_lies(session), "") if attempt.variant in _PAIRED else ""
    finding = Finding(
        check=reason,
        reason=reason,
        title=title,
        severity=Severity.WARNING,
        stage=Stage.RUN,
        summary=f"with one change, to {order}, the baseline {verb}{pair}",
        evidence={},
        crossing=None,
        remedy=Remedy(f"{order[0].upper()}{order[1:]}.", safety=Safety.SAFE),
    )
    mend = () if place or status is Status.REFUTED else mend_of(session.experiment, attempt)
    return Reason(finding=finding, status=status, because=tried(session, attempt), mend=mend)


def _of_ladder(said: str) -> Reason:
    finding = Finding(
        check="B5",
        reason="B5",
        title="the first rung of the ladder that breaks",
        severity=Severity.WARNING,
        stage=Stage.RUN,
        summary=said,
        evidence={},
        crossing=None,
        remedy=Remedy("Make the lowest rung that breaks train before anything else."),
    )
    return Reason(finding=finding, status=Status.SUSPECTED)
