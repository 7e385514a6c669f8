"""The path of the search as a matrix: a row for each run, a column for each addition.

Geometry only, in pixels; `search.html` draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bisector.model.experiment import Addition, Experiment, Kind
from bisector.model.session import Judged, Ruling, Session
from bisector.model.trial import Arm
from bisector.model.variant import change_named
from bisector.model.verdict import Outcome
from bisector.report.arms import arm_name
from bisector.report.wording import clean, elide, number, scale

_CELL, _ROW = 20, 20
_LEFT = 118
"""Room for a run's number and purpose."""
_MARK = 52
"""Room for how a run ended."""
_PLOT = 130
"""Room for the scores."""
_NOTE = 84
"""Room for what else the arm changes."""
_NAME = 18
"""Letters of an addition's name above its column."""
_LETTER = 6.2
"""Width of a letter at the size in use."""


@dataclass(frozen=True, slots=True)
class Column:
    """One addition."""

    x: float
    name: str
    short: str
    """The name as it fits above the column."""
    kind: str
    culprit: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One run."""

    y: float
    number: int
    purpose: str
    outcome: Outcome
    on: tuple[float, ...]
    """Where its additions' dots are."""
    note: str
    """What else its arm changes, e.g. `lr x10`."""
    score: str
    score_x: float | None
    told: str
    """The whole row in words."""


@dataclass(frozen=True, slots=True)
class SearchPicture:
    """The matrix, with the runs' scores beside it and the baseline's band behind them."""

    width: float
    height: float
    top: float
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    band: tuple[float, float] | None
    """Left edge and width of the baseline's range of scores."""
    plot: tuple[float, float]
    """Left and right edge of the scores."""
    note_x: float
    low: str
    high: str
    words: str
    """The picture for those who cannot see it."""


def search_picture(session: Session) -> SearchPicture:
    """The picture of all judged runs, in the order of their launch."""
    experiment = session.experiment
    blamed = _blamed(session)
    order = sorted(experiment.additions, key=lambda a: list(Kind).index(a.kind))
    columns = tuple(_column(i, a, blamed) for i, a in enumerate(order))
    longest = max((len(c.short) for c in columns), default=0)
    # The names stand at 55 degrees, whose sine is 0.82.
    top = longest * _LETTER * 0.82 + 26
    left = _LEFT + _CELL * len(columns) + _MARK
    plot = (left, left + _PLOT)
    scores = [e.verdict.score for e in session.judged if e.verdict.score is not None]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    axis = _Axis(low, high, *plot)
    at = {c.name: c.x for c in columns}
    runs = sorted(session.judged, key=lambda e: e.trial.number)
    rows = tuple(_row(experiment, e, i, top, at, axis) for i, e in enumerate(runs))
    broken = sum(r.outcome is Outcome.BROKEN for r in rows)
    noted = any(r.note for r in rows)
    return SearchPicture(
        width=plot[1] + 70 + (_NOTE if noted else 0),
        height=top + _ROW * len(rows) + 12,
        top=top,
        columns=columns,
        rows=rows,
        band=_band(session, axis),
        plot=plot,
        note_x=plot[1] + 66,
        low=number(low),
        high=number(high),
        words=f"{len(rows)} runs of sets of {len(columns)} additions; {broken} of them broke. "
        "The same is told in the table of every run.",
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return round(self.left + (value - self.low) / span * (self.right - self.left), 1)


def _blamed(session: Session) -> frozenset[str]:
    end = session.conclusion
    if end is None or end.ruling is Ruling.CUMULATIVE:
        return frozenset()
    return frozenset().union(*end.blamed)


def _column(place: int, addition: Addition, blamed: frozenset[str]) -> Column:
    x = _LEFT + _CELL * (place + 0.5)
    name = clean(addition.name)
    return Column(x, name, elide(name, _NAME), addition.kind.value, addition.name in blamed)


def _row(
    experiment: Experiment,
    event: Judged,
    place: int,
    top: float,
    at: dict[str, float],
    axis: _Axis,
) -> Row:
    arm, verdict = event.trial.arm, event.verdict
    told = f"Run {event.trial.number}, {event.trial.purpose}: {arm_name(experiment, arm)}"
    return Row(
        y=top + _ROW * (place + 0.5),
        number=event.trial.number,
        purpose=event.trial.purpose.value,
        outcome=verdict.outcome,
        on=tuple(at[clean(n)] for n in sorted(arm.additions) if clean(n) in at),
        note=elide(_note(experiment, arm), _NOTE // 6),
        score="" if verdict.score is None else number(verdict.score),
        score_x=None if verdict.score is None else axis.x(verdict.score),
        told=clean(f"{told}, seed {event.trial.seed}: {verdict.outcome}. {verdict.because}"),
    )


def _note(experiment: Experiment, arm: Arm) -> str:
    named = change_named(experiment.variants, arm.tweaks)
    words = [
        *((named,) if named else arm.tweaks),
        *(() if arm.lr_scale == 1.0 else (f"lr {scale(arm.lr_scale)}",)),
        *(("watched",) if arm.watched else ()),
    ]
    return clean(" ".join(words))


def _band(session: Session, axis: _Axis) -> tuple[float, float] | None:
    scores = _scores(session.runs(Arm()))
    if not scores:
        return None
    left, right = axis.x(min(scores)), axis.x(max(scores))
    # At least as wide as a line, so that a baseline without spread is seen.
    return left, max(right - left, 2.0)


def _scores(runs: Sequence[Judged]) -> list[float]:
    return [
        e.verdict.score
        for e in runs
        if e.verdict.score is not None and e.verdict.outcome is Outcome.HEALTHY
    ]
