"""One look at a loss: at a few steps, what its terms are and how hard each of them pulls."""

import torch
from torch import nn
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from bisector.train.probes import targets
from bisector.train.probes.guard import Guard, bare
from bisector.train.probes.heads import squashed
from bisector.train.probes.terms import MOST, names_of, shares, terms_of


class LossLook:
    """The loss of one step."""

    def __init__(self, loss: nn.Module | None, guard: Guard = bare, *, weigh: bool) -> None:
        self.guard = guard
        self.weigh = weigh
        """Whether to weigh the terms, which costs a backward pass for each."""
        self.loss = loss
        self.modules = {n: m for n, m in loss.named_modules() if n} if loss is not None else {}
        self.names: list[str] = []
        self.shares: list[torch.Tensor] = []
        """The norm of each term's gradient; empty: it is one term, or was not weighed."""
        self.squashed: list[str] = []
        """What squashed the scores before the loss did, and the loss's operation: see `heads`."""
        self.targets: targets.Targets = []
        """A few of those that the loss is given; empty: nobody knows."""
        self._made_by: dict[Node, str] = {}
        self._hooks: list[RemovableHandle] = []

    def begin(self) -> None:
        """Note which module of the loss makes which term, and what it is called with."""
        self._hooks = [self._hook(name, module) for name, module in self.modules.items()]
        if self.loss is not None and self.weigh:
            self._hooks.append(self.loss.register_forward_pre_hook(self.guard(self._note_targets)))

    def end(self) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _hook(self, name: str, module: nn.Module) -> RemovableHandle:
        def note(_module: nn.Module, _args: object, out: object) -> None:
            if isinstance(out, torch.Tensor) and out.grad_fn is not None:
                self._made_by[out.grad_fn] = name

        return module.register_forward_hook(self.guard(note))

    def _note_targets(self, _module: nn.Module, args: tuple[object, ...]) -> None:
        self.targets = self.targets or targets.of_call(args)

    def see(self, root: torch.Tensor, model: nn.Module) -> None:
        """The backward pass from `root` through `model` is about to begin."""
        if not self.weigh:
            return
        self.squashed = squashed(root)
        self.targets = self.targets or targets.of_graph(root)
        terms = terms_of(root)
        if not 1 < len(terms) <= MOST:
            return
        self.names = names_of(terms, self._made_by)
        # Where activations are computed again on the way back, batch norm counts them again.
        buffers = [(b, b.detach().clone()) for b in model.buffers()]
        self.shares = shares(terms, [p for p in model.parameters() if p.requires_grad])
        for buffer, kept in buffers:
            buffer.data.copy_(kept)  # By way of `data`, as autograd must not notice.
