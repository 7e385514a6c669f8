"""R30, R36: how far does a step go, where to, and does the learning rate last as long as the run?"""

import math
from typing import Any

from bisector.checks.check import check
from bisector.checks.run_series import column, finite, late, middle, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Safety
from bisector.model.variant import LR_TIMES


@check(
    "R36a",
    "a schedule that runs by steps where epochs are meant",
    needs=("rate",),
    remedy=Remedy("Step the schedule once for each epoch, or give it its length in steps."),
    limits={
        "share": Limit(
            0.3, "a cosine or a line to zero is below 1 % of its top for 6 % of the steps"
        ),
        "spent": Limit(0.01, "our choice: of the largest rate; nothing is learnt below"),
        "turns": Limit(10, "our choice: restarts and cycles are few"),
        "cycle": Limit(50, "our choice, in steps, where nobody said how many make an epoch"),
    },
)
def schedule_too_fast(case: Case) -> Clue | None:
    """The learning rate is spent long before the training ends, or goes up and down all the time.

    Why it breaks training: most of the steps are made with a rate that moves nothing.

    How it is seen: the share of the planned steps for which the optimizer's learning rate is below
    1 % of its largest value; how often it turns round, from step to step. Cycles and restarts
    that are meant last an epoch or longer.

    How to mend it: `scheduler.step()` belongs at the end of an epoch where its arguments count
    epochs, and at the end of a step where they count steps.

    Before:
        scheduler = StepLR(optimizer, step_size=10)    # stepped in every step
    After:
        scheduler = StepLR(optimizer, step_size=10 * len(loader))

    Source: reason 36, "increase or decrease the learning rate"; torch.optim, how to adjust it.
    """
    steps, rates = numbers(case.each("rate", "steps")), numbers(case.each("rate", "lr"))
    top = max(rates)
    if not top > 0:
        return None
    below = [s for s, r in zip(steps, rates, strict=True) if r < case.limits["spent"] * top]
    risen = rates.index(top)
    end = max(steps[-1], case.number("rate", "planned"))
    spent_at = next((s for s in below if s > steps[risen]), end)
    share = (end - spent_at) / end
    evidence = {"steps": steps[:60], "lr": rates[:60]}
    if share > case.limits["share"] and rates[-1] < case.limits["spent"] * top:
        words = (
            f"From step {spent_at:.0f} of {end:.0f} on the learning rate is below 1 % of {top:.3g}."
        )
        return Clue(words, evidence, Crossed("share", share))
    turns = case.number("rate", "turns")
    shortest = case.number("rate", "per_epoch") or case.limits["cycle"]
    if turns > case.limits["turns"] and steps[-1] < turns * shortest:
        words = f"In {steps[-1]:.0f} steps the learning rate turns round {turns:.0f} times."
        return Clue(words, evidence, Crossed("turns", turns))
    return None


@check(
    "R36f",
    "a learning rate that grows to the end",
    needs=("rate",),
    remedy=Remedy("A warm-up of some percent of the steps, and a factor below 1 after it."),
    limits={
        "growth": Limit(30.0, "our choice: the last rate over the first; a warm-up has ended then"),
        "run": Limit(0.8, "our choice: the share of the planned steps that must be over"),
    },
)
def grows_to_the_end(case: Case) -> Clue | None:
    """The learning rate rises from the first step to the last.

    Why it breaks training: it is too low at first and too high at last, and right for a few steps at
    most.

    How it is seen: the optimizer's learning rate never falls between two looks, is still rising over
    the last third of them, and has grown many times over, when the planned steps are nearly over.

    How to mend it: look at the factor of an exponential schedule, which belongs below 1, and at the
    length of the warm-up, which is in steps where the schedule is stepped by steps.

    Before:
        scheduler = ExponentialLR(optimizer, gamma=1.05)
    After:
        scheduler = ExponentialLR(optimizer, gamma=0.95)

    Source: reason 36, "increase or decrease the learning rate"; torch.optim.lr_scheduler.
    """
    steps, rates = numbers(case.each("rate", "steps")), numbers(case.each("rate", "lr"))
    ended = steps[-1] >= case.limits["run"] * case.number("rate", "planned")
    rising = rates == sorted(rates) and late(rates)[0] < rates[-1]
    if not (ended and rising and rates[0] > 0):
        return None
    growth = rates[-1] / rates[0]
    if growth < case.limits["growth"]:
        return None
    words = f"The learning rate rises from {rates[0]:.3g} to {rates[-1]:.3g}, and is rising still."
    return Clue(words, {"steps": steps[:60], "lr": rates[:60]}, Crossed("growth", growth))


@check(
    "R36g",
    "a momentum that outlasts the training",
    needs=("held", "passes"),
    remedy=Remedy("A momentum of 0.9; where it is to be higher, a lower rate and many more steps."),
    limits={
        "share": Limit(1.0, "our choice: of the steps of the run; with 0.9 it is ten steps"),
    },
)
def momentum_outlasts(case: Case) -> Clue | None:
    """The optimizer remembers more steps than the whole training has.

    Why it breaks training: with a momentum m each gradient goes on to push for 1 / (1 - m) steps, so
    that the weights run on where the first gradients pushed them, and turn round too late.

    How it is seen: 1 / (1 - momentum), or with Adam 1 / (1 - its first beta), against the steps of
    the run.

    How to mend it: 0.9. A momentum of 0.99 makes each step ten times as long in the end as 0.9 does,
    and asks for a tenth of the learning rate.

    Before:
        SGD(model.parameters(), lr=0.05, momentum=0.999)
    After:
        SGD(model.parameters(), lr=0.05, momentum=0.9)

    Source: reason 36; Sutskever et al. (2013), On the importance of initialization and momentum.
    """
    momentum, steps = case.number("held", "momentum"), case.number("passes", "steps")
    steps = max(steps, case.number("rate", "planned") if "rate" in case.facts else 0.0)
    if not 0 < momentum < 1 or not steps:
        return None
    share = 1 / (1 - momentum) / steps
    # In a handful of steps any momentum is long.
    if share < case.limits["share"] or momentum <= USUAL:
        return None
    words = (
        f"With {momentum:g} the optimizer remembers {1 / (1 - momentum):.0f} steps, of {steps:.0f}."
    )
    return Clue(words, {"momentum": momentum}, Crossed("share", share))


USUAL = 0.95
"""Momenta that recipes have, whatever the length of the training."""


@check(
    "R36b",
    "steps too long for the weights",
    needs=("run_weights",),
    remedy=Remedy("Lower the learning rate, or warm up."),
    limits={
        "ratio": Limit(
            0.1, "1e-3 is usual; 100 times that is too much (DeepDiagnosis, TheDeepChecker)"
        ),
        "whole": Limit(0.5, "our choice: two such steps replace what was there, harm or not"),
        "grown": Limit(5.0, "our choice: weights over their first size; healthy ones 1 to 2"),
        "rise": Limit(1.5, "our choice: of the first loss; healthy ones hardly rise above it"),
        "left": Limit(0.9, "our choice: of the first loss, at the end; nothing was learnt"),
    },
)
def steps_too_long(case: Case) -> Clue | None:
    """Steps move the weights by a large part of their own size, and that does harm.

    Why it breaks training: what was learnt is overwritten, and the loss jumps about or explodes.

    How it is seen: the norm of each weight matrix's update over its own norm, in the median over
    the matrices, at the look at which it is second to largest. The first steps of RMSprop are long
    by nature: so there must be harm too. The steps are as long to the end, or the loss
    rises above its first value, or it does not fall; or they replace half of the weights, or
    leave them at many times their size. Steps that are as long in a baseline that trains do no harm.

    How to mend it: a tenth of the learning rate; a warm-up for Adam; clipping.

    Before:
        Adam(model.parameters(), lr=0.1)
    After:
        Adam(model.parameters(), lr=0.001)

    Source: reason 36; Karpathy, CS231n notes, "the ratio should be somewhere around 1e-3".
    """
    by_look = typical(case)
    # One look may fall on a weight that starts at zero, and so moves by all of its size.
    ratio = max([r for r in by_look if r < max(by_look)], default=math.nan)
    if not ratio > case.limits["ratio"] or _as_in_the_baseline(case, ratio):
        return None
    lost = ratio > case.limits["whole"] or _kept(case) > case.limits["grown"]
    if not (lost or _to_the_end(case, by_look) or _harmed(case)):
        return None
    words = f"A step moves a weight matrix by {ratio:.0%} of its size; about 0.1 % is usual."
    return Clue(words, {"ratio": by_look[:60]} | _fits(USUAL_STEP / ratio), Crossed("ratio", ratio))


def _as_in_the_baseline(case: Case, ratio: float) -> bool:
    """Whether steps that are hardly shorter train the baseline."""
    batches = [f.get("loader", {}).get("batch_size", 0) for f in (case.facts, case.healthy)]
    # What is right for large batches may be too long for small ones.
    if "run_weights" not in case.healthy or batches[0] < batches[1]:
        return False
    seen = finite(typical(Case(case.healthy, {}, case.alpha)))
    return max([r for r in seen if r < max(seen)], default=0.0) > ALIKE * ratio


ALIKE = 0.5
"""Of the length of steps: a factor of two in the learning rate is no fault."""


def _to_the_end(case: Case, by_look: list[float]) -> bool:
    return middle(late(finite(by_look))) > case.limits["ratio"]


def _harmed(case: Case) -> bool:
    """Whether the loss rose far above its first value, or ends near it, or nobody logged it."""
    loss = numbers(case.facts.get("course", {}).get("loss", []))
    if not loss or not loss[0] > 0:
        return True
    if not all(map(math.isfinite, loss)):
        return True
    left = middle(late(loss)) / loss[0]
    # Behind a warm-up the top of a large rate may throw a loss up that ends where it should.
    risen = max(loss) > case.limits["rise"] * loss[0] and left > LEARNT
    return risen or left > case.limits["left"]


LEARNT = 0.1
"""Of the first loss: what is left where nothing went wrong in the end."""


@check(
    "R36c",
    "steps too short for the weights",
    needs=("run_weights", "passes"),
    remedy=Remedy("Raise the learning rate by 10."),
    limits={
        "path": Limit(
            0.01, "our choice: healthy trainings of 20 to 200 steps move their weights by 0.3 to 4"
        ),
        "steps": Limit(20, "our choice: fewer steps do not get far whatever their length"),
    },
)
def steps_too_short(case: Case) -> Clue | None:
    """All steps of the run together move the weights by next to nothing.

    Why it breaks training: it would work, in a hundred times the time.

    How it is seen: the norm of each weight matrix's update over its own norm, in the median over the
    matrices, summed over the steps of the run: so far the weights could have gone at most. What a
    small weight decay alone shrinks them by is not counted.

    How to mend it: ten times the learning rate, until the loss no longer falls smoothly.

    Before:
        SGD(model.parameters(), lr=1e-5)
    After:
        SGD(model.parameters(), lr=1e-2)

    Source: reason 36; Karpathy, CS231n notes: 1e-3 a step is usual.
    """
    by_look, steps = typical(case), numbers(case.each("run_weights", "steps"))
    if not finite(by_look) or case.number("passes", "steps") < case.limits["steps"]:
        return None
    ends = [*steps[1:], max(steps[-1], case.number("passes", "steps")) + 1]
    path = sum(
        ratio * (end - step)
        for ratio, step, end in zip(by_look, steps, ends, strict=True)
        if math.isfinite(ratio)
    )
    if not path > 0:
        return None
    path = max(path - _shrunk(case), 0.0)
    if path >= case.limits["path"]:
        return None
    words = f"All steps together move a weight matrix by at most {path:.2g} of its size."
    # A path of the weights' own length is usual, whatever the number of steps.
    fits = _fits(1 / path) if path else {}
    seen = {"ratio": by_look[:60], "steps": steps[:60]} | fits
    return Clue(words, seen, Crossed("path", path))


USUAL_STEP = 1e-3
"""Of a weight matrix's size, the usual length of a step (Karpathy, CS231n notes)."""


def _fits(factor: float) -> dict[str, Any]:
    """By how much to multiply the learning rate, as a power of ten; nothing where no factor does."""
    usable = 0.0 < factor < math.inf
    return {LR_TIMES: 10.0 ** round(math.log10(factor))} if usable else {}


def _shrunk(case: Case) -> float:
    """By what share weight decay alone shrinks the weights; 0 where it is no small one."""
    held, rate = case.facts.get("held", {}), case.facts.get("rate", {})
    rates, steps = numbers(rate.get("lr", [])), numbers(rate.get("steps", []))
    decay = max(numbers(held.get("decays", [])), default=0.0)
    # AdamW and its like keep the decay apart from the gradient, and so from its momentum.
    apart = str(case.facts.get("handed", {}).get("optimizer", "")) in DECAY_APART
    lasting = 1.0 if apart else 1 - float(held.get("momentum", 0.0))
    if not rates or not lasting > 0:
        return 0.0
    ends = [*steps[1:], max(steps[-1], case.number("passes", "steps")) + 1]
    spent = sum(r * (end - s) for r, s, end in zip(rates, steps, ends, strict=True))
    shrunk = spent * decay / lasting
    return shrunk if shrunk < SMALL else 0.0


DECAY_APART = ("AdamW", "NAdamW", "Lion", "Muon")
"""Optimizers whose decay does not go through their momentum."""


SMALL = 0.1
"""A weight decay that takes less than this share of the weights over the run is a mild one."""


@check(
    "R30c",
    "weight decay that leaves no weights",
    needs=("run_weights",),
    remedy=Remedy(
        "A tenth of the weight decay, or none.",
        safety=Safety.SAFE,
        variants=("less-regularisation", "no-regularisation"),
    ),
    limits={"left": Limit(0.1, "our choice: healthy weights keep half of their size or more")},
)
def weights_decayed(case: Case) -> Clue | None:
    """Weight decay shrinks the weights to a fraction of their initial size.

    Why it breaks training: what the loss builds up in a step, the decay takes away; in the end the
    outputs do not depend on the inputs.

    How it is seen: the norm of each weight matrix at the last look over that at the first one, in the
    median over the matrices. The optimizer has a weight decay, or it is done by hand.

    How to mend it: a tenth of the decay. Adam's own `weight_decay` is not that of AdamW, and in
    SGD it acts through the learning rate: a value does not carry over from one to the other.

    Before:
        AdamW(model.parameters(), lr=1e-2, weight_decay=10.0)
    After:
        AdamW(model.parameters(), lr=1e-2, weight_decay=0.01)

    Source: reason 30, "reduce regularisation"; Loshchilov and Hutter (2019), arXiv:1711.05101.
    """
    decay = max(numbers(case.facts.get("held", {}).get("decays", [])), default=0.0)
    left = _kept(case)
    if not left < case.limits["left"]:
        return None
    by = f"Under a weight decay of {decay:g}" if decay else "By whatever shrinks it in a step"
    words = f"{by}, {left:.2g} of a weight matrix's size is left."
    return Clue(words, {"decay": decay}, Crossed("left", left))


def _kept(case: Case) -> float:
    """The size of the weights at the last look over that at the first, in the median of matrices."""
    shapes, norms = case.each("run_weights", "shapes"), case.each("run_weights", "norm")
    columns = [column(norms, i) for i, shape in enumerate(shapes) if len(shape) > 1]
    return middle([seen[-1] / seen[0] for seen in columns if seen and seen[0]])


def typical(case: Case) -> list[float]:
    """By look, the length of a step over the size of what it moves, in the median over matrices."""
    series, shapes = case.each("run_weights", "ratio"), case.each("run_weights", "shapes")
    matrices = [i for i, shape in enumerate(shapes) if len(shape) > 1]
    return [middle([row[i] for i in matrices if i < len(row)]) for row in series]
