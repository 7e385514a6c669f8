"""Faults of a model or of its loss, one at a time, in real models."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from bisector.recipes import digits
from check_gallery import Halved, LossOf, Recurrent, Wrapped, Wrong
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.parts import Parts

CHANNELS = 16
"""Of the layer `large` of the recipe `digits`."""
Change = Callable[[Parts], Parts]


def loss(function: Callable[[Tensor, Tensor], Tensor]) -> Change:
    return lambda parts: dataclasses.replace(parts, loss=LossOf(function))


def after(function: Callable[[Tensor], Tensor], criterion: Any = None) -> Change:
    def change(parts: Parts) -> Parts:
        model = Wrapped(parts.model, after=function)
        made_of = {"model": model, "loss": LossOf(criterion) if criterion else parts.loss}
        return dataclasses.replace(parts, **made_of)

    return change


def of_layer(name: str, function: Callable[[Any], Any]) -> Change:
    """Wrap what a layer gives."""

    def change(parts: Parts) -> Parts:
        layer = getattr(parts.model, name)
        setattr(parts.model, name, Wrapped(layer, after=function))
        return parts

    return change


def weights(function: Callable[[str, nn.Parameter], None]) -> Change:
    def change(parts: Parts) -> Parts:
        with torch.no_grad():
            for name, p in parts.model.named_parameters():
                function(name, p)
        return parts

    return change


def constant(value: float, only: str = "") -> Change:
    def set_all(name: str, p: nn.Parameter) -> None:
        if p.ndim > 1 and only in name:
            p.fill_(value)

    return weights(set_all)


def times(scale: float, only: str = "") -> Change:
    def multiply(name: str, p: nn.Parameter) -> None:
        if p.ndim > 1 and only in name:
            p.mul_(scale)

    return weights(multiply)


def drawn(std: float, *, squashed: tuple[str, ...] = ()) -> Change:
    """Weights from a normal distribution; behind some layers a tanh, which keeps their size."""

    def change(parts: Parts) -> Parts:
        for name in squashed:
            of_layer(name, torch.tanh)(parts)
        rng = torch.Generator().manual_seed(0)
        return weights(lambda _, p: p.normal_(0, std, generator=rng) if p.ndim > 1 else None)(parts)

    return change


def frozen(only: str) -> Change:
    def change(parts: Parts) -> Parts:
        for name, p in parts.model.named_parameters():
            if only in name:
                p.requires_grad_(requires_grad=False)
        return parts

    return change


def in_a_list(parts: Parts) -> Parts:
    head = parts.model.head
    del parts.model.head
    parts.model.layers = [head]
    parts.model.__dict__["head"] = parts.model.layers[0]
    return parts


def of_numbers(function: Callable[[Tensor, Tensor], Tensor]) -> Change:
    """A regression loss whose model gives [N, 1]."""
    return after(lambda out: out[:, None], function)


def focal(gamma: float) -> Change:
    return lambda parts: dataclasses.replace(parts, loss=digits.FocalLoss(gamma=gamma))


def log_of_softmax(out: Tensor, y: Tensor) -> Tensor:
    return -out.softmax(1).log().gather(1, y[:, None]).mean()


def summed(out: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(out, y, reduction="sum")


def tokens_summed(out: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(out.flatten(0, 1), y.flatten(), reduction="sum")


def root_of_sum(out: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(out, y) * math.sqrt(len(out))


def one_score(criterion: Any) -> Change:
    """Binary: one score per row of the table."""
    return after(lambda out: out[:, 1], lambda out, y: criterion(out, y.float()))


def each_class(criterion: Any) -> Change:
    """Yes or no for every class."""
    return loss(lambda out, y: criterion(out, F.one_hot(y, out.shape[1]).float()))


def sigmoid_first(out: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(out.sigmoid(), y)


def with_train(*, only_norms: bool) -> Change:
    """A model whose layers evaluate whatever it is told."""

    def change(parts: Parts) -> Parts:
        for module in parts.model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) or not only_norms:
                module.train = lambda mode=True, module=module: evaluating(module)
        return parts

    return change


def evaluating(module: nn.Module) -> nn.Module:
    module.training = False
    return module


def inserted(name: str, *layers: Any) -> Change:
    """Layers behind a layer."""

    def change(parts: Parts) -> Parts:
        setattr(parts.model, name, nn.Sequential(getattr(parts.model, name), *layers))
        return dataclasses.replace(parts, optimizer=torch.optim.AdamW(parts.model.parameters()))

    return change


def anew(name: str, width: int) -> Change:
    def made_in_forward(h: Tensor) -> Tensor:
        layer = nn.Linear(width, width)
        return layer(h)

    return of_layer(name, made_in_forward)


def instead(**arguments: Any) -> Change:
    """Another recurrent model."""
    return lambda parts: dataclasses.replace(parts, model=Recurrent(**arguments))


class PlainTensor(nn.Module):
    """Weights that ask for a gradient, and are no parameter."""

    def __init__(self, inner: nn.Module, width: int) -> None:
        super().__init__()
        self.inner, self.weight = inner, torch.randn(width, width, requires_grad=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) @ self.weight


def plain_tensor(name: str, width: int) -> Change:
    def change(parts: Parts) -> Parts:
        setattr(parts.model, name, PlainTensor(getattr(parts.model, name), width))
        return parts

    return change


class Unmasked(nn.Module):
    """A block that is not told of its mask."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, h: Tensor, **_: Any) -> Tensor:
        return self.block(h)


def seeing_ahead(parts: Parts) -> Parts:
    parts.model.block = Unmasked(parts.model.block)
    return parts


class Leftover(nn.Module):
    """A focal loss with half a term too many: falls rightly, and is not cross-entropy at 0."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, out: Tensor, y: Tensor) -> Tensor:
        log_p = out.log_softmax(1).gather(1, y[:, None])
        p = log_p.exp()
        return (-((1 - p) ** self.gamma) * log_p + 0.3 * (1 - p)).mean()


def own_binary(out: Tensor, y: Tensor) -> Tensor:
    """The term of the negatives is missing."""
    return -(y * out.sigmoid().clamp_min(1e-7).log()).mean()


MODEL_FAULTS: list[tuple[str, str, Change]] = [
    ("R19a", "image", after(lambda out: out.softmax(1))),
    ("R19a", "image", after(lambda out: (5 * out).softmax(1), F.cross_entropy)),
    ("R19a", "table", after(lambda out: out.softmax(1))),
    ("R19a", "text", after(lambda out: out.softmax(2))),
    ("R19b", "image", loss(F.nll_loss)),
    ("R19b", "image", after(lambda out: out.softmax(1), F.nll_loss)),
    ("R19b", "table", loss(F.nll_loss)),
    ("R19c", "table", one_score(sigmoid_first)),
    ("R19d", "numbers", of_numbers(lambda out, y: ((out - y) ** 2).mean())),
    ("R19d", "numbers", of_numbers(F.mse_loss)),
    ("R19e", "image", after(lambda out: out[:, :9], F.cross_entropy)),
    ("R19e", "table", loss(lambda out, y: F.cross_entropy(out, y.float()))),
    ("R18a", "image", focal(2.0)),
    ("R18a", "image", focal(5.0)),
    ("R18a", "table", loss(lambda out, y: -F.cross_entropy(out, y))),
    ("R18a", "numbers", loss(lambda out, y: (out * y).mean())),
    ("R18a", "numbers", loss(lambda out, y: -F.mse_loss(out, y))),
    ("R18c", "image", loss(log_of_softmax)),
    ("R18c", "table", loss(log_of_softmax)),
    ("R18c", "words", loss(lambda out, y: -((3 * out).softmax(1)[range(len(y)), y]).log().mean())),
    ("R18b", "image", loss(summed)),
    ("R18b", "image", loss(root_of_sum)),
    ("R18b", "table", loss(summed)),
    ("R18b", "text", loss(tokens_summed)),
    ("R37", "table", of_layer("first", lambda h: h / h.clamp_min(0))),
    ("R37", "image", of_layer("large", lambda h: (h - h.mean(1, keepdim=True)).sqrt())),
    ("R37", "text", of_layer("block", lambda h: h.log())),
    ("R22a", "image", in_a_list),
    ("R22a", "table", in_a_list),
    ("R22a", "text", in_a_list),
    ("R25a", "image", after(lambda out: out + 0.1 * out.mean(0))),
    ("R25a", "image", after(lambda out: out.t().reshape(out.shape))),
    ("R25a", "table", of_layer("first", lambda h: h.softmax(0))),
    ("R25a", "text", after(lambda out: out.transpose(0, 1).reshape(out.shape))),
    ("R25b", "image", after(lambda out: out.view(32, 10))),
    ("R25b", "table", after(lambda out: out.view(32, 2))),
    ("R28b", "image", constant(0.0)),
    ("R28b", "image", constant(0.0, "halve")),
    ("R28b", "table", constant(0.0, "second")),
    ("R28b", "table", constant(0.0)),
    ("R28a", "image", constant(0.05)),
    ("R28a", "table", constant(0.1, "second")),
    ("R28a", "text", constant(0.02, "linear1")),
    ("R23a", "image", of_layer("large", torch.Tensor.detach)),
    ("R23a", "table", of_layer("first", torch.Tensor.detach)),
    ("R23a", "table", of_layer("second", torch.Tensor.detach)),
    ("R23a", "text", of_layer("block", torch.Tensor.detach)),
    ("R23b", "image", frozen("halve")),
    ("R23b", "image", frozen("")),
    ("R23b", "table", frozen("first.weight")),
    ("R23b", "text", frozen("block")),
    ("R26", "table", of_layer("first", Wrong.apply)),
    ("R26", "table", of_layer("second", Halved.apply)),
    ("R26", "image", of_layer("large", Halved.apply)),
    ("R26", "text", of_layer("block", Halved.apply)),
    ("R23d", "image", of_layer("halve", lambda h: (10 * h).round() / 10)),
    ("R23d", "table", of_layer("first", torch.sign)),
    ("R35f", "image", of_layer("halve", lambda h: F.relu(h - 100))),
    ("R35f", "table", of_layer("first", lambda h: F.relu(h - 50))),
    ("R28c", "image", times(20.0)),
    ("R28c", "table", times(100.0)),
    ("R28c", "image", times(0.02)),
    ("R28c", "table", times(0.05)),
    ("R28d", "series", drawn(1.5)),
    ("R28d", "words", drawn(2.5)),
    ("R28d", "table", drawn(1.5, squashed=("first", "second"))),
    ("R28d", "table", drawn(3.0, squashed=("first", "second"))),
    ("R28d", "image", drawn(1.0, squashed=("stem", "halve", "large"))),
    ("R17", "image", times(20.0, "head")),
    ("R17", "image", times(60.0, "head")),
    ("R17", "table", times(20.0, "head")),
    ("R17", "text", times(4.0, "head")),
    ("R17", "numbers", after(lambda out: out + 5)),
    ("R25c", "text", seeing_ahead),
    ("R25c", "text", after(lambda out: out + 0.1 * out.roll(-1, 1))),
    ("R25c", "text", of_layer("block", lambda h: h + 0.2 * h.mean(1, keepdim=True))),
    ("R25a", "words", instead(tokens=128, batch_first=False)),
    ("R25a", "series", instead(batch_first=False)),
    ("R25b", "words", after(lambda out: out.view(32, 3))),
    ("R25b", "text", after(lambda out: out.view(32, 32, 128))),
    ("R25d", "words", instead(tokens=40)),
    ("R25d", "image", inserted("large", nn.Conv2d(3, 8, 3))),
    ("R25e", "table", after(lambda out: out + (out[:, 0] - out[:, :1]).mean())),
    ("R25e", "words", of_layer("head", lambda h: h * (h.amax(1) / h.std(1, keepdim=True)).mean())),
    ("R25e", "image", of_layer("head", lambda h: h + (h.mean(1) - h[:, :1]).mean(1, keepdim=True))),
    ("R22a", "table", plain_tensor("second", 32)),
    ("R22b", "table", anew("second", 32)),
    ("R22b", "text", anew("block", 32)),
    (
        "R32a",
        "image",
        lambda parts: with_train(only_norms=True)(
            inserted("large", nn.BatchNorm2d(CHANNELS))(parts)
        ),
    ),
    ("R32a", "text", with_train(only_norms=False)),
    ("R32b", "table", of_layer("second", lambda h: F.dropout(h, 0.5))),
    ("R32b", "text", of_layer("block", lambda h: F.dropout(h, 0.1))),
    ("R32b", "words", after(lambda out: out + 0.1 * torch.randn_like(out))),
    ("R32c", "image", inserted("large", nn.BatchNorm2d(CHANNELS, momentum=0.0))),
    ("R32c", "table", inserted("first", nn.BatchNorm1d(32, momentum=0.99))),
    ("R30", "table", inserted("first", nn.Dropout(0.95))),
    ("R30", "image", inserted("large", nn.Dropout(0.9))),
    ("R19a", "table", after(lambda out: out.sigmoid())),
    ("R19a", "words", after(lambda out: out.softmax(1))),
    ("R19f", "table", after(F.relu)),
    ("R19f", "image", after(torch.tanh)),
    ("R19h", "numbers", after(F.relu)),
    ("R19h", "numbers", after(torch.sigmoid)),
    ("R19h", "waves", after(F.softplus)),
    ("R19g", "table", one_score(lambda out, y: F.binary_cross_entropy(out.clamp(0, 1), y))),
    ("R19g", "words", each_class(lambda out, y: F.binary_cross_entropy(F.hardtanh(out, 0, 1), y))),
    ("R19c", "image", each_class(sigmoid_first)),
    (
        "R19c",
        "table",
        one_score(lambda out, y: F.binary_cross_entropy_with_logits((3 * out).sigmoid(), y)),
    ),
    ("R19e", "table", one_score(F.binary_cross_entropy)),
    ("R19e", "words", lambda parts: dataclasses.replace(parts, loss=nn.BCEWithLogitsLoss())),
    ("R19d", "numbers", of_numbers(F.smooth_l1_loss)),
    ("R19d", "waves", of_numbers(F.mse_loss)),
    ("R19d", "numbers", of_numbers(lambda out, y: (out - y).abs().mean())),
    ("R18d", "table", one_score(own_binary)),
    ("R18d", "image", loss(lambda out, y: F.cross_entropy(out, y, ignore_index=0))),
    ("R18d", "words", loss(lambda out, y: F.cross_entropy(out, y, torch.tensor([1.0, 0.0, 1.0])))),
    ("R18e", "image", loss(lambda out, y: 1e-6 * F.cross_entropy(out, y))),
    ("R18e", "numbers", loss(lambda out, y: 1e-7 * F.mse_loss(out, y))),
    ("R18a", "numbers", loss(lambda out, y: (out - y).mean() ** 2)),
    ("R18a", "numbers", loss(lambda out, y: (out - y).mean())),
    ("R18a", "words", loss(lambda out, y: F.cross_entropy(out, y.flip(0)))),
    ("R18f", "image", lambda parts: dataclasses.replace(parts, loss=Leftover(2.0))),
    ("R18f", "words", lambda parts: dataclasses.replace(parts, loss=Leftover(0.5))),
]
"""The check that must be first, the kind of data, and the change that is the fault."""
