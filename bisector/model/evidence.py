"""What one run left behind, in one shape whatever code produced it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Signal(StrEnum):
    """Canonical metric names; the config maps the user's own names onto these."""

    LOSS = "loss"
    VAL_LOSS = "val_loss"
    SCORE = "score"
    LR = "lr"
    GRAD_NORM = "grad_norm"


OBSERVED_LOSS = "observed/loss"
"""The loss of each step of a command that is observed, seen as its backward pass began."""

CONSTANT_ANSWER = "constant_answer."
"""Begins the fact that says what one answer for all samples scores; the metric's name follows."""


class Exit(StrEnum):
    """How the process ended."""

    RUNNING = "running"
    """It has not: the evidence is what there is so far."""
    CLEAN = "clean"
    CRASHED = "crashed"
    """An exception in user code, or a non-zero exit code."""
    TIMED_OUT = "timed-out"
    """The training took longer than its time limit."""
    OUT_OF_MEMORY = "out-of-memory"
    """It hit its memory limit, the kernel's, or the GPU's."""
    KILLED = "killed"
    """Ended by a signal nobody of ours sent."""
    CANCELLED = "cancelled"
    """Ended by us."""
    SKIPPED = "skipped"
    """Exit code 125: cannot be judged."""
    VANISHED = "vanished"
    """No exit was recorded and no process is left: a lost node, a killed wrapper."""
    ENVIRONMENT = "environment"
    """The machine is at fault: a full disk, a module that cannot be imported."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One signal over training steps; `steps` and `values` have the same length, at least 1."""

    steps: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        """The final value."""
        return self.values[-1]

    def tail(self, count: int) -> float:
        """The mean of the last `count` values."""
        end = self.values[-count:]
        return sum(end) / len(end)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a verdict or a diagnosis may look at."""

    exit: Exit
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """By canonical signal where the config maps one, else by the user's own name."""
    facts: Mapping[str, float | str] = field(default_factory=dict)
    """Single numbers and words about the run: `seconds`, `max_rss_mb`, `code`, `planned_steps`."""
    log_tail: str = ""
    """The last lines of stdout and stderr."""
