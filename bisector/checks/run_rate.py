"""R20, R36: how far does a step go, where to, and does the learning rate last as long as the run?"""

import math
from itertools import pairwise

from bisector.checks.check import check
from bisector.checks.run_series import column, middle, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy


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
    },
)
def schedule_too_fast(case: Case) -> Clue | None:
    """The learning rate is spent long before the training ends, or goes up and down all the time.

    Why it breaks training: most of the steps are made with a rate that moves nothing.

    How it is seen: the optimizer's learning rate at each look: the share of the planned steps for
    which it is below 1 % of its largest value, and how often it turns round.

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
    turns = _turns(rates)
    if turns > case.limits["turns"]:
        words = f"In {len(rates)} looks the learning rate turns round {turns} times."
        return Clue(words, evidence, Crossed("turns", turns))
    return None


def _turns(rates: list[float]) -> int:
    moves = [b - a for a, b in pairwise(rates) if b != a]
    return sum((a > 0) != (b > 0) for a, b in pairwise(moves))


@check(
    "R36b",
    "steps too long for the weights",
    needs=("run_weights",),
    remedy=Remedy("Lower the learning rate by 10, or warm up."),
    limits={
        "ratio": Limit(
            0.1, "1e-3 is usual; 100 times that is too much (DeepDiagnosis, TheDeepChecker)"
        )
    },
)
def steps_too_long(case: Case) -> Clue | None:
    """A step moves the weights by a large part of their own size.

    Why it breaks training: what was learnt is overwritten, and the loss jumps about or explodes.

    How it is seen: the norm of each weight matrix's update over its own norm, in the median over
    the matrices, at the look at which it is second to largest.

    How to mend it: a tenth of the learning rate; a warm-up for Adam; clipping.

    Before:
        Adam(model.parameters(), lr=0.1)
    After:
        Adam(model.parameters(), lr=0.001)

    Source: reason 36; Karpathy, CS231n notes, "the ratio should be somewhere around 1e-3".
    """
    ratios = list(_ratios(case).values())
    by_look = [middle(row) for row in zip(*ratios, strict=False)]
    # One look may fall on a weight that starts at zero, and so moves by all of its size.
    ratio = max([r for r in by_look if r < max(by_look)], default=math.nan)
    if not ratio > case.limits["ratio"]:
        return None
    words = f"A step moves a weight matrix by {ratio:.0%} of its size; about 0.1 % is usual."
    return Clue(words, {"ratio": by_look[:60]}, Crossed("ratio", ratio))


@check(
    "R36c",
    "steps too short for the weights",
    needs=("run_weights",),
    remedy=Remedy("Raise the learning rate by 10."),
    limits={
        "ratio": Limit(1e-5, "1e-3 is usual; a hundredth of that is too little (DeepDiagnosis)")
    },
)
def steps_too_short(case: Case) -> Clue | None:
    """A step moves the weights by next to nothing, at any time of the run.

    Why it breaks training: it would work, in a hundred times the time.

    How it is seen: the norm of each weight matrix's update over its own norm, at its largest over
    the looks, in the median over the matrices.

    How to mend it: ten times the learning rate, until the loss no longer falls smoothly.

    Before:
        SGD(model.parameters(), lr=1e-5)
    After:
        SGD(model.parameters(), lr=1e-2)

    Source: reason 36; Karpathy, CS231n notes.
    """
    largest = {n: max(seen) for n, seen in _ratios(case).items() if any(seen)}
    ratio = middle(list(largest.values()))
    if not largest or not ratio < case.limits["ratio"]:
        return None
    words = f"A step moves a weight matrix by at most {ratio:.2g} of its size; about 1e-3 is usual."
    return Clue(words, {"ratio": largest}, Crossed("ratio", ratio))


def _ratios(case: Case) -> dict[str, list[float]]:
    """Weight matrix to its updates over its size."""
    series, shapes = case.each("run_weights", "ratio"), case.each("run_weights", "shapes")
    names = case.each("run_weights", "parameters")
    columns = {n: column(series, i) for i, n in enumerate(names) if len(shapes[i]) > 1}
    return {n: seen for n, seen in columns.items() if seen}


@check(
    "R20",
    "a loss term that drowns the others",
    needs=("run_terms",),
    remedy=Remedy("Weigh the terms so that the main one brings most of the gradient."),
    limits={
        "share": Limit(0.05, "our choice: the others then bring 20 times the main one's gradient")
    },
)
def drowned_term(case: Case) -> Clue | None:
    """Of a loss that is a sum, an added term moves the weights, and the main one hardly does.

    Why it breaks training: the penalty is learnt in place of the task.

    How it is seen: the norm of each term's gradient at the parameters that they share, at the worst
    of a few steps. The main term is the one made by a standard loss, else the first.

    How to mend it: weights for the terms such that their gradients are of one size, or the main
    one's larger.

    Before:
        loss = cross_entropy + 100.0 * penalty
    After:
        loss = cross_entropy + 0.01 * penalty

    Source: reason 20, "check the loss weights"; Chen et al. (2018), GradNorm, arXiv:1711.02257.
    """
    names, series = case.each("run_terms", "names"), case.each("run_terms", "share")
    main = next((n for n in names if n.startswith(STANDARD)), names[0])
    by_step = [dict(zip(names, numbers(row), strict=True)) for row in series]
    # Once the penalty is learnt, the terms are in balance: it is the worst moment that tells.
    worst = min(by_step, key=lambda shares: shares[main])
    share = worst[main]
    if math.isnan(share) or share >= case.limits["share"]:
        return None
    loudest = max(worst, key=lambda n: worst[n])
    words = f"`{main}` brings {share:.2%} of the gradient, `{loudest}` {worst[loudest]:.0%}."
    return Clue(words, {"share": worst}, Crossed("share", share))


STANDARD = ("NllLoss", "MseLoss", "BinaryCrossEntropy", "SmoothL1Loss", "HuberLoss", "KlDiv", "L1Loss",
            "CtcLoss", "SoftMarginLoss", "MultilabelMarginLoss", "PoissonNllLoss")  # fmt: skip
"""How autograd calls the nodes of torch's own losses."""
