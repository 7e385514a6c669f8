"""Real searches whose MLflow server is in trouble: they end as ever, and the view is completed."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import ViewType

from bisector.report.mlflow_child import environment
from bisector.report.mlflow_cursor import Cursor
from bisector.testing.runs import small_disk

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LAB = ROOT / "scripts" / "torture_lab.py"
CONF = """
defaults: [bisect_schema, launcher: local, planner: adaptive, _self_]
metrics: {{loss: loss, score: acc}}
judge: {{min_effect: 0.05, patience: .inf}}
budget: {{confidence: 0.9, repeats: 2, confirm: 1}}
workload:
  _target_: bisector.workload.command.CommandWorkload
  command: ["{{python}}", "{lab}", one, "{{seed}}", "{lines}", "{{overrides}}"]
launcher: {{slots: 1, gpus: none, warm: false, threads: 1}}
mlflow: {{tracking_uri: "{uri}", experiment: {name}}}
additions: {{a: {{overrides: [a]}}, b: {{overrides: [b]}}, c: {{overrides: [c]}}}}
"""


class Line:
    """A connection to a server that can be made slow, or go dead while it stays open."""

    def __init__(self, port: int) -> None:
        self.seconds = 0.0
        self.dead = False
        self._to = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._door.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                for one, other in ((caller, server), (server, caller)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError), one, other:
            while data := one.recv(65536):
                while self.dead:
                    time.sleep(0.05)
                time.sleep(self.seconds)
                other.sendall(data)


@contextmanager
def serving(store: str, folder: Path, port: int = 0) -> Iterator[int]:
    """A real MLflow server; its port, which is any if none is asked for."""
    with socket.create_server(("127.0.0.1", port)) as free:
        port = int(free.getsockname()[1])
    argv = ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *argv],
            env=environment(), stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: answers(port))
        yield port
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        until(lambda: not answers(port))  # Its workers may take longer to go.


def answers(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def project(folder: Path, uri: str) -> Path:
    """A small experiment; its session's folder to be."""
    conf = folder / "conf" / "x.yaml"
    conf.parent.mkdir(parents=True)
    # What a server has made keeps its artifacts where only the server can put them.
    conf.write_text(CONF.format(lab=LAB, lines=folder / "lines", uri=uri, name=folder.name))
    return folder / "out" / "x"


def bisect(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bisector", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def search(folder: Path) -> str:
    """What a search says, which must find the culprit."""
    done = bisect(folder, "run", "conf=x", "--plain")
    assert done.returncode == 0, done.stderr
    assert "`b` breaks training" in done.stdout
    return done.stderr


def shown(home: Path, store: str) -> tuple[int, int]:
    """How many of the search's runs the store has, and how many trials were launched."""
    events = [json.loads(ln)["event"] for ln in (home / "journal.jsonl").read_text().splitlines()]
    cursor = Cursor.load(home)
    assert cursor
    client = mlflow.MlflowClient(tracking_uri=store)
    asked = f"tags.`mlflow.parentRunId` = '{cursor.parent_id}'"
    runs = client.search_runs([cursor.experiment_id], asked, ViewType.ACTIVE_ONLY)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    return len(runs), events.count("Launched")


def completed(folder: Path, home: Path, store: str, *words: str) -> None:
    done = bisect(folder, "report", "conf=x", "--mlflow", *words)
    assert done.returncode == 0, done.stderr + (home / "mlflow.log").read_text()
    runs, launched = shown(home, store)
    assert runs == launched > 5


@pytest.mark.parametrize("trouble", ["slow", "dead"])
def test_a_server_that_is_slow_or_never_answers_holds_no_search_up(
    trouble: str, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with serving(store, tmp_path) as port:
        line = Line(port)
        home = project(tmp_path, f"http://127.0.0.1:{line.port}")
        line.seconds, line.dead = 1.5, trouble == "dead"
        said = search(tmp_path)
        assert "`bisect report conf=x --mlflow` will" in said, "it ended before the view was there"
        line.seconds, line.dead = 0.0, False
        completed(tmp_path, home, f"http://127.0.0.1:{port}")
        line.close()


def test_a_full_disk_of_the_server_s_holds_no_search_up(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'disk' / 'mlflow.db'}"
    with small_disk(tmp_path / "disk", "24m") as disk, serving(store, tmp_path) as port:
        uri = f"http://127.0.0.1:{port}"
        mlflow.MlflowClient(tracking_uri=uri).search_experiments()
        home = project(tmp_path, uri)
        with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        assert "`bisect report conf=x --mlflow` will" in search(tmp_path)
        (disk / "ballast").unlink()
        completed(tmp_path, home, uri)


def test_a_read_only_store_holds_no_search_up(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'disk' / 'mlflow.db'}"
    with small_disk(tmp_path / "disk", "24m") as disk:
        with serving(store, tmp_path) as port:
            client = mlflow.MlflowClient(tracking_uri=f"http://127.0.0.1:{port}")
            client.search_experiments()
        until(lambda: remounted(disk, "ro"))
        with serving(store, tmp_path) as port:
            uri = f"http://127.0.0.1:{port}"
            home = project(tmp_path, uri)
            assert "`bisect report conf=x --mlflow` will" in search(tmp_path)
        assert remounted(disk, "rw")
        with serving(store, tmp_path, port):  # The old one had opened its file for reading.
            completed(tmp_path, home, uri)


def remounted(disk: Path, how: str) -> bool:
    """Whether a disk could be made `ro` or `rw`, which it cannot while a file on it is written."""
    mount = ["mount", "-o", f"remount,{how}", str(disk)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def test_a_server_that_is_gone_for_good_is_replaced_by_another_store(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path) as port:
        line = Line(port)
        home = project(tmp_path, f"http://127.0.0.1:{line.port}")
        line.dead = True
        search(tmp_path)
    line.close()
    line.dead = False
    done = bisect(tmp_path, "report", "conf=x", "--mlflow")
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert "mlflow.tracking_uri=" in done.stderr
    other = f"sqlite:///{tmp_path / 'other.db'}"
    completed(tmp_path, home, other, f"mlflow.tracking_uri={other}")


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """The address of a database."""
    script, home = str(ROOT / "scripts" / "cluster.sh"), str(tmp_path / "postgres")
    with (tmp_path / "postgres.log").open("w+") as said:
        started = subprocess.run(
            [script, "postgres", "start", home], stdout=said, stderr=said, check=False
        )
    if started.returncode == 3:
        pytest.skip((tmp_path / "postgres.log").read_text().strip())
    assert started.returncode == 0, (tmp_path / "postgres.log").read_text()
    yield (tmp_path / "postgres" / "env").read_text().strip().partition("=")[2]
    subprocess.run([script, "postgres", "stop", home], check=True)


@pytest.mark.cluster
def test_a_server_may_keep_its_runs_in_postgresql_and_so_may_a_search_itself(
    postgres: str, tmp_path: Path
) -> None:
    pytest.importorskip("psycopg2", reason="no psycopg2 here: scripts/cluster.sh test")
    with serving(postgres, tmp_path) as port:
        home = project(tmp_path / "server", f"http://127.0.0.1:{port}")
        search(tmp_path / "server")
        completed(tmp_path / "server", home, f"http://127.0.0.1:{port}")
    home = project(tmp_path / "direct", postgres)
    search(tmp_path / "direct")
    completed(tmp_path / "direct", home, postgres)
