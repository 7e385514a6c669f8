"""The changes of `AlterSettings`, made to the parts of a recipe; each knows nothing of the recipe.

What cannot be changed, such as the classes of targets that are no class numbers, ends the run
with the exit code that says `cannot be judged`.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.data import Dataset, Subset

from bisector.rundir import SKIP
from bisector.train.batches import Batch
from bisector.train.seeding import derive, generator
from bisector.train.settings import AlterSettings, Standard, TrainerSettings

LONGEST_TINY = 1000
"""Updates in which a tiny set must be learned by heart (16 samples in TheDeepChecker, 2022)."""
SAMPLED = 1000
"""Samples from which the statistics of the inputs are taken."""

WIDTHS = frozenset({
    "width", "hidden", "hidden_size", "hidden_dim", "hidden_features", "units", "filters",
    "channels", "base_channels", "num_channels", "dim", "embed_dim", "model_dim", "d_model", "n_embd",
})  # fmt: skip
"""What models call their width."""

Sample = tuple[Any, Any]
Augment = Callable[[torch.Tensor, torch.Tensor, torch.Generator], Batch]
"""Changes a training batch, drawing from the generator (a CPU one) and from nothing else."""


class Changed(Dataset[Sample]):
    """A data set whose samples are passed through a function of their number, input and target."""

    def __init__(self, dataset: Dataset[Any], change: Callable[[int, Any, Any], Sample]) -> None:
        self.dataset = dataset
        self.change = change

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, number: int) -> Sample:
        return self.change(number, *self.dataset[number])


@dataclass(slots=True)
class Pair:
    """The two splits of altered data."""

    train: Dataset[Any]
    val: Dataset[Any]


def altered_length(settings: TrainerSettings, per_epoch: int) -> TrainerSettings:
    """The settings with the updates, the batch and the evaluations that an altered training has.

    `per_epoch` are the batches of an epoch of the unaltered one, whose number of updates is kept.
    """
    alter = settings.alter
    if alter == AlterSettings():
        return settings
    steps = (alter.updates or settings.planned(per_epoch)) * alter.time / alter.batch
    if alter.tiny is not None:
        steps = min(steps, LONGEST_TINY)
    return replace(
        settings,
        steps=max(1, round(steps)),
        epochs=None,
        batch_size=max(1, round(settings.batch_size * alter.batch)),
        eval_every=max(1, round((settings.eval_every or per_epoch) / alter.batch)),
    )


def altered_splits(alter: AlterSettings, train: Dataset[Any], val: Dataset[Any], seed: int) -> Pair:
    """The data with what the settings change about it."""
    if alter.classes is not None:
        train, val = (only_classes(split, alter.classes, of=train) for split in (train, val))
    if alter.noise:
        train, val = (
            noisy(split, derive(seed, "noise", i)) for i, split in enumerate((train, val))
        )
    if alter.permute:
        train = permuted(train, seed)
    if alter.standardise:
        change = standardised(train)
        train, val = Changed(train, change), Changed(val, change)
    if alter.balance:
        train = balanced(train, seed)
    if alter.share is not None:
        train = some(train, alter.share, seed)
    if alter.tiny is not None:
        train = val = some(train, alter.tiny, seed)
    return Pair(train, val)


def altered_optimizer(
    alter: AlterSettings, given: Callable[[Any], Optimizer], parts: Iterable[nn.Module]
) -> Optimizer:
    """The optimizer of all parameters of `parts`, or a standard one in its place."""
    parameters = [p for part in parts for p in part.parameters()]
    if alter.optimizer is Standard.adamw:
        return AdamW(parameters, lr=1e-3, weight_decay=0.0)
    if alter.optimizer is Standard.quick_adamw:
        return AdamW(parameters, lr=1e-2, weight_decay=0.0)
    if alter.optimizer is Standard.sgd:
        return SGD(parameters, lr=1e-2, momentum=0.9)
    if alter.optimizer is Standard.plain:
        return SGD(parameters, lr=1e-2)
    optimizer = given(parameters)
    if alter.unfreeze and (left := _not_held(optimizer, parameters)):
        optimizer.add_param_group({"params": left})
    for group in optimizer.param_groups if alter.regularise != 1.0 else ():
        group["weight_decay"] = group.get("weight_decay", 0.0) * alter.regularise
    return optimizer


def _not_held(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """The parameters that an optimizer was not given, or has dropped."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return [p for p in parameters if id(p) not in held]


def widened(node: DictConfig, factor: float) -> DictConfig:
    """A model's configuration with its widths multiplied; ends the run if it names none."""
    if factor == 1.0:
        return node
    named = {str(n): v for n, v in node.items() if n in WIDTHS and isinstance(v, int)}
    if not named:
        unfit("the model's configuration names no width")
    scaled = {name: max(1, round(value * factor)) for name, value in named.items()}
    return OmegaConf.merge(node, scaled)  # type: ignore[return-value]


class Seldom:
    """An augmentation that leaves a share of the batches as they are."""

    def __init__(self, augment: Augment, share: float) -> None:
        self.augment = augment
        self.share = share

    def __call__(self, x: torch.Tensor, y: torch.Tensor, rng: torch.Generator) -> Batch:
        if torch.rand((), generator=rng) >= self.share:
            return x, y
        return self.augment(x, y, rng)


def alter_layers(alter: AlterSettings, parts: Iterable[nn.Module]) -> None:
    """Change layers and losses in place."""
    for module in (m for part in parts for m in part.modules()):
        if alter.initialise and callable(reset := getattr(module, "reset_parameters", None)):
            reset()
        if alter.regularise != 1.0:
            relax(module, alter.regularise)
        if alter.unfreeze:
            module.requires_grad_(True)  # noqa: FBT003 - torch's own signature


def relax(module: nn.Module, factor: float) -> None:
    """Scale dropout and label smoothing where torch's own names for them are found."""
    if isinstance(module, _DropoutNd):
        module.p *= factor
    if isinstance(smoothing := getattr(module, "label_smoothing", None), float):
        module.label_smoothing = smoothing * factor  # type: ignore[assignment]


def size(dataset: Dataset[Any]) -> int:
    """How many samples there are."""
    return len(dataset)  # type: ignore[arg-type]


def some(dataset: Dataset[Any], amount: float, seed: int) -> Dataset[Any]:
    """So many samples, or below 1 that share of them: the first of a fixed random order."""
    total = size(dataset)
    count = round(amount * total) if amount < 1 else round(amount)
    order = torch.randperm(total, generator=generator(seed, "some"))
    return Subset(dataset, order[: min(total, max(1, count))].tolist())


def labels(dataset: Dataset[Any]) -> list[int]:
    """The class number of every sample; ends the run if the targets are something else."""
    found = [torch.as_tensor(dataset[i][1]) for i in range(size(dataset))]
    if any(y.ndim or y.is_floating_point() for y in found):
        unfit("the targets are not class numbers")
    return [int(y) for y in found]


def only_classes(dataset: Dataset[Any], count: int, *, of: Dataset[Any]) -> Dataset[Any]:
    """The samples of the `count` smallest class numbers that `of` has."""
    kept = sorted(set(labels(of)))[:count]
    return Subset(dataset, [i for i, y in enumerate(labels(dataset)) if y in kept])


def balanced(dataset: Dataset[Any], seed: int) -> Dataset[Any]:
    """As many samples as before, every class equally often."""
    of = labels(dataset)
    by_class: defaultdict[int, list[int]] = defaultdict(list)
    for i in torch.randperm(size(dataset), generator=generator(seed, "balance")).tolist():
        by_class[of[i]].append(i)
    classes = [by_class[c] for c in sorted(by_class)]
    turns = (classes[k % len(classes)] for k in range(size(dataset)))
    drawn = [each[k // len(classes) % len(each)] for k, each in enumerate(turns)]
    return Subset(dataset, drawn)


def permuted(dataset: Dataset[Any], seed: int) -> Dataset[Any]:
    """Every input with the target of another sample."""
    other = torch.randperm(size(dataset), generator=generator(seed, "permute")).tolist()
    return Changed(dataset, lambda i, x, _: (x, dataset[other[i]][1]))


def noisy(dataset: Dataset[Any], seed: int) -> Dataset[Any]:
    """Noise of the inputs' shape, type, mean and deviation; tokens uniform over their range."""
    x = inputs(dataset)

    def change(number: int, sample: Any, target: Any) -> Sample:
        rng, like = generator(seed, number), torch.as_tensor(sample)
        if not like.is_floating_point():
            low, high = int(x.min()), int(x.max()) + 1
            return torch.randint(low, high, like.shape, generator=rng, dtype=like.dtype), target
        noise = torch.randn(like.shape, generator=rng, dtype=like.dtype)
        return noise * x.std() + x.mean(), target

    return Changed(dataset, change)


def standardised(dataset: Dataset[Any]) -> Callable[[int, Any, Any], Sample]:
    """What brings inputs to mean 0 and deviation 1 over a data set, per feature or channel."""
    x = inputs(dataset)
    if not x.is_floating_point() and x.dtype is not torch.uint8:
        unfit("the inputs are token numbers")
    x = x.float()
    over = [0, *range(2, x.ndim)]
    mean, sd = x.mean(over, keepdim=True)[0], x.std(over, keepdim=True)[0]
    sd = torch.where(sd > 0, sd, torch.ones_like(sd))

    def change(number: int, sample: Any, target: Any) -> Sample:
        return (torch.as_tensor(sample).float() - mean) / sd, target

    return change


def inputs(dataset: Dataset[Any]) -> torch.Tensor:
    """The inputs of some samples spread over a data set, [N, ...]."""
    total = size(dataset)
    numbers = range(0, total, max(1, total // SAMPLED))
    return torch.stack([torch.as_tensor(dataset[i][0]) for i in numbers])


def unfit(why: str) -> NoReturn:
    """End the run: with this change it says nothing."""
    sys.stderr.write(f"this change cannot be made: {why}\n")
    raise SystemExit(SKIP)
