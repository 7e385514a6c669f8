"""A run's log, read as it grows: each line once, as soon as it is whole.

Progress bars end their lines with a carriage return, so that ends a line here, too; colours and
other orders to a terminal are left out.
"""

import re
from pathlib import Path

from bisector.rundir import EXIT, LOG

_ORDERS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0e-\x1f]")


class LogFile:
    """How far one run's log was read; a search looks again every second."""

    def __init__(self, rundir: Path) -> None:
        self._path = rundir / LOG
        self._exit = rundir / EXIT
        self._offset = 0
        self._rest = b""
        """What follows the last whole line."""

    def anew(self) -> bool:
        """Whether it is shorter than what was read, so that the run was begun again."""
        return self._path.stat().st_size < self._offset

    def lines(self) -> list[str]:
        """The lines that are whole by now and were not before; of a run that ended, all."""
        ended = self._exit.exists()
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = self._rest + file.read()
            self._offset = file.tell()
        whole = len(text) if ended else max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        self._rest = text[whole:]
        return re.split(r"[\r\n]+", _ORDERS.sub("", text[:whole].decode(errors="replace")))
