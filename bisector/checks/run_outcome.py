"""R11, R21, R31, R37: what the curves of a run say by themselves."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from bisector.checks.check import check
from bisector.checks.run_series import finite, late, length, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity


@check(
    "R37b",
    "an operation that gives NaN",
    needs=("nonfinite",),
    severity=Severity.FATAL,
    remedy=Remedy(
        "Keep the operation's inputs where it is defined: clamp, add an epsilon, or mask."
    ),
)
def operation_gives_nan(case: Case) -> Clue | None:
    """An operation was given finite values and gave NaN or infinity, or a sample held one.

    Why it breaks training: one such value in a gradient makes every weight one.

    How it is seen: the failing step is done again from a state that was kept before it, with every
    operation looked at: the first whose inputs are finite and whose output is not is where it was
    born.

    How to mend it: as the operator asks: clamp what goes into log, sqrt or a division; subtract the
    largest value before exp; single precision in place of half; mend the sample.

    Before:
        loss = -(target * probability.log()).sum(1).mean()
    After:
        loss = -(target * probability.clamp_min(1e-8).log()).sum(1).mean()

    Source: reason 37, "overcoming NaNs".
    """
    found = case.facts["nonfinite"]
    if not found["met"] or not found.get("operator") or found["born"] == GROWN:
        return None
    return _born(found)


@check(
    "R37c",
    "values that grow until they overflow",
    needs=("nonfinite",),
    severity=Severity.FATAL,
    remedy=Remedy("Lower the learning rate, warm up, and clip the gradient's norm."),
)
def grown_out_of_range(case: Case) -> Clue | None:
    """A value became NaN or infinite because it, or what it is made of, had grown too large.

    Why it breaks training: one such value in a gradient makes every weight one.

    How it is seen: as for an operation that gives NaN, where the operation is a sum, a product or the
    like of values near the end of the format's range.

    How to mend it: what made the values grow: mostly a learning rate that is too high, at the start
    above all.

    Before:
        SGD(model.parameters(), lr=10.0)
    After:
        SGD(model.parameters(), lr=0.1)

    Source: reason 37, "overcoming NaNs: decrease the learning rate".
    """
    found = case.facts["nonfinite"]
    if not found.get("operator") or found["born"] != GROWN:
        return None
    return _born(found)


GROWN = "grown"
"""The kind of birth that no operation is to blame for."""


def _born(found: Mapping[str, Any]) -> Clue:
    words = (
        f"Step {found['step']}, {found['phase']}: {found['cause']} in `{found['operator']}` "
        f"{found['where']}".rstrip()
        + "."
    )
    keys = ("step", "module", "operator", "phase", "inputs", "path", "samples", "mend", "exact")
    return Clue(words, {k: found[k] for k in keys if found.get(k) not in (None, "", [])})


@check(
    "R37d",
    "values that are none in evaluation alone",
    needs=("course",),
    remedy=Remedy("Run the model in evaluation mode, layer by layer, and look for the first NaN."),
)
def nan_in_evaluation(case: Case) -> Clue | None:
    """The validation loss is NaN or infinite while the training loss is a number to the end.

    Why it breaks training: the model may be sound, and yet nothing that it says can be used.

    How it is seen: in the curves. An operation takes another way in evaluation than in training: a
    row in which all is masked, a batch norm that never saw a batch, a sample of the validation set.

    How to mend it: model.eval(), then one batch, layer by layer; leave something unmasked in every
    row; look for NaN in the validation set.

    Before:
        mask = torch.full((t, t), -math.inf).triu(0)    # the first row sees nothing
    After:
        mask = torch.full((t, t), -math.inf).triu(1)

    Source: reason 37, "overcoming NaNs"; reason 32, "check train and test mode".
    """
    loss, held_out = (numbers(case.each("course", n)) for n in ("loss", "val_loss"))
    wrong = [v for v in held_out if not math.isfinite(v)]
    if not wrong or not loss or not all(map(math.isfinite, loss)):
        return None
    words = f"{len(wrong)} of {len(held_out)} validation losses are no numbers; all others are."
    return Clue(words, {"val_loss": held_out[:60]})


@check(
    "R37e",
    "a loss that becomes no number",
    needs=("course",),
    severity=Severity.FATAL,
    remedy=Remedy("Clamp what goes into log, sqrt or a division; lower the learning rate."),
)
def loss_no_number(case: Case) -> Clue | None:
    """From some step on the training loss is NaN or infinite.

    Why it breaks training: one such value in a gradient makes every weight one.

    How it is seen: in the logged losses, or where a watched run's failing step could not be done
    again, or was finite then; otherwise another finding says more.

    How to mend it: clamp what goes into log, sqrt or a division; lower the learning rate. Watch the
    run (`run.watch`), with memory for its states: then the operation is found.

    Before:
        loss = -p.log().mean()
    After:
        loss = -p.clamp_min(1e-8).log().mean()

    Source: reason 37, "overcoming NaNs".
    """
    found = case.facts.get("nonfinite", {})
    if found.get("operator"):
        return None
    if found.get("met"):
        words = f"From step {found['step']} on the loss is not finite; {found['because']}."
        return Clue(words, {"step": found["step"]})
    steps, loss = (numbers(case.each("course", n)) for n in ("loss_steps", "loss"))
    first = next((s for s, v in zip(steps, loss, strict=True) if not math.isfinite(v)), None)
    if first is None:
        return None
    return Clue(f"From step {first:.0f} on the loss is {loss[-1]:.3g}.", {"step": first})


@check(
    "R18g",
    "a loss without a floor",
    needs=("course",),
    remedy=Remedy("Look at the loss's sign, and at what it rewards; bound what can grow for ever."),
    limits={
        "depth": Limit(
            10.0, "our choice, in sizes of the first loss: likelihoods end a few below zero"
        )
    },
)
def no_floor(case: Case) -> Clue | None:
    """The loss falls below zero, and further and further, as if there were no best model.

    Why it breaks training: what has no minimum is never learnt: the outputs and weights grow for as
    long as it is trained.

    How it is seen: the loss at the end of the run is below zero by many times the size of the first
    one, and lower than it was halfway.

    How to mend it: a sign that is wrong, or missing: a score is maximised by minimising its
    negative, a loss by itself; a reward that grows with the outputs needs a bound.

    Before:
        loss = -F.cross_entropy(logits, target)
    After:
        loss = F.cross_entropy(logits, target)

    Source: reason 18, "check your loss function".
    """
    loss = finite(case.each("course", "loss"))
    if len(loss) < FEW_LOSSES:
        return None
    size, end, halfway = max(abs(loss[0]), 1.0), min(late(loss)), min(loss[: len(loss) // 2])
    if end > -case.limits["depth"] * size or end >= halfway:
        return None
    words = f"The loss goes from {loss[0]:.3g} to {end:.3g}, and is falling still."
    return Clue(words, {"loss": loss[:60]}, Crossed("depth", -end / size))


FEW_LOSSES = 6
"""Fewer values say nothing about how a loss goes on."""


@check(
    "R21",
    "a loss that falls while the metric stays",
    needs=("course", "labels"),
    remedy=Remedy("Trust the metric: the loss can be lowered without doing the task."),
    limits={
        "fall": Limit(0.5, "our choice: the loss has lost half of its value"),
        "above": Limit(3.0, "our choice, in standard errors of the metric over the validation set"),
    },
)
def metric_stays(case: Case) -> Clue | None:
    """The training loss falls well, and the metric does not leave the majority's share.

    Why it breaks training: what is minimised is not what is wanted.

    How it is seen: the loss's last third against its first value; the best of the metric against the
    share of the most frequent class.

    How to mend it: look at what the loss rewards; check signs, weights and the order of arguments;
    judge by the metric.

    Before:
        loss = -(p**gamma * log_p)            # cheap where the model is surely wrong
    After:
        loss = -((1 - p)**gamma * log_p)

    Source: reason 21, "monitor other metrics".
    """
    loss, score = finite(case.each("course", "loss")), finite(case.each("course", "score"))
    counts = [float(c) for c in case.each("labels", "val_counts")]
    if not loss or not score or not sum(counts) or not loss[0] > 0:
        return None
    fall = 1 - sum(late(loss)) / len(late(loss)) / loss[0]
    majority = max(counts) / sum(counts)
    error = math.sqrt(majority * (1 - majority) / sum(counts))
    if fall < case.limits["fall"] or max(score) > majority + case.limits["above"] * error:
        return None
    words = (
        f"The loss fell by {fall:.0%}; the metric is {max(score):.3g} at best, where the most "
        f"frequent class alone gives {majority:.3g}."
    )
    return Clue(words, {"majority": majority}, Crossed("fall", fall))


@check(
    "R11",
    "a handful of steps, from very large batches",
    needs=("rate", "passes", "course"),
    remedy=Remedy("Batches of a quarter the size, or smaller: as many samples make more steps."),
    limits={
        "per_epoch": Limit(4, "our choice: a batch holds a quarter of all samples, or more"),
        "steps": Limit(100, "our choice: too few for nearly any network"),
        "left": Limit(0.2, "our choice: the share of the first loss that is left at the end"),
    },
)
def few_large_steps(case: Case) -> Clue | None:
    """The whole training is a handful of steps, since a batch holds a good part of all samples.

    Why it breaks training: a network learns by steps, and an epoch of one step is one step.

    How it is seen: the batches of an epoch and the steps of the run are counted, and the loss is far
    from learnt.

    How to mend it: smaller batches, with a lower learning rate; or many more epochs.

    Before:
        DataLoader(data, batch_size=len(data))
    After:
        DataLoader(data, batch_size=64)

    Source: reason 11, "reduce batch size"; Keskar et al. (2017), arXiv:1609.04836.
    """
    per_epoch, steps = case.number("rate", "per_epoch"), case.number("passes", "steps")
    loss = finite(case.each("course", "loss"))
    if not 0 < per_epoch <= case.limits["per_epoch"] or steps > case.limits["steps"] or not loss:
        return None
    if not loss[0] > 0 or loss[-1] < case.limits["left"] * loss[0]:
        return None
    words = f"An epoch has {per_epoch:.0f} batches, and the whole run {steps:.0f} steps."
    return Clue(words, {"loss": loss[:60]}, Crossed("per_epoch", per_epoch))


@check(
    "R31",
    "a loss that still falls",
    needs=("course",),
    remedy=Remedy("Train for longer: twice the steps."),
    limits={
        "gain": Limit(
            0.25, "our choice: as many steps again would bring a quarter more of the fall"
        ),
        "steps": Limit(20, "our choice: hardly a network is trained in fewer"),
        "left": Limit(0.2, "our choice: the share of the first loss that is left at the end"),
    },
)
def still_falling(case: Case) -> Clue | None:
    """At the end of the run the loss is still falling as if it had just begun.

    Why it breaks training: it does not; it was ended too early.

    How it is seen: a line through the loss of the last half of the run, with the confidence interval
    of its slope. Drawn on for as many steps again, it promises so much of the fall so far. Or the
    whole run is a few steps, and the loss is far from learnt. Where a baseline that has no more steps
    does not fall any more, it is another finding's.

    How to mend it: more steps, with a schedule that is as long; or a higher learning rate.

    Before:
        epochs: 10
    After:
        epochs: 20

    Source: reason 31, "give it time".
    """
    return None if long_enough(case) else falls(case)


def long_enough(case: Case) -> bool:
    """Whether as many steps are enough for the baseline."""
    usual = length(case.healthy)
    return 0 < usual <= MUCH_LONGER * length(case.facts) and not falls(
        Case(case.healthy, case.limits, case.alpha)
    )


MUCH_LONGER = 1.25
"""Times as many steps are no longer the same training."""


def falls(case: Case) -> Clue | None:
    """The loss is falling still."""
    steps, loss = numbers(case.each("course", "loss_steps")), numbers(case.each("course", "loss"))
    made = _steps(case)
    few = 0 < made < case.limits["steps"]
    if few and loss and finite(loss) == loss and loss[-1] > case.limits["left"] * abs(loss[0]):
        return Clue(f"The whole run is {made:.0f} steps.", {"loss": loss}, Crossed("steps", made))
    half = [(s, v) for s, v in zip(steps, loss, strict=True) if s >= steps[-1] / 2] if steps else []
    if len(half) < 6 or not all(math.isfinite(v) for v in loss):
        return None
    slope, error = _line(half)
    surely = slope + NormalDist().inv_cdf(1 - case.alpha) * error
    fallen = loss[0] - sum(v for _, v in half[-3:]) / 3
    if surely >= 0 or fallen <= 0:
        return None
    gain = -surely * steps[-1] / fallen
    if gain < case.limits["gain"]:
        return None
    words = (
        f"Over the last half the loss falls by {-slope:.3g} a step (at least {-surely:.3g}): as many "
        f"steps again would bring {gain:.0%} more."
    )
    return Clue(words, {"slope": slope, "error": error, "steps": steps[-1]}, Crossed("gain", gain))


def _steps(case: Case) -> float:
    """The steps of the whole run, where they were counted; a curve may be over epochs."""
    made = float(case.facts.get("passes", {}).get("steps", 0.0))
    return max(made, case.number("course", "planned")) if made else 0.0


def _line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Slope of the least-squares line, and its standard error."""
    n = len(points)
    x, y = sum(p[0] for p in points) / n, sum(p[1] for p in points) / n
    spread = sum((p[0] - x) ** 2 for p in points)
    slope = sum((p[0] - x) * (p[1] - y) for p in points) / spread
    rest = sum((p[1] - y - slope * (p[0] - x)) ** 2 for p in points)
    return slope, math.sqrt(rest / max(1, n - 2) / spread)
