"""How far the view in MLflow has come: `mlflow.json` in the session's folder.

It only saves work. What it says is checked against the store when a process begins, and
whatever is written twice is written alike, so losing it costs time and nothing else.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from bisector.report.mlflow_readings import Place
from bisector.rundir import write_json

CURSOR = "mlflow.json"


@dataclass(slots=True)
class RunMark:
    """One trial's run in MLflow, and what of the trial it holds already."""

    run_id: str
    place: Place = field(default_factory=Place)
    described: bool = False
    """The parameters are there."""
    not_finite: str = ""
    """Which metric stopped being finite first, and when; empty: none has."""
    ended: bool = False
    """The verdict and the status are there."""
    delta: float | None = None
    """The effect as it was last written."""
    attached: bool = False
    """The configuration and the log are there."""
    pictured: bool = False
    """The curves are there."""


@dataclass(slots=True)
class Cursor:
    """One session's runs in one store."""

    session: str
    store: str
    experiment_id: str = ""
    parent_id: str = ""
    status: str = ""
    """Of the parent, as it was last written."""
    view_key: str = ""
    events: int = 0
    """Events of the session that the view shows whole."""
    pages: list[str] = field(default_factory=list)
    """The pages of pictures that are there: run and path."""
    runs: dict[int, RunMark] = field(default_factory=dict)
    """By trial number."""

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """The cursor of a session's folder; None: none that can be read."""
        with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            told = json.loads((home / CURSOR).read_text(encoding="utf-8"))
            runs = {int(n): _mark(m) for n, m in told.pop("runs").items()}
            return cls(**told, runs=runs)
        return None

    def save(self, home: Path) -> None:
        """Write whole or not at all."""
        write_json(home / CURSOR, asdict(self))


def _mark(told: Mapping[str, Any]) -> RunMark:
    return RunMark(**{**told, "place": Place(**told["place"])})
