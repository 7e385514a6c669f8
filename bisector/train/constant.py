"""What one answer for all samples would score: a training that is no better has learned nothing."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from bisector.rundir import FACT_OF_CONSTANT

Scores = Mapping[str, float | Tensor]


def constant_scores(
    metric: Callable[[Tensor, Tensor], Scores], targets: Sequence[Tensor], output: Tensor
) -> dict[str, float]:
    """The metrics of the best constant answer, under the names of facts.

    Args:
        metric: from outputs and targets of a batch to mean scores.
        targets: of all validation batches.
        output: the model's, of any batch; only its shape counts.

    Returns:
        One fact per metric; none where the kind of answer is not known.
    """
    answer = constant_answer(torch.cat(list(targets)), output)
    if answer is None:
        return {}
    totals: dict[str, float] = defaultdict(float)
    for y in targets:
        for name, mean in metric(answer.expand(len(y), *answer.shape[1:]), y).items():
            totals[name] += float(mean) * len(y)
    samples = sum(map(len, targets))
    return {f"{FACT_OF_CONSTANT}val_{name}": total / samples for name, total in totals.items()}


def constant_answer(targets: Tensor, output: Tensor) -> Tensor | None:
    """The best output that is the same for all samples, shape (1, ...) of one sample's output.

    Logits that say how often each class occurs for whole numbers; for real ones their mean, as a
    logit if all are 0 or 1. None where outputs and targets do not fit in one of these ways.
    """
    if targets.is_floating_point():
        return _mean(targets) if output.shape[1:] == targets.shape[1:] else None
    one, of_target = output.shape[1:], targets.shape[1:]
    if targets.dtype is torch.bool or len(one) != len(of_target) + 1 or not len(targets):
        return None
    last = one[:-1] == of_target
    if not last and one[1:] != of_target:
        return None
    classes = one[-1] if last else one[0]
    if int(targets.min()) < 0 or int(targets.max()) >= classes:
        return None
    share = torch.bincount(targets.flatten(), minlength=classes) / targets.numel()
    # A class that does not occur keeps a logit that is finite.
    logits = share.clamp_min(1e-6).log()
    shape = [1] * len(one)
    shape[-1 if last else 0] = classes
    return logits.view(shape).expand(one).unsqueeze(0)


def _mean(targets: Tensor) -> Tensor:
    mean = targets.mean(dim=0, keepdim=True)
    return torch.logit(mean, eps=1e-6) if bool(((targets == 0) | (targets == 1)).all()) else mean
