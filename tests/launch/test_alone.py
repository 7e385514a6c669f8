"""A job that runs out of memory beside others has another try without them."""

import json
import sys
import time
from pathlib import Path

from bisector.launch.alone import CROWDED
from bisector.launch.local import LocalLauncher
from bisector.ports import Job, JobState, Limits
from bisector.testing.runs import end_of, job, submit

TORN = """
import os, sys, time
from pathlib import Path
first = not Path("tries").exists()
Path("tries").open("a").write("x")
Path("metrics.jsonl").open("a").write('{"step": 0, "name": "loss", "value": 1}' + chr(10))
sys.exit(79 if first or "always" in sys.argv else 0)
"""


def torn(rundir: Path, *words: str) -> Job:
    """A job that runs out of memory, at its first try or at each."""
    return Job((sys.executable, "-c", TORN, *words), rundir)


def wait(launcher, handle, seconds=30.0):
    deadline = time.monotonic() + seconds
    while launcher.poll([handle])[handle] is not JobState.ENDED:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_crowded(launcher, handle, rundir):
    deadline = time.monotonic() + 30
    while not (rundir / CROWDED).exists():
        assert launcher.poll([handle]) == {handle: JobState.RUNNING}
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_waits_until_the_others_have_ended_and_is_then_judged_by_its_second_try(tmp_path):
    launcher = LocalLauncher(slots=2, warm=False)
    other = submit(launcher, job(tmp_path / "other", "wait", "600"))
    handle = submit(launcher, torn(tmp_path / "torn"))
    until_crowded(launcher, handle, tmp_path / "torn")
    assert launcher.poll([handle]) == {handle: JobState.RUNNING}
    assert launcher.free_slots() == 0, "nobody comes before it"
    assert not (tmp_path / "torn" / "exit.json").exists()
    launcher.cancel([other])
    wait(launcher, handle)
    assert end_of(tmp_path / "torn")["code"] == 0
    assert len((tmp_path / "torn" / "metrics.jsonl").read_text().splitlines()) == 1
    assert json.loads((tmp_path / "torn" / CROWDED).read_text())["code"] == 79
    assert launcher.free_slots() == 2


def test_it_has_one_more_try_and_no_third(tmp_path):
    launcher = LocalLauncher(slots=2, warm=False)
    handle = submit(launcher, torn(tmp_path, "always"))
    wait(launcher, handle)
    assert end_of(tmp_path)["code"] == 79
    assert (tmp_path / "tries").read_text() == "xx"


def test_where_there_is_one_slot_it_was_alone_already(tmp_path):
    launcher = LocalLauncher(slots=1, warm=False)
    handle = submit(launcher, torn(tmp_path))
    wait(launcher, handle)
    assert end_of(tmp_path)["code"] == 79


def test_a_limit_of_its_own_would_be_met_again(tmp_path):
    launcher = LocalLauncher(slots=2, warm=False)
    handle = submit(launcher, job(tmp_path, "swell", "300", limits=Limits(memory_mb=100)))
    wait(launcher, handle)
    assert end_of(tmp_path)["reason"] == "out-of-memory"
    assert not (tmp_path / CROWDED).exists()


def test_it_can_be_cancelled_while_it_waits(tmp_path):
    launcher = LocalLauncher(slots=2, warm=False)
    other = submit(launcher, job(tmp_path / "other", "wait", "600"))
    handle = submit(launcher, torn(tmp_path / "torn"))
    until_crowded(launcher, handle, tmp_path / "torn")
    launcher.cancel([handle])
    assert launcher.poll([handle]) == {handle: JobState.ENDED}
    assert end_of(tmp_path / "torn")["reason"] == "cancelled"
    launcher.cancel([other])


def test_a_later_launcher_adopts_the_second_try(tmp_path):
    launcher = LocalLauncher(slots=2, warm=False)
    handle = submit(
        launcher,
        Job(
            (
                sys.executable,
                "-c",
                TORN.replace(
                    "sys.exit(79 if first", "first or time.sleep(600)\nsys.exit(79 if first"
                ),
            ),
            tmp_path,
        ),
    )
    # The first try exits; the second one sleeps.
    wait_second(launcher, handle, tmp_path)
    heir = LocalLauncher(slots=2, warm=False)
    assert heir.poll([handle]) == {handle: JobState.RUNNING}
    heir.cancel([handle])
    assert end_of(tmp_path)["reason"] == "cancelled"


def wait_second(launcher, handle, rundir):
    deadline = time.monotonic() + 30
    while not ((rundir / "tries").exists() and (rundir / "tries").read_text() == "xx"):
        launcher.poll([handle])
        assert time.monotonic() < deadline
        time.sleep(0.02)
