"""What watching a training costs: a watched and a plain copy of it, in turns, step by step.

    .venv/bin/python scripts/bench_probes.py [--quick] [--json]

Both copies train in one process, `BLOCK` steps of the one and then as many of the other, the order
changing from pair to pair: what else the machine does falls on both alike. On a CPU it is the
processor's time that counts, on a GPU the wall's. Watched is a run from its first step on, dense
looks and all; as these come first, a short run pays more for them. Other public monitors are measured
in the same way, where they are installed. The goal is an overhead of at most 3 % on a CPU, and of 1 % on a GPU, where larger
models are trained.
"""

import argparse
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import product, repeat
from pathlib import Path
from typing import Any, NamedTuple

import bench_models
import torch
from bisector.recipes.digits import Digits, SmallCNN
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.batches import Batch
from bisector.train.onlooker.alarm import Alarm
from bisector.train.probes import backward
from bisector.train.probes.guard import bare
from bisector.train.probes.recorder import Recorder
from bisector.train.probes.ring import Ring
from bisector.train.probes.settings import ProbeSettings
from bisector.train.probes.watch import Watch

BLOCK = 10
"""Steps of one copy at a time."""
LENGTHS = {
    "digits CNN": {1000: 4, 5000: 2, 20_000: 1},
    "MLP 256": {1000: 8, 5000: 3, 20_000: 1},
    "ResNet-18": {1000: 3, 5000: 1},
    "transformer": {1000: 3, 5000: 1},
}
"""Steps of a watched run, and how many runs: each has its own luck, which in a small net counts for more."""
QUICK = 5000
"""The most steps in the quick version."""


class Spent(NamedTuple):
    """Seconds of a block."""

    cpu: float
    """The processor's, which other work on the machine hardly touches."""
    wall: float


Pair = tuple[Spent, Spent]
"""Of a block of the plain copy and one of the watched copy."""


class Training:
    """A model that is trained step by step, as our own loop does it."""

    def __init__(self, model: nn.Module, rate: float, batches: Iterator[Batch]) -> None:
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), rate)
        self.batches = batches
        self.step = 0
        self.losses: list[Tensor] = []
        self.make_step: Callable[[Batch], Tensor] = self.update
        """What a monitor may stand before."""

    def train(self, steps: int) -> Spent:
        """Train; the seconds that it took."""
        began = time.process_time(), time.perf_counter()
        for _ in range(steps):
            self.make_step(next(self.batches))
            self.step += 1
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return Spent(time.process_time() - began[0], time.perf_counter() - began[1])

    def update(self, batch: Batch) -> Tensor:
        """One step."""
        x, y = batch
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses = [loss.detach()]
        return self.losses[0]

    def state(self) -> dict[str, Any]:
        """All that changes while training."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])

    def parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by name."""
        return dict(self.model.named_parameters())

    def numbers(self, step: int) -> list[int]:
        """Nobody asks for samples here."""
        return []


def batches(device: str, shape: tuple[int, ...]) -> Iterator[Batch]:
    """Batches of 64 digits, for ever; they are loaded here and not in the first step."""
    x, y = (t.to(device) for t in Digits().train.tensors)
    return drawn(x.view(-1, *shape), y)


def drawn(x: Tensor, y: Tensor) -> Iterator[Batch]:
    """Samples drawn at random, 64 at a time."""
    rng = torch.Generator().manual_seed(0)
    while True:
        chosen = torch.randint(len(x), (64,), generator=rng)
        yield x[chosen], y[chosen]


def cnn(device: str) -> Training:
    """The recipe `digits`, at batch 64."""
    model = SmallCNN().to(device)
    return Training(model, 0.01, batches(device, (1, 8, 8)))


def mlp(device: str) -> Training:
    """Two hidden layers of 256."""
    layers = (nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    model = nn.Sequential(*layers).to(device)
    return Training(model, 1e-3, batches(device, (64,)))


def resnet(device: str) -> Training:
    """A CNN of the size that people train."""
    return Training(bench_models.resnet18().to(device), 1e-3, repeat(bench_models.images(device)))


def transformer(device: str) -> Training:
    """A small transformer."""
    model = bench_models.Transformer().to(device)
    return Training(model, 3e-4, repeat(bench_models.texts(device)))


TRAININGS: dict[str, Callable[[str], Training]] = (
    {"ResNet-18": resnet, "transformer": transformer}
    if torch.cuda.is_available()
    else {"digits CNN": cnn, "MLP 256": mlp}
)
"""On a GPU those that are worth one."""


class Ours:
    """Our probes and the ring of states, deaf while it is the other copy's turn."""

    def __init__(self, training: Training, folder: Path) -> None:
        recorder = Recorder(folder / "observations.jsonl")
        self.watch = Watch(recorder, training.model, training.optimizer, None)
        self.watch.begin()
        self.rest()
        training.make_step = Ring(training, ProbeSettings(), self.rest).update

    def rest(self) -> None:
        """Hear nothing of the other copy's backward passes."""
        backward.unlisten(self.watch.hear)

    def wake(self) -> None:
        """Hear again."""
        backward.listen(self.watch.hear)

    def end(self) -> None:
        """Write what is left."""
        self.watch.end()


class OursAround:
    """The same around somebody else's loop, as `run.watch`: an alarm stands in for the states."""

    def __init__(self, training: Training, folder: Path) -> None:
        recorder = Recorder(folder / "observations.jsonl")
        self.watch = Watch(recorder, training.model, training.optimizer, None)
        self.alarm = Alarm(self.watch, bare, wait=False)
        self.watch.begin()
        self.alarm.begin({})
        self.rest()

    def rest(self) -> None:
        """Hear nothing of the other copy's backward passes and steps."""
        backward.unlisten(self.watch.hear)
        self.alarm.end()

    def wake(self) -> None:
        """Hear again."""
        backward.listen(self.watch.hear)
        self.alarm.begin({})

    def end(self) -> None:
        """Write what is left."""
        self.watch.end()


class EveryHook:
    """What many monitors do: a forward and a full backward hook on each layer, on every step."""

    def __init__(self, training: Training, folder: Path) -> None:
        self.rows: list[tuple[Tensor, Tensor]] = []
        layers = [m for m in training.model.modules() if not list(m.children())]
        self.hooks = [m.register_forward_hook(self.note) for m in layers]
        self.hooks += [m.register_full_backward_hook(self.note) for m in layers]

    def note(self, module: nn.Module, given: object, out: object) -> None:
        """Mean and deviation of what is passed on."""
        passed = out[0] if isinstance(out, tuple) else out
        if isinstance(passed, Tensor):
            self.rows.append((passed.detach().mean(), passed.detach().std()))

    def rest(self) -> None:
        """Nothing: its hooks are the model's own."""

    def wake(self) -> None:
        """Nothing, as in `rest`."""

    def end(self) -> None:
        """Take the hooks away."""
        for hook in self.hooks:
            hook.remove()


class WandbWatch:
    """`wandb.watch(model, log="all")`, offline, at its own default of every 1,000th backward pass."""

    def __init__(self, training: Training, folder: Path) -> None:
        wandb = import_module("wandb")
        self.run = wandb.init(mode="offline", dir=folder, settings=wandb.Settings(silent=True))
        self.run.watch(training.model, log="all")

    def rest(self) -> None:
        """Nothing: its hooks are the model's own."""

    def wake(self) -> None:
        """Nothing, as in `rest`."""

    def end(self) -> None:
        """Close its run."""
        self.run.finish()


Monitor = type[Ours] | type[OursAround] | type[EveryHook] | type[WandbWatch]


def monitors() -> dict[str, Monitor]:
    """Ours, what is commonly done by hand, and others that are installed."""
    found: dict[str, Monitor] = {"bisect": Ours, "bisect, run.watch": OursAround}
    found["hooks on every layer and step"] = EveryHook
    if find_spec("wandb") is not None:
        found["wandb.watch"] = WandbWatch
    return found


def measure(make: Callable[[str], Training], monitor: Monitor, steps: int) -> list[Pair]:
    """What each pair of blocks took in one run of `steps`: a plain and a watched copy, in turns."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # What a process does once and then no more is no part of either, nor what earlier runs left.
    make(device).train(BLOCK)
    gc.collect()
    plain, watched = make(device), make(device)
    rng = random.Random(0)
    spent: list[Pair] = []
    with tempfile.TemporaryDirectory() as folder:
        other = monitor(watched, Path(folder))
        for _ in range(steps // BLOCK):
            times = {}
            for which in rng.sample(["plain", "watched"], 2):
                if which == "plain":
                    times[which] = plain.train(BLOCK)
                    continue
                other.wake()
                times[which] = watched.train(BLOCK)
                other.rest()
            spent.append((times["plain"], times["watched"]))
        other.end()
    return spent


def summary(runs: Sequence[Sequence[Pair]]) -> dict[str, object]:
    """Overhead over all runs in percent, its 90 % interval over pairs of blocks, and that of each run."""

    def of(pairs: Sequence[Pair], clock: str) -> list[tuple[float, float]]:
        return [(getattr(p, clock), getattr(w, clock)) for p, w in pairs]

    clock = "wall" if torch.cuda.is_available() else "cpu"
    pairs = [pair for run in runs for pair in run]
    wall = overhead(of(pairs, "wall"), random.Random(0))["overhead_percent"]
    each = [overhead(of(run, clock), random.Random(0))["overhead_percent"] for run in runs]
    return overhead(of(pairs, clock), random.Random(0)) | {"runs": each, "wall_percent": wall}


def overhead(spent: list[tuple[float, float]], rng: random.Random) -> dict[str, float]:
    """The ratio of the sums, with a bootstrap over pairs."""

    def percent(pairs: list[tuple[float, float]]) -> float:
        return 100 * (sum(w for _, w in pairs) / sum(p for p, _ in pairs) - 1)

    again = sorted(percent(rng.choices(spent, k=len(spent))) for _ in range(400))
    return {
        "overhead_percent": round(percent(spent), 2),
        "low": round(again[20], 2),
        "high": round(again[379], 2),
        "ms_per_step": round(1000 * statistics.median(p for p, _ in spent) / BLOCK, 3),
    }


def main() -> int:
    """Print one line for each training and monitor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="leave out runs of 20,000 steps")
    parser.add_argument("--json", action="store_true", help="one object a line")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, monitor in product(TRAININGS, monitors()):
        ours = monitors()[monitor] in (Ours, OursAround)
        for steps, runs in (LENGTHS[name] if ours else {1000: 1}).items():
            if args.quick and steps > QUICK:
                continue
            taken = [measure(TRAININGS[name], monitors()[monitor], steps) for _ in range(runs)]
            row = {"training": name, "monitor": monitor, "steps": steps, **summary(taken)}
            print(json.dumps(row) if args.json else told(row), flush=True)
    return 0


def told(row: dict[str, object]) -> str:
    """One line for people."""
    return (
        f"{row['training']}, {row['monitor']}, {row['steps']:,} steps: {row['overhead_percent']:+} % "
        f"({row['low']} to {row['high']}; runs {row['runs']}; wall {row['wall_percent']:+} %), "
        f"{row['ms_per_step']} ms a step"
    )


if __name__ == "__main__":
    sys.exit(main())
