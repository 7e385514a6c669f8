"""A failing step is done again, with everything on: when, where and why a value was not finite."""

from typing import Any

import torch
from torch import nn

from bisector.train.batches import Batch
from bisector.train.probes.births import birth, path_to
from bisector.train.probes.calls import tensors_in
from bisector.train.probes.ring import Kept, Replayable, Ring, copied
from bisector.train.probes.tracer import Tracer, range_of, rows_of, storage

Facts = dict[str, Any]
AGAIN = 2
"""So many times more the steps are done where the value was not met: chance may have had its part."""


def explained(ring: Ring, modules: dict[nn.Module, str]) -> Facts:
    """The first value of the kept steps that is not finite; the training is left as it was."""
    if not ring.kept:
        return {"because": ring.off or "no state was kept"}
    training = ring.training
    present = copied(training.state())
    try:
        facts = _explained(ring, modules)
        for _ in range(AGAIN):
            if "operator" in facts:
                break
            facts = _explained(ring, modules) | {"exact": False}
        return facts
    finally:
        training.load(present)


def _explained(ring: Ring, modules: dict[nn.Module, str]) -> Facts:
    training, start = ring.training, _start(ring)
    skipped = start.step - ring.kept[0].step
    batches, recorded = list(ring.batches)[skipped:], list(ring.losses)
    failing, replayed = _failing(training, start, batches)
    exact = all(map(same, replayed, recorded[skipped:]))
    if failing is None:
        because = "done again, every step is finite" + ("" if exact else ", and not the same bits")
        return {"because": because, "exact": exact}
    training.load(copied(start.state))
    for batch in batches[:failing]:
        training.update(batch)
        training.step += 1
    batch = batches[failing]
    facts = {
        "step": training.step + 1,
        "exact": exact,
        "losses_before": [loss.item() for loss in recorded[: skipped + failing][-5:]],
    }
    return facts | _traced(training, batch, modules)


def _start(ring: Ring) -> Kept:
    """The last kept state that is still sound."""
    sound = [kept for kept in ring.kept if all(_finite(t) for t in tensors_in(kept.state["parts"]))]
    return sound[-1] if sound else ring.kept[0]


def _failing(
    training: Replayable, start: Kept, batches: list[Batch]
) -> tuple[int | None, list[torch.Tensor]]:
    """The first of the steps that is not finite, and the losses up to there."""
    training.load(copied(start.state))
    losses: list[torch.Tensor] = []
    for number, batch in enumerate(batches):
        training.update(batch)
        training.step += 1
        losses.append(training.losses[-1])
        weights = [p.detach() for p in training.parameters().values()]
        if not all(map(_finite, [losses[-1], *weights])):
            return number, losses
    return None, losses


def _traced(training: Replayable, batch: Batch, modules: dict[nn.Module, str]) -> Facts:
    """The next step, operation by operation."""
    parameters = training.parameters()
    known = {storage(p): f"weight {name}" for name, p in parameters.items()}
    known |= {storage(t): f"input {i}" for i, t in enumerate(tensors_in(batch))}
    samples = [row for t in tensors_in(batch) if not _finite(t) for row in rows_of(t)]
    tracer = Tracer(modules, known)
    tracer.begin(parameters)
    try:
        training.update(batch)
        for parameter in parameters.values():
            tracer.judge(parameter)
    finally:
        tracer.end()
    if not tracer.bad:
        return {"because": "in the traced step every value is finite"}
    way = path_to(tracer.operations, tracer.bad[0])
    born = way[0]
    numbers = training.numbers(training.step)
    if (
        not samples
        and len(born.rows) <= len(numbers) // 2
        and born.output.shape[:1] == tuple(batch[0].shape[:1])
    ):
        samples = born.rows
    return birth(way) | {"samples": [numbers[row] for row in samples[:8] if row < len(numbers)]}


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two losses are the same bits, NaN included."""
    return bool(torch.equal(one, other) or (one.isnan().all() and other.isnan().all()))


def _finite(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or range_of(tensor).finite
