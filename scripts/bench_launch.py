"""What it costs to start a trial, beside the ways in which people start them today, in one run.

Two workers (Hydra's own launcher has one), one thread each; trials that do nothing but have torch
at hand, and trials that train for about a second.

    python scripts/bench_launch.py            20 trials of each kind, each way three times
    python scripts/bench_launch.py --quick    under 8 minutes on 2 cores
    python scripts/bench_launch.py --json     one object a line
    python scripts/bench_launch.py --way fresh --way ours-warm

first    seconds from the command to the first trial's end
noop     milliseconds from one trial's end to the next one's, of trials that do nothing
train    the same of trials that train; own: milliseconds that such a trial trains by itself, so
         that two workers could at best end one every half of that

What is not installed is left out and said so: hydra-joblib-launcher, ray, submitit. With Ray:
`scripts/cluster.sh venv`, then `.venv-cluster/bin/python scripts/bench_launch.py`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from launch_ways import WAYS

HERE = Path(__file__).parent
LIMIT = 600.0
MISSING = 3


def measure(way: str, kind: str, count: int) -> dict[str, float] | str:
    """One run of a way; a word if it cannot be run here."""
    with tempfile.TemporaryDirectory(prefix="bench-launch-") as folder:
        lines = Path(folder) / "lines"
        env = {
            **os.environ,
            "BENCH_LINES": str(lines),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
        }
        command = [sys.executable, str(HERE / "launch_ways.py"), way, kind, str(count)]
        began = time.time()
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no word"]
            return said[-1] if done.returncode == MISSING else f"failed: {said[-1][:120]}"
        ended = sorted(tuple(map(float, line.split())) for line in lines.read_text().splitlines())
    gap = (ended[-1][0] - ended[0][0]) / max(1, len(ended) - 1)
    own = median(seconds for _, seconds in ended)
    return {"trials": len(ended), "first": ended[0][0] - began, "gap": gap, "own": own}


def rows(ways: Sequence[str], count: int, rounds: int) -> Iterator[dict[str, Any]]:
    """A row for each way: medians over the rounds, which alternate between the ways."""
    found: dict[str, dict[str, list[Any]]] = {way: {"noop": [], "train": []} for way in ways}
    for _ in range(rounds):
        for way in ways:
            for kind, seen in found[way].items():
                seen.append(measure(way, kind, count))
    for way, kinds in found.items():
        wrong = next((r for seen in kinds.values() for r in seen if isinstance(r, str)), None)
        if wrong is not None:
            yield {"way": way, "not measured": wrong}
            continue
        noop, train = kinds["noop"], kinds["train"]
        yield {
            "way": way,
            "first_s": round(median(r["first"] for r in noop), 2),
            "noop_ms": round(1000 * median(r["gap"] for r in noop), 1),
            "train_ms": round(1000 * median(r["gap"] for r in train), 1),
            "own_ms": round(1000 * median(r["own"] for r in train), 1),
            "trials": noop[0]["trials"],
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", action="append", choices=list(WAYS))
    args = parser.parse_args()
    ways = args.way or list(WAYS)
    # With one round there is nothing to alternate, and each row is told at once.
    for some in [[way] for way in ways] if args.quick else [ways]:
        for row in rows(some, 4 if args.quick else 20, 1 if args.quick else 3):
            told = json.dumps(row)
            print(told if args.json else "  ".join(f"{k}={v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
