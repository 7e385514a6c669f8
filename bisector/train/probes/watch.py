"""Watches a training step by step and writes what it sees; the training does not notice.

The optimizer's own step tells where a step ends. Between two looks there is nothing but that and
the root of each backward pass. Nothing is drawn from a random stream, no gradient is added to
and nothing is read back from the device, so the trained weights are the same bits.
"""

import inspect
import time
from collections.abc import Sequence
from typing import Any
from weakref import ref

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from bisector.train.probes import backward, tensors
from bisector.train.probes.forward import ForwardLook, Held, Places
from bisector.train.probes.guard import Guard, bare
from bisector.train.probes.histograms import Histograms
from bisector.train.probes.loss_look import LossLook
from bisector.train.probes.passes import Passes
from bisector.train.probes.pulse import Pulse
from bisector.train.probes.rates import of_groups
from bisector.train.probes.recorder import Recorder
from bisector.train.probes.settings import next_look

RARELY = 4
"""The terms of the loss are weighed at step 1, and then when so many times the steps are made; so is
what enters the model."""


class Watch(Pulse):
    """One model under observation, from its first step on; `step` updates have been made."""

    depth = 0
    """How many of the optimizer's classes are making a step, one inside the other."""

    def __init__(
        self,
        recorder: Recorder,
        model: nn.Module,
        optimizer: Optimizer | None,
        loss: object,
        guard: Guard = bare,
        *,
        compiled: bool = False,
    ) -> None:
        super().__init__(optimizer)
        self.recorder = recorder
        self.model = model
        self.guard = guard
        wrapped = isinstance(model, torch._dynamo.OptimizedModule)
        self.inside = not (compiled or wrapped)
        """Whether hooks may be put into the model: not into what is compiled with them."""
        self.loss = loss if isinstance(loss, nn.Module) else None
        self.ticks = self._heard_of = 0
        """`ticks`: steps of which the log alone has told; there is no optimizer of torch's."""
        self.weighed_next = 1
        self.passes = Passes(model, guard, hooked=self.inside or wrapped, timed=optimizer is None)
        self.parameters = tensors.measurable(list(model.named_parameters()))
        self.own = {id(p) for p in (*model.parameters(), *self._of_loss())}
        self.places = Places.of(model)
        self.held: Held = {}
        self.forward: ForwardLook | None = None
        self.loss_look: LossLook | None = None
        self.before: list[torch.Tensor] = []
        self.histograms = Histograms(recorder, self.parameters)
        self.stale: torch.Tensor | None = None
        self.began = time.monotonic()
        self.heard = guard(self.hear)
        self._hooks: list[Any] = []

    def begin(self) -> None:
        """Start to watch."""
        self.recorder.note(
            "start",
            parameters=list(self.parameters),
            shapes=[list(p.shape) for p in self.parameters.values()],
            trainable=[p.requires_grad for p in self.parameters.values()],
            modes=self.passes.sensitive,
            **self._handed(),
        )
        self.go_on()

    def go_on(self) -> None:
        """Hear of steps and passes, from now on or again."""
        backward.listen(self.heard)
        self.passes.begin()
        optimizer = self.optimizer
        after = self.guard(self._after_step)
        if optimizer is None:
            self._hooks = [register_optimizer_step_post_hook(after)]
        elif steps_within(optimizer):
            self.depth = 0
            enter, leave = self._enter_step, self.guard(self._leave_step)
            self._hooks = [
                optimizer.register_step_pre_hook(enter),
                optimizer.register_step_post_hook(leave),
            ]
        else:
            self._hooks = [optimizer.register_step_post_hook(after)]
        if self.due == self.step + 1:
            self._look()

    def pause(self) -> None:
        """Hear of nothing, so that steps can be done again."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self.let_go()

    def let_go(self) -> None:
        """Hear of nothing but steps: safe to call while an optimizer calls its hooks."""
        backward.unlisten(self.heard)
        self._unlook()
        self.passes.pause()

    def end(self) -> None:
        """Stop watching and write what is left."""
        if not self._hooks:
            return
        self.pause()
        self.recorder.send("rest", {"losses": self.losses}, step=self.step)
        self.recorder.note(
            "end",
            step=self.step,
            lr=self.rates.last,
            seconds=self._seconds(),
            **self._counts(),
        )
        self.recorder.write(wait=True)

    def _look(self) -> None:
        """Open the hooks for the step to come."""
        if self.inside:
            self.forward = ForwardLook(self.places, self.own, self.held, self.guard)
            self.forward.weighs = self.due >= self.weighed_next
            if self.histograms.due(self.step + 1):
                self.forward.sampled = self.histograms.layers
            self.forward.begin()
        self.loss_look = LossLook(self.loss, self.guard, weigh=self.due >= self.weighed_next)
        self.loss_look.begin()
        self.looking = True
        self.stale = None
        if self.optimizer is None:
            # A gradient that is asked for as a function's is not heard of.
            self.before = tensors.copies(list(self.parameters.values()))

    def _unlook(self) -> None:
        if self.forward is not None:
            self.forward.end()
        if self.loss_look is not None:
            self.loss_look.end()
        self.forward = self.loss_look = None
        self.looking = False

    def _stalled(self) -> None:
        self.recorder.note("stalled", step=self.step, **self._counts())

    def _see(self, root: torch.Tensor) -> None:
        self.looking = False
        if self.loss_look is not None:
            self.loss_look.see(root, self.model)
        self.stale = self._left_over()
        self.before = tensors.copies(list(self.parameters.values()))

    def _left_over(self) -> torch.Tensor | None:
        """The norm of the gradient that is there already, of what the optimizer holds."""
        groups = self.optimizer.param_groups if self.optimizer is not None else []
        parameters = [p for group in groups for p in group["params"]]
        left = [g for p in parameters if (g := tensors.gradient(p)) is not None]
        return torch.stack(tensors.norms(left)).norm() if left else None

    def logged(self) -> None:
        """Something was logged: where no optimizer steps, that ends a step, if there was a pass."""
        passed = self.passes.forwards["train"] + self.passes.forwards["eval"]
        if self.optimizer is not None or passed == self._heard_of:
            return
        self._heard_of = passed
        self.ticks += 1
        self._count()

    def _ours(self, optimizer: Optimizer) -> bool:
        """Whether it is the optimizer to watch: the given one, else the first that steps."""
        if self.optimizer is None:
            self.optimizer = optimizer
            self.recorder.note("optimizer", **self._handed())
        return optimizer is self.optimizer

    def _enter_step(self, *_: object) -> None:
        self.depth += 1

    def _leave_step(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        """Of a step that makes another class's step on its way, the outer one is over."""
        self.depth = max(0, self.depth - 1)
        if not self.depth:
            self._after_step(optimizer, args, kwargs)

    def _reach(self) -> None:
        if self.step == self.due:
            self._write()
            self.due = next_look(self.step)
        if self.due == self.step + 1:
            self._look()

    @torch.no_grad()
    def _write(self) -> None:
        forward, loss_look = self.forward, self.loss_look
        self._unlook()
        before = self.before
        words, pulled = self._of_parameters()
        columns: dict[str, Sequence[torch.Tensor | float]] = {**pulled}
        if forward is not None:
            more, given = of_forward(forward)
            words, columns = words | more, columns | given
            for stranger in forward.functions.strangers:
                self.held[id(stranger)] = ref(stranger)
        if loss_look is not None and loss_look.weigh:
            self.weighed_next = RARELY * self.step
            words["terms"], columns["term_gradient"] = loss_look.names, loss_look.shares
            words["squashed"], columns["targets"] = loss_look.squashed, loss_look.targets
        if self.stale is not None:
            columns["stale"] = [self.stale]
        columns["losses"] = self.losses
        self.losses = []
        self.recorder.send(
            "look", columns, step=self.step, seconds=self._seconds(),
            turns=self.rates.turns, ticks=self.ticks, **words, **self._counts(), **self._handed(),
        )  # fmt: skip
        if self.histograms.due(self.step):
            self.histograms.take(self.step, before, forward.samples if forward else {})

    def _of_parameters(self) -> tuple[dict[str, Any], dict[str, list[torch.Tensor]]]:
        """Weights, their updates and gradients; a parameter without gradient is left out of these."""
        after = [p.detach() for p in self.parameters.values()]
        found = [tensors.gradient(p) for p in self.parameters.values()]
        with_gradient = [i for i, g in enumerate(found) if g is not None]
        gradients = [g for g in found if g is not None]
        moved = len(self.before) == len(after)
        updates = tensors.differences(after, self.before) if moved else []
        norms, pulled = tensors.norms([*after, *gradients, *updates]), len(after) + len(gradients)
        columns = {
            "weight_norm": norms[: len(after)],
            "weight_bounds": tensors.bounds(after),
            "gradient_norm": norms[len(after) : pulled],
        }
        if moved:
            columns["update_norm"] = norms[pulled:]
        self.before = []
        words = {} if len(gradients) == len(found) else {"with_gradient": with_gradient}
        return words, columns

    def _counts(self) -> dict[str, Any]:
        """The passes so far, and the steps of an optimizer of torch's."""
        passes = {"backwards": self.backwards, "steps": self.step - self.ticks}
        return self.passes.counts() | passes

    def _handed(self) -> dict[str, Any]:
        """Which parameters the optimizer holds: of the model, not of it, and which it lacks."""
        if self.optimizer is None:
            return {}
        handed = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        return {
            "not_handed": [n for n, p in self.parameters.items() if id(p) not in handed],
            "handed": len(handed),
            "foreign": len(handed - self.own),
            **of_groups(self.optimizer),
        }

    def _of_loss(self) -> list[nn.Parameter]:
        return list(self.loss.parameters()) if self.loss is not None else []

    def _seconds(self) -> float:
        return round(time.monotonic() - self.began, 4)


def steps_within(optimizer: Optimizer) -> bool:
    """Whether it is of a class that makes its step by another's: torch tells of the end of both."""
    # What torch wraps to call hooks, in a class that has no step of its own too, is one function.
    own = {inspect.unwrap(vars(c)["step"]) for c in type(optimizer).__mro__ if "step" in vars(c)}
    return len(own - {Optimizer.step}) > 1


def of_forward(look: ForwardLook) -> tuple[dict[str, Any], dict[str, list[torch.Tensor]]]:
    """What a forward pass showed, as words and as columns of numbers."""
    words: dict[str, Any] = {
        "layers": list(look.given),
        "layer_values": list(look.values.values()),
        "dead_in": list(look.dead),
        "saturated_in": list(look.saturated),
        "batch_norms": list(look.batch_norms),
        "entering_of": look.entering_of,
    }
    if look.functions.foreign:
        words["foreign_parameters"] = look.functions.foreign
    columns: dict[str, list[torch.Tensor]] = {
        name: [values[i] for values in look.given.values()]
        for i, name in enumerate(("mean", "norm"))
    }
    columns |= {"dead": list(look.dead.values()), "saturated": list(look.saturated.values())}
    columns["entering"] = list(look.entering)
    for i, name in enumerate(("shift", "scale")):
        columns[f"batch_norm_{name}"] = [v[i] for v in look.batch_norms.values()]
    return words, columns
