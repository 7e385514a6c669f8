"""The Slurm launcher where Slurm's commands are scripts on PATH: what they are told, and what they refuse."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

pytest.importorskip("submitit", reason='needs `pip install "bisector[slurm]"`')

from bisector.errors import BisectError, LaunchError
from bisector.launch.slurm import SlurmLauncher
from bisector.ports import JobState, Limits
from bisector.rundir import EXIT
from bisector.testing.runs import job, submit

QUEUE = "7|PENDING|x\n8|RUNNING|x\n9|COMPLETED|x\n10|COMPLETING|x\n11_3|NODE_FAIL|a|b\n"


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """A folder with Slurm's commands; what they say is in files beside them."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    scripts = {
        "srun": "",
        "sbatch": 'cat "$1" > "$0.got"; cat "$0.says"; test ! -e "$0.fails"',
        "squeue": 'cat "$0.says"; test ! -e "$0.fails"',
        "scancel": 'echo "$@" >> "$0.got"',
    }
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    (folder / "sbatch.says").write_text("Submitted batch job 7\n")
    (folder / "squeue.says").write_text(QUEUE)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def handle(number: str, rundir: Path) -> str:
    return f'{{"slurm": "{number}", "rundir": "{rundir}"}}'


def test_jobs_are_where_slurm_says(slurm, tmp_path):
    launcher = SlurmLauncher(settle=0.0)
    asked = {n: handle(n, tmp_path / n) for n in ("7", "8", "9", "10", "11_3", "12")}
    states = launcher.poll(list(asked.values()))
    assert {n: states[h].value for n, h in asked.items()} == {
        "7": "waiting",
        "8": "running",
        "9": "ended",
        "10": "running",
        "11_3": "ended",
        "12": "ended",
    }
    assert launcher.free_slots() == 8 - 3, "adopted jobs take up slots"


def test_a_recorded_end_is_believed_whatever_slurm_says(slurm, tmp_path):
    (tmp_path / EXIT).write_text("{}")
    running = handle("8", tmp_path)
    assert SlurmLauncher().poll([running]) == {running: JobState.ENDED}


def test_while_nobody_answers_jobs_are_where_they_were_and_none_is_started(slurm, tmp_path):
    launcher = SlurmLauncher(settle=0.0)
    launcher._queue._period = 0.0
    running, unheard = handle("8", tmp_path), handle("12", tmp_path)
    launcher.poll([running])
    (slurm / "squeue.fails").touch()
    assert launcher.poll([running, unheard])[running] is JobState.RUNNING
    assert launcher.poll([unheard]) == {unheard: JobState.RUNNING}, "silence ends no job"
    assert launcher.free_slots() == 0


def test_who_never_answers_is_given_up_with_a_word(slurm, tmp_path):
    (slurm / "squeue.fails").touch()
    launcher = SlurmLauncher(outage=-1.0)
    with pytest.raises(LaunchError, match="has not answered") as given_up:
        launcher.poll([handle("8", tmp_path)])
    assert "sinfo" in given_up.value.hint


def test_slurm_is_told_what_the_configuration_and_the_limits_say(slurm, tmp_path):
    launcher = SlurmLauncher(
        partition="gpu", account="lab", cpus=3, setup=["module load x"], sbatch={"nice": 5}
    )
    limits = Limits(gpus=2, seconds=600, memory_mb=1000)
    submit(launcher, job(tmp_path / "s" / "runs" / "000", "finish", "0", limits=limits))
    said = (slurm / "sbatch.got").read_text()
    for option in ("partition=gpu", "account=lab", "cpus-per-task=3", "gpus-per-node=2"):
        assert f"#SBATCH --{option}" in said
    assert "#SBATCH --time=15" in said
    assert "#SBATCH --mem=2024MB" in said
    assert "#SBATCH --nice=5" in said
    assert "--job-name=bisect-s-000-" in said
    assert "module load x" in said


def numbers(handles: Iterable[str]) -> list[str]:
    return [json.loads(handle)["slurm"] for handle in handles]


def test_jobs_that_ask_for_the_same_are_one_array(slurm, tmp_path):
    alike = [job(tmp_path / "s" / "runs" / n, "finish", "0") for n in ("003", "004", "005")]
    other = job(tmp_path / "s" / "runs" / "006", "finish", "0", limits=Limits(gpus=1))
    handles = SlurmLauncher().submit([*alike, other])
    assert numbers(next(handles) for _ in alike) == ["7_0", "7_1", "7_2"]
    said = (slurm / "sbatch.got").read_text()
    assert "#SBATCH --array=0-2%3" in said
    assert "--job-name=bisect-s-003-" in said
    assert numbers(handles) == ["7"], "it asks for more, so it is a job of its own"
    assert "--array" not in (slurm / "sbatch.got").read_text()


def test_an_array_is_no_larger_than_it_may_be(slurm, tmp_path):
    jobs = [job(tmp_path / str(n), "finish", "0") for n in range(3)]
    assert numbers(SlurmLauncher(array=2).submit(jobs)) == ["7_0", "7_1", "7"]
    assert numbers(SlurmLauncher(array=1).submit(jobs)) == ["7", "7", "7"]


def test_a_task_whose_handle_was_lost_is_found_by_its_run_directory(slurm, tmp_path):
    jobs = [job(tmp_path / "runs" / str(n), "finish", "0") for n in range(3)]
    list(SlurmLauncher().submit(jobs))
    told = (slurm / "sbatch.got").read_text()
    name = next(line.partition("=")[2] for line in told.splitlines() if "--job-name" in line)
    (slurm / "squeue.says").write_text("".join(f"7_{n}|RUNNING|{name}\n" for n in range(3)))
    launcher = SlurmLauncher()
    launcher._queue.active = lambda _: False
    launcher.clear([tmp_path / "runs" / "1"])
    assert (slurm / "scancel.got").read_text() == "7_1\n"
    assert [(j.rundir / EXIT).exists() for j in jobs] == [False, True, False]


def test_a_job_that_slurm_refuses_is_refused_with_its_reason(slurm, tmp_path):
    (slurm / "sbatch.says").write_text("")
    (slurm / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: no such account' >&2; exit 1\n")
    with pytest.raises(LaunchError, match="no such account"):
        submit(SlurmLauncher(), job(tmp_path, "finish", "0"))


def test_a_cancelled_job_has_an_end_before_slurm_hears_of_it(slurm, tmp_path):
    launcher = SlurmLauncher()
    running = submit(launcher, job(tmp_path / "runs" / "1", "wait", "9"))
    (slurm / "squeue.says").write_text("")
    launcher.cancel([running])
    assert (slurm / "scancel.got").read_text() == "7\n"
    assert "cancelled" in (tmp_path / "runs" / "1" / EXIT).read_text()


def no_slots() -> SlurmLauncher:
    return SlurmLauncher(slots=0)


def no_array() -> SlurmLauncher:
    return SlurmLauncher(array=0)


def no_slurm() -> SlurmLauncher:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        return SlurmLauncher()


@pytest.mark.parametrize("make", [no_slots, no_array, no_slurm])
def test_what_cannot_work_is_refused_with_a_hint(slurm, make):
    with pytest.raises(BisectError) as refusal:
        make()
    assert refusal.value.hint


def test_a_folder_whose_name_slurm_would_read_as_a_pattern_is_refused(slurm, tmp_path):
    with pytest.raises(LaunchError, match="reads %"):
        submit(SlurmLauncher(), job(tmp_path / "100%" / "run", "finish", "0"))


def test_the_handle_of_another_launcher_is_refused(slurm):
    with pytest.raises(LaunchError, match="not a job of the Slurm launcher"):
        SlurmLauncher().poll(['{"pid": 3}'])
