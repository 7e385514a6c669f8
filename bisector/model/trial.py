"""What to train: an arm says which configuration, a trial says one run of it."""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """Why a phase asked for a trial; shown to the user beside it."""

    INSPECT = "inspect"
    BASELINE = "baseline"
    REPRODUCE = "reproduce"
    ISOLATE = "isolate"
    CONFIRM = "confirm"
    SWEEP_LR = "sweep-lr"
    EXPERIMENT = "experiment"
    TRY_REMEDY = "try-remedy"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Arm:
    """A configuration: the additions that are on, plus raw override tweaks."""

    additions: frozenset[str] = frozenset()
    tweaks: tuple[str, ...] = ()
    lr_scale: float = 1.0
    """Multiplier on the learning rate that the additions leave."""
    trained: bool = True
    """False: its parts are built and looked at, and no step is taken."""
    watched: bool = False
    """Its runs are watched by probes while they train; they train the same bits as any other."""

    @property
    def label(self) -> str:
        """A short, stable, human-readable name."""
        scale = () if self.lr_scale == 1.0 else (f"lr x{self.lr_scale:g}",)
        looked = (
            *(() if self.trained else ("(looked at)",)),
            *(("(watched)",) if self.watched else ()),
        )
        on = "+".join(sorted(self.additions)) or "baseline"
        return " ".join([on, *self.tweaks, *scale, *looked])

    @property
    def plain(self) -> bool:
        """Whether the arm trains a set of additions and nothing else."""
        alone = not self.tweaks and self.lr_scale == 1.0
        return alone and self.trained and not self.watched


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one arm."""

    number: int
    """Position in the session, from 0; names the run directory."""
    arm: Arm
    seed: int
    """Arms that are compared share seeds: the k-th run of any arm has `experiment.seed + k`."""
    purpose: Purpose
