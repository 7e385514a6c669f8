"""The folder in which a command works: one for each run, in which the project's files show.

Programs write `log.csv` or `checkpoints/` beside themselves, and two runs at a time would
write over each other. So each run has a folder of its own, with a link to every file and
folder of the project; what a program makes anew is its own.
"""

from collections.abc import Iterable
from pathlib import Path

from bisector.rundir import WORK

RESULTS = ("outputs", "multirun", "mlruns", "mlflow.db", "runs", "lightning_logs", "wandb")
"""Where Hydra, MLflow, TensorBoard, Lightning and others write: never shared between runs."""


def make(rundir: Path, entries: Iterable[Path], apart: Iterable[str]) -> Path:
    """The working folder of a run.

    Args:
        rundir: the run's own.
        entries: files and folders that are to show; an earlier one hides a later one of its name.
        apart: names that each run has for itself.
    """
    work = (rundir / WORK).absolute()
    work.mkdir(parents=True, exist_ok=True)
    shown: dict[str, Path] = {}
    for entry in entries:
        if not work.is_relative_to(entry):
            shown.setdefault(entry.name, entry)
    for name in shown.keys() - {*apart, *RESULTS}:
        link = work / name
        # An earlier attempt in the same folder may have shown another revision.
        if link.is_symlink():
            link.unlink()
        if not link.exists():
            link.symlink_to(shown[name])
    return work
