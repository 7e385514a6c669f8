"""Real clusters for tests, of this machine and on its loopback: started where they can be."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "cluster.sh"
_CANNOT = 3


@contextmanager
def cluster(kind: str, home: Path) -> Iterator[Path]:
    """A cluster with its files in `home`; the test is skipped, with the reason, where there is none."""
    try:
        started = _tell(kind, "start", home)
        if started.returncode == _CANNOT:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        yield home
    finally:
        _tell(kind, "stop", home)


def _tell(kind: str, verb: str, home: Path) -> subprocess.CompletedProcess[str]:
    log = home.parent / f"{home.name}.log"
    # Its daemons keep a pipe open for good; so what it says goes through a file.
    with log.open("w+", encoding="utf-8") as said:
        done = subprocess.run(
            [str(SCRIPT), kind, verb, str(home)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "SLURM_CONF"},
        )
    return subprocess.CompletedProcess(done.args, done.returncode, "", log.read_text())
