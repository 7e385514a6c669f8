"""A baseline that breaks by itself: checks, remedies, experiments and the ladder, to say why.

Nothing can be compared with such a baseline, so no addition is looked for. What is asked instead is
which one change makes it train, likeliest first; where none does, how far it gets.
"""

from bisector.model.finding import Finding, Reason, Remedy, Safety, Severity, Stage, Status
from bisector.model.session import Ruling, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.variant import MEANS, Variant
from bisector.plan.asks import Want
from bisector.plan.explain import explained
from bisector.plan.ladder import rung_wants, rungs, told
from bisector.plan.looks import BASELINE, afford, look_after
from bisector.plan.phases import baseline_is_known
from bisector.plan.remedies import (
    Attempt,
    altered,
    mend_of,
    remedy_wants,
    standing,
    tried,
    try_of,
)
from bisector.plan.rulings import baseline_ruling
from bisector.ports import Decision

MENDS: tuple[tuple[Variant, str, str], ...] = (
    (Variant.LOWER_LR, "R36", "a learning rate that is too high"),
    (Variant.MUCH_LOWER_LR, "R36", "a learning rate that is far too high"),
    (Variant.STANDARDISE, "R12", "inputs that are not standardised"),
    (Variant.INITIALISE, "R28", "weights that begin badly"),
    (Variant.STRIPPED, "B2", "one of the tricks"),
    (Variant.HIGHER_LR, "R36", "a learning rate that is too low"),
    (Variant.ADAMW, "R34", "an optimizer that does not suit it"),
    (Variant.CLIP_GRADIENTS, "R35", "gradients that explode"),
    (Variant.UNFREEZE, "R23", "frozen parameters"),
    (Variant.STANDARD_LOSS, "R18", "the loss"),
    (Variant.SHUFFLE, "R07", "samples in stored order"),
    (Variant.SMALLER_BATCH, "R11", "batches that are too large"),
    (Variant.FULL_PRECISION, "R37", "too little precision"),
    (Variant.BALANCE, "R08", "unbalanced classes"),
    (Variant.WIDER, "R24", "a network that is too small"),
    (Variant.LONGER, "R31", "too short a training"),
)
"""What may mend it: the change, the reason that it proves, and that reason in words."""

PLACES: tuple[tuple[Variant, str, str], ...] = (
    (Variant.REFERENCE_MODEL, "B1", "the model: a small standard one trains in its place"),
    (Variant.TWO_CLASSES, "R16", "the whole problem: two classes of it train"),
)
"""What tells where the fault is, and mends nothing."""


def mend_baseline(session: Session, slots: int, blind: str) -> Decision | None:
    """Why the baseline breaks; then the search ends as `reproduce` says."""
    if not breaks_by_itself(session):
        return None
    if session.experiment.inspect.enabled and (
        decision := look_after(session, slots, [BASELINE], blind)
    ):
        return decision
    most = session.experiment.budget.experiments
    for wants in (remedy_wants(session, BASELINE), mend_wants(session), place_wants(session)):
        if decision := afford(session, slots, wants, most):
            return decision
    return explained(session, BASELINE, experimental(session))


def breaks_by_itself(session: Session) -> bool:
    """Whether the baseline's repeats are all there, and most of them broke."""
    if not session.runs(Arm()) or not baseline_is_known(session):
        return False
    ruling = baseline_ruling(session, Arm())
    return ruling is not None and ruling.ruling is Ruling.BASELINE_BROKEN


def mend_wants(session: Session) -> tuple[Want, ...]:
    """The mends, likeliest first, up to the first that is proved; none if a remedy was."""
    wants: list[Want] = []
    if any(standing(session, e.trial.arm) is Status.PROVED for e in session.of(Purpose.TRY_REMEDY)):
        return ()
    for attempt in _attempts(session, MENDS):
        wants.append(try_of(session, attempt.arm, Purpose.EXPERIMENT))
        if standing(session, attempt.arm) is Status.PROVED:
            break
    return tuple(wants)


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


def _rows(session: Session) -> list[tuple[tuple[Variant, str, str], Attempt]]:
    rows = ((row, altered(session.experiment, BASELINE, row[0])) for row in (*MENDS, *PLACES))
    return [(row, attempt) for row, attempt in rows if attempt]


def _attempts(session: Session, rows: tuple[tuple[Variant, str, str], ...]) -> list[Attempt]:
    made = (altered(session.experiment, BASELINE, variant) for variant, _, _ in rows)
    return [attempt for attempt in made if attempt]


def _reason(session: Session, attempt: Attempt, reason: str, title: str) -> Reason:
    status = standing(session, attempt.arm)
    place = attempt.variant in {variant for variant, _, _ in PLACES}
    order = MEANS[attempt.variant]
    verb = "trains" if status is Status.PROVED else "breaks as well"
    finding = Finding(
        check=reason,
        reason=reason,
        title=title,
        severity=Severity.WARNING,
        stage=Stage.RUN,
        summary=f"with one change, to {order}, the baseline {verb}",
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
