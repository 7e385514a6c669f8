"""Reads a growing metrics.jsonl piece by piece, from where the last look ended.

MLflow's page draws a few hundred points of a curve, while a store pays for each one
written; so a metric's readings are thinned as they grow many. What is kept depends on
the readings before it alone: two readers of the same file keep the same ones.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PIECE = 256 * 1024
"""Bytes read at a time."""
_WHOLE = 3
"""Digits up to which every reading is kept: the first 1,000."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one metric, finite or not."""

    name: str
    step: int
    value: float
    line: int
    """Position in the file, from 0: the reading's identity."""
    at: float | None = None
    """When it was made, in seconds since the epoch, if the file says so."""

    def milliseconds(self, start: int) -> int:
        """Its time for MLflow; where it has none, its place in the file after the run's start."""
        return start + self.line if self.at is None else round(1000 * self.at)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read."""

    offset: int = 0
    """Bytes."""
    lines: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    """Readings so far of each metric, kept or not."""


def pieces(path: Path, place: Place) -> Iterator[tuple[list[Reading], Place]]:
    """What was written since `place`, and where each piece ends; a torn last line waits."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while text := _whole_lines(file, place.offset):
            readings, place = _piece(text, place)
            yield readings, place


def _whole_lines(file: BinaryIO, offset: int) -> bytes:
    """A piece from `offset` on that ends with a newline; empty: there is no whole line."""
    file.seek(offset)
    piece = file.read(PIECE) + file.readline()
    return piece[: piece.rfind(b"\n") + 1]


def _piece(text: bytes, place: Place) -> tuple[list[Reading], Place]:
    counts, kept = dict(place.counts), []
    lines = text.decode(errors="replace").split("\n")[:-1]
    for line, row in enumerate(lines, place.lines):
        reading = _parsed(row, line)
        if reading is None:
            continue
        count = counts.get(reading.name, 0)
        counts[reading.name] = count + 1
        if _keeps(count):
            kept.append(reading)
    return kept, Place(place.offset + len(text), place.lines + len(lines), counts)


def _parsed(row: str, line: int) -> Reading | None:
    """The reading of a line; None for what is not one."""
    try:
        told = json.loads(row)
        at = float(told["at"]) if "at" in told else None
        return Reading(str(told["name"]), int(told["step"]), float(told["value"]), line, at)
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _keeps(count: int) -> bool:
    """All of the first 1,000, every 10th up to 10,000, every 100th up to 100,000, and so on."""
    stride: int = 10 ** max(0, len(str(count)) - _WHOLE)
    return count % stride == 0
