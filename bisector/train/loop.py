"""Our own small training loop: `train(cfg, run)` for recipes made of Hydra `_target_`s.

A recipe has the sections `data` (`source`, and `augment` by name), `model`, `loss`, `metric`,
`optimizer`, `scheduler` and `trainer` (see `settings.py`). The loop logs `loss`, `lr` and
`grad_norm` while it trains, and `val_loss` and the like from `metric`: those keep their meaning
when an addition changes the loss.
"""

import math
from collections import defaultdict
from copy import copy
from typing import Any

import torch
from omegaconf import DictConfig

from bisector.train.batches import Batch, evaluation_batches, samples_in, training_batches
from bisector.train.constant import constant_scores
from bisector.train.parts import Parts, build
from bisector.train.run import Run
from bisector.train.schedule import advance
from bisector.train.seeding import global_state, restore_global_state
from bisector.train.settings import Precision

LOSS = "loss"
"""What a metric calls the loss that keeps its meaning whatever is trained with."""


def train(cfg: DictConfig, run: Run) -> None:
    """Train a recipe, from its checkpoint if the run directory holds one."""
    training = Training(build(cfg, run), run)
    training.restore()
    run.watch(training.parts.model, training.parts.optimizer, loss=training.parts.loss)
    if training.parts.settings.alter.tiny is None:
        training.go_on()
        training.compare()
    else:
        training.learn_by_heart()


class Training:
    """A training under way; `step` updates have been made."""

    def __init__(self, parts: Parts, run: Run) -> None:
        self.parts = parts
        self.run = run
        self.step = 0
        self.losses: list[torch.Tensor] = []
        """One value per update since the last was logged; on the device, so that nothing waits."""
        self.targets: list[torch.Tensor] = []
        """Of all validation batches, as last evaluated."""
        self.output = torch.empty(0)
        """The model's, of the last of them."""

    def go_on(self) -> None:
        """Train to the planned step, or until told to stop, or until the loss is not finite."""
        parts, settings = self.parts, self.parts.settings
        parts.order.start = self.step
        batches = training_batches(parts.data.train, parts.order, workers=settings.workers)
        evaluate_every = settings.eval_every or parts.order.per_epoch
        self.run.facts(
            planned_steps=parts.planned,
            per_epoch=parts.order.per_epoch,
            n_val=samples_in(parts.data.val),
            parameters=sum(p.numel() for p in parts.model.parameters()),
        )
        parts.model.train()
        update = self.run.steps_of(self)
        while self.step < parts.planned:
            rate = parts.optimizer.param_groups[0]["lr"]
            norm = update(next(batches))
            self.step += 1
            sound = True
            if self.step == 1 or self.due(settings.log_every):
                sound = self.log(lr=rate, grad_norm=norm)
            if self.due(evaluate_every):
                self.evaluate()
            told = self.run.should_stop()
            if settings.checkpoint_every and (told or self.due(settings.checkpoint_every)):
                self.save()
            if not sound:
                self.run.failed()
            if settings.stop_on_nonfinite and not sound:
                return
            if told:
                break
        self.run.keep(self.state)

    def compare(self) -> None:
        """Record what one answer to all validation samples would have scored."""
        if self.targets and not self.parts.settings.alter.samples:
            self.run.facts(**constant_scores(self.parts.metric, self.targets, self.output))

    def learn_by_heart(self) -> None:
        """Train on the tiny set, and record which share of its loss is left at the end."""
        before = self.evaluate()
        self.go_on()
        after = self.evaluate() if self.step else before
        name = LOSS if LOSS in before else next(iter(before))
        shown = samples_in(self.parts.data.train)
        self.run.facts(tiny_set=shown, tiny_set_kept=after[name] / (before[name] or math.inf))

    def due(self, every: int) -> bool:
        """Whether something done every so many steps, and after the last, is to be done now."""
        return self.step % every == 0 or self.step == self.parts.planned

    def update(self, batch: Batch) -> torch.Tensor:
        """One update of the weights; the norm of its gradient, before clipping."""
        parts = self.parts
        x, y = (part.to(self.run.device, non_blocking=True) for part in batch)
        for augment, stream in parts.augments.values():
            x, y = augment(x, y, stream)
        self.losses.append(self.backward(x, y))
        parts.scaler.unscale_(parts.optimizer)
        norm = self.clip()
        parts.scaler.step(parts.optimizer)
        parts.scaler.update()
        parts.optimizer.zero_grad(set_to_none=True)
        if parts.scheduler is not None:
            parts.scheduler.step()
        if parts.ema is not None:
            parts.ema.update(parts.model)
        return norm

    def clip(self) -> torch.Tensor:
        """Bound the gradient's norm, if so configured; the norm before that."""
        groups = self.parts.optimizer.param_groups
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
        limit = self.parts.settings.clip_norm
        if limit is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)
        return norm

    def backward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Add the gradient of the batch's mean loss, piece by piece; that loss."""
        parts = self.parts
        total = torch.zeros((), device=x.device)
        pieces = parts.settings.accumulate
        for inputs, targets in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
            with self.autocast():
                loss = parts.loss(parts.model(inputs), targets) * (len(inputs) / len(x))
            parts.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def autocast(self) -> torch.autocast:
        """The context in which a forward pass runs in the precision asked for."""
        precision = self.parts.settings.precision
        return torch.autocast(
            self.run.device.type,
            dtype=torch.float16 if precision is Precision.fp16 else torch.bfloat16,
            enabled=precision is not Precision.fp32,
        )

    def log(self, **values: float | torch.Tensor) -> bool:
        """Log the mean loss since the last time, beside `values`; whether it is finite."""
        loss = torch.stack(self.losses).mean().item()
        self.losses.clear()
        self.run.log(self.step, loss=loss, **values)
        return math.isfinite(loss)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Log the metrics on the validation set, with the averaged weights if there are any."""
        parts = self.parts
        model = parts.model if parts.ema is None else parts.ema.model
        model.eval()
        totals: dict[str, Any] = defaultdict(float)
        samples = 0
        self.targets = []
        for batch in evaluation_batches(parts.data.val, 4 * parts.settings.batch_size):
            x, y = (part.to(self.run.device, non_blocking=True) for part in batch)
            with self.autocast():
                output = model(x)
            for name, mean in parts.metric(output.float(), y).items():
                totals[name] += mean * len(x)
            samples += len(x)
            self.targets.append(y)
            self.output = output
        parts.model.train()
        means = {name: float(total / samples) for name, total in totals.items()}
        self.run.log(self.step, **{f"val_{name}": mean for name, mean in means.items()})
        return means

    def save(self) -> None:
        """Write a checkpoint from which the training goes on as if it had never stopped."""
        self.run.checkpoint(self.state())

    def state(self) -> dict[str, Any]:
        """All that changes while training; the tensors in it are the training's own."""
        return {
            "step": self.step,
            "planned": self.parts.planned,
            "losses": self.losses,
            "globals": global_state(),
            "augments": {n: s.get_state() for n, (_, s) in self.parts.augments.items()},
            "parts": {name: part.state_dict() for name, part in self.lasting().items()},
        }

    def restore(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        state = self.run.restore()
        if state is not None:
            self.load(state)

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state; of a shorter training, a schedule made for its length is stretched."""
        self.step = state["step"]
        self.losses = [loss.to(self.run.device) for loss in state["losses"]]
        restore_global_state(state["globals"])
        for name, stream in state["augments"].items():
            self.parts.augments[name][1].set_state(stream)
        optimizer, scheduler = self.parts.optimizer, self.parts.scheduler
        rates = [group["lr"] for group in optimizer.param_groups]
        stretched = self.parts.timed and state["planned"] != self.parts.planned
        for name, part in self.lasting().items():
            if not (stretched and part is scheduler):
                part.load_state_dict(state["parts"][name])
        if stretched and scheduler is not None:
            advance(optimizer, scheduler, rates, self.step)

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What is trained, by name."""
        return dict(self.parts.model.named_parameters())

    def numbers(self, step: int) -> list[int]:
        """The numbers of the samples in the batch of the step after `step`."""
        order = copy(self.parts.order)
        order.start = step
        return next(iter(order))

    def lasting(self) -> dict[str, Any]:
        """The parts that change while training, by name."""
        parts = self.parts
        named = {
            "model": parts.model,
            "loss": parts.loss,
            "optimizer": parts.optimizer,
            "scheduler": parts.scheduler,
            "scaler": parts.scaler,
            "ema": parts.ema,
        }
        return {name: part for name, part in named.items() if part is not None}
