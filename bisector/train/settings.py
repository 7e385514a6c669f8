"""The typed shape of a recipe's `trainer` section: a key it does not know is an error."""

from dataclasses import dataclass, field
from enum import Enum

from omegaconf import DictConfig, OmegaConf


class Precision(Enum):
    """In which floating-point format the forward pass runs."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


@dataclass
class EmaSettings:
    """The moving average that is evaluated in the model's place; no decay: none."""

    decay: float | None = None
    buffers: bool = True


class Standard(Enum):
    """Optimizers that train most things."""

    adamw = "adamw"
    """AdamW at a learning rate of 0.001."""
    quick_adamw = "quick_adamw"
    """AdamW at 0.01: what suits a training of some hundred steps."""
    sgd = "sgd"
    """SGD at 0.01 with a momentum of 0.9."""
    plain = "plain"
    """SGD at 0.01 and nothing else: adaptive optimizers hide faults of scale."""


@dataclass
class AlterSettings:
    """Changes that are made to find a fault, one at a time; as they stand, they change nothing.

    `bisector.model.variant` says what each is for. The number of updates stays that of the
    unaltered recipe, unless it is what is altered.
    """

    standardise: bool = False
    """Inputs with mean 0 and deviation 1 over the training split, per feature or channel."""
    initialise: bool = False
    """Every layer as `reset_parameters` leaves it."""
    unfreeze: bool = False
    """Every parameter is trained."""
    balance: bool = False
    """Every class as often as any other, by repeating samples."""
    augment: float = 1.0
    """The share of the batches that each of the recipe's augmentations changes; 0: none."""
    regularise: float = 1.0
    """Multiplies weight decay, dropout and label smoothing."""
    batch: float = 1.0
    """Multiplies the batch size; as many samples are seen."""
    time: float = 1.0
    """Multiplies the number of updates."""
    updates: int | None = None
    """The number of updates, whatever the recipe's."""
    optimizer: Standard | None = None
    """In place of the recipe's."""
    warmup: float = 0.0
    """The share of the updates in which the learning rate rises to what it would be."""
    loss: bool = False
    """The standard loss for the targets, in place of the recipe's; see `train.standard_loss`."""
    scores: bool = False
    """The model gives what its last layer does, without the activation after it; see `train.scores`."""
    width: float = 1.0
    """Multiplies whatever the model's configuration calls its width (`alter.WIDTHS`)."""
    standard: bool = False
    """Data that any sound model learns from, in place of the recipe's; see `train.standard`."""
    reference: bool = False
    """A small standard model for this kind of data, in place of the recipe's."""
    classes: int | None = None
    """Only the samples of so many classes, the smallest class numbers."""
    noise: bool = False
    """Random inputs of the same shape, the same ones in every epoch."""
    permute: bool = False
    """Every input with another one's target."""
    tiny: float | None = None
    """Only so many training samples (below 1: that share), which are evaluated on as well."""
    share: float | None = None
    """Only this share of the training samples, evaluated as ever."""

    @property
    def samples(self) -> bool:
        """Whether there is less to learn from than the recipe has, or nothing."""
        return self.noise or self.permute or (self.tiny, self.share) != (None, None)


@dataclass
class TrainerSettings:
    """How long and how to train. A step is one update of the weights."""

    steps: int | None = None
    epochs: float | None = None
    """The length of the training: one of the two."""
    batch_size: int = 64
    """Samples per step."""
    shuffle: bool = True
    """A fresh order every epoch; false: the order in which the data set stores its samples."""
    accumulate: int = 1
    """Into how many pieces a batch is cut to save memory; the gradient stays that of the whole."""
    eval_every: int | None = None
    """Steps between evaluations; None: once per epoch. The last step is always followed by one."""
    log_every: int = 10
    """Steps between the logged losses, each the mean since the one before."""
    clip_norm: float | None = None
    """Largest norm of the gradient; None: not clipped."""
    precision: Precision = Precision.fp32
    ema: EmaSettings = field(default_factory=EmaSettings)
    recompute: list[str] = field(default_factory=list)
    """Patterns of module names, e.g. `blocks.*`, whose activations are computed again in the
    backward pass rather than kept (gradient checkpointing)."""
    checkpoint_every: int | None = None
    """Steps between checkpoints; a run that is told to stop saves one too. None: none at all."""
    stop_on_nonfinite: bool = True
    """End the training once the logged loss is NaN or infinite."""
    workers: int = 0
    """Processes that load data; 0: the training's own."""
    alter: AlterSettings = field(default_factory=AlterSettings)

    def planned(self, steps_per_epoch: int) -> int:
        """Steps of the whole training."""
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("trainer: set one of `steps` and `epochs`, and null for the other.")
        if self.steps is not None:
            return self.steps
        return max(1, round(float(self.epochs or 0) * steps_per_epoch))


def trainer_settings(section: DictConfig) -> TrainerSettings:
    """Parse the `trainer` section of a recipe."""
    merged = OmegaConf.merge(OmegaConf.structured(TrainerSettings), section)
    settings = OmegaConf.to_object(merged)
    assert isinstance(settings, TrainerSettings)
    return settings
