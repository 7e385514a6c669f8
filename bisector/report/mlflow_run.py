"""One trial's run in MLflow, piece by piece; each piece may be written twice and stays the same."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from bisector import rundir
from bisector.model.evidence import Curve
from bisector.model.session import Judged
from bisector.report.figure import curve_figure
from bisector.report.mlflow_cursor import RunMark
from bisector.report.mlflow_own import adopt
from bisector.report.mlflow_readings import Place, pieces
from bisector.report.mlflow_rows import (
    Data,
    batches,
    concealed,
    final_metrics,
    metric_key,
    status,
    verdict_tags,
)

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_METRICS, _PARAMS = 500, 100
"""At most so many in one call; MLflow takes 1,000 and 100."""
_LOG_LIMIT = 4_000_000
"""Bytes of a log that are kept whole; of a longer one, its end."""


def ms(at: float) -> int:
    """Seconds since the epoch in MLflow's milliseconds."""
    return int(at * 1000)


def describe(
    client: MlflowClient, run_id: str, params: Mapping[str, str], data: Data | None
) -> None:
    """Write the parameters, and what the run is trained on."""
    for some in batches([Param(k, v) for k, v in params.items()], _PARAMS):
        client.log_batch(run_id, params=some)
    if data:
        told = Dataset(data.name, data.digest, "code", data.source)
        context = InputTag("mlflow.data.context", "training")
        client.log_inputs(run_id, [DatasetInput(told, [context])])


def tag(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Write tags."""
    for some in batches([RunTag(k, v) for k, v in tags.items()], _PARAMS):
        client.log_batch(run_id, tags=some)


def follow(client: MlflowClient, mark: RunMark, metrics: Path, start: int) -> Iterator[None]:
    """Write what a run has logged since `mark.place`, yielding after each piece.

    A reading has no time of its own: it gets `start`, in milliseconds, plus its line's number.
    The pages hide a metric whose last value is not finite, so such values are told by a tag.
    """
    for readings, place in pieces(metrics, mark.place):
        finite = [r for r in readings if isfinite(r.value)]
        rows = [Metric(metric_key(r.name), r.value, r.milliseconds(start), r.step) for r in finite]
        for some in batches(rows, _METRICS):
            client.log_batch(mark.run_id, metrics=some)
        end = next((r for r in readings if not isfinite(r.value)), None)
        if end and not mark.not_finite:
            mark.not_finite = f"{metric_key(end.name)} at step {end.step}"
            client.set_tag(mark.run_id, "not_finite", mark.not_finite)
        mark.place = place
        yield


def end(client: MlflowClient, run_id: str, event: Judged, start: int) -> None:
    """Write the verdict; the run is over."""
    at = max(ms(event.at), start + 1)
    told = [Metric(k, v, at, 0) for k, v in final_metrics(event).items()]
    tags = [RunTag(k, v) for k, v in verdict_tags(event.verdict).items()]
    client.log_batch(run_id, metrics=told, tags=tags)
    client.set_terminated(run_id, status(event.verdict), at)


def attach(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Keep the resolved configuration and the log with the run, and what it logged by itself."""
    adopt(client, run_id, folder)
    config, log = config_of(folder), folder / rundir.LOG
    if config:
        client.log_text(run_id, yaml.safe_dump(config, sort_keys=False), rundir.CONFIG)
    if log.exists() and log.stat().st_size <= _LOG_LIMIT:
        client.log_artifact(run_id, str(log))
    elif log.exists():
        client.log_text(run_id, f"[only the end is kept]\n{_tail(log)}", rundir.LOG)


def picture(
    client: MlflowClient, run_id: str, title: str, first: str, curves: Sequence[Mapping[str, Curve]]
) -> None:
    """Keep a picture: the run's curves, which come first, beside those of the baseline."""
    figure = curve_figure(title, curves[0], curves[1:], first)
    if figure:
        client.log_figure(run_id, figure, "curves.png", save_kwargs={"dpi": 90})


def config_of(folder: Path) -> Any:
    """The resolved configuration of a run, without secrets; empty where none can be read."""
    try:
        text = (folder / rundir.CONFIG).read_text(encoding="utf-8")
        return concealed(yaml.load(text, Loader=_YAML))
    except (FileNotFoundError, yaml.YAMLError):
        return {}


def curves_of(folder: Path) -> dict[str, Curve]:
    """What a run has logged, thinned."""
    points: dict[str, list[tuple[int, float]]] = {}
    for readings, _ in pieces(rundir.metrics_of(folder), Place()):
        for r in readings:
            points.setdefault(r.name, []).append((r.step, r.value))
    return {n: Curve(tuple(s for s, _ in p), tuple(v for _, v in p)) for n, p in points.items()}


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(-_LOG_LIMIT, 2)
        return file.read().decode(errors="replace")
