"""Numbers in tables that a program prints: a line of names, and below it rows of as many numbers.

`epoch  train_loss  accuracy` and then `0  0.51  0.83`, as fastai prints it; or with rules between
the cells, as rich, tabulate and PrettyTable draw them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bisector.collect.lines import MEASURES
from bisector.collect.log_file import LogFile
from bisector.collect.pattern import NOT_FINITE, NUMBER, number
from bisector.collect.points import STEPS, Curves, Points
from bisector.rundir import LOG

_RULES = re.compile(r"[|│┃║]")
_GAPS = re.compile(r"\t+|\s{2,}")
_NAME = re.compile(r"[A-Za-z_][\w/.@% -]*")
_MEASURE = re.compile(rf"(?:.*[\W_])?(?:{MEASURES})\d?%?", re.IGNORECASE)
_VALUE = re.compile(rf"(?:{NUMBER}|{NOT_FINITE})%?")


@dataclass(slots=True)
class _Table:
    """One run's log, and the table that it is in."""

    log: LogFile
    names: Sequence[str] = ()
    points: Points = field(default_factory=Points)


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """Reads the columns of the tables in the log; of a name in two tables, both are one curve."""

    _tables: dict[Path, _Table] = field(init=False, default_factory=dict)

    @property
    def sought(self) -> str:
        """Nothing by itself: it belongs to the preset `auto`."""
        return ""

    def read(self, rundir: Path) -> Curves:
        """The columns that hold numbers."""
        if not (rundir / LOG).exists():
            return {}
        table = self._tables.get(rundir)
        if table is None or table.log.anew():
            table = self._tables[rundir] = _Table(LogFile(rundir))
        for line in table.log.lines():
            ways = _ways(line.strip())
            if names := next(filter(None, map(_names, ways)), None):
                table.names = names
            elif cells := next((c for c in ways if len(c) == len(table.names)), None):
                _row(table, cells)
        return table.points.curves()


def _ways(text: str) -> list[list[str]]:
    """How a line may be taken apart: at rules, or else at wide gaps, or at every gap."""
    if _RULES.search(text):
        return [[cell.strip() for cell in _RULES.split(text.strip("|│┃║"))]]
    return [_GAPS.split(text), text.split()]


def _names(cells: Sequence[str]) -> list[str]:
    """The names that a table's first line gives; empty: it is none, or names nothing measured."""
    plain = [cell.strip("% ").lower().replace(" ", "_") for cell in cells]
    if len(cells) < 2 or not all(map(_NAME.fullmatch, cells)) or len({*plain}) < len(plain):
        return []
    return plain if any(map(_MEASURE.fullmatch, plain)) else []


def _row(table: _Table, cells: Sequence[str]) -> None:
    """The numbers of a row, if under each measure there is one, or nothing."""
    row = dict(zip(table.names, cells, strict=True))
    values = {n: number(c) for n, c in row.items() if _VALUE.fullmatch(c)}
    if any(_MEASURE.fullmatch(n) and n not in values and c.strip("-") for n, c in row.items()):
        return
    counted = next((values[n] for n in STEPS if n in values), None)
    step = int(counted) if counted is not None and counted == counted // 1 else None
    for name, value in values.items():
        if value is not None:
            table.points.add(name, value, step)
