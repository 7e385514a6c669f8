"""Real clusters for tests, of this machine and on its loopback: started where they can be."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bisector.ports import Job

SCRIPT = Path(__file__).parents[2] / "scripts" / "cluster.sh"
_CANNOT = 3


@contextmanager
def cluster(kind: str, home: Path) -> Iterator[Path]:
    """A cluster with its files in `home`; the test is skipped, with the reason, where there is none."""
    try:
        started = tell(kind, "start", home)
        if started.returncode == _CANNOT:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        yield home
    finally:
        tell(kind, "stop", home)


def tell(kind: str, verb: str, home: Path) -> subprocess.CompletedProcess[str]:
    """What the script says and returns when it is told to do something to a cluster."""
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


SECRET = "sk-1234-5678"


def printing_a_secret(rundir: Path, seconds: int) -> Job:
    """A job that is given LAB_TOKEN, which holds `SECRET`, prints it, and stays for so long."""
    code = f"import os, time; print('key', os.environ['KEY'], flush=True); time.sleep({seconds})"
    return Job((sys.executable, "-c", code), rundir, {"KEY": SECRET})


_LAB = """
import json, os, sys
with open(os.environ["BISECT_RUN_DIR"] + "/metrics.jsonl", "w") as file:
    for step in range(4):
        value = 0.1 if "b" in sys.argv else step / 4
        file.write(json.dumps({"step": step, "name": "acc", "value": value}) + chr(10))
        file.write(json.dumps({"step": step, "name": "loss", "value": 1 - value}) + chr(10))
"""
_CONF = """
defaults: [bisect_schema, launcher: local, planner: adaptive, _self_]
metrics: {loss: loss, score: acc}
judge: {min_effect: 0.05, patience: .inf}
budget: {confidence: 0.9, repeats: 2, confirm: 1}
workload:
  _target_: bisector.workload.command.CommandWorkload
  command: ["{python}", LAB, "{seed}", "{overrides}"]
mlflow: {enabled: false}
additions: {a: {overrides: [a]}, b: {overrides: [b]}}
"""


def verdict_of_a_search(folder: Path, lab: Path, *launcher: str) -> str:
    """What `bisect run` concludes where `b` breaks the training; its runs must all be judged."""
    lab.write_text(_LAB)
    conf = folder / "conf" / "x.yaml"
    conf.parent.mkdir()
    conf.write_text(_CONF.replace("LAB", str(lab)))
    command = [sys.executable, "-m", "bisector", "run", "conf=x", "--plain", "--json", *launcher]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (folder / "out" / "x" / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    outcomes = [e["verdict"]["outcome"] for e in events if e["event"] == "Judged"]
    assert "unresolved" not in outcomes
    return f"{events[-1]['ruling']} {events[-1]['culprits']}"
