"""What the README tells a reader to type does what it says, as it is written there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
SECTION = README.read_text(encoding="utf-8").partition("## Point it at your code")[2]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", SECTION.partition("\n## ")[0], re.DOTALL)

TRAIN = """
import argparse, random
import yaml

parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--mixup", type=float, default=0.0)
parser.add_argument("--model-ema", action="store_true")
parser.add_argument("--no-clip", action="store_true")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
config = yaml.safe_load(open(args.config)) if args.config else {"ema": args.model_ema}
rng = random.Random(args.seed)
for epoch in range(1, 6):
    accuracy = 1 - 0.5 / epoch - 0.3 * config["ema"] + rng.gauss(0, 0.003)
    print(f"epoch {epoch}: loss {1 / epoch:.3f}, val_acc {accuracy:.4f}")
"""
PARTS = """

def build(cfg):
    return {"width": cfg.width, "dropout": cfg.dropout}

def load(cfg, seed):
    return [seed + step for step in range(3)]

def update(model, batch):
    return 1 / (1 + batch)

def evaluate(model):
    return 0.9
"""


def block(kind: str, word: str) -> str:
    (found,) = [text for of, text in BLOCKS if of == kind and word in text]
    assert len(found.splitlines()) < 11
    return found


def typed(folder: Path, command: str, *settings: str) -> subprocess.CompletedProcess[str]:
    """A command as a reader's shell runs it, with settings of the search behind it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = " ".join([command.strip(), "mlflow.enabled=false", "launcher.gpus=none", *settings])
    return subprocess.run(
        ["sh", "-c", words], cwd=folder, env=os.environ | {"PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def culprits(folder: Path) -> list[list[str]]:
    (journal,) = folder.glob("out/*/journal.jsonl")
    found: list[list[str]] = json.loads(journal.read_text().splitlines()[-1])["culprits"]
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "good.yaml").write_text("ema: false\nwidth: 8\n")
    (tmp_path / "bad.yaml").write_text("ema: true\nwidth: 16\n")
    return tmp_path


def test_a_command_that_nobody_edits(project: Path) -> None:
    done = typed(project, block("sh", "bisect run"))
    assert done.returncode == 0, done.stderr
    assert culprits(project) == [["ema"]]


def test_two_configurations(project: Path) -> None:
    done = typed(project, block("sh", "bisect between"))
    assert done.returncode == 0, done.stderr
    assert culprits(project) == [["ema"]]


def test_a_function(project: Path) -> None:
    for name, kind, more in (("mylab/train.py", "python", PARTS), ("conf/mine.yaml", "yaml", "")):
        path = project / name
        path.parent.mkdir()
        path.write_text(block(kind, name) + more)
    done = typed(project, "bisect run conf=mine --plain", "budget.trials=5")
    assert done.returncode in (0, 1), done.stderr
    metrics = (project / "out" / "mine" / "runs" / "000" / "metrics.jsonl").read_text()
    assert metrics.count('"loss"') == 3
    assert '"accuracy", "value": 0.9' in metrics
