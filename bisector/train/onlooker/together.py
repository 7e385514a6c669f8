"""Several modules that a script calls one after the other, as one model to watch."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn


class Handles:
    """The hooks on each of the modules; `remove` takes all away."""

    def __init__(self, handles: list[Any]) -> None:
        self._handles = handles

    def remove(self) -> None:
        """Take them away."""
        for handle in self._handles:
            handle.remove()


class Together(nn.ModuleDict):
    """Modules by the names that the script has for them; they know nothing of it."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            self._modules[name] = module

    @property
    def training(self) -> bool:
        """Whether any of them is in training mode: it is not this one that is switched."""
        return any(module.training for module in self.values())

    @training.setter
    def training(self, mode: bool) -> None:
        """Torch sets it once when a module is made."""

    def register_forward_pre_hook(self, hook: Callable[..., Any], **how: Any) -> Any:
        """The hook on each of the modules."""
        return Handles([m.register_forward_pre_hook(hook, **how) for m in self.values()])

    def register_forward_hook(self, hook: Callable[..., Any], **how: Any) -> Any:
        """The hook on each of the modules."""
        return Handles([m.register_forward_hook(hook, **how) for m in self.values()])
