"""How weights, biases, gradients, updates and activations of a run are distributed, as small histograms.

Geometry only, in pixels; `spread.html` draws it: a row for each layer, a column for each step at which
they were taken. Each has its own range, which stands below it. What is abnormal is marked.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bisector.model.finding import Facts
from bisector.report.wording import clean, elide

LEFT, TOP, ROW = 190, 18, 48
CELL, WIDE, HIGH = 112, 98, 28
COLUMNS = 6
"""So many steps are drawn, the first and the last among them."""
KINDS: Mapping[str, str] = {
    "weight": "Weights",
    "bias": "Biases and scales",
    "gradient": "Gradients",
    "update": "Updates: weights after a step, less those before",
    "activation": "Activations: what a layer gives, before its activation function",
}

HEALTHY = (0.05, 20.0)
"""Of an activation's deviation: ten times off 0.5 to 2.0 (TheDeepChecker, 2021; Deeplearning4j)."""
FAR = 3.0
"""Deviations that the mean of an activation may be from 0; beyond, hardly a unit sees both signs."""
ENDS = 0.5
"""Share of an activation's values at the two ends of its range: it is squashed before it is used."""
HEAPED = 0.95
"""Share of weights in one of 24 bins: the others are so far out that they stretch the range."""
DIVERGED = 10.0
"""Size of a bias that no sound layer comes to; Deeplearning4j warns of biases that run away."""

Cells = Sequence[Sequence[Any] | None]


@dataclass(frozen=True, slots=True)
class Small:
    """One histogram."""

    x: int
    y: int
    path: str
    span: str
    """From where to where it goes, in a few letters."""
    marks: str
    """What is abnormal about it; empty: nothing is."""
    told: str


@dataclass(frozen=True, slots=True)
class SpreadPicture:
    """All histograms of one kind."""

    title: str
    width: int
    height: int
    names: tuple[tuple[int, str, str], ...]
    """Height, short name and whole name of each row."""
    ticks: tuple[tuple[int, str], ...]
    cells: tuple[Small, ...]
    marked: int


def spread_pictures(facts: Facts) -> tuple[SpreadPicture, ...]:
    """One for each kind that a watched run has left; none where it was not watched."""
    found = facts.get("run_histograms")
    if not found:
        return ()
    steps = found["steps"]
    shown = sorted({round(i * (len(steps) - 1) / (COLUMNS - 1)) for i in range(COLUMNS)})
    return tuple(
        _picture(KINDS[kind], kind, found[kind], [(i, steps[i]) for i in shown])
        for kind in KINDS
        if found.get(kind)
    )


def _picture(
    title: str, kind: str, of: Mapping[str, Cells], shown: Sequence[tuple[int, int]]
) -> SpreadPicture:
    cells = tuple(
        _small(column, row, (kind, name, step), cell)
        for row, (name, looks) in enumerate(of.items())
        for column, (look, step) in enumerate(shown)
        if (cell := looks[look]) is not None
    )
    return SpreadPicture(
        title=title,
        width=LEFT + CELL * len(shown),
        height=TOP + ROW * len(of),
        names=tuple(
            (TOP + ROW * i + 19, elide(clean(name), 30), clean(name)) for i, name in enumerate(of)
        ),
        ticks=tuple((LEFT + CELL * i, f"step {step:,}") for i, (_, step) in enumerate(shown)),
        cells=cells,
        marked=sum(bool(cell.marks) for cell in cells),
    )


def _small(column: int, row: int, of: tuple[str, str, int], cell: Sequence[Any]) -> Small:
    kind, name, step = of
    low, high, lost, *counts = map(float, cell)
    marks = "; ".join(marks_of(kind, low, high, lost, counts))
    span = f"{low:.2g} to {high:.2g}" if sum(counts) else "nothing finite"
    x, y = LEFT + CELL * column, TOP + ROW * row
    return Small(
        x=x,
        y=y,
        path=_stairs(x, y + HIGH, counts),
        span=span,
        marks=marks,
        told=f"{clean(name)} at step {step}: {span}" + (f"; {marks}" if marks else ""),
    )


def marks_of(
    kind: str, low: float, high: float, lost: float, counts: Sequence[float]
) -> Iterator[str]:
    """What is abnormal about a histogram, in a few words each."""
    total = sum(counts)
    if lost:
        yield f"{lost / (lost + total):.0%} not finite"
    if not total:
        return
    if low == high:
        # Biases and scales begin so.
        alike = "all zero" if low == 0 and kind != "weight" else "all the same"
        yield from () if kind == "bias" else (alike,)
        return
    if kind == "activation":
        yield from _of_activation(low, high, [c / total for c in counts])
    if kind == "weight" and max(counts) > HEAPED * total:
        yield "a few far out"
    if kind == "bias" and max(abs(low), abs(high)) > DIVERGED:
        yield f"beyond {DIVERGED:g}"


def _of_activation(low: float, high: float, shares: Sequence[float]) -> Iterator[str]:
    width = (high - low) / len(shares)
    middles = [low + width * (i + 0.5) for i in range(len(shares))]
    mean = sum(s * m for s, m in zip(shares, middles, strict=True))
    deviation = math.sqrt(sum(s * (m - mean) ** 2 for s, m in zip(shares, middles, strict=True)))
    if not HEALTHY[0] <= deviation <= HEALTHY[1]:
        yield f"deviation {deviation:.2g}"
    if abs(mean) > FAR * deviation:
        yield "mean far from 0"
    if min(shares[0], shares[-1]) > ENDS / 4 and shares[0] + shares[-1] > ENDS:
        yield "heaped at both ends"


def _stairs(x: int, floor: int, counts: Sequence[float]) -> str:
    """The outline of a histogram that stands on `floor`."""
    most = max(counts, default=0.0) or 1.0
    step = WIDE / max(1, len(counts))
    parts = [f"M{x} {floor}"]
    parts += [f"V{floor - HIGH * c / most:.1f}h{step:.2f}" for c in counts]
    return "".join(parts) + f"V{floor}z"
