"""A run that has given NaN is let find out where it was born, however long it takes to do its steps again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CONF = Path(__file__).parents[2] / "conf"
SLOWLY = """
import time

from torch import nn
from torch.nn import functional as F


class Surprised(nn.Module):
    def forward(self, out, y):
        time.sleep(0.1)
        p = (60 * out).softmax(1)
        return F.cross_entropy(out, y) + 0.01 * (p * p.log()).sum(1).mean()
"""
SETTINGS = (
    "launcher.slots=2", "launcher.gpus=none", "mlflow.enabled=false", "--plain", "find=first",
    "budget.repeats=2", "budget.confirm=1", "budget.confidence=0.95",
)  # fmt: skip


@pytest.mark.slow
def test_steps_that_take_longer_than_a_job_is_given_to_stop_are_done_again(tmp_path: Path) -> None:
    (tmp_path / "surprised.py").write_text(SLOWLY, encoding="utf-8")
    conf = yaml.safe_load((CONF / "tabular.yaml").read_text(encoding="utf-8"))
    planted = ["~recipe.loss", "+recipe.loss={_target_: surprised.Surprised}"]
    conf["additions"] = {
        "nesterov": conf["additions"]["nesterov"],
        "planted": {"kind": "loss", "overrides": planted},
    }
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    command = (sys.executable, "-m", "bisector", "run", "conf=mine", *SETTINGS)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    journal = (tmp_path / "out" / "mine" / "journal.jsonl").read_text(encoding="utf-8")
    explained = [e for e in map(json.loads, journal.splitlines()) if e["event"] == "Explained"]
    findings = {r["finding"]["check"]: r["finding"] for r in explained[-1]["reasons"]}
    assert "the logarithm of 0 in `log` in the loss" in findings["R37b"]["summary"]
    assert findings["R37b"]["evidence"]["exact"]
