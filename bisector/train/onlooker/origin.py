"""Where a value that is not finite began in a training that nobody edited, while the step still stands.

No earlier state is kept, so nothing can be done again but the model's forward pass, on the batch it
was given last. What the script computes from its outputs is read from the graph of the loss.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import distributed, nn
from torch._C import _is_any_autocast_enabled

from bisector.train.onlooker.graph import born_in_graph
from bisector.train.probes.births import birth, path_to
from bisector.train.probes.calls import tensors_in
from bisector.train.probes.tensors import gradient
from bisector.train.probes.tracer import Tracer, rows_of, storage
from bisector.train.seeding import global_state, restore_global_state

Facts = dict[str, Any]
Precision = tuple[str, torch.dtype, bool]
"""Of `torch.autocast`: the kind of device, the precision and whether it is on."""
PLAIN: Precision = ("cpu", torch.bfloat16, False)
THE_LOSS = "the loss, outside of the model"


class Origin:
    """Keeps the last batch of a model, and says of a loss or a gradient where it ceased to be finite."""

    def __init__(self, model: nn.Module, modules: Mapping[nn.Module, str]) -> None:
        self._model = model
        self._modules = dict(modules)
        self._last: dict[nn.Module, tuple[Any, Any, Precision]] = {}
        self.first = _first(model)
        """A parameter whose gradient is looked at for all: a backward pass ends at the first layer."""

    def called(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """A forward pass begins: keep what it is given, and at which precision; asked at every step."""
        precision = _precision(args, kwargs) if _is_any_autocast_enabled() else PLAIN
        self._last[module] = (args, kwargs, precision)

    def forget(self) -> None:
        """Hold no batch any more."""
        self._last = {}

    def sound(self) -> bool:
        """Whether the gradient is finite, as far as the first layers show; asked at every step."""
        found = gradient(self.first) if self.first is not None else None
        if found is None:
            return True
        # The cheapest way to read all of a vector on a CPU; where it overflows, `finite` tells.
        return (found.ndim == 1 and math.isfinite(found.dot(found).item())) or finite(found)

    def of_loss(self, root: torch.Tensor, steps: int) -> Facts:
        """Where it began, of a loss that is not finite and whose backward pass is about to begin.

        Args:
            root: the loss; those before it were finite.
            steps: how many have been made.
        """
        wrong = [n for n, p in self._model.named_parameters() if not finite(p)]
        if wrong:
            made = f"the update of step {steps}, whose loss was finite" if steps else "no step"
            return {"because": f"{wrong[0]} was not finite before the step, by {made}"}
        return (
            self._in_model(back=False)
            or born_in_graph(root, THE_LOSS)
            or {"because": f"weights and model outputs are finite: it is in {THE_LOSS}"}
        )

    def of_gradient(self, slope: Facts | None) -> Facts:
        """Where it began, of a gradient that is not finite, of a loss that is.

        Args:
            slope: an operation near the loss, whose slope was infinite in this step.
        """
        named = list(self._model.named_parameters())
        wrong = [n for n, p in named if (g := gradient(p)) is not None and not finite(g)]
        because = f"the loss is finite, and the gradient of {wrong[-1]} is the first that is not"
        return self._in_model(back=True) or slope or {"because": because}

    def _in_model(self, *, back: bool) -> Facts | None:
        """Where it began, if the model's own passes give it on what it was given last."""
        if distributed.is_available() and distributed.is_initialized():
            return None  # The other processes would not be there to meet this one.
        kept = [(b, b.detach().clone()) for b in self._model.buffers()]
        streams = global_state()
        try:
            given = [m for m, (args, kwargs, _) in self._last.items() if args or kwargs]
            return next((f for m in given if (f := self._traced(m, back=back))), None)
        finally:
            restore_global_state(streams)
            for buffer, value in kept:
                buffer.data.copy_(value)

    def _traced(self, module: nn.Module, *, back: bool) -> Facts | None:
        args, kwargs, precision = self._last[module]
        parameters = {n: p for n, p in self._model.named_parameters() if p.requires_grad}
        known = {storage(p): f"weight {name}" for name, p in self._model.named_parameters()}
        known |= {storage(t): f"input {i}" for i, t in enumerate(tensors_in((args, kwargs)))}
        tracer = Tracer(self._modules, known)
        tracer.begin({})
        try:
            with torch.enable_grad(), torch.autocast(*precision):
                outputs = [t for t in tensors_in(module(*args, **kwargs)) if t.is_floating_point()]
            for output in outputs:
                tracer.judge(output.detach())
            if back and not tracer.bad:
                _backward(tracer, outputs, list(parameters.values()))
        finally:
            tracer.end()
        if not tracer.bad:
            return None
        way = path_to(tracer.operations, tracer.bad[0])
        samples = [row for t in tensors_in((args, kwargs)) if not finite(t) for row in rows_of(t)]
        return {**birth(way), "exact": False, "samples": samples[:8]}


def _precision(args: Any, kwargs: Any) -> Precision:
    """The autocast under which a module is called."""
    kind = next((t.device.type for t in tensors_in((args, kwargs))), "cpu")
    return kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)


def _first(model: nn.Module) -> nn.Parameter | None:
    """The smallest parameter of the first layer that is trained."""
    trained = [(n.rpartition(".")[0], p) for n, p in model.named_parameters() if p.requires_grad]
    first = [p for layer, p in trained if layer == trained[0][0]]
    return min(first, key=torch.Tensor.numel, default=None)


def _backward(
    tracer: Tracer, outputs: Sequence[torch.Tensor], parameters: Sequence[nn.Parameter]
) -> None:
    """The backward pass from all outputs at once; no gradient is added to."""
    total = sum((o.float().sum() for o in outputs if o.requires_grad), torch.zeros(()))
    tracer.phase = "backward"
    for found in torch.autograd.grad([total], parameters, allow_unused=True):
        if found is not None:
            tracer.judge(found)


def finite(tensor: torch.Tensor) -> bool:
    """Whether all of a tensor is; this waits for the device."""
    if tensor.numel() == 1:
        return math.isfinite(tensor.item())
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    x = tensor.detach() if tensor.requires_grad else tensor
    # On a CPU a tenth of what `isfinite` takes. A sum may overflow; of NaN both bounds are NaN.
    return math.isfinite(x.sum().item()) or all(math.isfinite(b.item()) for b in torch.aminmax(x))
