"""One look at a forward pass: what each layer gives, and what its activation makes of it.

Hooks are there for this one pass only. Activations are seen as functions (`F.relu` as well as
`nn.ReLU`), and counted for the layer with weights that ran last before them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from bisector.train.probes.entering import entering, told_apart
from bisector.train.probes.guard import Guard, bare
from bisector.train.probes.histograms import sample
from bisector.train.probes.tensors import first_tensor

RECTIFIERS = frozenset({"relu", "relu_", "relu6"})
SQUASHERS: Mapping[str, tuple[float, float]] = {
    "tanh": (-0.99, 0.99),
    "tanh_": (-0.99, 0.99),
    "sigmoid": (0.01, 0.99),
    "sigmoid_": (0.01, 0.99),
}
"""Activation to the values beyond which its derivative is below 4 % of the largest."""

RECURRENT = (nn.RNNBase, nn.RNNCellBase)
Held = dict[int, "ref[nn.Parameter]"]
"""Foreign parameters of earlier looks by identity; those that live on were not made for one pass."""

NORMS = (nn.modules.batchnorm._BatchNorm,)


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look in a model, by module path."""

    model: nn.Module
    layers: Mapping[str, nn.Module]
    """Those with weights of their own."""
    norms: Mapping[str, nn.Module]
    """Those that keep statistics of the batches."""

    @classmethod
    def of(cls, model: nn.Module) -> "Places":
        """All such places."""
        return cls(
            model,
            {n: m for n, m in model.named_modules() if has_matrix(m)},
            {n: m for n, m in model.named_modules() if isinstance(m, NORMS)},
        )


class ForwardLook:
    """What one forward pass shows; `begin` before it, `end` after the step.

    A layer that runs many times in a pass, as a cell in a loop, is measured at its runs
    1, 2, 4, 8, ..., and the last measurement counts.
    """

    def __init__(self, places: Places, known: set[int], held: Held, guard: Guard = bare) -> None:
        self.places = places
        self.guard = guard
        self.functions = Functions(self, known, held)
        self.given: dict[str, tuple[torch.Tensor, ...]] = {}
        """Layer to the mean and the norm of what it gives."""
        self.values: dict[str, int] = {}
        """Layer to how many values these are of; mean and norm then give the deviation."""
        self.dead: dict[str, torch.Tensor] = {}
        """Layer to the share of its units that are zero for the whole batch."""
        self.saturated: dict[str, torch.Tensor] = {}
        """Layer to the share of its values at the flat ends of its activation."""
        self.batch_norms: dict[str, tuple[torch.Tensor, ...]] = {}
        """Batch norm to how far its running statistics are from the batch's."""
        self.weighs = False
        """Whether it is a rare look, at which what the model is called with is looked at, too."""
        self.entering: tuple[torch.Tensor, ...] = ()
        """What the model is called with: see `entering`."""
        self.entering_of = 0
        """How many values a sample of it has."""
        self.sampled: frozenset[str] = frozenset()
        """The layers of which `samples` are taken for histograms."""
        self.samples: dict[str, torch.Tensor] = {}
        self.last = ""
        self._runs: dict[str, int] = {}
        self._hooks: list[RemovableHandle] = []
        self._inside = False

    def begin(self) -> None:
        """Put the hooks there."""
        self._hooks = [
            self.places.model.register_forward_pre_hook(self.guard(self._enter)),
            *(self._hook(name, layer) for name, layer in self.places.layers.items()),
            *(self._norm_hook(name, norm) for name, norm in self.places.norms.items()),
            # After the model's own measurement, where it is a layer by itself.
            self.places.model.register_forward_hook(self.guard(self._leave), always_call=True),
        ]

    def end(self) -> None:
        """Take them away."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._leave()

    def _hook(self, name: str, layer: nn.Module) -> RemovableHandle:
        return layer.register_forward_hook(
            self.guard(lambda module, _, out: self._note(name, module, out))
        )

    def _norm_hook(self, name: str, norm: nn.Module) -> RemovableHandle:
        return norm.register_forward_pre_hook(
            self.guard(lambda module, args: self._compare(name, module, args))
        )

    def _enter(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        if torch.is_grad_enabled() and not self._inside:
            if self.weighs and args and told_apart(args[0]):
                self.entering, self.entering_of = entering(args[0]), args[0][0].numel()
            self._inside = True
            self.functions.__enter__()  # type: ignore[no-untyped-call]

    def _leave(self, *_: object) -> None:
        if self._inside:
            self._inside = False
            self.functions.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    # What is detached records no graph: `no_grad` would only cost, and be heard as two calls itself.
    def _note(self, name: str, module: nn.Module, out: object) -> None:
        given = first_tensor(out)
        if not self._inside or given is None or not given.is_floating_point():
            return
        self.last = name
        runs = self._runs[name] = self._runs.get(name, 0) + 1
        if runs & (runs - 1) or not given.numel():
            return
        with torch._C.DisableTorchFunction():
            x = given.detach()
            self.values[name] = x.numel()
            # Twenty times as fast on a CPU as torch.var_mean.
            norm = torch.linalg.vector_norm(x, dtype=torch.float32)
            self.given[name] = (x.mean(dtype=torch.float32), norm)
            if name in self.sampled:
                self.samples[name] = sample(x)
            if isinstance(module, RECURRENT):
                self.saturated[name] = beyond(x, -0.99, 0.99)

    def _compare(self, name: str, norm: Any, args: tuple[Any, ...]) -> None:
        x = args[0] if args else None
        if not self._inside or not isinstance(x, torch.Tensor) or norm.running_mean is None:
            return
        with torch._C.DisableTorchFunction():
            dims = [d for d in range(x.ndim) if d != 1]
            mean = x.detach().mean(dims)
            variance = x.detach().square().mean(dims) - mean.square()
            scale = (norm.running_var + norm.eps).sqrt()
            shift = ((mean - norm.running_mean).abs() / scale).mean()
            self.batch_norms[name] = (shift, (variance.mean() / norm.running_var.mean()))

    def activated(self, function: str, out: object) -> None:
        """An activation was applied to what the last layer gave."""
        if not self.last or not isinstance(out, torch.Tensor) or out.ndim < 2:
            return
        if function in SQUASHERS:
            self.saturated[self.last] = beyond(out.detach(), *SQUASHERS[function])
        elif function in RECTIFIERS:
            units = 1 if out.ndim != 3 or is_convolution(self.places.layers[self.last]) else 2
            # Over the batch first: up to ten times as fast on a CPU as over all dimensions at once.
            most = out.detach().amax(0)
            others = [d for d in range(most.ndim) if d != units - 1]
            most = most.amax(others) if others else most
            self.dead[self.last] = (most <= 0).float().mean()


class Functions(TorchFunctionMode):
    """Sees torch's functions go by: activations, and parameters that belong to no module."""

    def __init__(self, look: ForwardLook, known: set[int], held: Held) -> None:
        super().__init__()
        self.look = look
        self.known = known
        self.held = held
        self.foreign: dict[str, bool] = {}
        """Where in the user's code a foreign parameter is used, and whether it is made there."""
        self.strangers: list[nn.Parameter] = []
        self._heard = look.guard(self._hear)

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The function's own result; what is of interest is noted on the side."""
        out = func(*args, **(kwargs or {}))
        self._heard(getattr(func, "__name__", ""), args, out)
        return out

    def _hear(self, name: str, args: tuple[Any, ...], out: object) -> None:
        if name in SQUASHERS or name in RECTIFIERS:
            self.look.activated(name, out)
        for given in args:
            # Of most, one comparison tells: whether it is a parameter is a long question.
            plain = type(given) is torch.Tensor
            if not plain and isinstance(given, nn.Parameter) and id(given) not in self.known:
                self._stranger(given)

    def _stranger(self, parameter: nn.Parameter) -> None:
        if parameter.requires_grad:
            self.foreign[place()] = not self._seen_before(parameter)
            self.strangers.append(parameter)

    def _seen_before(self, parameter: nn.Parameter) -> bool:
        held = self.held.get(id(parameter))
        return held is not None and held() is parameter


def place() -> str:
    """The line of the user's code that is running: file, line and function."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] != "torch" and not module.startswith("bisector.train"):
            break
        frame = frame.f_back
    code = frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{frame.f_lineno} in {code.co_qualname}"


def beyond(values: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """The share of values outside of the bounds."""
    return ((values < low) | (values > high)).float().mean()


def has_matrix(module: nn.Module) -> bool:
    """Whether a module has weights of its own that mix values, and does not just scale them."""
    return any(p.ndim > 1 for p in module.parameters(recurse=False))


def is_convolution(module: nn.Module) -> bool:
    """Whether a layer's units are its channels."""
    return isinstance(module, nn.modules.conv._ConvNd)
