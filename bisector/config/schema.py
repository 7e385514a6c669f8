"""The typed shape of the configuration; Hydra checks the user's YAML against it.

What stands here is what `bisect init` documents. Only `recipe` is the user's own.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class AdditionConf:
    """One entry of `additions`; its name is its key. Fields as in `model.experiment.Addition`."""

    overrides: list[str] = field(default_factory=list)
    kind: str = "other"
    requires: list[str] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    prior: float | None = None


@dataclass
class BudgetConf:
    """What the search may spend. Fields as in `model.experiment.Budget`."""

    trials: int = 60
    confidence: float = 0.99
    repeats: int = 3
    confirm: int = 2
    retries: int = 2
    remedies: int = 6
    experiments: int = 32
    states_mb: float = 256.0


@dataclass
class MetricConf:
    """A further measurement that decides. Fields as in `model.experiment.Metric`."""

    metric: str = MISSING
    direction: str = "maximize"
    min_effect: float = 0.02
    min_effect_sd: float = 0.0
    last: int = 1


@dataclass
class JudgeConf:
    """What decides whether a run is broken. Other fields as in `model.experiment.Metric`."""

    metric: str = "score"
    direction: str = "maximize"
    min_effect: float = 0.02
    min_effect_sd: float = 0.0
    last: int = 1
    also: list[MetricConf] = field(default_factory=list)
    """Further measurements that decide whether a run is broken."""
    rule: str = "any"
    """With `also`: a run is broken if any of them is worse than its smallest effect, or if all are."""
    early: str = "broken"
    """Which runs are stopped before their end: none, broken, or both broken and healthy ones."""
    patience: float = 3.0
    """How many times slower than the baseline a healthy run may learn: a run that falls short of
    that is stopped before its end. .inf: only a run whose loss is not finite is."""


@dataclass
class ReadConf:
    """Where a program's measurements are, beside metrics.jsonl. A command is read by default."""

    stdout: list[str] = field(default_factory=lambda: ["auto"])
    """Patterns such as `val_acc ([0-9.]+)`, and presets: auto, pairs, dicts."""
    files: list[str] = field(default_factory=list)
    """.csv, .tsv, .jsonl and .json files below the folder in which a run works; globs."""
    tensorboard: list[str] = field(default_factory=list)
    """Folders of event files."""
    step: str = ""
    """The column that counts steps; empty: step, iter or epoch, whichever there is."""
    exit_code: bool = False
    """Read `passed`, which is 1 when a run ends well: for judge.metric=passed."""


@dataclass
class LrConf:
    """The learning rate and its sweep. Fields as in `model.experiment.LearningRate`."""

    key: str = ""
    value: float | None = None
    """None: read from the composed recipe."""
    scales: list[float] = field(default_factory=lambda: [0.1, 10.0])
    low: float | None = None
    high: float | None = None
    trials: int = 0


@dataclass
class LimitsConf:
    """What one run may use. Fields as in `ports.Limits`."""

    gpus: int = 0
    processes: int = 1
    seconds: float | None = None
    memory_mb: int | None = None


@dataclass
class MlflowConf:
    """Where runs are logged."""

    enabled: bool = True
    tracking_uri: str | None = None
    """None: a SQLite file in the output folder."""
    experiment: str | None = None
    """None: the name of this experiment."""


@dataclass
class OptunaConf:
    """Where the search is shown as a study of Optuna."""

    storage: str | None = None
    """An address such as sqlite:///out/optuna.db, for Optuna's dashboard; None: nowhere."""


@dataclass
class InspectConf:
    """What is looked at before anything trains. Fields as in `model.experiment.Inspection`."""

    enabled: bool = True
    """Whether `bisect run` looks before its first run; `bisect check` always does."""
    stop: bool = True
    """End a search whose baseline shows what no training can work with, before any run."""
    max_samples: int = 2000
    """Of each split, and in the batches that are drawn."""
    seconds: float = 60.0
    watch: bool = True
    """Train what was convicted, and the baseline beside it, once more under probes."""
    memory_mb: float = 256.0
    """Bound of the states that a watched run keeps, to do a failing step again; 0: none."""


@dataclass
class ChecksConf:
    """What the checks go by."""

    alpha: float = 0.01
    """Chance that luck alone makes any of them speak, over all of them together."""
    skip: list[str] = field(default_factory=list)
    """Ids of checks that are not to look."""
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    """By check, then by name: `+checks.thresholds.R08.ratio=5`; `bisect explain` has the defaults."""


@dataclass
class ExperimentConf:
    """A whole experiment."""

    name: str | None = None
    """None: the name of the file."""
    seed: int = 0
    find: str = "all"
    observe: bool = False
    """Whether every run is watched while it trains; False: only what was convicted is, once more."""
    learn_priors: bool = True
    """Whether additions without a prior get theirs from the other searches in the output folder."""
    read: ReadConf | None = None
    metrics: dict[str, str] = field(default_factory=dict)
    """Canonical signal (loss, val_loss, score, lr, grad_norm) to the name the run logs."""
    judge: JudgeConf = field(default_factory=JudgeConf)
    lr: LrConf | None = None
    additions: dict[str, AdditionConf] = field(default_factory=dict)
    budget: BudgetConf = field(default_factory=BudgetConf)
    limits: LimitsConf = field(default_factory=LimitsConf)
    redact: list[str] = field(default_factory=list)
    """Environment variables whose values are never written, beside those whose names say that they
    are secret (`..._TOKEN`, `..._API_KEY`, `PASSWORD` and the like); `*` is any text."""
    mlflow: MlflowConf = field(default_factory=MlflowConf)
    optuna: OptunaConf = field(default_factory=OptunaConf)
    inspect: InspectConf = field(default_factory=InspectConf)
    checks: ChecksConf = field(default_factory=ChecksConf)
    variants: dict[str, list[str]] = field(default_factory=dict)
    """How this code spells the changes of `model.variant`; our loop's recipes spell them already."""
    workload: Any = None
    launcher: Any = None
    planner: Any = None
    recipe: Any = None
