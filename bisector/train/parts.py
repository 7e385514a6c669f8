"""From a recipe's configuration to the objects that train: every `_target_` is made here."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Protocol

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.checkpoint import checkpoint
from torch.utils.data import Dataset

from bisector.train.alter import (
    Augment,
    Pair,
    Seldom,
    alter_layers,
    altered_length,
    altered_optimizer,
    altered_splits,
    widened,
)
from bisector.train.batches import Shuffled
from bisector.train.ema import Ema
from bisector.train.reference import reference_for
from bisector.train.run import Run
from bisector.train.schedule import Schedule, risen
from bisector.train.scores import give_scores
from bisector.train.seeding import (
    derive,
    generator,
    global_state,
    restore_global_state,
    seed_everything,
)
from bisector.train.settings import AlterSettings, Precision, TrainerSettings, trainer_settings
from bisector.train.standard_loss import StandardLoss

PLANNED = "planned"
"""A scheduler's argument with this value is given the number of steps of the whole training."""


class Splits(Protocol):
    """What `recipe.data.source` makes: two map-style datasets of (input, target)."""

    train: Dataset[Any]
    val: Dataset[Any]


Metric = Callable[[torch.Tensor, torch.Tensor], dict[str, torch.Tensor]]
"""From outputs and targets of a batch to means over its samples, e.g. `loss` and `acc`.

It says how good the model is, whatever loss it was trained with.
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a training needs, made and put on its device."""

    settings: TrainerSettings
    data: Splits
    order: Shuffled
    augments: dict[str, tuple[Augment, torch.Generator]]
    model: nn.Module
    loss: nn.Module
    metric: Metric
    optimizer: Optimizer
    scheduler: Schedule | None
    scaler: torch.amp.GradScaler
    ema: Ema | None
    planned: int
    timed: bool
    """Whether the schedule is made for so many updates as are planned."""
    again: Callable[[], nn.Module]
    """Makes the model a second time, with other initial weights; no random stream moves."""


def build(cfg: DictConfig, run: Run) -> Parts:
    """Make the parts of a recipe; equal seeds give equal initial weights and data order."""
    settings = trainer_settings(cfg.trainer)
    alter = settings.alter
    source: Splits = make(cfg.data.source)
    settings = altered_length(settings, shuffled(source.train, settings, run.seed).per_epoch)
    data = altered_splits(alter, source.train, source.val, run.seed)
    torch.manual_seed(derive(run.seed, "init"))
    model = altered_model(cfg.model, alter).to(run.device)
    loss = (StandardLoss() if alter.loss else make(cfg.loss)).to(run.device)
    if alter.standard:
        data = standard(model, data, run.seed)
    order = shuffled(data.train, settings, run.seed)
    planned = settings.planned(order.per_epoch)
    if alter.reference:
        model = reference_for(model, data.train).to(run.device)
    alter_layers(alter, (model, loss))
    recompute(model, settings.recompute)
    # From here on the global stream belongs to dropout and its like.
    torch.manual_seed(derive(run.seed, "dropout"))
    optimizer = altered_optimizer(alter, make(cfg.optimizer, _partial_=True), (model, loss))
    schedule = make_scheduler(cfg.get("scheduler"), optimizer, planned)
    return Parts(
        settings=settings,
        data=data,
        order=order,
        augments=augments(cfg, alter.augment, run.seed),
        model=model,
        loss=loss,
        metric=make(cfg.metric),
        optimizer=optimizer,
        scheduler=risen(schedule, optimizer, round(alter.warmup * planned)),
        scaler=make_scaler(settings, run.device),
        ema=make_ema(settings, model),
        planned=planned,
        timed=PLANNED in (cfg.get("scheduler") or {}).values(),
        again=partial(another, cfg.model, alter, run.device, run.seed),
    )


def altered_model(node: DictConfig, alter: AlterSettings) -> nn.Module:
    """The model of a recipe, as wide as asked and with or without its last activation."""
    model: nn.Module = make(widened(node, alter.width))
    if alter.scores:
        give_scores(model)
    return model


def another(node: DictConfig, alter: AlterSettings, device: torch.device, seed: int) -> nn.Module:
    """The model of a recipe once more; every global stream is left as it was found."""
    before = global_state()
    try:
        seed_everything(derive(seed, "another"))
        return altered_model(node, alter).to(device)
    finally:
        restore_global_state(before)


def augments(
    cfg: DictConfig, share: float, seed: int
) -> dict[str, tuple[Augment, torch.Generator]]:
    """What changes training batches, by name, each with a random stream of its own."""
    if share == 0:
        return {}
    made = {name: make(node) for name, node in (cfg.data.get("augment") or {}).items()}
    return {
        name: (augment if share >= 1 else Seldom(augment, share), generator(seed, "augment", name))
        for name, augment in made.items()
    }


def standard(model: nn.Module, data: Pair, seed: int) -> Pair:
    """Known-good data that the model takes."""
    # Loads scikit-learn, which other trainings need not wait for.
    from bisector.train.standard import standard_for  # noqa: PLC0415

    return standard_for(model, data, seed)


def shuffled(dataset: Dataset[Any], settings: TrainerSettings, seed: int) -> Shuffled:
    """The order in which a data set is trained on."""
    samples = len(dataset)  # type: ignore[arg-type]
    return Shuffled(samples, settings.batch_size, seed, shuffle=settings.shuffle)


def make(node: DictConfig, **extra: object) -> Any:
    """Instantiate a `_target_`, with plain lists and dicts for its arguments."""
    return instantiate(node, _convert_="all", **extra)


def make_scheduler(
    node: DictConfig | None, optimizer: Optimizer, planned: int
) -> LRScheduler | None:
    """A scheduler, stepped once per update; arguments that read `planned` are filled in."""
    if node is None:
        return None
    filled = {str(key): planned for key, value in node.items() if value == PLANNED}
    scheduler: LRScheduler = make(node, _partial_=True, **filled)(optimizer)
    return scheduler


def make_scaler(settings: TrainerSettings, device: torch.device) -> torch.amp.GradScaler:
    """A gradient scaler, which does nothing unless the precision is fp16."""
    fp16 = settings.precision is Precision.fp16
    if fp16 and device.type != "cuda":
        raise ValueError("trainer.precision=fp16 needs a GPU; on this machine use bf16 or fp32.")
    return torch.amp.GradScaler(device.type, enabled=fp16)


def make_ema(settings: TrainerSettings, model: nn.Module) -> Ema | None:
    """The moving average, if there is to be one."""
    if settings.ema.decay is None:
        return None
    return Ema(model, settings.ema.decay, buffers=settings.ema.buffers)


def recompute(model: nn.Module, patterns: list[str]) -> None:
    """Make the modules whose names match compute their activations again in the backward pass.

    Batch norm inside them then sees every batch twice.
    """
    for name, module in model.named_modules():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)
