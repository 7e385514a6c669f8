"""The process that writes to MLflow, seen from outside: started, left alone, ended.

MLflow takes seconds to import and a store may take minutes to answer or never do, so
the search only starts a child, which reads the journal, and holds the other end of its
standard input: when that closes, for whatever reason, the child finishes and ends.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE

from bisector.model.evidence import Evidence
from bisector.model.session import Event, Session
from bisector.report.mlflow_cursor import Cursor

LOG = "mlflow.log"
"""What the child has to say, in the session's folder."""
PATIENCE, IMPATIENCE = 30.0, 8.0
"""Seconds that a search waits for the view: at its end, and when it was interrupted."""
DRAIN = 120
"""Seconds in which a child that nothing waits for finishes by itself."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # The child tries again by itself, and looks first at what the failed call has done.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # A command logs to files in its run directory.
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_NOT_OURS = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
"""Settings of a script that logs a run of its own."""
_LISTENING = ("MLFLOW_HOST", "MLFLOW_GUNICORN_", "MLFLOW_UVICORN_", "GUNICORN_", "UVICORN_")
"""Beginnings of settings of another server's: one of ours listens on the loopback alone."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that imports MLflow, which reads its settings there."""
    given = dict(os.environ)  # noqa: TID251  MLflow has no other place for its settings
    ours = {**_SETTINGS, **given, **more}.items()
    return {k: v for k, v in ours if k not in _NOT_OURS and not k.startswith(_LISTENING)}


def complete_view(home: Path, store: str = "") -> bool:
    """Bring the view of a session up to date and wait for it; whether that succeeded.

    An hour at most; `home/mlflow.log` says why it did not. `store` is the address of another
    store than the session's own, which may be gone for good.
    """
    child = _start(home, 3600, store)
    try:
        _end_input(child)
        return child.wait() == 0
    finally:
        _stop(child)


class MlflowReporter:
    """Keeps a child process at work while a search runs; never waits for it before the end."""

    def __init__(
        self,
        home: Path,
        *,
        patience: float = PATIENCE,
        impatience: float = IMPATIENCE,
        completed_by: str = "",
    ) -> None:
        self._completed_by = completed_by
        self._home, self._patience, self._impatience = home, patience, impatience
        self._child: subprocess.Popen[bytes] | None = None
        self._tried = False
        self.complete = False
        """Whether the view shows the whole session; known once closed."""

    def update(self, session: Session, event: Event, evidence: Evidence | None) -> None:
        """Start the child, once."""
        if not self._tried:
            self._tried = True
            # A search without its view is better than none.
            with suppress(OSError):
                self._child = _start(self._home, DRAIN)

    def progress(self, session: Session, running: Mapping[int, Evidence]) -> None:
        """Nothing: the child looks by itself."""

    def close(self, session: Session) -> None:
        """Let the child finish what is written, for a while; say so if that was not enough."""
        self._wait(session)
        if not self.complete and self._completed_by:
            sys.stderr.write(f"MLflow does not show all of it yet: `{self._completed_by}` will.\n")

    def _wait(self, session: Session) -> None:
        if self._child is None:
            cursor = Cursor.load(self._home)
            self.complete = cursor is not None and cursor.events >= len(session.events)
            return
        _end_input(self._child)
        try:
            wait = self._patience if session.conclusion else self._impatience
            self.complete = self._child.wait(wait) == 0
        except subprocess.TimeoutExpired:
            self.complete = False
        finally:
            _stop(self._child)


def _start(home: Path, drain: int, store: str = "") -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "bisector.cli.follow", str(home), str(drain), store]
    with (home / LOG).open("ab") as log:
        # A session of its own: Ctrl-C is for the search, which then closes the pipe.
        return subprocess.Popen(
            argv, stdin=PIPE, stdout=DEVNULL, stderr=log, env=environment(), start_new_session=True
        )


def _end_input(child: subprocess.Popen[bytes]) -> None:
    """Say that nothing follows: in a byte too, lest a fork of ours holds the pipe open."""
    if child.stdin:
        with suppress(OSError):
            child.stdin.write(b"\n")
            child.stdin.flush()
        with suppress(OSError):
            child.stdin.close()


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End a child that has not ended; whatever it was writing can be written again."""
    for word in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is None:
            child.send_signal(word)
            with suppress(subprocess.TimeoutExpired):
                child.wait(3)
