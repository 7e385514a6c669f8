"""The launcher's end of the warm server: starts it, asks it for forks, replaces it when it dies."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bisector.launch.handle import wrapper_of

_SERVER = "bisector.launch.warm"
PATIENT_THREADS = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
"""Read by OpenMP when it is loaded. Threads that wait for each other by spinning keep the cores
from those that they wait for: on two busy cores, a training of two threads took 65 to 149
seconds so, 5 to 6 with threads that sleep, and 6 with one thread."""
_TRIES = 2
"""Servers that may fail in a row before this machine is taken to have no use for them."""
_PATIENCE = 120.0
"""Seconds for all imports, which come over a network on some machines."""


class WarmServer:
    """A process that has torch imported; it need not live for anything to work."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._failures = 0
        self._number = 0

    def start_wrapper(self, rundir: Path) -> int | None:
        """The process id of a new wrapper for `rundir`; None if no server could fork one."""
        while self._failures < _TRIES:
            try:
                pid = self._ask(rundir)
            except (OSError, EOFError):
                self.close()
                self._failures += 1
                if (wrapper := wrapper_of(rundir)) is not None:  # It died after the fork.
                    return wrapper.pid
            else:
                self._failures = 0
                return pid
        return None

    def close(self) -> None:
        """End the server; what it has forked goes on."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._channel = self._process = None

    def _ask(self, rundir: Path) -> int:
        channel = self._channel or self._start()
        self._number += 1
        request = {"number": self._number, "rundir": str(rundir)}
        channel.sendall(json.dumps(request).encode() + b"\n")
        return self._answer(channel)

    def _answer(self, channel: socket.socket) -> int:
        """The answer to the last request; older ones belong to requests that were given up."""
        deadline = time.monotonic() + _PATIENCE
        pending = b""
        while True:
            channel.settimeout(max(0.01, deadline - time.monotonic()))
            data = channel.recv(65536)
            if not data:
                raise EOFError("the warm server ended without an answer")
            *lines, pending = (pending + data).split(b"\n")
            for answer in map(json.loads, lines):
                if answer["number"] == self._number:
                    return int(answer["pid"])

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, "-P", "-m", _SERVER, str(theirs.fileno()), *self._modules]
            self._process = subprocess.Popen(
                argv,
                env={"PYTHONUNBUFFERED": "1", **PATIENT_THREADS, **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._channel = ours
        return ours
