"""What the user asked for: a baseline recipe and the additions laid over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The stage an addition belongs to, in the order in which tricks are added back."""

    AUGMENTATION = "augmentation"
    REGULARISATION = "regularisation"
    LOSS = "loss"
    MODEL = "model"
    OTHER = "other"


class Direction(StrEnum):
    """Which way the deciding metric improves."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Find(StrEnum):
    """Whether the search ends at the first culprit or goes on for others."""

    FIRST = "first"
    ALL = "all"


class Rule(StrEnum):
    """How several measurements decide together whether a run is broken."""

    ANY = "any"
    """It is as soon as one of them is worse than its smallest effect."""
    ALL = "all"
    """It is only if all of them are."""


class Early(StrEnum):
    """Which runs are stopped before their end."""

    NONE = "none"
    """Those whose loss is not finite, and no others."""
    BROKEN = "broken"
    """Those that are known to be broken, too."""
    BOTH = "both"
    """Also those that would be healthy if they went on as the baseline's do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One optional ingredient, switched on by a few config overrides."""

    name: str
    overrides: tuple[str, ...]
    kind: Kind = Kind.OTHER
    requires: frozenset[str] = frozenset()
    excludes: frozenset[str] = frozenset()
    prior: float | None = None
    """Belief, before any run, that this addition breaks training; None: by its kind."""
    learned_from: int = 0
    """Findings of earlier searches that `prior` was learned from; 0: it was given."""
    weaker: tuple[str, ...] = ()
    """Overrides that, behind its own, leave a tenth of what it changes; empty: that is no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the search may spend, and how sure it must be before it stops."""

    trials: int = 60
    """Runs of any purpose, retries included."""
    confidence: float = 0.99
    """Posterior probability at which a culprit is named."""
    repeats: int = 3
    """Runs of the baseline, on as many seeds, before anything is compared with it."""
    confirm: int = 2
    """Fresh seeds on which a convicted culprit must break, and the rest must train."""
    retries: int = 2
    """Further attempts at a run that could not be judged (a killed worker, a lost node)."""
    remedies: int = 6
    """Runs of a convicted set with what may mend it, so that a reason is proved; 0: none."""
    experiments: int = 32
    """Runs that look for the fault of a baseline that breaks by itself; 0: none."""
    states_mb: float = 256.0
    """Disk for the last states of runs, in MiB, from which a longer training goes on; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The measurement that decides, and the harm that is worth a verdict."""

    name: str = "score"
    """A canonical signal (`loss`, `val_loss`, `score`) or any name the run logs."""
    direction: Direction = Direction.MAXIMIZE
    min_effect: float = 0.02
    """Smallest harm worth a verdict, in units of the metric."""
    min_effect_sd: float = 0.0
    """The same in baseline standard deviations; the larger of the two counts."""
    last: int = 1
    """The value of a run is the mean of its last `last` readings."""

    @property
    def expected_sd(self) -> float:
        """Spread of healthy runs before any was seen: who asks for an effect expects less noise."""
        return 0.25 * self.min_effect

    def harm(self, value: float, reference: float) -> float:
        """How much worse `value` is than `reference`, in metric units; negative if better."""
        return reference - value if self.direction is Direction.MAXIMIZE else value - reference


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """Where the learning rate lives in the configuration, and how a suspect's is varied."""

    key: str
    """Override key, e.g. `recipe.optimizer.lr`."""
    value: float
    """The baseline's learning rate."""
    scales: tuple[float, ...] = (0.1, 10.0)
    """Multipliers tried on every convicted set, beside x1."""
    low: float | None = None
    high: float | None = None
    """Bounds of the multiplier for a finer study; None: only `scales`."""
    trials: int = 0
    """Further multipliers that Optuna may ask for within `low` and `high`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """How much is looked at before anything is trained, and what follows from it."""

    enabled: bool = True
    """Whether a search looks at all."""
    stop: bool = True
    """End a search whose baseline shows what no training can work with."""
    max_samples: int = 2000
    """Samples of each split, and samples in the batches that are drawn."""
    seconds: float = 60.0
    """Time for the facts of one arm."""
    watch: bool = True
    """Train what was convicted, and the baseline beside it, once more under probes."""
    memory_mb: float = 256.0
    """Bound of the states that a watched run keeps, to do a failing step again; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One setting to vary in a plain sweep: either `values`, or from `low` to `high`."""

    key: str
    """Override key, e.g. `recipe.optimizer.lr`."""
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    """Search the exponent."""
    integer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A plain hyperparameter sweep, with nothing to accuse."""

    axes: tuple[Axis, ...]
    additions: frozenset[str] = frozenset()
    """The additions that are on throughout."""
    trials: int = 0
    """Settings that Optuna may ask for, if an axis is a range; a grid is tried whole."""
    seeds: int = 1
    """Runs of each setting."""

    @property
    def is_grid(self) -> bool:
        """Whether every axis lists its values."""
        return all(a.values for a in self.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A baseline, its additions, and the terms of the search."""

    name: str
    additions: tuple[Addition, ...]
    budget: Budget = Budget()
    metric: Metric = Metric()
    also: tuple[Metric, ...] = ()
    """Further measurements that decide; `metric` is the one that is shown."""
    rule: Rule = Rule.ANY
    lr: LearningRate | None = None
    find: Find = Find.ALL
    seed: int = 0
    inspect: Inspection = Inspection()
    observe: bool = False
    """Watch every run while it trains, and not only what was convicted."""
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """By `Variant`: the overrides that make that change."""
    sweep: Sweep | None = None
    """Set when the session is a plain sweep and not a search for a culprit."""

    @property
    def names(self) -> frozenset[str]:
        """The names of all additions."""
        return frozenset(a.name for a in self.additions)

    @property
    def full(self) -> frozenset[str]:
        """The largest set that can be trained: everything, less what excludes an earlier one.

        Additions are taken in their declared order; one that is excluded by an
        addition already taken, or that lacks a requirement, is left out.
        """
        on: set[str] = set()
        barred: set[str] = set()
        waiting = list(self.additions)
        while True:
            fits = (a for a in waiting if a.requires <= on and not a.excludes & (on | {a.name}))
            taken = next((a for a in fits if a.name not in barred), None)
            if taken is None:
                return frozenset(on)
            on.add(taken.name)
            barred |= taken.excludes
            waiting.remove(taken)

    def admits(self, subset: frozenset[str]) -> bool:
        """Whether `subset` can be trained at all under requires/excludes."""
        on = [a for a in self.additions if a.name in subset]
        return all(a.requires <= subset and not a.excludes & subset for a in on)
