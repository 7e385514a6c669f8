"""R19, R28, R36: initial weights, rates, steps and answers of another size than the baseline's."""

import math
from collections.abc import Mapping
from typing import Any

from bisector.checks.check import check
from bisector.checks.run_rate import typical
from bisector.checks.run_series import WORSE, ends, ends_above, finite, late, middle, numbers
from bisector.model.finding import Case, Clue, Crossed, Facts, Limit, Remedy, Safety, Stage
from bisector.model.variant import LR_TIMES


def _worse(case: Case, times: float) -> bool:
    """Whether the loss that both have ended well above the baseline's, or is no number."""
    name = "val_loss" if case.each("course", "val_loss") else "loss"
    if not all(map(math.isfinite, numbers(case.each("course", "loss")))):
        return True
    return ends_above(case, times, name)


@check(
    "R36i",
    "a learning rate far from the baseline's",
    needs=("rate", "handed", "course"),
    remedy=Remedy("The baseline's learning rate, and its schedule."),
    limits={
        "times": Limit(5.0, "our choice: a factor of 3 is tried, and mostly does no harm"),
        "worse": WORSE,
    },
)
def rate_apart(case: Case) -> Clue | None:
    """The same optimizer has a learning rate many times that of the baseline, or a small part of it.

    Why it breaks training: steps that are right for a training are right within some times their length.

    How it is seen: the optimizer's learning rate in the mean over the steps that both runs have, against
    the same of the baseline, whose optimizer is of the same class. That it is lower counts only if it is
    so from the beginning: a schedule that waits for the loss lowers it where nothing is learnt.

    How to mend it: look for a value in other units, and for a schedule made for another length: of
    epochs, of samples, of another training.

    Before:
        OneCycleLR(optimizer, max_lr=0.01, total_steps=1_000_000)
    After:
        OneCycleLR(optimizer, max_lr=0.01, total_steps=epochs * len(loader))

    Source: reason 36, "increase or decrease the learning rate".
    """
    usual = str(case.healthy.get("handed", {}).get("optimizer", ""))
    if case.text("handed", "optimizer") != usual or not _worse(case, case.limits["worse"]):
        return None
    whole, early = _times(case, 1.0), _times(case, EARLY)
    higher, lower = whole > case.limits["times"], max(whole, early) < 1 / case.limits["times"]
    if not (higher or lower):
        return None
    words = f"In the mean over its steps the learning rate is {whole:.3g} times the baseline's."
    seen = {n: case.each("rate", n)[:60] for n in ("steps", "lr")} | {LR_TIMES: 1 / whole}
    return Clue(words, seen, Crossed("times", max(whole, 1 / whole)))


EARLY = 0.5
"""The share of a run in which a schedule has hardly begun to wait for the loss."""


def _times(case: Case, share: float) -> float:
    """The mean learning rate over this share of the run, over the baseline's; NaN: one is not known."""
    rates = [f.get("rate", {}) for f in (case.facts, case.healthy)]
    if not all(rate.get("steps") for rate in rates):
        return math.nan
    made, usually = (float(rate["steps"][-1]) for rate in rates)
    # A schedule made for a short training warms up and falls within the other's warm-up.
    if made < SHORT * usually:
        return math.nan
    end = share * min(made, usually)
    own, usual = (_mean_rate(rate, end) for rate in rates)
    return own / usual if own > 0 and usual > 0 else math.nan


SHORT = 0.5
"""Of the baseline's steps: with fewer it is the time that differs."""


def _mean_rate(rate: Mapping[str, Any], end: float) -> float:
    """Over the steps up to this one; between two looks it is taken for that of the later one."""
    steps, rates = numbers(rate["steps"]), numbers(rate["lr"])
    spans = [max(0.0, min(b, end) - a) for a, b in zip([0.0, *steps], steps, strict=False)]
    return math.fsum(s * r for s, r in zip(spans, rates, strict=True)) / (sum(spans) or math.nan)


@check(
    "R36j",
    "steps far shorter than the baseline's",
    needs=("run_weights", "course"),
    remedy=Remedy(
        "A higher learning rate; less clipping; the optimizer's usual betas and epsilon."
    ),
    limits={
        "share": Limit(0.1, "our choice: of the baseline's, relative to the weights"),
        "worse": WORSE,
    },
)
def steps_shorter(case: Case) -> Clue | None:
    """Steps move the weights by a small part of what the baseline's do.

    Why it breaks training: it would work, in ten times the time.

    How it is seen: the norm of each weight matrix's update over its own norm, in the median over the
    matrices, against the same of the baseline at the same step, in the median over the looks.
    Whatever else is found comes before it.

    How to mend it: whatever makes the step: the rate, the norm that gradients are clipped at, the
    epsilon of Adam, a loss that is divided once too often.

    Before:
        Adam(model.parameters(), lr=1e-3, eps=1.0)
    After:
        Adam(model.parameters(), lr=1e-3)

    Source: reason 36, "increase or decrease the learning rate".
    """
    share = _step_times(case)
    if not share < case.limits["share"] or not _worse(case, case.limits["worse"]):
        return None
    words = f"A step moves a weight matrix by {share:.2g} of what the baseline's does."
    return Clue(words, {LR_TIMES: 1 / share}, Crossed("share", share))


def _step_times(case: Case) -> float:
    """A step's length over the baseline's, both in units of the weights; NaN: one is not known."""
    if "run_weights" not in case.healthy:
        return math.nan
    there = Case(case.healthy, {}, case.alpha)
    own, usual = (
        dict(zip(numbers(c.each("run_weights", "steps")), typical(c), strict=True))
        for c in (case, there)
    )
    both = [own[s] / usual[s] for s in own if usual.get(s, 0.0) > 0]
    return middle([v for v in both if v > 0])


@check(
    "R28f",
    "initial weights of another size than the baseline's",
    needs=("run_weights", "course"),
    seat=Stage.MODEL,
    remedy=Remedy(
        "Initialise it as the baseline does.", safety=Safety.SAFE, variants=("initialise",)
    ),
    limits={
        "times": Limit(10.0, "our choice: schemes of initialisation in use differ by 3 at most"),
        "worse": WORSE,
    },
)
def starts_apart(case: Case) -> Clue | None:
    """A parameter starts at many times the size that it has in the baseline.

    Why it breaks training: what is far too large drowns what comes from the inputs, or switches units
    off; training begins with unlearning it.

    How it is seen: the largest magnitude in each parameter after the first step, which hardly moved
    it, against that of the baseline's parameter of the same name and shape.

    How to mend it: look for what initialises it a second time, or loads it in other units.

    Before:
        nn.init.constant_(layer.bias, 10.0)
    After:
        nn.init.zeros_(layer.bias)

    Source: reason 28, "check your initial weights".
    """
    usual = _starts(case.healthy)
    times = {
        name: size / max(usual[name], SMALL)
        for name, size in _starts(case.facts).items()
        if name in usual
    }
    over = [n for n, t in times.items() if t > case.limits["times"]]
    if not over or not _worse(case, case.limits["worse"]):
        return None
    worst = max(over, key=lambda n: times[n])
    words = f"`{worst[0]}` starts {times[worst]:.3g} times as large as the baseline's."
    return Clue(words, {"parameters": [n for n, _ in over]}, Crossed("times", times[worst]))


SMALL = 0.1
"""A size that any parameter may begin with: biases start at 0 or near it."""
MOVED = 0.3
"""Of its size: what a first step moves by more is not what it was any more."""


def _starts(facts: Facts) -> dict[tuple[str, tuple[int, ...]], float]:
    """The largest magnitude of each parameter at the first look, by name and shape."""
    seen = facts.get("run_weights", {})
    if not seen or seen["steps"][:1] != [1]:
        return {}
    names = zip(seen["parameters"], map(tuple, seen["shapes"]), strict=True)
    largest, moved = (seen[n][0] for n in ("largest", "ratio"))
    return {
        key: float(size)
        for key, size, ratio in zip(names, largest, moved, strict=False)
        if math.isfinite(float(size)) and float(ratio) < MOVED
    }


@check(
    "R19j",
    "answers that are right and never sure",
    needs=("course", "start"),
    remedy=Remedy(
        "Let the scores grow: no tanh or norm behind the last layer, or a scale after it."
    ),
    limits={
        "score": Limit(0.95, "our choice: of the baseline's metric"),
        "loss": Limit(3.0, "our choice: times the baseline's, in training and in validation"),
        "left": Limit(0.2, "our choice: of the loss of the best constant answer"),
        "falls": Limit(0.1, "our choice: by how much the loss still falls over the last half"),
    },
)
def never_sure(case: Case) -> Clue | None:
    """The metric is that of the baseline, and both losses stay far above the baseline's.

    Why it breaks training: a softmax of scores that can be no larger than 1 gives the right one of ten
    classes a quarter at best: samples that are learnt long ago pull as hard as those that are not.

    How it is seen: metric and losses at the end, beside the baseline's; the loss has come to rest far
    above zero. Whatever else is found comes before it.

    How to mend it: scores are what the last linear layer gives. Of cosines, the usual scale is 10 to 60.

    Before:
        logits = F.normalize(x) @ F.normalize(w).T
    After:
        logits = 30 * F.normalize(x) @ F.normalize(w).T

    Source: reason 19, "verify loss input"; Wang et al. (2017), NormFace, arXiv:1704.06369.
    """
    constant, loss = float(str(case.facts["start"].get("constant", math.nan))), case.each("course", "loss")  # fmt: skip
    score, expected = ends(case.facts, "score"), ends(case.healthy, "score")
    if not score >= case.limits["score"] * expected > 0:
        return None
    times = min(_over(case, name) for name in ("loss", "val_loss"))
    end, half = ends(case.facts, "loss"), finite(loss)[len(loss) // 2 :]
    if not times > case.limits["loss"] or not end > case.limits["left"] * constant:
        return None
    begun = middle(half[: max(1, len(half) // 3)])
    if not begun - middle(late(half)) < case.limits["falls"] * begun:
        return None
    words = f"The metric is {score:.3g}, the baseline's {expected:.3g}; the loss rests at {end:.3g}, the baseline's at {ends(case.healthy, 'loss'):.3g}."
    return Clue(words, {"loss": loss[:60]}, Crossed("loss", times))


def _over(case: Case, name: str) -> float:
    """The end of a curve over that of the baseline's."""
    usual = ends(case.healthy, name)
    return ends(case.facts, name) / usual if usual > 0 else math.nan
