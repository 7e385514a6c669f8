"""Faults of a model or of its loss, one at a time, in real models."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from bisector.recipes import digits
from check_gallery import Halved, LossOf, Wrapped, Wrong
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.parts import Parts

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


def frozen(only: str) -> Change:
    def change(parts: Parts) -> Parts:
        for name, p in parts.model.named_parameters():
            if only in name:
                p.requires_grad_(requires_grad=False)
        return parts

    return change


def not_handed(kept: str) -> Change:
    def change(parts: Parts) -> Parts:
        some = [p for n, p in parts.model.named_parameters() if kept in n]
        return dataclasses.replace(parts, optimizer=torch.optim.SGD(some, lr=0.1))

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


def sigmoid_first(out: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(out.sigmoid(), y)


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
    ("R23c", "image", not_handed("head")),
    ("R23c", "table", not_handed("weight")),
    ("R26", "table", of_layer("first", Wrong.apply)),
    ("R26", "table", of_layer("second", Halved.apply)),
    ("R26", "image", of_layer("large", Halved.apply)),
    ("R26", "text", of_layer("block", Halved.apply)),
    ("R23d", "image", of_layer("halve", lambda h: F.relu(h - 100))),
    ("R23d", "table", of_layer("first", lambda h: F.relu(h - 50))),
    ("R28c", "image", times(20.0)),
    ("R28c", "table", times(100.0)),
    ("R28c", "image", times(0.02)),
    ("R28c", "table", times(0.05)),
    ("R17", "image", times(20.0, "head")),
    ("R17", "image", times(60.0, "head")),
    ("R17", "table", times(20.0, "head")),
    ("R17", "text", times(4.0, "head")),
    ("R17", "numbers", after(lambda out: out + 5)),
]
"""The check that must be first, the kind of data, and the change that is the fault."""
