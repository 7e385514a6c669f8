"""A script that nobody edited: `bisect` names the culprit, and the reason by watching it from outside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "projects" / "torch_script"
SETTINGS = (
    "launcher.slots=2", "launcher.gpus=none", "mlflow.enabled=false", "--plain", "find=first",
    "budget.repeats=2", "budget.confirm=1", "budget.confidence=0.95",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("culprit", "reason", "said"),
    [
        ("adapter", "R22g", "Net.forward"),
        ("freeze-body", "R23", "one.weight"),
        ("entropy", "R37b", "the logarithm of 0"),
    ],
)
def test_the_reason_is_found_with_no_edit(
    tmp_path: Path, culprit: str, reason: str, said: str
) -> None:
    (tmp_path / "train.py").symlink_to(PROJECT / "train.py")
    command = [
        *(sys.executable, "-m", "bisector", "run"),
        *("--baseline", f"{sys.executable} train.py --epochs 6 --seed {{seed}}"),
        *("--add", "drop: --dropout 0.1", "--add", f"{culprit}: --{culprit}"),
        *("--metric", "val_acc ([0-9.]+)", "--higher", "--min-effect", "0.1"),
    ]
    done = subprocess.run(
        [*command, *SETTINGS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = tmp_path.glob("out/*/journal.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert events[-1]["culprits"] == [[culprit]]
    told = done.stdout[done.stdout.index("- Why ") :]
    assert told.split(": ", 1)[1].startswith(reason)
    assert said in " ".join(told.split())
