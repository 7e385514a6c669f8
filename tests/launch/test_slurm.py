"""The Slurm launcher on a real Slurm: the contract, and what a job's place on a node adds to it."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from clusters import SECRET, cluster, printing_a_secret, verdict_of_a_search

pytest.importorskip("submitit", reason='needs `pip install "bisector[slurm]"`')

from bisector.launch.slurm import SlurmLauncher
from bisector.ports import JobState, Limits
from bisector.testing.launcher import LauncherContract
from bisector.testing.runs import end_of, gone, job, submit

pytestmark = [pytest.mark.slow, pytest.mark.cluster]
OPTIONS = {"slots": 2, "cpus": 1, "settle": 2.0}


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Slurm of one node, for all tests here."""
    with (
        cluster("slurm", tmp_path_factory.mktemp("cluster") / "slurm") as home,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_CONF", str(home / "slurm.conf"))
        yield home


class TestSlurm(LauncherContract):
    target = "bisector.launch.slurm:SlurmLauncher"
    options: ClassVar = OPTIONS
    slots = 2

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        conf = Path(os.environ["SLURM_CONF"])
        control = int((conf.parent / "slurmctld.pid").read_text())
        os.kill(control, signal.SIGTERM)
        until(lambda: gone(control))
        try:
            yield
        finally:
            subprocess.run(["slurmctld", "-f", str(conf)], check=True)


def wait(launcher: SlurmLauncher, handle: str, seconds: float = 120.0) -> None:
    until(lambda: launcher.poll([handle])[handle] is JobState.ENDED, seconds)


def until(done, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def slurm_id(handle: str) -> str:
    return str(json.loads(handle)["slurm"])


def hasten(handle: str) -> None:
    """Let a job that was queued again start at once, and not after Slurm's two minutes."""
    number = slurm_id(handle)
    shown = ["squeue", "--noheader", "--format=%T", f"--jobs={number}"]
    until(lambda: subprocess.check_output(shown).split() == [b"PENDING"])
    time.sleep(3)  # A start in the very second of its end would be taken for the old one's.
    subprocess.run(["scontrol", "update", f"JobId={number}", "StartTime=now"], check=True)


def counted_once(rundir: Path, steps: int) -> None:
    counted = (rundir / "counted").read_text().split()
    assert counted == [str(n) for n in range(steps)], "it went on from its checkpoint"


def test_a_preempted_job_is_requeued_and_goes_on_from_its_checkpoint(tmp_path):
    """By a job of a partition that goes before ours, on all of the node's cores."""
    launcher = SlurmLauncher(**OPTIONS)
    handle = submit(launcher, job(tmp_path, "go_on", "80"))
    until((tmp_path / "started").exists)
    urgent = ["srun", "--partition=urgent", "--exclusive", "sleep", "1"]
    subprocess.run(urgent, check=True, capture_output=True, timeout=120)
    assert launcher.poll([handle]) != {handle: JobState.ENDED}
    hasten(handle)
    wait(launcher, handle)
    assert end_of(tmp_path)["code"] == 0
    counted_once(tmp_path, 80)


def test_a_job_that_meets_slurm_s_time_limit_is_requeued_and_goes_on(tmp_path):
    launcher = SlurmLauncher(**OPTIONS)
    handle = submit(launcher, job(tmp_path, "go_on", "150"))
    until((tmp_path / "started").exists)
    time.sleep(1)
    # What Slurm sends 90 seconds before the limit, which is a minute at least.
    subprocess.run(["scancel", "--signal=USR2", slurm_id(handle)], check=True)
    until((tmp_path / "checkpoint.pt").exists)
    hasten(handle)
    wait(launcher, handle)
    assert end_of(tmp_path)["code"] == 0
    counted_once(tmp_path, 150)


def test_a_job_that_somebody_cancels_by_hand_does_not_come_back(tmp_path):
    launcher = SlurmLauncher(**OPTIONS)
    handle = submit(launcher, job(tmp_path, "go_on", "600"))
    until((tmp_path / "started").exists)
    subprocess.run(["scancel", slurm_id(handle)], check=True)
    wait(launcher, handle)
    assert not (tmp_path / "exit.json").exists(), "nobody of ours has ended it"
    shown = subprocess.check_output(
        ["squeue", "-h", "-t", "all", "-o", "%T", "-j", slurm_id(handle)]
    )
    assert shown.split() == [b"CANCELLED"]


def test_the_cluster_is_told_what_a_job_needs(tmp_path):
    options = {"partition": "urgent", "account": "lab", "minutes": 7, "memory_gb": 0.5}
    launcher = SlurmLauncher(slots=1, cpus=2, sbatch={"nice": 5}, **options)
    handle = submit(launcher, job(tmp_path / "run", "tell", limits=Limits(seconds=30)))
    shown = subprocess.check_output(["scontrol", "show", "job", slurm_id(handle)], text=True)
    wait(launcher, handle)
    expected = ["Partition=urgent", "Account=lab", "TimeLimit=00:07:00", "NumCPUs=2", "Nice=5"]
    assert [word for word in expected if word not in shown] == []
    assert "MinMemoryNode=512M" in shown


def test_a_task_of_an_array_that_is_requeued_goes_on_and_its_neighbour_never_stops(tmp_path):
    launcher = SlurmLauncher(**OPTIONS)
    stays, moves = launcher.submit(job(tmp_path / n, "go_on", "80") for n in ("stays", "moves"))
    assert slurm_id(stays).partition("_")[0] == slurm_id(moves).partition("_")[0]
    until(lambda: all((tmp_path / n / "started").exists() for n in ("stays", "moves")))
    began = json.loads((tmp_path / "stays" / "process.json").read_text())
    subprocess.run(["scancel", "--signal=USR2", slurm_id(moves)], check=True)
    until((tmp_path / "moves" / "checkpoint.pt").exists)
    hasten(moves)
    assert json.loads((tmp_path / "stays" / "process.json").read_text()) == began
    for handle, name in ((stays, "stays"), (moves, "moves")):
        wait(launcher, handle)
        assert end_of(tmp_path / name)["code"] == 0
        counted_once(tmp_path / name, 80)


def test_a_task_that_somebody_cancels_by_hand_does_not_come_back(tmp_path):
    """Though the array as a whole still runs, of which one task has the id."""
    launcher = SlurmLauncher(**OPTIONS)
    folders = [tmp_path / str(n) for n in range(2)]
    handles = list(launcher.submit(job(folder, "go_on", "100") for folder in folders))
    until(lambda: all((folder / "started").exists() for folder in folders))
    subprocess.run(["scancel", slurm_id(handles[1])], check=True)
    wait(launcher, handles[1])
    assert not (folders[1] / "exit.json").exists(), "nobody of ours has ended it"
    wait(launcher, handles[0])
    counted_once(folders[0], 100)


@pytest.mark.parametrize("killed", [False, True])
def test_the_log_of_a_job_holds_no_secret(tmp_path, monkeypatch, killed):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    launcher = SlurmLauncher(**OPTIONS)
    handle = submit(launcher, printing_a_secret(tmp_path / "run", 600 if killed else 1))
    log = tmp_path / "run" / "log.txt"
    until(lambda: log.exists() and "key" in log.read_text())
    if killed:
        wrapper = json.loads((tmp_path / "run" / "process.json").read_text())["pid"]
        os.kill(wrapper, signal.SIGKILL)
    wait(launcher, handle)
    assert "key (concealed LAB_TOKEN)\n" in log.read_text()
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert [p.name for p in files if SECRET.encode() in p.read_bytes()] == []


HOSTILE = """it's a "lab" $(touch owned) `touch owned`;&|*? größe-🙂"""


@pytest.mark.parametrize("together", [1, 2])
def test_names_break_out_of_no_folder_and_no_shell(tmp_path, together):
    """Of sessions and run directories, which stand in job names, paths of logs and submission files."""
    runs = tmp_path / HOSTILE / "runs"
    folders = [runs / f"{n} {HOSTILE}\n-x" for n in range(together)]
    launcher = SlurmLauncher(**OPTIONS)
    handles = list(launcher.submit(job(folder, "tell", HOSTILE) for folder in folders))
    for handle, folder in zip(handles, folders, strict=True):
        wait(launcher, handle)
        assert end_of(folder)["code"] == 0
        assert json.loads((folder / "told.json").read_text())["argv"] == ["tell", HOSTILE]
    assert list(tmp_path.rglob("owned")) == []
    assert not Path("owned").exists()
    assert {p.name for p in tmp_path.iterdir()} == {HOSTILE}
    assert {p.name for p in runs.iterdir()} == {"slurm", *(folder.name for folder in folders)}


@pytest.mark.parametrize("name", ["lab", HOSTILE], ids=["plain", "hostile"])
def test_a_search_on_slurm_names_the_culprit(tmp_path, name):
    (tmp_path / name).mkdir()
    settings = ["launcher=slurm", "launcher.slots=2", "launcher.cpus=1"]
    found = verdict_of_a_search(tmp_path / name, tmp_path / "lab.py", *settings)
    assert found == "culprit [['b']]"
    assert list(tmp_path.rglob("owned")) == []
    submitted = (tmp_path / name / "out" / "x" / "runs" / "slurm").glob("*_0_submitted.pkl")
    assert any(submitted), "the baseline's first runs are one array"
