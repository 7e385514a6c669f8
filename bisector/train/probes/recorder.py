"""Writes what was measured to `observations.jsonl`, without making the device wait for it.

Measurements stay on their device. On a GPU they are copied to pinned memory behind the work that
made them, and written once they have arrived; a row costs the step no synchronisation.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from bisector.train.probes import tensors

Columns = Mapping[str, Sequence[torch.Tensor | float]]
"""Name to single numbers, which are written as one list."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line under way."""

    words: Mapping[str, Any]
    layout: tuple[tuple[str, int], ...]
    numbers: torch.Tensor
    arrival: torch.cuda.Event | None
    known: Mapping[str, Sequence[float]]
    """Columns that were numbers of Python's when they were given."""


class Recorder:
    """One file; lines are written whole, in order, and reach the disk's cache at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._under_way: deque[Row] = deque()

    def note(self, kind: str, **words: Any) -> None:
        """A line of what is known already."""
        self._under_way.append(Row({"kind": kind, **words}, (), torch.empty(0), None, {}))
        self.write()

    def send(self, kind: str, columns: Columns, **words: Any) -> None:
        """A line with numbers that may still be being computed."""
        known = {n: cast("Sequence[float]", c) for n, c in columns.items() if _known(c)}
        layout = tuple((n, len(column)) for n, column in columns.items() if n not in known)
        given = [t for name, _ in layout for t in columns[name]]
        numbers, arrival = _on_the_way(
            tensors.joined([t if isinstance(t, torch.Tensor) else torch.tensor(t) for t in given])
        )
        self._under_way.append(Row({"kind": kind, **words}, layout, numbers, arrival, known))
        self.write()

    def send_table(self, kind: str, table: torch.Tensor, **words: Any) -> None:
        """A line with a whole tensor of numbers, row by row, as `table`."""
        numbers, arrival = _on_the_way(table.detach().reshape(-1).to(torch.float32))
        layout = (("table", table.numel()),)
        self._under_way.append(Row({"kind": kind, **words}, layout, numbers, arrival, {}))
        self.write()

    def write(self, *, wait: bool = False) -> None:
        """Write the lines that have arrived; `wait`: all of them."""
        while self._under_way:
            row = self._under_way[0]
            if row.arrival is not None and not row.arrival.query():  # type: ignore[no-untyped-call]
                if not wait:
                    return
                row.arrival.synchronize()
            self._file.write(_line(self._under_way.popleft()))


def _known(column: Sequence[object]) -> bool:
    return set(map(type, column)) == {float}


def _on_the_way(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    if numbers.device.type != "cuda":
        return numbers.cpu(), None
    host = torch.empty(numbers.shape, pin_memory=True)
    host.copy_(numbers, non_blocking=True)
    arrival = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrival.record(torch.cuda.current_stream(numbers.device))
    return host, arrival


def _line(row: Row) -> str:
    numbers = row.numbers.tolist()
    columns, start = [], 0
    for name, count in row.layout:
        columns.append(f'"{name}": [{_numbers(numbers[start : start + count])}]')
        start += count
    columns += [f'"{name}": [{_numbers(known)}]' for name, known in row.known.items()]
    return ", ".join([json.dumps(row.words)[:-1], *columns]) + "}\n"


def _numbers(values: Sequence[float]) -> str:
    """Six digits each, which is what single precision holds; spelt as JSON's reader wants it."""
    shown = ("%.6g, " * len(values) % tuple(values))[:-2]
    if "n" in shown:
        shown = shown.replace("nan", "NaN").replace("inf", "Infinity")
    return shown
