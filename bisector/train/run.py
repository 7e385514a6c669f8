"""The handle through which a training talks to the tool; every file it leaves goes through here."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import distributed, nn
from torch.optim import Optimizer

from bisector import rundir as names
from bisector.train.batches import Batch
from bisector.train.probes.ring import Replayable, size_of


class Run:
    """One training run in its run directory.

    `rundir` and `seed` are the run's own; `device` is where to train: the GPU that
    the launcher has left visible, else the CPU. Of a run of several processes (`limits.processes`)
    each has a `rank`, below `ranks`, and a GPU of its own; only the first one's words are recorded.
    """

    def __init__(self, rundir: Path, seed: int) -> None:
        self.rundir = rundir
        self.seed = seed
        self.ranks = int(os.environ.get(names.ENV_RANKS, "1"))
        self.rank = int(os.environ["RANK"]) if self.ranks > 1 else 0
        gpu = f"cuda:{self.rank}" if self.ranks > 1 else "cuda"
        self.device = torch.device(gpu if torch.cuda.is_available() else "cpu")
        path = Path(os.devnull) if self.rank else rundir / names.METRICS
        self._metrics = path.open("a", encoding="utf-8", buffering=1)
        self._terminated: bool | None = None

    def log(self, step: int, **values: float | torch.Tensor) -> None:
        """Record metrics at a step, flushed at once; NaN and infinities are recorded as such."""
        at = round(time.time(), 3)
        for name, value in values.items():
            # Of one that has a graph torch would warn.
            number = float(value.detach() if isinstance(value, torch.Tensor) else value)
            line = {"step": step, "name": name, "value": number, "at": at}
            self._metrics.write(json.dumps(line) + "\n")

    def facts(self, **values: float | str) -> None:
        """Record single numbers or words about the run, beside those recorded before."""
        if self.rank:
            return
        path = self.rundir / names.FACTS
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        names.write_json(path, known | values)

    def watch(
        self,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        *,
        loss: Callable[..., torch.Tensor] | None = None,
        loader: Iterable[Any] | None = None,
        val_loader: Iterable[Any] | None = None,
    ) -> None:
        """Show the parts of a training, once, after they are made and before the first step.

        A training that is run goes on as if nothing had been called. In an inspection
        (`bisect check`, and the start of `bisect run`) the parts are looked at, and the
        function ends here, before any step.

        Args:
            model: what is trained; its forward takes what the loader yields first.
            optimizer: what moves its parameters; with none of torch's, what is logged ends a step.
            loss: from the model's outputs and the targets to a scalar.
            loader: yields pairs of inputs and targets, as the training receives them.
            val_loader: the same for validation.
        """

    def steps_of(self, training: Replayable) -> Callable[[Batch], torch.Tensor]:
        """What makes the steps of our own loop: its update, and nothing else unless it is watched."""
        return training.update

    def failed(self) -> None:
        """The loss is not finite; if the run is watched, the steps before are done again."""

    def should_stop(self) -> bool:
        """Whether the run was asked to end: by a file `stop`, or by SIGTERM.

        SIGTERM is caught from the first call on, so that a training which never asks
        still ends by it. Several processes must all ask at the same step, and all hear the
        same: one that stopped alone would leave the others waiting for it.
        """
        if self._terminated is None:
            self._terminated = False
            signal.signal(signal.SIGTERM, self._terminate)
        told = self._terminated or (self.rundir / names.STOP).exists()
        if self.ranks > 1 and distributed.is_initialized():
            heard = torch.tensor(float(told), device=self._meeting())
            distributed.all_reduce(heard, distributed.ReduceOp.MAX)
            return bool(heard)
        return told

    def _meeting(self) -> torch.device:
        """Where processes exchange numbers: NCCL knows GPUs only, and Gloo the CPU."""
        return self.device if "nccl" in distributed.get_backend() else torch.device("cpu")

    def _terminate(self, signum: int, frame: FrameType | None) -> None:
        self._terminated = True

    def checkpoint(self, state: object) -> None:
        """Save what `restore` is to give back, whole or not at all."""
        if self.rank:
            return
        self._save(state, self.rundir / names.CHECKPOINT)

    def _save(self, state: object, path: Path) -> None:
        draft = path.with_name(path.name + ".part")
        torch.save({"state": state, "metrics_end": self._metrics.tell()}, draft)
        draft.replace(path)

    def keep(self, state: Callable[[], object]) -> None:
        """Keep the last state, if a longer training may go on from it and there is room for it."""
        wish = self.rundir / names.KEEP
        if not wish.exists():
            return
        last, kept = state(), self.rundir / names.KEPT
        room = json.loads(wish.read_text(encoding="utf-8"))["mb"] * 2**20
        if size_of(last) <= room:
            self._save(last, kept)
            # Files are a little larger than what is in them.
            if kept.stat().st_size > room:
                kept.unlink()

    def restore(self) -> Any | None:
        """The state of the last checkpoint, else that of the run which this one extends, else None.

        Metrics recorded after it are dropped: the steps they belong to are done again.
        """
        found = (self.rundir / name for name in (names.CHECKPOINT, names.BEGIN))
        path = next((p for p in found if p.exists()), None)
        if path is None:
            self._cut(0)
            return None
        # weights_only would refuse the generators' states; the file is our own.
        saved = torch.load(path, map_location="cpu", weights_only=False)
        self._cut(saved["metrics_end"])
        return saved["state"]

    def _cut(self, end: int) -> None:
        if not self.rank:
            self._metrics.truncate(end)
