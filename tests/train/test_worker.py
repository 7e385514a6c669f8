"""The worker process: it calls the user's function, and its exit code says whose fault it was."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

USER_CODE = """
import random, time
import numpy, torch
from pathlib import Path

def numbers(cfg, run):
    assert cfg.optimizer.lr == 0.1
    run.log(0, a=random.random(), b=numpy.random.rand(), c=torch.rand(()), threads=torch.get_num_threads())

def raises(cfg, run):
    raise ValueError("a slip of the user's")

def imports(cfg, run):
    import no_such_library

def runs_out_of_memory(cfg, run):
    torch.empty(10**15)

def fills_the_disk(cfg, run):
    with open("/dev/full", "w") as full:
        full.write("x" * 10**6)

def waits(cfg, run):
    for step in range(10**6):
        run.log(step, loss=1.0)
        if run.should_stop():
            run.checkpoint(step)
            return
        time.sleep(0.05)
"""


@pytest.fixture
def start(tmp_path):
    (tmp_path / "user_code.py").write_text(USER_CODE)
    (tmp_path / "config.yaml").write_text("optimizer: {lr: 1e-1}\n")
    env = os.environ | {"BISECT_RUN_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def start(target, seed=3):
        argv = [sys.executable, "-m", "bisector.train.worker", target, str(seed)]
        return subprocess.Popen(
            argv, env=env | {"PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE, text=True
        )

    return start


def metrics(rundir):
    text = (rundir / "metrics.jsonl").read_text()
    return {m["name"]: m["value"] for m in map(json.loads, text.splitlines())}


def test_every_global_generator_starts_from_the_seed(start, tmp_path):
    assert start("user_code:numbers").wait() == 0
    first = metrics(tmp_path)
    assert start("user_code:numbers").wait() == 0
    assert metrics(tmp_path) == first
    assert start("user_code:numbers", seed=4).wait() == 0
    other = metrics(tmp_path)
    assert all(other[name] != first[name] for name in "abc")
    assert other["threads"] == 1


@pytest.mark.parametrize(
    ("function", "code", "said"),
    [
        ("user_code:raises", 1, "ValueError: a slip of the user's"),
        ("user_code:imports", 78, "No module named 'no_such_library'"),
        ("no_such_code:train", 78, "No module named 'no_such_code'"),
        ("user_code:fills_the_disk", 78, "No space left on device"),
        ("user_code:runs_out_of_memory", 79, "can't allocate memory"),
    ],
)
def test_the_exit_code_says_whose_fault_it_was(start, function, code, said):
    process = start(function)
    _, log = process.communicate()
    assert process.returncode == code
    assert "Traceback" in log
    assert said in log


def test_sigterm_lets_a_training_save_itself(start, tmp_path):
    process = start("user_code:waits")
    while not (tmp_path / "metrics.jsonl").exists() or not metrics(tmp_path):
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert (tmp_path / "checkpoint.pt").exists()
