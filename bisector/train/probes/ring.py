"""Recent states of a training and the batches since, so that a failure can be done again.

Two states are kept, so that there is always one from well before the present. They lie two seconds
apart, or as many steps as are allowed and fit into memory.
"""

import copy
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from bisector.train.batches import Batch
from bisector.train.probes import tensors
from bisector.train.probes.settings import ProbeSettings

LONGEST = 2.0
"""Seconds of training between two states; a replay takes as long."""
FEWEST = 4
"""States are not kept more often than at every so many steps."""


class Replayable(Protocol):
    """A training of which any step can be done again."""

    step: int
    losses: list[torch.Tensor]

    def update(self, batch: Batch) -> torch.Tensor:
        """One step, which appends its loss to `losses`; the gradient's norm."""
        ...

    def state(self) -> dict[str, Any]:
        """All that changes while training."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        ...

    def numbers(self, step: int) -> list[int]:
        """The numbers of the samples in the batch of the step after `step`."""
        ...

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What is trained, by name."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A state from before the step after `step`."""

    step: int
    state: dict[str, Any]


class Ring:
    """Stands before a training's `update`; calls `failed` once a step was not finite."""

    def __init__(
        self, training: Replayable, settings: ProbeSettings, failed: Callable[[], None]
    ) -> None:
        self.training = training
        self.settings = settings
        self.failed = failed
        self.kept: deque[Kept] = deque(maxlen=2)
        self.batches: deque[Batch] = deque()
        """Those of the steps since the older state."""
        self.losses: deque[torch.Tensor] = deque()
        """What these steps' losses were."""
        self.off = ""
        """Why no state is kept; empty: they are."""
        self._asked = self._latest = training.step
        self._overdue = 0.0
        self._sound: list[torch.Tensor] = []

    def update(self, batch: Batch) -> torch.Tensor:
        """The training's own update, remembered."""
        training = self.training
        if self.off:
            return training.update(batch)
        if training.step >= self._asked:
            self._ask(batch)
        norm = training.update(batch)
        if not self.off:
            self.batches.append(batch)
            self.losses.append(training.losses[-1])
        return norm

    def _ask(self, batch: Batch) -> None:
        """Keep a state, if it is time to."""
        self._asked = self.training.step + FEWEST
        if self._asked > self._latest or time.monotonic() >= self._overdue:
            self._keep(batch)

    def _keep(self, batch: Batch) -> None:
        if self._unsound():
            self.failed()
            self.off = "a step was not finite"
            return
        step, state = self.training.step, self.training.state()
        steps = min(self.settings.steps_back, self._affordable(state, batch))
        if steps < FEWEST:
            self.off = f"a state and its batches do not fit into {self.settings.memory_mb:g} MB"
            self.forget()
            return
        if len(self.kept) == self.kept.maxlen:
            self.kept.popleft()  # Before there is a third one: there is room for two.
        self.kept.append(Kept(step, copied(state)))
        while len(self.batches) > step - self.kept[0].step:
            self.batches.popleft()
            self.losses.popleft()
        self._latest = step + steps
        self._overdue = time.monotonic() + LONGEST

    def forget(self) -> None:
        """Let go of all memory."""
        self.kept.clear()
        self.batches.clear()
        self.losses.clear()

    def _affordable(self, state: dict[str, Any], batch: Batch) -> int:
        """How many steps' batches fit beside two states."""
        room = self.settings.memory_mb * 2**20 - 2 * size_of(state)
        return int(room / (2 * max(1, size_of(batch))))

    def _unsound(self) -> bool:
        """Whether a step since the last state was not finite.

        On a GPU the answer is that of the time before, which is there without waiting; the older
        state is still from before it.
        """
        self._sound.append(self._finite())
        if not self._sound[-1].is_cuda:
            return not self._sound.pop()
        return len(self._sound) > 1 and not self._sound.pop(0)

    def _finite(self) -> torch.Tensor:
        weights = [p.detach() for p in self.training.parameters().values()]
        since = self.training.step - self.kept[-1].step if self.kept else 0
        losses = list(self.losses)[-since:] if since else []
        # A norm may overflow where no weight is infinite yet.
        return tensors.joined([*tensors.bounds(weights), *losses]).isfinite().all()


def copied(state: Any) -> Any:
    """A state with copies of all that may change."""
    match state:
        case torch.Tensor():
            return state.detach().clone()
        case torch.Generator():
            return state.clone_state()
        case tuple() if all(isinstance(value, int | float) for value in state):
            return state  # Python's own generator has 625 of them.
        case dict():
            return {key: copied(value) for key, value in state.items()}
        case list() | tuple():
            return type(state)(copied(value) for value in state)
        case _:
            return copy.deepcopy(state)


def size_of(state: Any) -> int:
    """The bytes of the tensors in a state."""
    match state:
        case torch.Tensor():
            return state.nbytes
        case dict():
            return sum(size_of(value) for value in state.values())
        case list() | tuple():
            return sum(size_of(value) for value in state)
        case _:
            return 0
