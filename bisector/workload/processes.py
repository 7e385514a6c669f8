"""A job as several processes of one machine, for trainings that share their work by torch.distributed."""

import sys
from dataclasses import replace

from bisector.ports import Job


def shared_out(job: Job) -> Job:
    """The same job, its command started as often as `limits.processes` says, by torchrun."""
    count = job.limits.processes
    if count == 1:
        return job
    starter = (sys.executable, "-m", "bisector.train.ranks", str(count))
    return replace(job, argv=(*starter, *job.argv))
