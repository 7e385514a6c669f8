"""A job forked from a process with torch in it is like one with an interpreter of its own."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bisector.launch.local import LocalLauncher
from bisector.ports import Job, JobState
from bisector.rundir import LOG
from bisector.testing.runs import end_of, submit

PROBES = str(Path(__file__).parent / "probes")
PROBE = (sys.executable, "-m", "probe_fork", "a b")


@pytest.fixture(scope="module")
def warm() -> Iterator[LocalLauncher]:
    launcher = LocalLauncher(slots=2, threads=2, in_process=("probe_fork",))
    yield launcher
    launcher.close()


def probe(launcher, rundir, **env):
    handle = submit(launcher, Job(PROBE, rundir, {"PYTHONPATH": PROBES, **env}))
    deadline = time.monotonic() + 60
    while launcher.poll([handle])[handle] is not JobState.ENDED:
        assert time.monotonic() < deadline, "the probe did not end"
        time.sleep(0.02)
    return json.loads((rundir / "told.json").read_text())


def test_a_forked_job_is_like_a_fresh_process(warm, tmp_path):
    forked = probe(warm, tmp_path / "forked")
    fresh = probe(LocalLauncher(warm=False), tmp_path / "fresh")
    assert (forked.pop("warm"), fresh.pop("warm")) == (True, False)
    assert (forked["threads"], forked["omp"]) == (2, "2")
    same = {"argv", "hash_seed"}
    assert {k: forked[k] for k in same} == {k: fresh[k] for k in same}
    assert forked["path"][:2] == [str(tmp_path / "forked"), PROBES]
    for name in ("forked", "fresh"):
        rundir = tmp_path / name
        assert end_of(rundir)["code"] == 1
        assert (rundir / LOG).read_text() == "unbuffered?ends with a word\n"
        assert (rundir / "left_open.txt").read_text() == "written all the same"
        assert (rundir / "thread.txt").read_text() == "done"
        assert (rundir / "atexit.txt").exists()


def test_forked_jobs_that_do_not_seed_draw_different_numbers(warm, tmp_path):
    first, second = (probe(warm, tmp_path / name)["random"] for name in "ab")
    assert not set(first) & set(second)


def test_a_variable_that_only_a_fresh_interpreter_reads_gets_one(warm, tmp_path):
    told = probe(warm, tmp_path, PYTHONHASHSEED="7")
    assert (told["warm"], told["hash_seed"]) == (False, "7")
