"""`bisect` on a disk that fails: `python torture_layer.py FAULT CALL SHARE [WORDS...]`.

At the CALL-th fsync the machine seems to die between the write and its arrival on
disk (`lost`: SHARE of what was not synced yet is there afterwards), or the disk is full
(`full`: the same, with an error in place of a death).
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bisector.cli.main import main


def failing(fault: str, call: int, share: float) -> Callable[[int], None]:
    """An fsync that fails at its `call`-th call."""
    sync = os.fsync
    synced: dict[int, int] = {}
    calls = 0

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        status = os.fstat(handle)
        before = synced.get(status.st_ino, _lines_before(handle, status.st_size))
        if calls == call and status.st_size > before:
            os.truncate(handle, before + int(share * (status.st_size - before)))
            if fault == "lost":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)
        synced[status.st_ino] = status.st_size

    return fsync


def _lines_before(handle: int, size: int) -> int:
    """Where the last line of a file begins: what came before was synced by somebody else."""
    path = Path(f"/proc/self/fd/{handle}")
    if size == 0 or not path.is_file():
        return size
    return path.read_bytes()[:-1].rfind(b"\n") + 1


if __name__ == "__main__":
    fault, call, share, *words = sys.argv[1:]
    os.fsync = failing(fault, int(call), float(share))
    sys.exit(main(words))
