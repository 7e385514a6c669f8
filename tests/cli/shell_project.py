"""Scripts as one finds them, small: the standard library only, so that a run takes no time."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ARGPARSE = """
import argparse, os, random, sys

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--mixup", type=float, default=0.0)
parser.add_argument("--note", default="")
parser.add_argument("--ema", action="store_true")
parser.add_argument("--quiet", action="store_true")
args = parser.parse_args()
rng = random.Random(args.seed)
with open("progress.txt", "a") as file:
    file.write("one\\n")
assert open("progress.txt").read() == "one\\n", "another run has been here"
for epoch in range(1, 9):
    loss = float("nan") if args.ema and epoch > 2 else 1 / epoch
    if not args.quiet:
        print(f"epoch {epoch}: train_loss {loss:.4f}, val_acc {1 - 0.5 / epoch + rng.gauss(0, 0.003):.4f}")
"""

SEARCH = (
    "--baseline",
    f"{sys.executable} train.py --lr 0.1 --seed {{seed}}",
    "--add",
    "mixup: --mixup 0.8",
    "--add",
    "ema: --ema",
    "--add",
    "--note 'a b; $HOME ${x} %s \"q\"'",
    "--metric",
    "val_acc ([0-9.]+)",
    "--higher",
)
SETTINGS = ("mlflow.enabled=false", "launcher.slots=2", "launcher.gpus=none", "--plain")


@dataclass(frozen=True)
class Shell:
    """A folder in which commands are typed."""

    folder: Path

    def bisect(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bisector", *words]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=240, check=False
        )

    def concluded(self) -> tuple[str, list[list[str]]]:
        """The ruling and the culprits of the one search that is there."""
        (journal,) = self.folder.glob("out/*/journal.jsonl")
        last = json.loads(journal.read_text().splitlines()[-1])
        assert last["event"] == "Concluded", last
        return last["ruling"], last["culprits"]
