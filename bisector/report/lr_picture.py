"""The learning-rate sweep as a picture: a row for each multiplier, a mark for each of its runs.

Geometry only, in pixels; `lr.html` draws it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from bisector.model.evidence import Evidence
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm
from bisector.model.verdict import Outcome
from bisector.report.arms import ArmRow, arm_name
from bisector.report.wording import number, scale

_TOP, _ROW, _LEFT, _PLOT = 22, 26, 60, 300


@dataclass(frozen=True, slots=True)
class Mark:
    """One run."""

    x: float
    outcome: Outcome
    told: str


@dataclass(frozen=True, slots=True)
class Rate:
    """One multiplier of the learning rate."""

    y: float
    label: str
    marks: tuple[Mark, ...]
    unread: str
    """Said in place of marks where no run has a finite reading; empty: there are some."""


@dataclass(frozen=True, slots=True)
class LrPicture:
    """One convicted set over the learning rates that were tried."""

    title: str
    width: float
    height: float
    left: float
    right: float
    rates: tuple[Rate, ...]
    band: tuple[float, float] | None
    """Left edge and width of the range of the baseline's healthy runs."""
    low: str
    high: str
    words: str
    """The picture for those who cannot see it."""


def lr_pictures(
    session: Session, rows: Sequence[ArmRow], evidence: Callable[[int], Evidence]
) -> tuple[LrPicture, ...]:
    """A picture of each set in `rows`, the learning-rate sweep, on one axis; none if nothing can be placed."""
    runs = [e for e in session.judged if e.trial.arm in {r.arm for r in rows}]
    seen = {e.trial.number: _reading(session, e, evidence) for e in runs}
    healthy = [
        e.verdict.score
        for e in session.runs(Arm())
        if e.verdict.score is not None and e.verdict.outcome is Outcome.HEALTHY
    ]
    values = [v for v in [*seen.values(), *healthy] if v is not None and isfinite(v)]
    if not values:
        return ()
    shown = _Shown(runs, seen, healthy, min(values), (max(values) - min(values)) or 1.0)
    sets = dict.fromkeys(r.arm.additions for r in rows)
    return tuple(_picture(session, [r for r in rows if r.arm.additions == s], shown) for s in sets)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What all pictures have in common, so that they can be compared: runs, readings, the axis."""

    runs: Sequence[Judged]
    seen: Mapping[int, float | None]
    healthy: Sequence[float]
    low: float
    span: float

    def x(self, value: float) -> float:
        return round(_LEFT + (value - self.low) / self.span * _PLOT, 1)

    def mark(self, event: Judged, value: float) -> Mark:
        when = "last seen at " if event.verdict.score is None else ""
        told = f"run {event.trial.number}, seed {event.trial.seed}: {event.verdict.outcome}"
        return Mark(self.x(value), event.verdict.outcome, f"{told}, {when}{number(value)}")


def _picture(session: Session, rows: Sequence[ArmRow], shown: _Shown) -> LrPicture:
    rates = tuple(_rate(place, row, shown) for place, row in enumerate(rows))
    band = (shown.x(min(shown.healthy)), shown.x(max(shown.healthy))) if shown.healthy else None
    return LrPicture(
        title=arm_name(session.experiment, Arm(rows[0].arm.additions)),
        width=_LEFT + _PLOT + 16,
        height=_TOP + _ROW * len(rates) + 6,
        left=_LEFT,
        right=_LEFT + _PLOT,
        rates=rates,
        band=(band[0], max(band[1] - band[0], 2.0)) if band else None,
        low=number(shown.low),
        high=number(shown.low + shown.span),
        words=" ".join(
            f"{r.label}: {'; '.join(m.told for m in r.marks) or r.unread}." for r in rates
        ),
    )


def _rate(place: int, row: ArmRow, shown: _Shown) -> Rate:
    marks = []
    for event in shown.runs:
        value = shown.seen[event.trial.number]
        if event.trial.arm == row.arm and value is not None and isfinite(value):
            marks.append(shown.mark(event, value))
    unread = "" if marks else f"{row.broken} of {row.resolved} broken, nothing to read"
    return Rate(_TOP + _ROW * (place + 0.5), f"lr {scale(row.arm.lr_scale)}", tuple(marks), unread)


def _reading(session: Session, event: Judged, evidence: Callable[[int], Evidence]) -> float | None:
    """The run's score; of one without, the last value that it logged of what decides."""
    if event.verdict.score is not None:
        return event.verdict.score
    curve = evidence(event.trial.number).curves.get(session.experiment.metric.name)
    return curve.last if curve and curve.values else None
