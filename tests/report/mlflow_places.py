"""Sessions' folders in one output folder, with the store that their view is written to."""

from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow_sessions import append, opened_at
from report_sessions import Script

from bisector.model.session import Session
from bisector.report.mlflow import MlflowView
from bisector.report.mlflow_cursor import Cursor
from bisector.report.mlflow_page import tracking


class Place:
    """A session's folder in an output folder whose store is shared by this module's tests."""

    def __init__(self, home: Path, script: Script, at: float) -> None:
        self.home, self.events = home, opened_at(script, None, at)
        self.session = Session(script.experiment)

    def go_on(self, count: int | None = None) -> Session:
        """Record the next events."""
        done = len(self.session.events)
        rest = self.events[done:] if count is None else self.events[done : done + count]
        self.session = append(self.home, self.session, rest)
        return self.session

    def view(self) -> MlflowView:
        return MlflowView(self.home, *tracking(self.session, self.home))

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking(self.session, self.home)[0])

    @property
    def cursor(self) -> Cursor:
        cursor = Cursor.load(self.home)
        assert cursor
        return cursor

    @property
    def parent(self) -> Run:
        return self.client.get_run(self.cursor.parent_id)

    def found(self, query: str = "") -> list[Run]:
        """This session's children that answer a query, in the order of their start."""
        own = f"tags.`mlflow.parentRunId` = '{self.cursor.parent_id}'"
        asked = f"{own} and {query}" if query else own
        order = ["attributes.start_time ASC"]
        return list(self.client.search_runs([self.cursor.experiment_id], asked, order_by=order))

    def everything(self) -> dict[str, Any]:
        """All that the store holds of the session, by the runs' names."""
        return {r.info.run_name: self._whole(r) for r in [self.parent, *self.found()]}

    def _whole(self, run: Run) -> dict[str, Any]:
        client, tags = self.client, dict(run.data.tags)
        names = [k for k in run.data.metrics if k != "final/delta_vs_base"]
        history = {k: client.get_metric_history(run.info.run_id, k) for k in names}
        for own in ("bisect.key", "bisect.session", "mlflow.parentRunId"):
            tags.pop(own, None)
        for key, text in tags.items():  # The parent's note links to itself.
            tags[key] = text.replace(run.info.run_id, "RUN").replace(self.cursor.view_key, "VIEW")
        return {
            "tags": tags,
            "params": run.data.params,
            "metrics": {k: [(m.step, m.value) for m in h] for k, h in history.items()},
            "delta": run.data.metrics.get("final/delta_vs_base"),
            "status": run.info.status,
            "artifacts": sorted(a.path for a in client.list_artifacts(run.info.run_id)),
        }


class Places:
    """Hands out session folders in one output folder."""

    def __init__(self, out: Path) -> None:
        self.out, self._count = out, 0

    def __call__(self, script: Script) -> Place:
        self._count += 1
        return Place(self.out / f"s{self._count}", script, 1_790_000_000.0 + 10_000 * self._count)
