"""Whether a job that ran out of memory may have done so for want of what its neighbours had.

Such a job is given another try with the machine to itself before anybody judges it.
"""

import json
from pathlib import Path
from typing import Any

from bisector.launch.ending import Reason
from bisector.launch.job_file import forget_attempt, read_job
from bisector.rundir import EXIT, EXIT_OOM

CROWDED = "exit.crowded.json"
"""How the first try ended; its presence says that there is to be no third."""


def crowded_out(rundir: Path) -> bool:
    """Whether a run that has ended ran out of memory that it shared, for the first time."""
    try:
        ending = json.loads((rundir / EXIT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return _out_of_memory(ending, rundir) and not (rundir / CROWDED).exists()


def set_back(rundir: Path) -> None:
    """Make a run that was crowded out one that has not ended."""
    (rundir / EXIT).replace(rundir / CROWDED)
    forget_attempt(rundir)


def _out_of_memory(ending: dict[str, Any], rundir: Path) -> bool:
    if ending.get("code") == EXIT_OOM:
        return True
    limit = read_job(rundir).limits.memory_mb
    # A limit of its own it would meet again, with or without neighbours.
    own = limit is not None and float(ending.get("max_rss_mb", 0.0)) > limit
    return bool(ending.get("reason") == Reason.OUT_OF_MEMORY and not own)
