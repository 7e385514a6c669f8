"""What observing a script that nobody edited costs: runs of it with and without, in turns.

    .venv/bin/python scripts/bench_observe.py [--quick] [--json]

Each run is a process of its own, and times its own training steps by the processor's time (on a GPU:
the wall's), from the first on. The order changes from pair to pair: what else the machine does falls
on both alike. The ratio is that of each pair; the median of them counts. Beside it: what
the hook costs a Python that never imports torch, and whether the weights are the same bits.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bisector.rundir import ENV_RUNDIR
from bisector.workload.onlooking import observed

SCRIPT = """
import hashlib, sys, time
import torch
from torch import nn
from torch.nn import functional as F

kind, steps = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
clock = time.perf_counter if device == "cuda" else time.process_time
if kind == "mlp":
    shape = (64,)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
else:
    shape = (1, 16, 16)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(32 * 36, 10))
model = model.to(device)
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
x, y = torch.randn(2048, *shape, device=device), torch.randint(0, 10, (2048,), device=device)
began = clock()
for step in range(steps):
    chosen = torch.randint(2048, (64,), device=device)
    optimizer.zero_grad()
    F.cross_entropy(model(x[chosen]), y[chosen]).backward()
    optimizer.step()
if device == "cuda":
    torch.cuda.synchronize()
took = clock() - began
bits = b"".join(t.detach().cpu().numpy().tobytes() for t in model.state_dict().values())
print(took, hashlib.sha256(bits).hexdigest())
"""
STEPS = {"cnn": 400, "mlp": 2000}


def run(*words: str, observe: bool) -> str:
    """What a Python prints, observed or not."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "OMP_NUM_THREADS": "1", ENV_RUNDIR: folder}
        env = observed(env, Path(folder), 256.0) if observe else env
        command = [sys.executable, *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def compared(kind: str, pairs: int) -> dict[str, object]:
    """One training, so many times with and without."""
    ratios, same = [], True
    for number in range(pairs):
        order = (False, True) if number % 2 else (True, False)
        told = {o: run("-c", SCRIPT, kind, str(STEPS[kind]), observe=o).split() for o in order}
        ratios.append(float(told[True][0]) / float(told[False][0]))
        same = same and told[True][1] == told[False][1]
    return {
        "what": kind,
        "steps": STEPS[kind],
        "pairs": pairs,
        "ratio": round(statistics.median(ratios), 4),
        "least": round(min(ratios), 4),
        "most": round(max(ratios), 4),
        "same_bits": same,
    }


def start_up(pairs: int) -> dict[str, object]:
    """Milliseconds that the hook adds to a Python which never imports torch; the median."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * pairs):
        began = time.perf_counter()
        run("-c", "import json, argparse, pathlib", observe=bool(number % 2))
        seconds[bool(number % 2)].append(time.perf_counter() - began)
    added = statistics.median(seconds[True]) - statistics.median(seconds[False])
    return {"what": "a Python without torch", "pairs": pairs, "added_ms": round(1000 * added, 2)}


def measured(*, quick: bool) -> Iterator[dict[str, object]]:
    """A row after the other."""
    pairs = 6 if quick else 20
    yield start_up(5 * pairs)
    for kind in STEPS:
        yield compared(kind, pairs)


def main() -> None:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="below 8 minutes on two cores")
    parser.add_argument("--json", action="store_true", help="one object a line")
    args = parser.parse_args()
    for row in measured(quick=args.quick):
        words = "  ".join(f"{name} {value}" for name, value in row.items() if name != "what")
        print(json.dumps(row) if args.json else f"{row['what']:<24}{words}", flush=True)


if __name__ == "__main__":
    main()
