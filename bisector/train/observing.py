"""A run that is watched while it trains; without `observe.json` in its directory it is a plain one."""

import atexit
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from bisector.rundir import OBSERVATIONS
from bisector.train.probes.recorder import Recorder
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

    def close(self) -> None:
        """Write what is left; also called when the process ends."""
        for watch in self.watches:
            watch.end()
        self.watches = []


def run_in(rundir: Path, seed: int) -> Run:
    """The run of a directory, watched if that is asked for."""
    settings = ProbeSettings.of(rundir)
    return Run(rundir, seed) if settings is None else Observing(rundir, seed, settings)
