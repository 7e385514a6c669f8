"""Facts about the untrained model's outputs and what the loss makes of them."""

import math
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
BATCHES = 8
"""Batches over which the first loss is averaged."""
WATCHED = (
    "cross_entropy",
    "log_softmax",
    "softmax",
    "nll_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "poisson_nll_loss",
    "sigmoid",
    "logsigmoid",
    "softplus",
)
"""Functions whose first argument says what the loss takes its input for."""
PASSED_OVER = (
    "Alias", "AsStrided", "Clone", "Contiguous", "Cat", "Permute", "ReshapeAlias", "Select", "Slice",
    "Squeeze", "Stack", "Swap", "T", "ToCopy", "Transpose", "Unsqueeze", "UnsafeView", "View",
)  # fmt: skip
"""Steps of autograd that move values and change none."""
SQUASHES = ("Relu", "Sigmoid", "Softmax", "Tanh", "Clamp", "Softplus", "Exp", "Abs", "Pow")
"""Steps after which outputs cannot be any number."""


def class_axis(outputs: torch.Tensor, targets: torch.Tensor) -> int | None:
    """Which axis of the outputs counts classes; None: none does."""
    if targets.is_floating_point():
        return None
    if outputs.ndim == 2 and outputs.shape[1] > 1 and targets.numel() == len(outputs):
        return 1
    if outputs.ndim == 3 and targets.ndim == 2:
        if outputs.shape[:2] == targets.shape:
            return 2
        if (outputs.shape[0], outputs.shape[2]) == tuple(targets.shape):
            return 1
    return None


@torch.no_grad()
def start(scene: Scene) -> Facts:
    """The loss of the untrained model, beside that of a model which knows nothing.

    Raises:
        Absent: no usual loss is known, or scores of classes are not finite.
    """
    model, loss = scene.model(training=True), scene.loss()
    first, ignorant, outs = [], [], []
    count = min(BATCHES, len(scene.batches))
    for number in range(count):
        x, y = scene.batch(number)
        out = model(x)
        outs.append(out)
        first.append(loss(out, y).item())
        ignorant.append(loss(knows_nothing(out, y, scene), y).item())
    mean, blank = sum(first) / count, sum(ignorant) / count
    if not math.isfinite(blank) or blank <= 0:
        raise Absent(f"a model that knows nothing has loss {blank:.3g}")
    facts: Facts = {
        "loss": mean if math.isfinite(mean) else math.inf,
        "losses": first,
        "ignorant": blank,
        "outputs": list(out.shape),
        "targets": list(y.shape),
        "largest_output": out.abs().max().item(),
        "output_std": out.float().std().item(),
        "output_size": out.float().square().mean().sqrt().item(),
    }
    axis = class_axis(out, y)
    if axis is not None:
        if not out.isfinite().all():
            raise Absent("the untrained model's outputs are not finite")
        of_classes = classes(scene, outs, axis)
        return facts | of_classes | {"heedless": heedless(model, x, out, axis)}
    if y.is_floating_point():
        facts["perfect"] = loss(y.reshape(out.shape).to(out), y).item()
    return facts


def classes(scene: Scene, outs: list[torch.Tensor], axis: int) -> Facts:
    """How many there are, in how many directions outputs vary, and the best constant answer's loss.

    Directions: 0 where outputs are not finite.
    """
    loss, count = scene.loss(), outs[0].shape[axis]
    rows = torch.cat([out.movedim(axis, -1).reshape(-1, count) for out in outs]).double()
    finite = bool(rows.isfinite().all())
    size = torch.linalg.svdvals(rows - rows.mean(0)) if finite else rows.new_zeros(1)
    y = torch.cat([scene.batch(n)[1].flatten() for n in range(len(outs))])
    often = torch.bincount(y.clamp(0, count - 1), minlength=count).clamp_min(0.5).to(rows)
    scores = (often / often.sum()).log().to(outs[0])
    told = [loss(scores.view(-1, *[1] * (out.ndim - axis - 1)).expand_as(out), scene.batch(n)[1])
            for n, out in enumerate(outs)]  # fmt: skip
    lowest = max(1e-5 * size[0].item(), 1e-6 * rows.norm().item())
    return {
        "classes": count,
        "rank": int((size > lowest).sum()),
        "constant": sum(value.item() for value in told) / len(told),
    }


def heedless(model: nn.Module, x: torch.Tensor, out: torch.Tensor, axis: int) -> bool:
    """Whether the size of the weights of the classes does not matter: they are normalised.

    Where scores are cosines on a fixed scale, a first loss above chance is meant so.
    """
    matrices = [p for p in model.parameters() if p.ndim == 2 and out.shape[axis] in p.shape]
    for p in matrices:
        p.mul_(0.5)
    limit = 1e-3 * out.abs().max().item()
    return bool(matrices) and torch.allclose(model(x), out, rtol=1e-3, atol=limit)


def knows_nothing(out: torch.Tensor, y: torch.Tensor, scene: Scene) -> torch.Tensor:
    """Outputs that say nothing of the sample: equal scores, or the mean target.

    Raises:
        Absent: outputs and targets do not show what that would be.
    """
    if class_axis(out, y) is not None:
        # Equal scores, as log-probabilities: right for losses of logits and of either.
        axis = class_axis(out, y)
        return torch.full_like(out, -math.log(out.shape[axis or 1]))
    if out.numel() == y.numel() and (y.is_floating_point() or is_binary(y)):
        mean = scene.train.y.float().mean(0).to(out)
        if listened(scene) is Meaning.SCORES:
            mean = mean.clamp(1e-3, 1 - 1e-3).logit()
        return mean.expand(y.shape).reshape(out.shape).clone()
    raise Absent(f"outputs {list(out.shape)} do not match targets {list(y.shape)}")


def ends_with(out: torch.Tensor) -> str:
    """The last step that changed the outputs' values, as autograd calls it; empty: none known."""
    node = out.grad_fn
    while node is not None:
        name = node.name().rpartition("Backward")[0]
        if name not in PASSED_OVER:
            return name
        node = node.next_functions[0][0] if node.next_functions else None
    return ""


def range_of(scene: Scene) -> Facts:
    """What the last step of the model lets through, beside what is asked of it."""
    x, y = scene.batch()
    out = scene.model(training=True)(x)
    if not isinstance(out, torch.Tensor):
        raise Absent("the model's output is not one tensor")
    last, values = ends_with(out), out.detach().float()
    facts: Facts = {
        "last": last if last in SQUASHES else "",
        "low": values.min().item(),
        "high": values.max().item(),
        "zeros": (values == 0).float().mean().item(),
        "values": values.numel(),
        "outputs": list(out.shape),
    }
    if y.is_floating_point() and out.numel() == y.numel():
        whole = scene.train.y.float()
        facts |= {"target_low": whole.min().item(), "target_high": whole.max().item()}
    return facts


def is_binary(y: torch.Tensor) -> bool:
    """Whether targets are zeros and ones."""
    return bool(((y == 0) | (y == 1)).all())


class Meaning(StrEnum):
    """What a loss takes its inputs for, where targets are zeros and ones."""

    SCORES = "scores"
    PROBABILITIES = "probabilities"
    NUMBERS = "numbers"


def listened(scene: Scene) -> Meaning:
    """What the loss takes one output for each target of 0 or 1 for, from what it calls."""
    x, y = scene.batch()
    with torch.no_grad(), Listener() as listener:
        out = scene.model(training=False)(x)
        before = len(listener.calls)
        # Half is a probability as well as a score, so that any loss takes it.
        scene.loss()(torch.full_like(out, 0.5), y)
    inside = {call["function"] for call in listener.calls[before:]}
    if inside & {"binary_cross_entropy_with_logits", "sigmoid", "logsigmoid", "softplus"}:
        return Meaning.SCORES
    sigmoid_last = any(c["function"] == "sigmoid" for c in listener.calls[:before][-1:])
    if "binary_cross_entropy" in inside or (sigmoid_last and not inside):
        return Meaning.PROBABILITIES
    return Meaning.NUMBERS


class Listener(TorchFunctionMode):
    """Notes what the watched functions of torch are called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Facts] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function, and note it."""
        result = func(*args, **(kwargs or {}))
        tensors = [a for a in (*args, *(kwargs or {}).values()) if isinstance(a, torch.Tensor)]
        name = getattr(func, "__name__", "")
        if tensors and name in WATCHED:
            self.calls.append(described(name, tensors) | weighing(name, args, kwargs or {}))
        elif crossed(tensors, result):
            self.calls.append({"function": name, "shapes": [list(t.shape) for t in tensors[:2]]})
        return result


def crossed(tensors: list[torch.Tensor], result: object) -> bool:
    """Whether (N, 1) met (N) and made (N, N)."""
    if len(tensors) < 2 or not isinstance(result, torch.Tensor):
        return False
    shapes = {tuple(t.shape) for t in tensors[:2]}
    n = max(t.numel() for t in tensors[:2])
    return n > 1 and shapes == {(n, 1), (n,)} and tuple(result.shape) == (n, n)


def described(name: str, tensors: list[torch.Tensor]) -> Facts:
    """One call: the kind of numbers in the first argument, the range of the second."""
    given = tensors[0].detach().double()
    axis = 1 if given.ndim > 1 else 0
    if given.ndim > 2 and len(tensors) == 1:
        axis = -1
    facts: Facts = {
        "function": name,
        "shapes": [list(t.shape) for t in tensors[:2]],
        "min": given.min().item(),
        "max": given.max().item(),
        "sum_error": (given.sum(axis) - 1).abs().max().item(),
        "log_sum_error": given.logsumexp(axis).abs().max().item(),
        "values": given.numel(),
        "cut": ((given == 0) | (given == 1)).double().mean().item(),
    }
    if len(tensors) > 1 and tensors[1].numel():
        facts["target_min"] = tensors[1].min().item()
        facts["target_max"] = tensors[1].max().item()
    return facts


def weighing(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Facts:
    """How much each class weighs in a call of torch's own losses, if it says so."""
    if name in ("cross_entropy", "nll_loss"):
        given = kwargs.get("weight", args[2] if len(args) > 2 else None)
        return {} if given is None else {"weights": given.tolist()}
    positive = kwargs.get("pos_weight") if name.startswith("binary") else None
    return {} if positive is None or positive.numel() > 1 else {"weights": [1.0, positive.item()]}


@torch.no_grad()
def loss_calls(scene: Scene) -> Facts:
    """What the loss does with the model's outputs; what it raises, if it does."""
    x, y = scene.batch()
    out = scene.model(training=False)(x)
    loss = scene.loss()
    facts: Facts = {"outputs": list(out.shape), "targets": list(y.shape), "raises": ""}
    with Listener() as listener:
        try:
            loss(out, y)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            facts["raises"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return facts | {"calls": listener.calls, "loss": type(loss).__name__}
