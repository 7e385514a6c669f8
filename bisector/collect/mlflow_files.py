"""What a program has logged to MLflow, from the file store that its run directory gives it.

A command gets a store of its own (`MLFLOW_TRACKING_URI`), since `mlflow.set_experiment` in a
script forbids to name the run it should log into, and since a shared database makes concurrent
runs wait for each other. Reading its plain files spares the search the seconds that MLflow
takes to be imported.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from bisector.collect.points import Curves, Points
from bisector.rundir import MLRUNS

SOUGHT = "its MLflow run"


class MlflowReader:
    """Reads metrics of all runs in the store; of two with the same name the earlier run's."""

    sought = SOUGHT

    def read(self, rundir: Path) -> Curves:
        """The curves by metric."""
        curves: dict[str, object] = {}
        for run in runs(rundir):
            curves = {**_metrics(run / "metrics"), **curves}
        return curves  # type: ignore[return-value]


def runs(rundir: Path) -> list[Path]:
    """The folders of the runs in a run directory's store, in the order in which they began."""
    return sorted(_runs(rundir / MLRUNS), key=_began)


def _runs(store: Path) -> Iterator[Path]:
    for meta in store.glob("*/*/meta.yaml"):
        if (meta.parent / "metrics").is_dir():
            yield meta.parent


def _began(run: Path) -> int:
    try:
        meta = yaml.safe_load((run / "meta.yaml").read_text(encoding="utf-8"))
        return int(meta["start_time"])
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
