"""What a command itself has logged to MLflow, brought into the run that stands for its trial.

So the trial's run holds what the script's own does: parameters, tags, its description, data sets,
models and artifacts; its metrics come by the transcript of its readings. What a script nests within
its run becomes a run below the trial's.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from mlflow.entities import LoggedModelOutput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from bisector.report.mlflow_rows import batches
from bisector.rundir import WORK, mlflow_databases, mlflow_folders

OWN = "bisect.own"
"""The tag by which the copy of a nested run, or of a model, is found again; it names theirs."""
_OURS = "mlflow."
"""Tags by which MLflow itself describes a run; the trial's run has its own."""
_NOTE, _PARENT = "mlflow.note.content", "mlflow.parentRunId"
_PARAMS, _METRICS = 100, 500
"""At most so many in one call."""


@dataclass(frozen=True, slots=True)
class _Way:
    """From one store to another."""

    theirs: MlflowClient
    ours: MlflowClient
    experiment_id: str
    """Of ours."""
    work: Path
    """The folder in which the command worked."""


def adopt(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Copy what the stores in a run directory hold into a trial's run, names of ours excepted."""
    stores = _stores(folder.absolute())
    if not stores:
        return
    experiment_id = client.get_run(run_id).info.experiment_id
    for store in stores:
        way = _Way(store, client, experiment_id, folder.absolute() / WORK)
        copies: dict[str, str] = {}
        for run in _runs(store):
            parent = run.data.tags.get(_PARENT)
            copy = _nested(way, run, copies.get(parent, run_id)) if parent else run_id
            copies[run.info.run_id] = copy
            _copy(way, run, copy)


def _stores(folder: Path) -> list[MlflowClient]:
    uris = [place.as_uri() for place in mlflow_folders(folder)]
    uris += [f"sqlite:///{path}" for path in mlflow_databases(folder)]
    return [MlflowClient(tracking_uri=uri) for uri in uris]


def _runs(store: MlflowClient) -> list[Run]:
    """The runs in a store, the first one first; none where a killed run left it torn."""
    with suppress(MlflowException):
        ids = [e.experiment_id for e in store.search_experiments()]
        return list(store.search_runs(ids, order_by=["attributes.start_time ASC"]))
    return []


def _copy(way: _Way, run: Run, copy: str) -> None:
    """All of a run but its metrics."""
    known = way.ours.get_run(copy).data
    params = [Param(k, v) for k, v in run.data.params.items() if k not in known.params]
    for some in batches(params, _PARAMS):
        way.ours.log_batch(copy, params=some)
    tags = [RunTag(k, v) for k, v in run.data.tags.items() if _adopted(k, known.tags)]
    for more in batches(tags, _PARAMS):
        way.ours.log_batch(copy, tags=more)
    if run.inputs and run.inputs.dataset_inputs:
        way.ours.log_inputs(copy, run.inputs.dataset_inputs)
    if kept := _kept(way, run.info.artifact_uri):
        way.ours.log_artifacts(copy, str(kept))
    for output in run.outputs.model_outputs if run.outputs else ():
        _model(way, output, copy)


def _adopted(key: str, known: Mapping[str, str]) -> bool:
    return key not in known and (key == _NOTE or not key.startswith(_OURS))


def _kept(way: _Way, uri: str) -> Path | None:
    """The folder of a run's or a model's artifacts, if there are any and it is on this machine."""
    parsed = urlparse(uri)
    if parsed.scheme not in ("", "file"):
        return None
    place = way.work / url2pathname(parsed.path)
    return place if place.is_dir() and any(place.iterdir()) else None


def _nested(way: _Way, run: Run, parent: str) -> str:
    """The run that stands for one which the script has nested, its metrics in it."""
    asked = f"tags.`{OWN}` = '{run.info.run_id}'"
    found = way.ours.search_runs([way.experiment_id], asked, max_results=1)
    if found and found[0].info.end_time:
        return str(found[0].info.run_id)
    tags = {OWN: run.info.run_id, _PARENT: parent}
    made = found[0] if found else way.ours.create_run(way.experiment_id, run.info.start_time, tags, run.info.run_name)  # fmt: skip
    for name in run.data.metrics:
        history: Sequence[Metric] = way.theirs.get_metric_history(run.info.run_id, name)
        for some in batches(history, _METRICS):
            way.ours.log_batch(made.info.run_id, metrics=some)
    way.ours.set_terminated(made.info.run_id, run.info.status, run.info.end_time)
    return str(made.info.run_id)


def _model(way: _Way, output: LoggedModelOutput, copy: str) -> None:
    """A model that the script has logged, as one of the trial's run."""
    theirs = way.theirs.get_logged_model(output.model_id)
    asked = f"tags.`{OWN}` = '{theirs.model_id}'"
    found = way.ours.search_logged_models([way.experiment_id], asked, max_results=1)
    if found:
        return
    kept = _kept(way, theirs.artifact_location)
    model = way.ours.create_logged_model(
        way.experiment_id,
        theirs.name,
        copy,
        {OWN: theirs.model_id},
        theirs.params,
        theirs.model_type,
    )
    if kept:
        way.ours.log_model_artifacts(model.model_id, str(kept))
    way.ours.finalize_logged_model(model.model_id, "READY")
    way.ours.log_outputs(copy, [LoggedModelOutput(model.model_id, output.step)])
