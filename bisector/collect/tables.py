"""Numbers in files that a program writes: CSV, JSON lines, JSON.

A row's step is the first of `step`, `global_step`, `iter`, `epoch` that it has; cells may be
blank, as where training and validation share a table.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bisector.collect.pattern import number
from bisector.collect.points import STEPS, Curves, Memory, Points
from bisector.errors import ConfigError
from bisector.rundir import EXIT, WORK

Row = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads files of a run by their suffix: .csv, .tsv, .jsonl (or .ndjson), .json."""

    asked: Sequence[str]
    """Paths and globs, below the run's working folder or its run directory."""
    step: str = ""
    """The column that counts steps; empty: one of the usual names."""
    _memory: Memory = field(init=False, default_factory=Memory)

    def __post_init__(self) -> None:
        for text in self.asked:
            if Path(text).suffix not in _ROWS:
                raise ConfigError(
                    f"read.files: `{text}` is of no format that is known.",
                    hint=f"Its name should end in {', '.join(_ROWS)}.",
                )

    def read(self, rundir: Path) -> Curves:
        """The curves that are in the run's files; of two with the same name the first."""
        whole = (rundir / EXIT).exists()
        curves: dict[str, Any] = {}
        for path in found(rundir, self.asked):
            # Whether the last line is whole changes with the end of the run and not with the file.
            curves = {**(self._parse(path) if whole else self._memory.read(path, self._young)), **curves}  # fmt: skip
        return curves

    @property
    def sought(self) -> str:
        """What is looked for, in words."""
        return " or ".join(f"the file `{text}`" for text in self.asked)

    def _young(self, path: Path) -> Curves:
        """A file that is still being written, less what follows its last newline."""
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text if path.suffix == ".json" else text.rpartition("\n")[0]
        return self._curves(path, lines)

    def _parse(self, path: Path) -> Curves:
        return self._curves(path, path.read_text(encoding="utf-8", errors="replace"))

    def _curves(self, path: Path, text: str) -> Curves:
        points = Points()
        wanted = (self.step,) if self.step else STEPS
        for row in _ROWS[path.suffix](text):
            counted = next((row[name] for name in wanted if name in row), None)
            step = int(counted) if counted is not None and counted == counted // 1 else None
            for name, value in row.items():
                points.add(name, value, step)
        return points.curves()


def found(rundir: Path, asked: Iterable[str]) -> Iterator[Path]:
    """The files of a run that match, each once."""
    seen = set()
    for text in asked:
        for place in (rundir / WORK, rundir):
            matched = [Path(text)] if Path(text).is_absolute() else sorted(place.glob(text))
            for path in matched:
                if path.exists() and path not in seen:
                    seen.add(path)
                    yield path


def _table(delimiter: str) -> Callable[[str], Iterator[Row]]:
    def rows(text: str) -> Iterator[Row]:
        table = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
        for cells in table:
            values = {
                name.strip(): number(cell)
                for name, cell in cells.items()
                if name and isinstance(cell, str)
            }
            yield {name: value for name, value in values.items() if value is not None}

    return rows


def _json_lines(text: str) -> Iterator[Row]:
    for line in text.split("\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield dict(_flat(row, ""))


def _json(text: str) -> Iterator[Row]:
    """The rows of a list, of a list somewhere in a mapping, or a mapping as the only row."""
    try:
        document = json.loads(text)
    except ValueError:
        return
    rows = _lists_of_rows(document)
    for row in rows or [document]:
        if isinstance(row, dict):
            yield dict(_flat(row, ""))


def _lists_of_rows(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    children = document.values() if isinstance(document, dict) else ()
    lists = [c for c in children if isinstance(c, list) and any(isinstance(r, dict) for r in c)]
    return [row for rows in lists for row in rows]


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)


_ROWS: dict[str, Callable[[str], Iterator[Row]]] = {
    ".csv": _table(","),
    ".tsv": _table("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
}
