"""Opens an MLflow store: creates a SQLite one whole, finds the experiment, keeps it quick.

MLflow creates its tables in dozens of steps and two processes that do so at once spoil the
file for good. So a new file is made under another name, by one process at a time, and put
into place when it is whole.
"""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

AWAY = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError)
"""What a store raises that cannot be reached or will not be written (requests' are OSErrors)."""
ARTIFACTS = "mlartifacts"
"""The folder beside a SQLite store for what is not rows."""

_KIND = "mlflow.experimentKind"
_SHARED = ("nfs", "lustre", "cifs", "smb", "9p", "beegfs", "gpfs", "afs", "ceph", "fuse")
"""File systems on which SQLite's write-ahead log is not safe."""
_PAGE = 1000


def open_store(uri: str) -> MlflowClient:
    """A client of the store; a SQLite file that is not there is created."""
    path = sqlite_path(uri)
    if path is not None:
        _create(path)
    return MlflowClient(tracking_uri=uri)


def experiment_of(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """The id of the experiment; created, or restored if somebody deleted it.

    `artifacts` is where a new one keeps them; None: where the server says.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        # Without its kind, MLflow 3 opens an experiment on the side of language models.
        tags = {_KIND: "custom_model_development"}
        return str(client.create_experiment(name, artifacts, tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if _KIND not in found.tags:
        client.set_experiment_tag(found.experiment_id, _KIND, "custom_model_development")
    return str(found.experiment_id)


def runs_tagged(client: MlflowClient, experiment_id: str, tag: RunTag) -> Iterator[Run]:
    """All runs that carry the tag, the oldest first; deleted ones are left out."""
    token: str | None = None
    while True:
        asked = f"tags.`{tag.key}` = '{tag.value}'"
        order = ["attributes.start_time ASC"]
        found = client.search_runs([experiment_id], asked, 1, _PAGE, order, token)
        yield from found
        token = found.token
        if not token:
            return


def analyse(uri: str) -> None:
    """Let SQLite look at its tables: ordering 10,000 runs by a metric goes from 20 s to 0.3 s."""
    path = sqlite_path(uri)
    if path is not None:
        with closing(sqlite3.connect(path, timeout=10)) as db:
            db.execute("ANALYZE")
            db.commit()


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite store; None: another kind of store."""
    scheme, _, place = uri.partition(":///")
    return Path(place.partition("?")[0]) if scheme.startswith("sqlite") and place else None


def artifacts_of(uri: str, out: Path) -> str | None:
    """Where a new experiment keeps artifacts: beside the file or, for a database, in `out`."""
    if uri.startswith(("http:", "https:", "databricks")):
        return None
    path = sqlite_path(uri)
    return ((path.parent if path else out).resolve() / ARTIFACTS).as_uri()


def _create(path: Path) -> None:
    with _alone(path):
        if path.exists():
            return
        draft = path.with_name(path.name + ".part")
        for old in path.parent.glob(draft.name + "*"):
            old.unlink()
        artifacts = (path.parent.resolve() / ARTIFACTS).as_uri()
        store = SqlAlchemyStore(f"sqlite:///{draft}", artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()
        draft.replace(path)
        if not _is_shared(path):
            # The pages of MLflow read while we write.
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA journal_mode=WAL")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_shared(path: Path) -> bool:
    """Whether other machines may have the file open, as far as the kernel's list of mounts says."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return False
    rows = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    places = [(Path(row[1]), row[2]) for row in rows]
    above = [(len(at.parts), kind) for at, kind in places if path.resolve().is_relative_to(at)]
    return bool(above) and max(above)[1].startswith(_SHARED)
