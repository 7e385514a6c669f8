"""A model without the activation that it ends with: the scores, whatever squashes them afterwards."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bisector.train.alter import unfit

SQUASHES = frozenset({
    "softmax", "log_softmax", "sigmoid", "tanh", "relu", "softplus", "clamp", "clip", "abs", "exp",
})  # fmt: skip
"""Functions after which outputs cannot be any number, by torch's names."""
MOVES = frozenset({"squeeze", "unsqueeze", "view", "reshape", "flatten", "transpose", "permute"})
"""Functions that move values and change none."""


class _Watching(TorchFunctionMode):
    """Knows the result of the last function that squashes, and what that would be without it."""

    def __init__(self) -> None:
        super().__init__()
        self.result: object = None
        self.bare: Any = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        result = func(*args, **given)
        name = getattr(func, "__name__", "")
        if name in SQUASHES and args:
            self.result, self.bare = result, args[0]
        elif name in MOVES and args and args[0] is self.result:
            self.result, self.bare = result, func(self.bare, *args[1:], **given)
        return result


def give_scores(model: nn.Module) -> None:
    """Let a model give what its last activation is given; it ends the run if it ends with none."""
    # Of the parts of a partial function a copy of the model has its own.
    model.forward = partial(_bare, model.forward)


def _bare(whole: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
    with _Watching() as seen:
        output = whole(*args, **kwargs)
    if output is not seen.result:
        unfit("the model does not end with an activation")
    bare: Tensor = seen.bare
    return bare
