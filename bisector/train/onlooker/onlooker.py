"""An observation of a program that nobody edited, from the moment at which it has imported torch.

It finds the parts of the training and hands them to the same `Watch` that a recipe's run has, which
writes the same lines. Nothing that goes wrong here reaches the program: it ends the observation, and
is noted in `onlooker.jsonl`.
"""

import atexit
import contextlib
import json
import os
from functools import partial
from pathlib import Path

import torch
from torch import distributed
from torch.optim import Optimizer

from bisector.rundir import OBSERVATIONS, ONLOOKER
from bisector.train.onlooker.alarm import Alarm
from bisector.train.onlooker.discovery import Discovery, Found
from bisector.train.onlooker.hearing import Hearing
from bisector.train.onlooker.scaling import Scaling
from bisector.train.probes.guard import Shield
from bisector.train.probes.recorder import Recorder
from bisector.train.probes.settings import ProbeSettings
from bisector.train.probes.watch import Watch

READERS = ((torch.jit, "script"), (torch.jit, "trace"), (torch.onnx, "export"))
"""What reads a model's hooks as a part of it: they must be gone before."""


class Onlooker:
    """One process under observation."""

    def __init__(self, rundir: Path) -> None:
        self.rundir = rundir
        self.settings = ProbeSettings.of(rundir) or ProbeSettings()
        self.shield = Shield(self._fell)
        self.watch: Watch | None = None
        self._others: set[int] = set()
        self._readers: list[Hearing] = []
        self._alarm: Alarm | None = None
        self._scaling = Scaling(self.shield)
        self._discovery = Discovery(self.shield, self._found, self._more)

    def begin(self) -> None:
        """Wait for a training to begin."""
        self.note(stage="torch")
        atexit.register(self.shield(self.close))
        os.register_at_fork(after_in_child=self._forked)
        self._discovery.begin()
        self._readers = [
            Hearing(owner, name, self.shield(partial(self._withdraw, name)), before=True)
            for owner, name in READERS
        ]

    def note(self, **words: str) -> None:
        """A line in `onlooker.jsonl`; lost where it cannot be written."""
        with (
            contextlib.suppress(OSError),
            (self.rundir / ONLOOKER).open("a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(words) + "\n")

    def close(self) -> None:
        """Write what is left, and leave the process as it was."""
        self._discovery.end()
        self._scaling.end()
        if self._alarm is not None:
            self._alarm.end()
        for reader in self._readers:
            reader.end()
        if self.watch is not None:
            self.watch.end()
        self.watch, self._alarm, self._readers = None, None, []

    def _found(self, found: Found) -> None:
        if not _first_of_all() or not self._claim():
            self.shield.down = True
            return
        recorder = Recorder(self.rundir / OBSERVATIONS)
        self.watch = Watch(
            recorder, found.model, found.optimizer, found.loss, self.shield, compiled=found.compiled
        )
        self.watch.unscaled = self._scaling.before
        # Which module makes which term of the loss was not seen at the first step.
        self.watch.weighed_next = 2
        self.watch.begin()
        self.note(stage="watching")
        if found.compiled:
            self.note(remark="torch.compile is used: no look inside of the model")
        else:
            self._alarm = Alarm(self.watch, self.shield, wait=self.settings.memory_mb > 0)
            self._alarm.begin(found.calls)
        if found.roots:
            self.watch.heard(found.roots)

    def _claim(self) -> bool:
        """Whether no other process of this run is observed already."""
        try:
            (self.rundir / OBSERVATIONS).touch(exist_ok=False)
        except FileExistsError:
            self.note(remark="a second process trains too, and is not observed")
            return False
        return True

    def _more(self, optimizer: Optimizer) -> None:
        """Another optimizer steps as well."""
        watched = self.watch is not None and optimizer is self.watch.optimizer
        if watched or id(optimizer) in self._others:
            return
        self._others.add(id(optimizer))
        count = sum(len(group["params"]) for group in optimizer.param_groups)
        name = type(optimizer).__name__
        self.note(
            remark=f"another optimizer steps too ({name}, {count} tensors), and is not observed"
        )

    def _withdraw(self, name: str, _: object) -> None:
        if self.watch is None:
            return
        self.note(remark=f"{name} was called: not observed from step {self.watch.step} on")
        self.close()
        self.shield.down = True

    def _forked(self) -> None:
        """A worker of a loader, or the like: an observation under way stays with its parent."""
        if self.watch is not None:
            self.shield.down = True
            self.watch = None

    def _fell(self, fault: Exception) -> None:
        """Something here went wrong: leave the program alone."""
        self.note(remark=f"not observed any more: {type(fault).__name__}: {fault}")
        # What is being taken away may be what went wrong.
        with contextlib.suppress(Exception):
            self._discovery.rest()
            if self._alarm is not None:
                self._alarm.let_go()
            if self.watch is not None:
                self.watch.let_go()


def _first_of_all() -> bool:
    """Whether this is the first of the processes that train together."""
    return (
        not (distributed.is_available() and distributed.is_initialized())
        or distributed.get_rank() == 0
    )


def observe(rundir: str) -> Onlooker:
    """Observe this process from now on, for the run in `rundir`."""
    onlooker = Onlooker(Path(rundir))
    onlooker.begin()
    return onlooker
