"""How far MLflow is behind a search whose journal is long, on a real store that holds all of it.

The store is made by the search's own writer for a few runs, and then filled with copies of one of
them, as writing thousands would take an hour. What is measured is the writer itself, a process
beside the search as ever: how long it takes to find its place, and from a line in the journal
to its row in the store.
"""

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import psutil

from bisector import rundir
from bisector.journal import Journal
from bisector.model.experiment import Addition, Experiment
from bisector.model.session import Event, Judged, Launched, Opened
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.report.mlflow_child import MlflowReporter, complete_view
from bisector.report.mlflow_cursor import Cursor
from bisector.rundir import JOURNAL

WRITTEN = 8
"""Trials that the writer itself brings into the store, before the last of them is copied."""
PAIRS = 5
"""Trials that are launched and judged while the writer is watched."""
_PATIENCE = 600.0
_TABLES = ("params", "metrics", "latest_metrics", "tags")
_KEY = "bisect.key"


def lag(trials: int, folder: Path) -> dict[str, Any]:
    """The row of a journal of so many trials."""
    home = folder / "scale"
    listed = tuple(Addition(name=f"a{n:02d}", overrides=()) for n in range(16))
    opened = Opened(Experiment(name="scale", additions=listed), {}, "", "", 1.7e9)
    journal = Journal(home / JOURNAL)
    home.mkdir(parents=True)
    _extend(journal, home, [opened, *_events(range(WRITTEN))])
    if not complete_view(home):
        raise RuntimeError((home / "mlflow.log").read_text(encoding="utf-8"))
    _copy(folder / "mlflow.db", home, trials)
    _extend(journal, home, _events(range(WRITTEN, trials)))
    lines = 1 + 2 * trials
    with _writing(journal, home) as writer:
        began = time.monotonic()
        _wait(home, lines)
        found = time.monotonic() - began
        before, seconds = _processor(writer), []
        for number in range(trials, trials + PAIRS):
            for event in _events([number]):
                _extend(journal, home, [event])
            began = time.monotonic()
            _wait(home, lines := lines + 2)
            seconds.append(time.monotonic() - began)
        spent = (_processor(writer) - before) / PAIRS
    return {
        "what": "mlflow",
        "trials": trials,
        "lines": lines,
        "in_place_s": round(found, 1),
        "lag_s": round(median(seconds), 1),
        "longest_lag_s": round(max(seconds), 1),
        "cpu_s_per_trial": round(spent, 2),
    }


def _events(numbers: Iterable[int]) -> Iterator[Event]:
    """A launch and a judgement for each number; the first four are the baseline's."""
    for number in numbers:
        first = number < 4
        arm = Arm() if first else Arm(frozenset({f"a{number % 16:02d}"}))
        trial = Trial(number, arm, number, Purpose.BASELINE if first else Purpose.ISOLATE)
        at = 1.7e9 + 60.0 * number
        yield Launched(trial, json.dumps({"slurm": str(number)}), at)
        yield Judged(trial, Verdict(Outcome.HEALTHY, 0.02), 50.0, at + 50)


def _extend(journal: Journal, home: Path, events: Iterable[Event]) -> None:
    """More lines, each with what its trial leaves."""
    with unhurried():
        for event in events:
            if isinstance(event, Launched):
                _train(rundir.of(home, event.trial.number))
            journal.append(event)


@contextmanager
def unhurried() -> Iterator[None]:
    """Lines are written without waiting for the disk's word on each."""
    with patch.object(os, "fsync", lambda _: None):
        yield


def _train(folder: Path) -> None:
    """What a short run leaves."""
    folder.mkdir(parents=True)
    rows = [
        {"step": n, "name": m, "value": 1 / (n + 1)} for n in range(20) for m in ("loss", "acc")
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / rundir.METRICS).write_text(text, encoding="utf-8")
    (folder / rundir.CONFIG).write_text("lr: 0.1\n", encoding="utf-8")


def _copy(store: Path, home: Path, trials: int) -> None:
    """Fill the store and the writer's own notes as if it had written so many trials."""
    cursor = Cursor.load(home)
    if cursor is None:
        raise RuntimeError("the writer has left no notes")
    model = cursor.runs[WRITTEN - 1]
    with closing(sqlite3.connect(store)) as base, base:
        for number in range(WRITTEN, trials):
            cursor.runs[number] = replace(model, run_id=uuid.uuid4().hex)
            key = {_KEY: f"{cursor.session}/{number:03d}"}
            _copy_run(base, model.run_id, cursor.runs[number].run_id, key)
    cursor.save(home)


def _copy_run(base: sqlite3.Connection, old: str, new: str, tags: Mapping[str, str]) -> None:
    for table in ("runs", *_TABLES):
        columns = [row[1] for row in base.execute(f"PRAGMA table_info({table})")]
        taken = ["?" if c == "run_uuid" else c for c in columns]
        base.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT {', '.join(taken)} FROM {table} WHERE run_uuid = ?",
            (new, old),
        )
    for key, value in tags.items():
        base.execute("UPDATE tags SET value = ? WHERE run_uuid = ? AND key = ?", (value, new, key))


@contextmanager
def _writing(journal: Journal, home: Path) -> Iterator[psutil.Process]:
    session = journal.load()
    if session is None:
        raise RuntimeError("the journal is empty")
    reporter = MlflowReporter(home, impatience=0.0)
    reporter.update(session, session.events[-1], None)
    children = psutil.Process().children()
    try:
        yield next(p for p in children if str(home) in p.cmdline())
    finally:
        reporter.close(session)


def _processor(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _wait(home: Path, events: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (cursor := Cursor.load(home)) is None or cursor.events < events:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{events} events do not come to be shown")
        time.sleep(0.1)
