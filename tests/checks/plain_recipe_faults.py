"""The plainest faults in trainings of our own loop."""

import torch
from run_gallery import Fault
from target_faults import faults
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from bisector.train.loop import Training


def relu_that_explodes(training: Training) -> None:
    rnn = nn.RNN(8, 32, nonlinearity="relu", batch_first=True)
    nn.init.normal_(rnn.weight_hh_l0, std=2.0)
    training.parts.model.rnn = rnn
    training.parts.optimizer.param_groups[0]["params"] = [*training.parts.model.parameters()]


def all_sigmoids(training: Training) -> None:
    def change(module: nn.Module) -> None:
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Sigmoid())
            change(child)

    change(training.parts.model)


def nothing_enters(training: Training) -> None:
    training.parts.model.register_forward_pre_hook(
        lambda module, args: (torch.zeros_like(args[0]),)
    )


def frozen_reader(training: Training) -> None:
    training.parts.model.rnn.requires_grad_(False)


class Scaled(nn.Module):
    def __init__(self, inner: nn.Module, by: float) -> None:
        super().__init__()
        self.inner, self.by = inner, by

    def forward(self, out: Tensor, y: Tensor) -> Tensor:
        return self.inner(out, y) * self.by


def loss_of(make) -> Fault:
    def change(training: Training) -> None:
        object.__setattr__(training.parts, "loss", make(training.parts.loss))

    return change


def labels_permuted(training: Training) -> None:
    data = training.parts.data
    x, y = data.train.tensors
    data.train = TensorDataset(
        x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(1))]
    )


def features_drawn(training: Training) -> None:
    data = training.parts.data
    x, y = data.train.tensors
    data.train = TensorDataset(torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), y)


def patches(training: Training) -> None:
    """An augmentation that covers nearly all of the image."""

    def cover(x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        keep = torch.zeros_like(x)
        top = int(torch.randint(6, (), generator=rng))
        keep[..., top : top + 2, top : top + 2] = 1
        return x * keep, y

    training.parts.augments["cover"] = (cover, torch.Generator().manual_seed(0))


PLAIN_RECIPE_FAULTS = {
    "relu that explodes, rnn": ("R35 R28", "rnn", ["trainer.clip_norm=null"], relu_that_explodes),
    "deep sigmoids, mlp": ("R35 R28", "mlp", ["model.depth=9"], all_sigmoids),
    "rate 1e-7, transformer": ("R36", "transformer", ["optimizer.lr=1e-7"], None),
    "smoothing 0.9, transformer": ("R30 B2", "transformer", ["loss.label_smoothing=0.9"], None),
    "dropout 0.9, transformer": ("R30 B2", "transformer", ["model.dropout=0.9"], None),
    "decay 3, cnn": ("R30 B2", "cnn", ["optimizer.weight_decay=30"], None),
    "first beta 0.9995, cnn": ("R34 R29 R36", "cnn", ["optimizer.betas=[0.9995,0.9995]"], None),
    "nothing enters, mlp": ("R02 R27", "mlp", [], nothing_enters),
    "loss x 1e-6, mlp": ("R36 R18 R20", "mlp", [], loss_of(lambda loss: Scaled(loss, 1e-6))),
    "frozen reader, rnn": ("R23", "rnn", [], frozen_reader),
    "labels permuted, mlp": ("R04 R05 S1", "mlp", [], labels_permuted),
    "features drawn, cnn": ("R04 R05 S1", "cnn", [], features_drawn),
    "narrow, transformer": (
        "R24",
        "transformer",
        ["model.width=4", "model.heads=1", "model.depth=1"],
        None,
    ),
    "decay to nothing early, transformer": ("R36", "transformer", ["scheduler.steps=12"], None),
    "one batch of all, cnn": ("R11", "cnn", ["trainer.batch_size=1200"], None),
    "patches, cnn": ("R13", "cnn", [], patches),
    "rate x 100, mlp": ("R36", "mlp", ["optimizer.lr=8.0"], None),
    "three steps, transformer": ("R31", "transformer", ["trainer.steps=12"], None),
    "one epoch, cnn": ("R31", "cnn", ["trainer.epochs=1"], None),
    "rate 3, transformer": ("R36", "transformer", ["optimizer.lr=3.0"], None),
    "width 1, mlp": ("R24", "mlp", ["model.width=1"], None),
    "decay 10, mlp": ("R30 B2", "mlp", ["optimizer.weight_decay=10"], None),
    **faults(),
}
"""Name to reasons, kind, overrides, fault."""
