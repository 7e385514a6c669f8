"""The Ray launcher on a real Ray of two nodes: the contract, and what the loss of a node adds."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest
from clusters import SECRET, cluster, printing_a_secret, tell, verdict_of_a_search

from bisector.errors import BisectError
from bisector.ports import Job, JobState, Launcher
from bisector.testing.launcher import LauncherContract
from bisector.testing.runs import end_of, job, submit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(find_spec("ray") is None, reason="no Ray here: scripts/cluster.sh test"),
]
OPTIONS = {"slots": 2, "cpus": 1}


@pytest.fixture(scope="module", autouse=True)
def enter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """A Ray of two nodes, for all tests here; call it where it was started anew."""
    with (
        cluster("ray", tmp_path_factory.getbasetemp() / "ray") as TestRay.home,
        pytest.MonkeyPatch.context() as patch,
    ):

        def enter() -> None:
            for line in (TestRay.home / "env").read_text().splitlines():
                patch.setenv(*line.split("=", 1))

        enter()
        yield enter


class TestRay(LauncherContract):
    target = "bisector.launch.ray:RayLauncher"
    options: ClassVar = OPTIONS
    slots = 2
    relocates = True
    patience = 120.0
    home: ClassVar[Path]

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The head is killed, and a new one finds what the old one knew."""
        assert tell("ray", "behead", self.home).returncode == 0
        try:
            yield
        finally:
            again = tell("ray", "head", self.home)
            assert again.returncode == 0, again.stderr


def until(done, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def wait(launcher: Launcher, handle: str) -> None:
    until(lambda: launcher.poll([handle])[handle] is JobState.ENDED)


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    made = TestRay.build()
    yield made
    made.close()


LOSE = "import ray, sys; ray.init(); ray.kill(ray.get_actor(sys.argv[1], 'bisect'))"


def lose(handle: str) -> None:
    """End a job's keeper, as the loss of its node does."""
    argv = [sys.executable, "-c", LOSE, json.loads(handle)["ray"]]
    subprocess.run(argv, check=True, capture_output=True)


def test_a_job_whose_node_is_lost_goes_on_from_the_checkpoint_that_came_back(launcher, tmp_path):
    handle = submit(launcher, job(tmp_path, "go_on", "60"))
    until(lambda: launcher.poll([handle]) and (tmp_path / "checkpoint.pt").exists())
    lose(handle)
    wait(launcher, handle)
    assert end_of(tmp_path)["code"] == 0
    counted = (tmp_path / "counted").read_text().split()
    assert (counted.count("0"), counted[-1]) == (1, "59")


def test_a_job_that_is_lost_without_a_checkpoint_is_left_to_the_search_to_repeat(
    launcher, tmp_path
):
    handle = submit(launcher, job(tmp_path, "wait", "600"))
    until(lambda: launcher.poll([handle]) and (tmp_path / "started").exists())
    lose(handle)
    wait(launcher, handle)
    assert not (tmp_path / "exit.json").exists()


@pytest.mark.parametrize("lost", [False, True])
def test_the_log_of_a_job_holds_no_secret(tmp_path, monkeypatch, lost):
    """Of which its node knows nothing: it came with the job."""
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    launcher = TestRay.build()
    handle = submit(launcher, printing_a_secret(tmp_path, 600 if lost else 1))
    log = tmp_path / "log.txt"
    until(lambda: launcher.poll([handle]) and log.exists() and "key" in log.read_text())
    if lost:
        lose(handle)
    wait(launcher, handle)
    assert log.read_text() == "key (concealed LAB_TOKEN)\n"
    assert [p.name for p in tmp_path.iterdir() if SECRET.encode() in p.read_bytes()] == []


def test_the_node_has_none_of_the_folders_of_the_machine_that_searches(launcher, tmp_path):
    """So that what the other tests see has come over Ray, and not by a disk that both share."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("the kernel gives the node no folders of its own")
    # Backwards, as the paths of the run directory are put right for the node.
    code = f"import os; print('there:', os.path.exists({str(tmp_path)[::-1]!r}[::-1]))"
    wait(launcher, submit(launcher, Job((sys.executable, "-c", code), tmp_path / "run")))
    assert (tmp_path / "run" / "log.txt").read_text() == "there: False\n"


def test_files_come_back_while_a_job_runs(launcher, tmp_path):
    handle = submit(launcher, job(tmp_path, "go_on", "600"))
    until(lambda: launcher.poll([handle]) and (tmp_path / "counted").exists())
    launcher.cancel([handle])
    assert end_of(tmp_path)["reason"] == "cancelled"
    assert (tmp_path / "checkpoint.pt").exists(), "its last files came back"


def test_a_search_on_ray_names_the_culprit(tmp_path):
    """The code is sent along: the worker has none of the folders that the test has."""
    settings = ["launcher=ray", "+launcher.runtime_env.working_dir=."]
    assert verdict_of_a_search(tmp_path, tmp_path / "lab.py", *settings) == "culprit [['b']]"


def test_a_job_whose_whole_cluster_is_lost_goes_on_in_the_next_one(launcher, enter, tmp_path):
    """One that kept nothing of what it knew, as most do not."""
    handle = submit(launcher, job(tmp_path, "go_on", "100"))
    until(lambda: launcher.poll([handle]) and (tmp_path / "checkpoint.pt").exists())
    tell("ray", "stop", TestRay.home)
    assert launcher.poll([handle]) == {handle: JobState.RUNNING}
    assert launcher.free_slots() == 0
    assert tell("ray", "start", TestRay.home).returncode == 0
    enter()
    wait(launcher, handle)
    assert end_of(tmp_path)["code"] == 0
    counted = (tmp_path / "counted").read_text().split()
    assert (counted.count("0"), counted[-1]) == (1, "99")


def test_a_search_without_a_cluster_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.2:1")
    with pytest.raises(BisectError, match="reaches no cluster"):
        TestRay.build()
