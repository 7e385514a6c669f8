"""`bisect ui`: MLflow's pages on the right store, on this machine only, opened on a session."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from bisector.cli.given import Given, recorded
from bisector.errors import ConfigError, LaunchError
from bisector.journal import Journal
from bisector.report.mlflow_child import environment
from bisector.report.mlflow_cursor import CURSOR, Cursor
from bisector.report.mlflow_page import arms_key, page, store_of, tracking
from bisector.rundir import JOURNAL

HOST = "127.0.0.1"
_STARTS_IN = 120.0
"""Seconds after which a server that does not answer is given up."""
_SERVER_LOG = "mlflow-server.log"
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy stands between us and ourselves."""


def main(args: argparse.Namespace) -> int:
    """Exit code 0; without `conf=NAME`, the pages of all sessions in the output folder."""
    home = recorded(Given.of(args))[0] if args.words else None
    return ui(args.out, home, args.port)


def ui(out: Path, home: Path | None, port: int) -> int:
    """Serve the store until Ctrl-C, unless a server that can show it is there already.

    Raises:
        ConfigError: there is nothing to show yet.
        LaunchError: MLflow's server does not start.
    """
    store = _store(out, home)
    if store.startswith(("http:", "https:")):
        _tell(store.rstrip("/"), home)
        return 0
    if _serves(port, _some_run(out, home)):
        print(f"MLflow is on port {port} already.")
        _tell(f"http://{HOST}:{port}", home)
        return 0
    if _taken(port):
        print(f"Port {port} is taken by something else; taking another.")
        port = _free_port()
    with _Server(out, store, port) as server:
        return _serve(server, f"http://{HOST}:{port}", home)


def _store(out: Path, home: Path | None) -> str:
    if home is not None:
        session = Journal(home / JOURNAL).load()
        if session is not None:
            return tracking(session, home)[0]
    if not (out / "mlflow.db").exists():
        raise ConfigError(
            f"There is no MLflow store in {out} yet.",
            hint="It is written while a search runs: begin with `bisect run conf=NAME`.",
        )
    return store_of(out)


def _tell(server: str, home: Path | None) -> None:
    """Print where to look: the session's views, or the front page where there is none."""
    cursor = Cursor.load(home) if home else None
    if cursor is None or not cursor.view_key:
        print(f"MLflow: {server}/#/experiments?workflowType=machine_learning", flush=True)
        return
    print(f"MLflow: {server}{page(cursor.experiment_id, cursor.view_key)}")
    charts = page(cursor.experiment_id, arms_key(cursor.view_key))
    print(f"Curves by arm: {server}{charts}&compareRunsMode=CHART", flush=True)


def _some_run(out: Path, home: Path | None) -> str:
    """The id of a run that the store holds; empty: none is known."""
    homes = [home] if home else [p.parent for p in out.glob(f"*/{CURSOR}")]
    cursors = [c for h in homes if (c := Cursor.load(h))]
    return next((c.parent_id for c in cursors if c.parent_id), "")


def _serve(server: "_Server", address: str, home: Path | None) -> int:
    print("Starting MLflow (some seconds) ...", flush=True)
    try:
        server.wait_until_ready()
        _tell(address, home)
        print("Ctrl-C stops it.", flush=True)
        server.process.wait()
    except KeyboardInterrupt:
        print("MLflow is stopped.")
        return 0
    raise server.failed()


class _Server:
    """MLflow's server with all its processes, from entering to leaving."""

    def __init__(self, out: Path, store: str, port: int) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._log, self._port = out / _SERVER_LOG, port
        artifacts = (out.resolve() / "mlartifacts").as_uri()
        # By the environment: a store's address may hold a password, and argv is public.
        env = environment(MLFLOW_BACKEND_STORE_URI=store, MLFLOW_ARTIFACTS_DESTINATION=artifacts)
        argv = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*argv, "--workers", "1"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )

    def __enter__(self) -> "_Server":
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.default_int_handler)
        return self

    def __exit__(self, *error: object) -> None:
        """End the whole process group; once is asked, twice is told."""
        for word in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, word)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)

    def wait_until_ready(self) -> None:
        """Return once it answers.

        Raises:
            LaunchError: it ended, or it takes too long.
        """
        deadline = time.monotonic() + _STARTS_IN
        while _get(f"http://{HOST}:{self._port}/health") is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise self.failed()
            time.sleep(0.2)

    def failed(self) -> LaunchError:
        """Why it does not serve, in its own words."""
        told = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = told[-1] if told else "it said nothing"
        return LaunchError(f"MLflow's server ended: {last}", hint=f"All it said is in {self._log}.")


def _serves(port: int, run_id: str) -> bool:
    """Whether MLflow answers on the port and knows the run."""
    base = f"http://{HOST}:{port}"
    if not run_id or _get(f"{base}/health") is None:
        return False
    return _get(f"{base}/api/2.0/mlflow/runs/get?run_id={run_id}") is not None


def _get(url: str) -> bytes | None:
    """The answer; None: there was none, or an error."""
    try:
        with _LOOPBACK.open(url, timeout=5) as answer:
            return bytes(answer.read())
    except (OSError, ValueError):
        return None


def _taken(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((HOST, port))
        except OSError:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        return int(s.getsockname()[1])
