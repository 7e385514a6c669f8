"""What the Ray launcher calls a job: text that outlives the launcher, and is known before the job is."""

import getpass
import hashlib
import json
import socket
from pathlib import Path
from typing import NamedTuple

from bisector.launch.elsewhere import read_handle


class RayHandle(NamedTuple):
    """The keeper of one job."""

    ray: str
    """The keeper's name in the cluster."""
    rundir: str

    @classmethod
    def of(cls, rundir: Path) -> "RayHandle":
        """The handle of a run directory's job, by which it is found even if it was never recorded."""
        owner = f"{getpass.getuser()}@{socket.gethostname()}:{rundir}"
        digest = hashlib.sha256(owner.encode()).hexdigest()[:16]
        return cls(f"{rundir.parent.parent.name}-{rundir.name}-{digest}", str(rundir))

    @classmethod
    def parse(cls, text: str) -> "RayHandle":
        """The handle that `str` wrote; LaunchError if it is another launcher's."""
        return cls(*read_handle(text, "ray", "Ray"))

    def __str__(self) -> str:
        return json.dumps(self._asdict())
