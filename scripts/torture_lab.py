"""The training that `torture.py` searches: a second at most, of whose scores every digit is known.

`python torture_lab.py TRUTH SEED LINES [ADDITION...]`; it appends what it does to LINES.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

STEPS = 5
PAUSE = 0.05
BROKEN = {"one": [{"b"}], "pair": [{"a", "c"}], "two": [{"b"}, {"d"}], "none": []}
"""By the name of a truth: the smallest sets of additions that break the training."""


def main(truth: str, seed: str, lines: str, *additions: str) -> None:
    """Train, and say so before the first step and after the last."""
    rundir = Path(os.environ["BISECT_RUN_DIR"])
    what = f"{rundir.name} {os.getpid()} {'+'.join(sorted(additions)) or '-'} {seed}"
    _say(lines, f"began {what}")
    broken = any(culprit <= set(additions) for culprit in BROKEN[truth])
    noise = random.Random(f"{seed} {sorted(additions)}")
    with (rundir / "metrics.jsonl").open("a", encoding="utf-8") as metrics:
        for step in range(STEPS):
            time.sleep(PAUSE)
            loss = 1.0 if broken else 1 / (step + 1)
            for name, value in {
                "loss": loss,
                "acc": 1 - 0.9 * loss + noise.gauss(0, 0.002),
            }.items():
                metrics.write(json.dumps({"step": step, "name": name, "value": value}) + "\n")
            metrics.flush()
    _say(lines, f"ended {what}")


def _say(lines: str, text: str) -> None:
    """Append a line in one write, so that two runs never mix theirs."""
    handle = os.open(lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


if __name__ == "__main__":
    main(*sys.argv[1:])
