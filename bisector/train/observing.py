"""A run that is watched while it trains; without `observe.json` in its directory it is a plain one."""

import atexit
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from bisector.rundir import ENV_RANKS, OBSERVATIONS
from bisector.train.batches import Batch
from bisector.train.onlooker.alarm import Alarm
from bisector.train.probes.guard import bare
from bisector.train.probes.recorder import Recorder
from bisector.train.probes.replay import explained
from bisector.train.probes.ring import Replayable, Ring
from bisector.train.probes.settings import ProbeSettings
from bisector.train.probes.watch import Watch
from bisector.train.run import Run


class Observing(Run):
    """Measures what the training gives to `watch`, and writes it to `observations.jsonl`."""

    def __init__(self, rundir: Path, seed: int, settings: ProbeSettings) -> None:
        super().__init__(rundir, seed)
        self.settings = settings
        self.recorder = Recorder(rundir / OBSERVATIONS)
        self.watches: list[Watch] = []
        self.ring: Ring | None = None
        self.alarm: Alarm | None = None
        """Where nobody gives us the steps to do again: it looks at the step under way."""
        self.explained = False
        atexit.register(self.close)

    def watch(
        self,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        *,
        loss: Callable[..., torch.Tensor] | None = None,
        loader: Iterable[Any] | None = None,
        val_loader: Iterable[Any] | None = None,
    ) -> None:
        """Watch the model from now on; a second one is not watched, as they would be mixed up."""
        if not self.watches:
            self.watches.append(Watch(self.recorder, model, optimizer, loss))
            self.watches[0].begin()
            self.alarm = Alarm(self.watches[0], bare, wait=False)
            self.alarm.begin({})
        if count := batches_in(loader):
            self.facts(per_epoch=count)

    def log(self, step: int, **values: float | torch.Tensor) -> None:
        """Record metrics at a step."""
        super().log(step, **values)
        for watch in self.watches:
            watch.logged()

    def steps_of(self, training: Replayable) -> Callable[[Batch], torch.Tensor]:
        """The loop's update, with recent states kept for `failed`."""
        if not self.settings.memory_mb:
            return training.update
        self._silence()
        self.ring = Ring(training, self.settings, self.failed)
        return self.ring.update

    def failed(self) -> None:
        """Do the last steps again, and write down where a value was first not finite."""
        if self.ring is None or self.explained:
            return
        self.explained = True
        for watch in self.watches:
            watch.pause()
        self.recorder.note("nonfinite", **explained(self.ring, self._names()))
        self.ring.forget()
        for watch in self.watches:
            watch.go_on()

    def _names(self) -> dict[nn.Module, str]:
        named: dict[nn.Module, str] = {}
        for watch in self.watches:
            if watch.loss is not None:
                named |= {
                    m: f"the loss's {n}" if n else "the loss" for n, m in watch.loss.named_modules()
                }
            named |= {m: n or "the model" for n, m in watch.model.named_modules()}
        return named

    def _silence(self) -> None:
        """No alarm any more: it looks for less, in every step."""
        if self.alarm is not None:
            self.alarm.end()
        self.alarm = None

    def close(self) -> None:
        """Write what is left; also called when the process ends."""
        self._silence()
        for watch in self.watches:
            watch.end()
        self.watches = []


def batches_in(loader: Iterable[Any] | None) -> int:
    """The batches of an epoch; 0: it cannot tell."""
    try:
        return len(loader)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        return 0


def run_in(rundir: Path, seed: int) -> Run:
    """The run of a directory, watched if that is asked for."""
    settings = ProbeSettings.of(rundir)
    # Of several processes one is watched: its file is not shared.
    if settings is None or (ENV_RANKS in os.environ and os.environ["RANK"] != "0"):
        return Run(rundir, seed)
    return Observing(rundir, seed, settings)
