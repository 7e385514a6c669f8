"""What probes saw of a run, layer by layer over its steps, as heat maps.

Geometry only, in pixels; `heat.html` draws it. A cell's colour is one of seven: the middle one is
what is usual, those beyond it are what checks may speak of.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bisector.model.finding import Facts
from bisector.model.session import Session
from bisector.model.trial import Trial
from bisector.report.arms import arm_name
from bisector.report.spread_picture import SpreadPicture, spread_pictures
from bisector.report.way_picture import WayPicture, way_picture
from bisector.report.wording import elide

ROWS, COLUMNS = 24, 48
"""So many layers and looks are drawn; more of either are left out evenly."""
CELL_W, CELL_H, LEFT, TOP = 11, 14, 190, 4
TICK = 8
"""A step is written below every so many columns."""
RUNS = 4
"""So many runs are drawn."""
ODD = "odd"
"""The class of a cell whose value is not finite."""

Series = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Scale:
    """How values become colours: six bounds between seven levels."""

    bounds: tuple[float, ...]
    marks: tuple[str, ...]
    """The bounds in words: where each level but the first begins."""
    words: str
    """What is measured, and which colour is usual."""
    of: Callable[[float], float] = lambda value: value
    lowest: int = 0
    """The first level that a value can have: nothing is below the usual where 0 is usual."""


@dataclass(frozen=True, slots=True)
class Label:
    """A layer's name at its row."""

    y: float
    short: str
    whole: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One measure of one run."""

    title: str
    words: str
    key: tuple[tuple[int, str], ...]
    """The levels that its legend shows, and where each of them ends; the last one never does."""
    width: float
    height: float
    labels: tuple[Label, ...]
    ticks: tuple[tuple[float, str], ...]
    areas: tuple[tuple[str, str], ...]
    """Class of colour to the path of its cells."""
    left_out: int
    """Layers that are not drawn."""


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """All that is drawn of one run."""

    name: str
    number: int
    maps: tuple[HeatMap, ...]
    spreads: tuple[SpreadPicture, ...]
    nan: Mapping[str, Any] | None
    """Where a value that is not finite was born; None: none was met."""
    way: WayPicture | None
    """Its way to the loss."""


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf


UPDATES = Scale(
    (-5.0, -4.0, -3.5, -2.5, -2.0, -1.0),
    ("1e-5", "1e-4", "3e-4", "3e-3", "0.01", "0.1"),
    "step / weight; about 1e-3 is usual",
    _log,
)
SPREAD = Scale(
    (-1.5, -1.0, -0.3, 0.3, 1.0, 1.5),
    ("0.03", "0.1", "0.5", "2", "10", "30"),
    "deviation; 0.5 to 2 is usual",
    _log,
)
PULL = Scale(
    (-4.0, -2.5, -1.0, 1.0, 2.5, 4.0),
    ("1e-4", "0.003", "0.1", "10", "300", "1e4"),
    "over the run's median; 0.1 to 10 is usual",
    _log,
)
SHARE = Scale(
    (-3.0, -2.0, -1.0, 0.2, 0.5, 0.7),
    ("", "", "", "0.2", "0.5", "0.7"),
    "share; up to 0.2 is usual",
    lowest=3,
)


def heat_maps(facts: Facts) -> tuple[HeatMap, ...]:
    """The maps of a watched run; none where it was not watched."""
    found = [*_of_weights(facts), *_of_gradients(facts), *_of_activations(facts)]
    return tuple(m for m in found if m is not None)


def _of_weights(facts: Facts) -> list[HeatMap | None]:
    family = facts.get("run_weights")
    if not family:
        return []
    matrices = [i for i, shape in enumerate(family["shapes"]) if len(shape) > 1]
    names = [family["parameters"][i] for i in matrices]
    series = [[row[i] for i in matrices if i < len(row)] for row in family["ratio"]]
    return [_map("Length of a step against its weights", UPDATES, names, family["steps"], series)]


def _of_gradients(facts: Facts) -> list[HeatMap | None]:
    family = facts.get("run_gradients")
    if not family:
        return []
    sizes = sorted(v for row in family["size"] for v in map(_number, row) if 0 < v < math.inf)
    middle = sizes[len(sizes) // 2] if sizes else 1.0
    series = [[_number(v) / middle for v in row] for row in family["size"]]
    return [_map("Gradient norm, by weight", PULL, family["layers"], family["steps"], series)]


def _of_activations(facts: Facts) -> list[HeatMap | None]:
    family = facts.get("run_activations")
    if not family:
        return []
    layers, steps, deviation = family["layers"], family["steps"], family["std"]
    dead, saturated = (_finite(family[name], deviation) for name in ("dead", "saturated"))
    return [
        _map("Deviation of what a layer gives", SPREAD, layers, steps, deviation),
        _map("Dead units", SHARE, *_seen(layers, steps, dead)),
        _map("Saturated values", SHARE, *_seen(layers, steps, saturated)),
    ]


def _finite(series: Series, deviation: Series) -> Series:
    """Shares of what a layer gives where that is finite: NaN is neither dead nor alive."""
    return [
        [v if math.isfinite(_number(d)) else math.nan for v, d in zip(row, of, strict=False)]
        for row, of in zip(series, deviation, strict=False)
    ]


def _seen(
    layers: Sequence[str], steps: Sequence[int], series: Series
) -> tuple[list[str], Sequence[int], Series]:
    """Only the layers that have an activation of this kind."""
    kept = [i for i in range(len(layers)) if any(not math.isnan(_number(row[i])) for row in series)]
    return [layers[i] for i in kept], steps, [[row[i] for i in kept] for row in series]


def _map(
    title: str, scale: Scale, names: Sequence[str], steps: Sequence[int], series: Series
) -> HeatMap | None:
    rows, looks = _evenly(len(names), ROWS), _evenly(len(steps), COLUMNS)
    if not rows or not looks:
        return None
    cells: dict[str, list[str]] = {}
    for y, row in enumerate(rows):
        for x, look in enumerate(looks):
            value = _number(series[look][row]) if row < len(series[look]) else math.nan
            level = _level(value, scale)
            cells.setdefault(level, []).append(_cross(x, y) if level == ODD else _cell(x, y))
    labels = tuple(
        Label(TOP + y * CELL_H + 11, elide(names[row], 30), names[row])
        for y, row in enumerate(rows)
    )
    height = TOP + CELL_H * len(rows)
    ticks = tuple((LEFT + x * CELL_W, text) for x, text in _ticks([steps[at] for at in looks]))
    return HeatMap(
        title=title,
        words=scale.words,
        key=tuple(enumerate((*scale.marks, "")))[scale.lowest :],
        width=LEFT + CELL_W * len(looks) + 60,
        height=height + 18,
        labels=labels,
        ticks=ticks,
        areas=tuple((level, "".join(paths)) for level, paths in sorted(cells.items())),
        left_out=len(names) - len(rows),
    )


def _ticks(steps: Sequence[int]) -> list[tuple[int, str]]:
    """Column to the step that stands below it; the last one says what the numbers are."""
    last = len(steps) - 1
    before = range(0, max(last - TICK // 2, min(last - 1, 1)), TICK)
    return [*((x, str(steps[x])) for x in before), (last, f"step {steps[last]}")]


def _evenly(count: int, most: int) -> list[int]:
    shown = min(count, most)
    return sorted({round(i * (count - 1) / max(1, shown - 1)) for i in range(shown)})


def _level(value: float, scale: Scale) -> str:
    if not math.isfinite(value):
        return ODD
    return f"h{bisect_right(scale.bounds, scale.of(value))}"


def _cell(x: int, y: int) -> str:
    return f"M{LEFT + x * CELL_W} {TOP + y * CELL_H}h{CELL_W - 1}v{CELL_H - 1}h{1 - CELL_W}z"


def _cross(x: int, y: int) -> str:
    wide, high = CELL_W - 5, CELL_H - 6
    at = f"M{LEFT + x * CELL_W + 2} {TOP + y * CELL_H + 2}"
    return f"{at}l{wide} {high}m{-wide} 0l{wide} {-high}"


def _number(value: object) -> float:
    return float(str(value))


def watched_runs(session: Session, facts: Callable[[int], Facts]) -> tuple[WatchedRun, ...]:
    """The watched runs, those of what was convicted before the baseline's."""
    found = [e.trial for e in session.judged if e.trial.arm.watched]
    found.sort(key=lambda trial: (not trial.arm.additions, trial.number))
    return tuple(watched_run(session, trial, facts(trial.number)) for trial in found[:RUNS])


def watched_run(session: Session, trial: Trial, facts: Facts) -> WatchedRun:
    """All that is drawn of one run."""
    born = facts.get("nonfinite", {})
    name = arm_name(session.experiment, trial.arm)
    return WatchedRun(
        name=name,
        number=trial.number,
        maps=heat_maps(facts),
        spreads=spread_pictures(facts),
        nan=born if born.get("operator") else None,
        way=way_picture(born),
    )
