"""What a command itself has logged to MLflow, brought into the run that stands for its trial.

Metrics come by the transcript of its readings; here are its parameters, tags and artifacts.
"""

from contextlib import suppress
from pathlib import Path

from mlflow.entities import Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from bisector.rundir import MLRUNS

_OURS = "mlflow."
"""Tags by which MLflow itself describes a run; the trial's run has its own."""
_AT_ONCE = 100


def adopt(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Copy what the runs in a run directory's store have into a trial's run, names of ours excepted."""
    store = (folder / MLRUNS).absolute()
    if not store.is_dir():
        return
    known = client.get_run(run_id).data
    for run in _runs(store):
        params = [Param(k, v) for k, v in run.data.params.items() if k not in known.params]
        tags = [
            RunTag(k, v)
            for k, v in run.data.tags.items()
            if k not in known.tags and not k.startswith(_OURS)
        ]
        for at in range(0, max(len(params), len(tags)), _AT_ONCE):
            some = slice(at, at + _AT_ONCE)
            client.log_batch(run_id, params=params[some], tags=tags[some])
        kept = store / run.info.experiment_id / run.info.run_id / "artifacts"
        if kept.is_dir() and any(kept.iterdir()):
            client.log_artifacts(run_id, str(kept))


def _runs(store: Path) -> list[Run]:
    """The runs in a store of files, the first one first; none where a killed run left it torn."""
    client = MlflowClient(tracking_uri=store.as_uri())
    with suppress(MlflowException):
        ids = [e.experiment_id for e in client.search_experiments()]
        return list(client.search_runs(ids, order_by=["attributes.start_time ASC"]))
    return []
