"""How many CPU cores this process may really use."""

import os
from pathlib import Path

import psutil

_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def physical_cores() -> int:
    """Physical cores, at least 1, of those that affinity and a container's quota leave us.

    Two hardware threads of one core train hardly faster than one.
    """
    return max(1, min(_allowed_cores(), _quota(Path("/sys/fs/cgroup/cpu.max"))))


def _allowed_cores() -> int:
    if not hasattr(os, "sched_getaffinity"):
        return psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    try:
        return len({Path(_TOPOLOGY.format(n)).read_text(encoding="ascii") for n in allowed})
    except OSError:
        return len(allowed)


def _quota(path: Path) -> int:
    """Whole CPUs of a cgroup v2 quota, as in `150000 100000`: 1; no quota: more than there are."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return int(quota) // int(period)
    except (OSError, ValueError):
        return os.cpu_count() or 1
