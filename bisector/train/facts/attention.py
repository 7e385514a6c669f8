"""Facts about attention before any step: does a place hear of several others, or of one?"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent
from bisector.train.facts.traced import seeded

FEWEST = 4
"""Places that a row must see for its largest share to say something."""
FEW = 4
"""Samples that are looked at."""


class Attending(TorchFunctionMode):
    """Notes how much of each row of attention goes to its largest place, in the mean by call."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.tops: list[float] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function, and note what it makes of its rows."""
        given, name = kwargs or {}, getattr(func, "__name__", "")
        if name == "multi_head_attention_forward":
            # What it calls cannot be listened to, but it says its shares if asked.
            asked = given | {"need_weights": True, "average_attn_weights": False}
            result = func(*args, **asked)
            self.note(result[1].detach())
            return result
        result = func(*args, **given)
        if name == "softmax" and isinstance(result, torch.Tensor):
            self.note(result.detach())
        elif name == "scaled_dot_product_attention" and len(args) > 1:
            self.note(weights(*args[:4], **given))
        return result

    def note(self, shares: torch.Tensor) -> None:
        """Of [..., rows, places]; what is no attention over the sequence is left out."""
        if shares.ndim < 3 or shares.shape[-1] != self.length:
            return
        shares = shares[:FEW].float()
        # A share of zero is a hidden place, or one that is drowned: where most rows have no others
        # than such, it is the latter.
        top, several = shares.amax(-1), (shares > 0).sum(-1) >= FEWEST
        chosen = top[several] if several.float().mean() > 1 / 2 else top
        self.tops.append(chosen.mean().item())


def weights(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor | None = None,
    attn_mask: torch.Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    **_: object,
) -> torch.Tensor:
    """What `scaled_dot_product_attention` weighs its values by, but for dropout: [..., rows, places]."""
    del value
    query, key = query.detach()[:FEW].float(), key.detach()[:FEW].float()
    scores = query @ key.transpose(-1, -2) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    if attn_mask is not None and attn_mask.ndim == 2:
        hide = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if hide else scores + attn_mask
    return scores.softmax(-1)


@torch.no_grad()
def attention(scene: Scene) -> dict[str, Any]:
    """By call of attention in an untrained pass, the largest share of a row, in the mean over rows.

    Raises:
        Absent: samples are no sequences, or no attention of torch's functions is over them.
    """
    x, _ = scene.batch()
    if x.ndim < 2 or x.shape[1] < 2 * FEWEST:
        raise Absent("samples are no sequences")
    model = seeded(scene.model(training=True))
    with Attending(x.shape[1]) as attending:
        model(x)
    if not attending.tops:
        raise Absent("nothing attends over the sequence by a softmax of torch")
    return {"top": attending.tops}
