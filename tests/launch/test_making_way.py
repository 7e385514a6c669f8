"""A scheduler's guest goes when it is told to, however often it is told."""

import signal
import subprocess
import sys
import time

from bisector.launch.job_file import write_job
from bisector.launch.wrap import GUEST, MADE_WAY
from bisector.testing.runs import job


def test_one_that_is_told_again_while_it_goes_still_says_that_it_made_way(tmp_path):
    """A second signal may come when the job has stopped and its wrapper is about to."""
    write_job(job(tmp_path, "go_on", "600"))
    argv = [sys.executable, "-P", "-m", "bisector.launch.wrap", str(tmp_path), GUEST]
    with subprocess.Popen(argv) as wrapper:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        while wrapper.poll() is None:
            wrapper.send_signal(signal.SIGTERM)
            time.sleep(0.0005)
    assert wrapper.returncode == MADE_WAY
    assert (tmp_path / "checkpoint.pt").exists()
    assert not (tmp_path / "exit.json").exists()
