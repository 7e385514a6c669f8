"""What a program has logged to MLflow, read from the stores in its run directory.

A command gets a store of its own (`MLFLOW_TRACKING_URI`), since `mlflow.set_experiment` in a
script forbids to name the run it should log into, and since a shared database makes concurrent
runs wait for each other. Reading plain files and SQLite spares the search the seconds that MLflow
takes to be imported.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import yaml

from bisector.collect.points import Curves, Points
from bisector.rundir import mlflow_databases, mlflow_folders

SOUGHT = "its MLflow run"


class MlflowReader:
    """Reads metrics of all runs in the store; of two with the same name the earlier run's."""

    sought = SOUGHT

    def read(self, rundir: Path) -> Curves:
        """The curves by metric."""
        began = [*_in_files(rundir), *_in_databases(rundir)]
        curves: dict[str, object] = {}
        for _, run in sorted(began, key=lambda found: found[0]):
            curves = {**run, **curves}
        return curves  # type: ignore[return-value]


def _in_files(rundir: Path) -> Iterator[tuple[int, Curves]]:
    """When each run in a store of files began, in milliseconds, and what it logged."""
    for store in mlflow_folders(rundir):
        for meta in store.glob("*/*/meta.yaml"):
            if (meta.parent / "metrics").is_dir():
                yield _began(meta), _metrics(meta.parent / "metrics")


def _began(meta: Path) -> int:
    try:
        return int(yaml.safe_load(meta.read_text(encoding="utf-8"))["start_time"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return 0  # It is being written.


def _metrics(folder: Path) -> Curves:
    """A file for each metric; its lines are time, value and step."""
    points = Points()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        for line in path.read_text(encoding="utf-8").rpartition("\n")[0].split("\n"):
            cells = line.split(" ")
            if len(cells) >= 3:
                points.add(name, float(cells[1]), int(cells[2]))
    return points.curves()


_RUNS = "SELECT run_uuid, start_time FROM runs WHERE lifecycle_stage = 'active'"
_READINGS = "SELECT key, value, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY rowid"


def _in_databases(rundir: Path) -> Iterator[tuple[int, Curves]]:
    """The same of SQLite stores; of one that is locked, or is no store of MLflow's, nothing."""
    for path in mlflow_databases(rundir):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                found = [(began, _logged(db, run)) for run, began in db.execute(_RUNS)]
        except sqlite3.Error:
            continue
        yield from ((began or 0, curves) for began, curves in found)


def _logged(db: sqlite3.Connection, run: str) -> Curves:
    points = Points()
    for name, value, step, is_nan in db.execute(_READINGS, (run,)):
        points.add(name, float("nan") if is_nan else _finite(value), step)
    return points.curves()


def _finite(value: float) -> float:
    """A value as it was logged: MLflow writes the largest number there is in place of infinity."""
    return value if abs(value) < sys.float_info.max else value * 2
