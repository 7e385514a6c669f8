"""The child process that writes to MLflow: races, a server that goes and comes back, the end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from mlflow_sessions import append, opened_at, story
from report_sessions import Script, trained

from bisector.model.session import Session
from bisector.model.trial import Arm, Purpose
from bisector.report.mlflow_child import MlflowReporter, complete_view, environment
from bisector.report.mlflow_cursor import Cursor
from bisector.report.mlflow_page import page

UI = [sys.executable, "-m", "bisector", "ui"]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def one_run(at: float, home: Path, uri: str | None = None) -> Session:
    script = Script()
    script.run(Arm(), Purpose.BASELINE, trained())
    return append(home, Session(script.experiment), opened_at(script, uri, at))


def ask(port: int, what: str, **body: object) -> dict[str, object]:
    url = f"http://127.0.0.1:{port}/api/2.0/mlflow/{what}"
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(json.loads(answer.read()))


def children(port: int, cursor: Cursor) -> dict[str, str]:
    """Name to status of the session's runs, as the server has them."""
    asked = f"tags.`mlflow.parentRunId` = '{cursor.parent_id}'"
    found = ask(port, "runs/search", experiment_ids=[cursor.experiment_id], filter=asked)
    runs = found.get("runs", [])
    assert isinstance(runs, list)
    return {r["info"]["run_name"]: r["info"]["status"] for r in runs}


EVERYWHERE = {
    "MLFLOW_HOST": "0.0.0.0",
    "MLFLOW_UVICORN_OPTS": "--host 0.0.0.0",
    "MLFLOW_GUNICORN_OPTS": "--bind 0.0.0.0:0",
    "GUNICORN_CMD_ARGS": "--bind 0.0.0.0:0",
    "UVICORN_HOST": "0.0.0.0",
}
"""An environment in which MLflow's own server would listen on all addresses."""


def listening(root: int) -> set[tuple[str, int]]:
    """Where a process and all below it can be reached over a network."""
    root_process = psutil.Process(root)
    family = [root_process, *root_process.children(recursive=True)]
    sockets = [c for process in family for c in process.net_connections(kind="inet")]
    return {c.laddr for c in sockets if c.status == psutil.CONN_LISTEN or not c.raddr}


@contextmanager
def serving(out: Path, port: int) -> Iterator[str]:
    """`bisect ui` as a person runs it, until Ctrl-C; what it printed first."""
    argv = [*UI, "conf=digits", "--out", str(out), "--port", str(port)]
    env = {**os.environ, **EVERYWHERE}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, f"it ended, having said: {said}"
                said += line
            assert listening(process.pid) == {("127.0.0.1", port)}
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
    assert process.returncode == 0
    assert "stopped" in rest
    assert no_answer(port)


def no_answer(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder whose store two processes met at once, while it was not there yet."""
    out = tmp_path_factory.mktemp("out")
    homes = [out / "digits", out / "other"]
    for number, home in enumerate(homes):
        one_run(1_790_000_000.0 + 1000 * number, home)
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(complete_view, homes)) == [True, True]
    return out


def test_two_searches_that_meet_an_empty_store_at_once_both_come_to_stand_in_it(out: Path) -> None:
    parents = {Cursor.load(out / name).parent_id for name in ("digits", "other")}  # type: ignore[union-attr]
    assert len(parents) == 2
    assert "Traceback" not in (out / "digits" / "mlflow.log").read_text()


def test_a_server_that_stops_in_the_middle_is_made_up_for_when_it_is_back(
    out: Path, tmp_path: Path
) -> None:
    port, script = free_port(), story()
    events = opened_at(script, f"http://127.0.0.1:{port}", 1_790_050_000.0)
    home = tmp_path / "remote"
    reporter = MlflowReporter(home, patience=60)
    with serving(out, port) as said:
        cursor = Cursor.load(out / "digits")
        assert cursor
        assert f"http://127.0.0.1:{port}{page(cursor.experiment_id, cursor.view_key)}" in said
        second = subprocess.run(
            [*UI, "conf=digits", "--out", str(out), "--port", str(port)],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert f"on port {port} already" in second.stdout
        session = append(home, Session(script.experiment), events[:8])
        reporter.update(session, events[0], None)
        wait_for(lambda: (c := Cursor.load(home)) is not None and c.events == 8)
    session = append(home, session, events[8:])
    reporter.update(session, events[-1], None)
    wait_for(lambda: "refused" in (home / "mlflow.log").read_text())
    with serving(out, port):
        reporter.close(session)
        assert reporter.complete
        remote = Cursor.load(home)
        assert remote
        runs = children(port, remote)
        parent = ask(port, f"runs/get?run_id={remote.parent_id}")
    assert sorted(runs) == [
        "00 baseline", "01 baseline", "02 baseline", "03 all",
        "04 +mixup+wide", "05 +deep+norm", "06 +focal", "07 +focal lr x10",
    ]  # fmt: skip
    assert "RUNNING" not in runs.values()
    assert parent["run"]["info"]["run_name"] == "digits: focal"  # type: ignore[index]


def test_a_server_that_is_not_there_holds_nobody_up(tmp_path: Path) -> None:
    home = tmp_path / "x"
    session = one_run(0.0, home, f"http://127.0.0.1:{free_port()}")
    reporter = MlflowReporter(home, impatience=30)
    before = time.monotonic()
    reporter.update(session, session.events[-1], None)
    assert time.monotonic() - before < 1.0
    reporter.close(session)
    assert not reporter.complete
    assert "refused" in (home / "mlflow.log").read_text()


def test_a_child_that_takes_too_long_is_ended_and_the_view_is_not_complete(tmp_path: Path) -> None:
    home = tmp_path / "x"
    session = one_run(0.0, home)
    reporter = MlflowReporter(home, impatience=0.1)
    reporter.update(session, session.events[-1], None)
    reporter.close(session)
    assert not reporter.complete
    assert no_process_works_on(home)


def test_a_child_whose_search_was_killed_finishes_the_view_by_itself(out: Path) -> None:
    home = out / "killed"
    one_run(1_790_090_000.0, home)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from bisector.journal import Journal\n"
        "from bisector.report.mlflow_child import MlflowReporter\n"
        "home = Path(sys.argv[1])\n"
        "session = Journal(home / 'journal.jsonl').load()\n"
        "MlflowReporter(home).update(session, session.events[-1], None)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(home)], check=False)
    assert killed.returncode == -signal.SIGKILL
    wait_for(lambda: no_process_works_on(home))
    cursor = Cursor.load(home)
    assert cursor
    assert (cursor.status, len(cursor.runs)) == ("KILLED", 1)


def test_without_anything_to_show_the_pages_say_how_to_begin(tmp_path: Path) -> None:
    argv = [*UI, "--out", str(tmp_path)]
    told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 2
    assert "no MLflow store" in told.stderr
    assert "bisect run" in told.stderr


def test_the_pages_are_for_this_machine_and_there_is_no_word_to_change_it(tmp_path: Path) -> None:
    argv = [*UI, "--out", str(tmp_path), "--host", "0.0.0.0"]
    told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 2
    assert "--host" in told.stderr


def test_settings_of_a_script_that_logs_its_own_run_do_not_reach_the_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "theirs")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    given = environment()
    assert "MLFLOW_RUN_ID" not in given
    assert given["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert given["MLFLOW_DISABLE_TELEMETRY"] == "true"


def wait_for(there: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.2)


def no_process_works_on(home: Path) -> bool:
    return not any(str(home) in (p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))
