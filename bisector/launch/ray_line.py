"""The launcher's end of the line to `ray_desk`: starts it, asks it, and replaces it when it dies.

Ray ends a process whose cluster is gone, and lets questions wait for minutes. Whoever asks here
gets an answer soon or none, and for as long as there is none, nobody has said anything.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from bisector.errors import LaunchError

_FIRST_SECONDS = 120.0
"""For the first desk to come to its cluster; Ray itself is slow to import."""
_HUNG_SECONDS = 60.0
"""How long a desk may owe an answer, or its first word, before another takes its place."""
_AGAIN_SECONDS = 2.0
"""Between the starts of two desks."""
_TICK = 0.05
_TAIL = 4096
"""Bytes of its output in which a desk's last words are looked for."""


@dataclass(slots=True, eq=False)
class Line:
    """A line to a desk, by which the search asks; `outage` is how many seconds it may be silent."""

    options: Mapping[str, Any]
    outage: float
    desk: str = "bisector.launch.ray_desk"

    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    _end: Connection | None = field(init=False, default=None)
    _words: IO[bytes] = field(init=False, default_factory=tempfile.TemporaryFile)
    """What the desk has printed, for its last words."""
    _started: float = field(init=False, default=0.0)
    _number: int = field(init=False, default=0)
    """Of the last question; 0 is the desk's first word."""
    _owed: float | None = field(init=False, default=None)
    """Since when an answer to the last question is awaited."""
    _silent_since: float | None = field(init=False, default=None)

    def open(self) -> None:
        """Start the first desk.

        Raises:
            LaunchError: it does not reach its cluster.
        """
        self._start()
        answer = self._answer(_FIRST_SECONDS)
        if answer is None:
            message = f"The process that talks to Ray does not answer{self._last_words()}."
            answer = {"refused": [message, "Try `ray status`, or `ray.init()` in a Python."]}
        if "refused" in answer:
            self.close()
        self._understood(answer)

    def ask(self, verb: str, *given: object, patience: float) -> Any | None:
        """What the desk says, within `patience` seconds; True: it has done so; None: nobody answers now.

        Raises:
            BisectError: it refuses, or nobody has answered for too long.
        """
        try:
            answer = self._asked(verb, given, patience)
        except (OSError, EOFError):
            self._drop()
            answer = None
        if answer is None or "silent" in answer:
            self._bear_silence()
            return None
        self._silent_since = None
        return self._understood(answer)

    def insist(self, verb: str, *given: object, patience: float) -> Any:
        """The same of what must be heard; the cluster may be away for `patience` seconds.

        Raises:
            BisectError: it refuses, or nobody has answered for so long.
        """
        deadline = time.monotonic() + patience
        while (said := self.ask(verb, *given, patience=patience)) is None:
            if time.monotonic() > deadline:
                raise self._gone(patience)
            time.sleep(_TICK)
        return said

    def close(self) -> None:
        """End the desk."""
        self._drop()
        self._words.close()

    def _asked(self, verb: str, given: object, patience: float) -> dict[str, Any] | None:
        if not self._ready() or self._end is None:
            return None
        self._number += 1
        self._owed = time.monotonic()
        self._end.send_bytes(json.dumps([self._number, verb, given]).encode())
        return self._answer(patience)

    def _ready(self) -> bool:
        """Whether there is a desk that owes nothing."""
        if self._end is None:
            if time.monotonic() - self._started >= _AGAIN_SECONDS:
                self._start()
            return False
        if self._owed is None:
            return True
        late = self._answer(0.0)
        if late is None and self._hung(_HUNG_SECONDS):
            self._drop()
        if late is not None and self._number == 0 and "said" not in late:
            self._drop()  # It has not reached the cluster; the next one may.
        return self._process is not None and self._owed is None

    def _answer(self, patience: float) -> dict[str, Any] | None:
        """The answer to the last question; None: it has not come."""
        deadline = time.monotonic() + patience
        while self._end is not None and self._end.poll(max(0.0, deadline - time.monotonic())):
            try:
                answer: dict[str, Any] = json.loads(self._end.recv_bytes())
            except (OSError, EOFError):
                self._drop()
                return None
            if answer["number"] == self._number:
                self._owed = None
                return answer
        return None

    def _understood(self, answer: Mapping[str, Any]) -> Any:
        if "refused" in answer:
            message, hint = answer["refused"]
            raise LaunchError(message, hint=hint)
        return answer["said"]

    def _hung(self, seconds: float) -> bool:
        return self._owed is not None and time.monotonic() - self._owed > seconds

    def _start(self) -> None:
        self._end, theirs = Pipe()
        self._words.seek(0)
        self._words.truncate()
        self._number, self._started = 0, time.monotonic()
        self._owed = self._started
        argv = [sys.executable, "-P", "-m", self.desk, str(theirs.fileno())]
        with theirs:
            # Not as arguments, which every user of the machine may read: they may hold secrets.
            self._end.send_bytes(json.dumps(dict(self.options)).encode())
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self._words,
                stderr=self._words,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def _drop(self) -> None:
        """Do without the desk that there is; what it has started in the cluster goes on."""
        if self._end is not None:
            self._end.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._end = self._process = self._owed = None

    def _bear_silence(self) -> None:
        now = time.monotonic()
        since = self._silent_since = self._silent_since or now
        if now - since > self.outage:
            raise self._gone(now - since)

    def _gone(self, seconds: float) -> LaunchError:
        return LaunchError(
            f"Ray has not answered for {seconds:.0f} s{self._last_words()}.",
            hint="Jobs go on where their nodes do. Try `ray status`; the same command goes on with the search.",
        )

    def _last_words(self) -> str:
        size = os.fstat(self._words.fileno()).st_size
        # Without a seek: the desk writes at the same place.
        said = os.pread(self._words.fileno(), _TAIL, max(0, size - _TAIL))
        lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return f"; its last words: {last}" if last else ""
