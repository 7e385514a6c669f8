"""Writes down what was read out of a command's own files, in the form of metrics.jsonl.

So that views which follow a run line by line show a command as they show our own trainings.
"""

import json
from pathlib import Path

from bisector import rundir
from bisector.model.evidence import Curve
from bisector.model.session import Session
from bisector.ports import Collector


class Transcripts:
    """Keeps `readings.jsonl` of every run up to date; there must be one writer only."""

    def __init__(self, home: Path, collector: Collector) -> None:
        """`collector` gives the curves under the names that the program uses."""
        self._home, self._collector = home, collector
        self._whole: set[int] = set()

    def sync(self, session: Session) -> int:
        """Write what is new; how many runs had anything."""
        judged = {e.trial.number for e in session.judged}
        behind = 0
        for number in [e.trial.number for e in session.launched]:
            if number not in self._whole:
                behind += self._write(rundir.of(self._home, number))
            if number in judged:
                self._whole.add(number)
        return behind

    def close(self, session: Session) -> int:
        """The same, for the last time."""
        return self.sync(session)

    def _write(self, folder: Path) -> bool:
        """Append the readings that are not there yet; whether there were any."""
        path = folder / rundir.READINGS
        known = _counts(path)
        points = [
            (step, name, value)
            for name, curve in self._collector.collect(folder).curves.items()
            for step, value in _new(curve, known.get(name, 0))
        ]
        rows = [
            json.dumps({"step": step, "name": name, "value": value})
            for step, name, value in sorted(points, key=lambda point: point[0])
        ]
        if rows:
            with path.open("a", encoding="utf-8") as file:
                file.write("\n".join(rows) + "\n")
        return bool(rows)


def _new(curve: Curve, known: int) -> list[tuple[int, float]]:
    return list(zip(curve.steps, curve.values, strict=True))[known:]


def _counts(path: Path) -> dict[str, int]:
    """How many readings of each name are there; a half-written last line is cut off."""
    counts: dict[str, int] = {}
    if not path.exists():
        return counts
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)
    for line in whole.decode().splitlines():
        name = json.loads(line)["name"]
        counts[name] = counts.get(name, 0) + 1
    return counts
