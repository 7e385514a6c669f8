"""The way of a value that is not finite through a network: from where it was born to the loss.

Geometry only, in pixels; `way.html` draws it: a box for each operation, in the order in which they ran,
with one lane for each pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bisector.report.wording import clean, elide

LANE, BOX, WIDE, GAP = 520, 40, 500, 16
_LETTERS = 78


@dataclass(frozen=True, slots=True)
class Box:
    """One operation, or what went into the first."""

    x: int
    y: int
    kind: str
    """`given`, `born` or `passed`; `left` for operations that are not told."""
    head: str
    tail: str
    told: str


@dataclass(frozen=True, slots=True)
class WayPicture:
    """All boxes, the line that joins them, and the lanes' names."""

    width: int
    height: int
    wide: int
    """Of a box."""
    lanes: tuple[tuple[int, str], ...]
    boxes: tuple[Box, ...]
    line: str


def way_picture(born: Mapping[str, Any]) -> WayPicture | None:
    """From what the replay of a failing step recorded; None: it met no operation."""
    path = [str(line) for line in born.get("path", ())]
    if not path:
        return None
    lanes = list(dict.fromkeys(_phase(line) for line in path if ": " in line))
    boxes = [_given(born)] if born.get("inputs") else []
    lane = 0
    for line in path:
        lane = lanes.index(_phase(line)) if ": " in line else lane
        kind = "left" if ": " not in line else "passed"
        boxes.append(_box(len(boxes), lane, kind if len(boxes) > _before(born) else "born", line))
    return WayPicture(
        width=LANE * len(lanes),
        height=24 + (BOX + GAP) * len(boxes),
        wide=WIDE,
        lanes=tuple((LANE * i, name) for i, name in enumerate(lanes)),
        boxes=tuple(boxes),
        line=" ".join(f"{b.x + WIDE // 2},{b.y + BOX // 2}" for b in boxes),
    )


def _before(born: Mapping[str, Any]) -> int:
    return 1 if born.get("inputs") else 0


def _phase(line: str) -> str:
    return line.partition(" ")[0]


def _given(born: Mapping[str, Any]) -> Box:
    ranges = "; ".join(map(str, born["inputs"]))
    return _made(0, 0, "given", "it was given", ranges)


def _box(row: int, lane: int, kind: str, line: str) -> Box:
    head, _, tail = line.partition(": ")
    return _made(row, lane, kind, head.partition(" ")[2] if tail else head, tail)


def _made(row: int, lane: int, kind: str, head: str, tail: str) -> Box:
    return Box(
        x=LANE * lane,
        y=24 + (BOX + GAP) * row,
        kind=kind,
        head=elide(clean(head), _LETTERS),
        tail=elide(clean(tail), _LETTERS),
        told=clean(f"{head}: {tail}" if tail else head),
    )
