"""What the operating system knows of processes: who lives, who belongs to whom, who dies with whom.

A process id is recycled; a process id together with its time of birth is not.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

LINUX = sys.platform.startswith("linux")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_TICK = 0.01
"""Seconds between two looks at processes that are about to end."""


def born(pid: int) -> float | None:
    """When a process started, exactly comparable while it lives; None if gone or a zombie.

    On Linux these are seconds since boot, which no change of the clock moves.
    """
    return _born_linux(pid) if LINUX else _born_elsewhere(pid)


def _born_linux(pid: int) -> float | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in brackets, may itself hold spaces and brackets: proc(5).
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else float(rest[18]) / os.sysconf("SC_CLK_TCK")


def _born_elsewhere(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; only Linux can.

    Raises ProcessLookupError if the parent ended before it could be asked for.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError(f"process {parent} has already ended")


def keep_orphans() -> None:
    """Become the parent of every descendant that loses its own; only Linux can."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def family(root: int) -> list[psutil.Process]:
    """All living processes below `root` or in the session that it leads, itself not included."""
    kin: set[psutil.Process] = set()
    with contextlib.suppress(psutil.Error):
        kin.update(psutil.Process(root).children(recursive=True))
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if pid != root and os.getsid(pid) == root:
                kin.add(psutil.Process(pid))
    return [p for p in kin if born(p.pid) is not None]


def exterminate(root: int, patience: float, reap: Callable[[], None] = lambda: None) -> None:
    """Kill the family of `root` until nobody is left, or `patience` seconds have passed.

    A process that the kernel cannot end (it waits for a dead disk, say) must not
    hang whoever asks for its end: hence the patience.
    """
    deadline = time.monotonic() + patience
    while kin := family(root):
        for process in kin:
            with contextlib.suppress(psutil.Error):
                process.kill()
        reap()
        if time.monotonic() > deadline:
            return
        time.sleep(_TICK)


def wait_until(done: Callable[[], bool], patience: float) -> bool:
    """Whether `done` came true within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK)
    return True


def resident_mb(processes: Iterable[psutil.Process], limit: float | None) -> float:
    """Resident memory in MiB; beyond `limit`, pages that are shared are counted only once.

    The exact figure is dear, and the sum of all resident sizes is never below it.
    """
    processes = list(processes)
    total = sum(_bytes(p, exact=False) for p in processes) / 2**20
    if limit is None or total <= limit or len(processes) == 1:
        return total
    return sum(_bytes(p, exact=True) for p in processes) / 2**20


def _bytes(process: psutil.Process, *, exact: bool) -> int:
    try:
        if exact and LINUX:
            return int(process.memory_full_info().pss)
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def oom_kills() -> int:
    """How often the kernel has killed for want of memory since boot; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
