"""The evidence table: what each arm's runs said, and how far it fell behind the baseline."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from bisector.model.experiment import Experiment
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.variant import change_named
from bisector.model.verdict import Outcome, Signature, Symptom
from bisector.report.followed import heard
from bisector.report.wording import clean, count, label, listed, name, names, number, scale

_WORSE = Symptom.WORSE.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """All judged runs of one arm."""

    arm: Arm
    name: str
    """As tables show it: `everything but focal`."""
    subject: str
    """As sentences begin with it, names in backticks: "everything but `focal`"."""
    trials: tuple[int, ...]
    """The numbers of its runs."""
    seeds: tuple[int, ...]
    """The distinct seeds of its runs, in order of first use."""
    healthy: int
    broken: int
    unresolved: int
    score: float | None
    """Mean of the deciding metric over the runs that have one."""
    score_sd: float | None
    """Sample standard deviation of the same; None below two."""
    harm: float | None
    """How much worse `score` is than the healthy baseline's, in units of the metric."""
    symptom: str
    """What is visibly wrong in most of its broken runs, or of those that could not be judged."""
    detail: str
    """What tells that failure from others with the same symptom."""

    @property
    def resolved(self) -> int:
        """Runs that could be judged."""
        return self.healthy + self.broken


def said(row: ArmRow, metric: str) -> str:
    """The runs' common answer, with the numbers, as a clause that lacks its subject."""
    if not row.resolved:
        return f"could not be judged ({row.symptom})" if row.symptom else "could not be judged"
    verb, part = ("broke", row.broken) if row.broken else ("trained", row.healthy)
    harmed = row.broken > 0 and row.harm is not None and row.harm > 0
    # "Worse" is said with its number, below.
    worse = row.symptom == _WORSE
    symptom = "worse than the baseline" if worse else row.symptom
    numbers = [symptom] if symptom and not (harmed and worse) else []
    if row.score is not None:
        numbers += [f"{clean(metric)} {number(row.score)}"]
    if harmed:
        numbers += [f"{number(row.harm)} worse than the baseline"]
    shown = f" ({', '.join(numbers)})" if numbers else ""
    return f"{verb} in {part} of {count(row.resolved, 'run')}{shown}"


def arm_rows(session: Session) -> tuple[ArmRow, ...]:
    """One row for each arm with a judged run: the baseline, everything, then in order of trial."""
    runs: dict[Arm, list[Judged]] = {}
    for event in heard(session):
        runs.setdefault(event.trial.arm, []).append(event)
    baseline = runs.get(Arm(), [])
    healthy = [e for e in baseline if e.verdict.outcome is Outcome.HEALTHY]
    reference = _mean(healthy or baseline)
    first = (Arm(), Arm(session.experiment.full))
    order = [arm for arm in first if arm in runs] + [arm for arm in runs if arm not in first]
    return tuple(_row(session.experiment, arm, runs[arm], reference) for arm in order)


def sweep_rows(session: Session, rows: Sequence[ArmRow]) -> tuple[ArmRow, ...]:
    """The rows of the learning-rate sweep: each swept set at each multiplier, x1 included.

    A watched run trains the same bits as a plain one of its seed, and says nothing more here.
    """
    swept = {e.trial.arm.additions for e in session.of(Purpose.SWEEP_LR)}
    return tuple(
        sorted(
            (r for r in rows if r.arm.additions in swept and not (r.arm.tweaks or r.arm.watched)),
            key=lambda r: (len(r.arm.additions), sorted(r.arm.additions), r.arm.lr_scale),
        )
    )


def arm_name(experiment: Experiment, arm: Arm) -> str:
    """The arm as a table names it, told by what it lacks where that is shorter."""
    on, full = arm.additions, experiment.full
    if on == full and len(on) > 1:
        words = f"everything ({len(on)})"
    elif _nearly_full(on, full):
        words = f"everything but {label(full - on)}"
    else:
        words = label(on)
    return clean(" ".join([words, *_extras(experiment, arm)]))


def arm_subject(experiment: Experiment, arm: Arm) -> str:
    """The arm as the subject of a sentence, names in backticks."""
    on, full = arm.additions, experiment.full
    if not on:
        words = "the baseline"
    elif on == full and len(on) > 1:
        words = "everything on"
    elif _nearly_full(on, full):
        words = f"everything but {names(full - on)}"
    elif len(on) == 1:
        words = f"{names(on)} alone"
    else:
        words = f"{names(on)} together"
    extras = _extras(experiment, arm)
    return words + (f" with {listed([name(e) for e in extras])}" if extras else "")


def _nearly_full(on: frozenset[str], full: frozenset[str]) -> bool:
    lacking = full - on
    return on < full and len(lacking) < len(on)


def _extras(experiment: Experiment, arm: Arm) -> tuple[str, ...]:
    named = change_named(experiment.variants, arm.tweaks)
    rate = () if arm.lr_scale == 1.0 else (f"lr {scale(arm.lr_scale)}",)
    return (
        *((named,) if named else arm.tweaks),
        *rate,
        *(() if arm.trained else ("looked at",)),
        *(("watched",) if arm.watched else ()),
    )


def _scores(runs: Sequence[Judged]) -> list[float]:
    return [e.verdict.score for e in runs if e.verdict.score is not None]


def _mean(runs: Sequence[Judged]) -> float | None:
    scores = _scores(runs)
    return fmean(scores) if scores else None


def _row(
    experiment: Experiment, arm: Arm, runs: Sequence[Judged], reference: float | None
) -> ArmRow:
    outcomes = Counter(e.verdict.outcome for e in runs)
    scores, mean = _scores(runs), _mean(runs)
    harm = (
        experiment.metric.harm(mean, reference)
        if mean is not None and reference is not None and arm != Arm()
        else None
    )
    broken = [e for e in runs if e.verdict.outcome is Outcome.BROKEN]
    signature = _usual(broken or runs)
    return ArmRow(
        arm=arm,
        name=arm_name(experiment, arm),
        subject=arm_subject(experiment, arm),
        trials=tuple(e.trial.number for e in runs),
        seeds=tuple(dict.fromkeys(e.trial.seed for e in runs)),
        healthy=outcomes[Outcome.HEALTHY],
        broken=outcomes[Outcome.BROKEN],
        unresolved=outcomes[Outcome.UNRESOLVED],
        score=mean,
        score_sd=stdev(scores) if len(scores) > 1 else None,
        harm=harm,
        symptom=signature.symptom.value if signature else "",
        detail=clean(signature.detail) if signature else "",
    )


def _usual(runs: Sequence[Judged]) -> Signature | None:
    seen = Counter(e.verdict.signature for e in runs if e.verdict.signature)
    return seen.most_common(1)[0][0] if seen else None
