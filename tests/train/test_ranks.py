"""One run as several processes: what they are told, what is kept of them, and how they end."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bisector.collect.native import NativeCollector
from bisector.judge.signature import crash_signature
from bisector.launch.local import LocalLauncher
from bisector.model.evidence import Exit
from bisector.ports import Job, JobState, Limits
from bisector.testing.runs import gone, submit
from bisector.workload.processes import shared_out

ENDS = """
import json, os, socket, sys, time
rank = int(os.environ["RANK"])
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
print(f"acc 0.{rank + 1}", flush=True)
with open(f"part-{rank}.json", "w") as told: json.dump({n: os.environ[n] for n in names}, told)
os.replace(told.name, f"told-{rank}.json")
socket.create_connection((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))).close()
while not os.path.exists(f"told-{1 - rank}.json"): time.sleep(0.01)
if rank == 1: raise KeyError("of the second process")
time.sleep(600)
"""
TRAINS = """
import time
import torch
from torch import distributed

def train(cfg, run):
    distributed.init_process_group("gloo")
    step = run.restore() or 0
    while step < cfg.steps and not run.should_stop():
        total = torch.tensor(float(run.rank))
        distributed.all_reduce(total)
        run.log(step, loss=1 / (step + 1), score=float(total) - cfg.harm)
        run.facts(world=run.ranks)
        step += 1
        run.checkpoint(step)
        (run.rundir / f"begun-{run.rank}").touch()
        time.sleep(cfg.pause)
    distributed.destroy_process_group()
"""


def two(rundir: Path, *argv: str) -> Job:
    return shared_out(Job(argv, rundir, limits=Limits(processes=2)))


def ended(launcher: LocalLauncher, handle: str) -> bool:
    return launcher.poll([handle])[handle] is JobState.ENDED


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def test_a_job_of_one_process_is_left_as_it_is(tmp_path: Path) -> None:
    job = Job(("x",), tmp_path, limits=Limits(gpus=2))
    assert shared_out(job) == job


def test_processes_know_each_other_and_the_run_ends_as_the_first_that_failed(
    tmp_path: Path,
) -> None:
    """What failed is the second one; the first would wait for it for ever."""
    launcher = LocalLauncher(slots=1, threads=4, gpus="none")
    asked = two(tmp_path, sys.executable, "-c", ENDS)
    asked = replace(asked, env={"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"})
    handle = submit(launcher, asked)
    until(lambda: ended(launcher, handle))
    first, second = (json.loads((tmp_path / f"told-{n}.json").read_text()) for n in (0, 1))
    assert (first["RANK"], second["RANK"], second["LOCAL_RANK"]) == ("0", "1", "1")
    assert first["WORLD_SIZE"] == "2"
    assert first["MASTER_ADDR"] == "127.0.0.1"
    assert first["MASTER_PORT"] == second["MASTER_PORT"]
    assert second["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"
    assert second["OMP_NUM_THREADS"] == "2", "the job's threads are shared out"
    evidence = NativeCollector().collect(tmp_path)
    assert (evidence.exit, evidence.facts["code"]) == (Exit.CRASHED, 1)
    assert crash_signature(evidence.log_tail, 1).detail.startswith("KeyError")
    log = (tmp_path / "log.txt").read_text()
    assert "acc 0.1" in log.partition("failed first")[0], "the first process' words are the run's"
    assert "acc 0.2" not in log.partition("failed first")[0]


def test_a_process_that_was_killed_says_nothing_about_the_training(tmp_path: Path) -> None:
    code = "import os, time; os.environ['RANK'] == '1' and os.kill(os.getpid(), 9); time.sleep(600)"
    launcher = LocalLauncher(slots=1, gpus="none")
    handle = submit(launcher, two(tmp_path, sys.executable, "-c", code))
    until(lambda: ended(launcher, handle))
    assert NativeCollector().collect(tmp_path).exit is Exit.KILLED


@pytest.mark.slow
def test_a_cancelled_run_leaves_no_process_listens_on_the_loopback_and_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "lab.py").write_text(TRAINS)
    rundir = tmp_path / "run"
    rundir.mkdir()
    (rundir / "config.yaml").write_text("{steps: 100000, pause: 0.05, harm: 0}")
    worker = (sys.executable, "-m", "bisector.train.worker", "lab:train", "0")
    job = replace(two(rundir, *worker), cwd=tmp_path)
    launcher = LocalLauncher(slots=1, gpus="none")
    handle = submit(launcher, job)
    until(lambda: all((rundir / f"begun-{n}").exists() for n in (0, 1)))
    root = json.loads((rundir / "process.json").read_text())["pid"]
    family = psutil.Process(root).children(recursive=True)
    listening = [c for p in family for c in p.net_connections() if c.status == "LISTEN"]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    launcher.cancel([handle])
    assert [p.pid for p in family if not gone(p.pid)] == []
    rows = [json.loads(ln) for ln in (rundir / "metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if row["name"] == "score"]
    assert steps == list(range(len(steps))), "one process has written them"
    assert {row["value"] for row in rows if row["name"] == "score"} == {1.0}
    (rundir / "config.yaml").write_text(f"{{steps: {len(steps) + 3}, pause: 0, harm: 0}}")
    again = submit(launcher, job)
    until(lambda: ended(launcher, again))
    evidence = NativeCollector().collect(rundir)
    assert evidence.exit is Exit.CLEAN
    assert evidence.curves["score"].steps == tuple(range(len(steps) + 3)), "both went on"


CONF = """
defaults: [bisect_schema, launcher: local, planner: adaptive, _self_]
workload: {_target_: bisector.workload.function.FunctionWorkload, target: "lab:train"}
recipe: {steps: 3, pause: 0, harm: 0.0}
metrics: {loss: loss, score: score}
judge: {min_effect: 0.05, patience: .inf}
budget: {confidence: 0.9, repeats: 2, confirm: 1, experiments: 0, remedies: 0}
limits: {processes: 2}
launcher: {slots: 1, gpus: none}
mlflow: {enabled: false}
additions: {bad: {overrides: [recipe.harm=0.5]}}
"""


@pytest.mark.slow
def test_a_search_of_runs_of_two_processes_names_the_culprit(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "x.yaml").write_text(CONF)
    (tmp_path / "lab.py").write_text(TRAINS)
    command = [sys.executable, "-m", "bisector", "run", "conf=x", "--plain"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "`bad` breaks training" in done.stdout


def test_a_recipe_of_ours_is_not_trained_by_several_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bisector", "run", "conf=tabular", "limits.processes=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "limits.processes=2" in done.stderr
    assert "Traceback" not in done.stderr
