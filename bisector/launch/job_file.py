"""job.json: what a run directory tells its wrapper to run. Written before every launch.

Only the job's own environment is written, never the launcher's, which may hold secrets; of a
secret that the job is given, no more than its name is.
"""

import json
from pathlib import Path
from typing import Any

from bisector.conceal import referred, restored
from bisector.ports import Job, Limits
from bisector.rundir import CHECKPOINT, EXIT, FACTS, JOB, LOG, METRICS, PROCESS, STOP, write_json


def write_job(job: Job) -> None:
    """Make the run directory ready for a start: its job.json, and no end or log of an earlier one."""
    job.rundir.mkdir(parents=True, exist_ok=True)
    for name in (EXIT, LOG, PROCESS, STOP):
        (job.rundir / name).unlink(missing_ok=True)
    limits = job.limits
    write_json(
        job.rundir / JOB,
        {
            "argv": referred(list(job.argv)),
            "env": referred(dict(job.env)),
            "cwd": None if job.cwd is None else str(job.cwd),
            "limits": {
                "gpus": limits.gpus,
                "processes": limits.processes,
                "seconds": limits.seconds,
                "memory_mb": limits.memory_mb,
            },
        },
    )


def forget_attempt(rundir: Path) -> None:
    """Make way for another start of the same job, which goes on from its checkpoint or anew."""
    if not (rundir / CHECKPOINT).exists():
        for name in (METRICS, FACTS):
            (rundir / name).unlink(missing_ok=True)


def read_job(rundir: Path) -> Job:
    """The job that `write_job` left in `rundir`."""
    job: Any = restored(json.loads((rundir / JOB).read_text(encoding="utf-8")))
    return Job(
        argv=tuple(job["argv"]),
        rundir=rundir,
        env=job["env"],
        limits=Limits(**job["limits"]),
        cwd=None if job["cwd"] is None else Path(job["cwd"]),
    )
