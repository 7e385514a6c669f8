"""exit.json: how a job ended. Whoever reads a run directory believes this file first."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from bisector.rundir import EXIT, write_json


class Reason(StrEnum):
    """Why a job is no longer running."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    """Ended by a signal that the wrapper did not send."""
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    """Over its own limit, or killed by the kernel for want of memory."""
    CANCELLED = "cancelled"
    ENVIRONMENT = "environment"
    """It never started: no such program, no such folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The content of exit.json."""

    code: int
    """Exit code of the job's process; negative: the signal that ended it."""
    reason: Reason
    seconds: float
    """Wall time."""
    max_rss_mb: float
    """Most resident memory seen, of all the job's processes together, in MiB."""
    started: float
    ended: float
    """Seconds since the epoch."""

    def write(self, rundir: Path) -> None:
        """Leave exit.json, whole or not at all."""
        write_json(rundir / EXIT, asdict(self))


def ended_well(rundir: Path) -> bool:
    """Whether a run's exit.json says that its process ended with exit code 0."""
    try:
        return bool(json.loads((rundir / EXIT).read_text(encoding="utf-8"))["code"] == 0)
    except (OSError, ValueError, KeyError):
        return False
