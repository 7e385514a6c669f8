"""R04, R20, R21, R32: what sets a run apart from the baseline's on the same seed, which trains."""

import math

from bisector.checks.check import check
from bisector.checks.run_loss import STANDARD
from bisector.checks.run_series import column, ends, late, middle, numbers
from bisector.model.finding import Case, Clue, Crossed, Facts, Limit, Remedy

FEW = 6
"""Losses below which a course says little."""


@check(
    "R32i",
    "validated otherwise than trained",
    needs=("course",),
    remedy=Remedy("Validate the model that is trained, all of it: buffers too; in its own mode."),
    limits={
        "same": Limit(0.02, "our choice: of the training loss, from the baseline's; chance is more"),
        "worse": Limit(1.25, "our choice: the validation loss over the baseline's"),
    },
)  # fmt: skip
def validated_otherwise(case: Case) -> Clue | None:
    """The training goes as the baseline's does, and the validation loss is far worse.

    Why it breaks training: it does not; but what is validated is not what was trained: a copy that
    lacks the statistics of batch norm, another mode, other weights, other samples.

    How it is seen: on the same seed the training losses are those of the baseline; the validation
    losses are not.

    How to mend it: copy buffers with the parameters; `load_state_dict` takes both.

    Before:
        for mean, p in zip(ema.parameters(), model.parameters()): mean.lerp_(p, 0.1)
    After:
        ema.load_state_dict(averaged_state)    # with running_mean and running_var

    Source: reason 32, "check train and test mode".
    """
    if not _same_training(case, case.limits["same"]):
        return None
    own, usual = ends(case.facts, "val_loss"), ends(case.healthy, "val_loss")
    if not usual > 0 or not own > case.limits["worse"] * usual:
        return None
    words = f"The training losses are the baseline's; the validation loss is {own:.3g}, and the baseline's {usual:.3g}."
    return Clue(words, {"val_loss": case.each("course", "val_loss")[:60]}, Crossed("worse", own / usual))  # fmt: skip


@check(
    "R21b",
    "a metric that differs where losses do not",
    needs=("course",),
    remedy=Remedy("Compute the metric by hand for ten samples, and by another library."),
    limits={
        "same": Limit(0.02, "our choice: of both losses, from the baseline's; chance is more"),
        "apart": Limit(0.1, "our choice: of the baseline's metric"),
    },
)
def metric_apart(case: Case) -> Clue | None:
    """Training and validation losses are those of the baseline, and the metric is not.

    Why it breaks training: it does not; the metric is computed in another way.

    How it is seen: on the same seed, both losses against the baseline's, and the metric at the end.

    How to mend it: look at the order of arguments, at axes, at what is divided by what.

    Before:
        score = 1 - mse / predictions.var()
    After:
        score = 1 - mse / targets.var()

    Source: reason 21, "monitor other metrics".
    """
    own, usual = ends(case.facts, "val_loss"), ends(case.healthy, "val_loss")
    if not _same_training(case, case.limits["same"]) or not usual > 0:
        return None
    if abs(own - usual) > case.limits["same"] * usual:
        return None
    score, expected = ends(case.facts, "score"), ends(case.healthy, "score")
    apart = abs(score - expected) / abs(expected) if expected else math.nan
    if not apart > case.limits["apart"]:
        return None
    words = f"Both losses are the baseline's; the metric is {score:.3g}, and the baseline's {expected:.3g}."
    return Clue(words, {"score": case.each("course", "score")[:60]}, Crossed("apart", apart))


@check(
    "R20b",
    "an added term that pulls harder than the main one",
    needs=("run_terms", "course"),
    remedy=Remedy("A tenth of the added term's weight."),
    limits={
        "share": Limit(1 / 3, "our choice: the others pull twice as hard as the main one"),
        "worse": Limit(1.25, "our choice: the loss that both have over the baseline's"),
    },
)
def added_term(case: Case) -> Clue | None:
    """Of a loss that is a sum, the added terms pull twice as hard as the main one, and it learns less.

    Why it breaks training: the weights settle where the terms are in balance, and that is far from
    what the main one asks for.

    How it is seen: the norm of each term's gradient at the worst of a few steps, where the baseline's
    loss has no such terms; where it has the same, at the first step, when weights are the same; and
    the validation loss, else the training loss, is far above the baseline's.

    How to mend it: a tenth of its weight, until the main loss is learnt as without it.

    Before:
        loss = cross_entropy - 1.0 * entropy
    After:
        loss = cross_entropy - 0.01 * entropy

    Source: reason 20, "check the loss weights"; Chen et al. (2018), GradNorm, arXiv:1711.02257.
    """
    terms = [f.get("run_terms", {}).get("names", []) for f in (case.facts, case.healthy)]
    # Later on the same terms may be out of balance for any other reason.
    least, usual = (_main_share(f, first=terms[0] == terms[1]) for f in (case.facts, case.healthy))
    if not least < min(case.limits["share"], 0.5 * usual):
        return None
    name = "val_loss" if case.each("course", "val_loss") else "loss"
    own, usual = ends(case.facts, name), ends(case.healthy, name)
    if not usual > 0 or not own > case.limits["worse"] * usual:
        return None
    words = f"The main term brings {least:.0%} of the gradient; the {name} is {own:.3g}, and the baseline's {usual:.3g}."
    return Clue(words, {"share": case.each("run_terms", "share")[:20]}, Crossed("share", least))


def _main_share(facts: Facts, *, first: bool) -> float:
    """The share of the gradient that the main term brings, at first or at the least; 1: it is alone."""
    terms = facts.get("run_terms", {})
    names = [str(n) for n in terms.get("names", [])]
    main = next((i for i, n in enumerate(names) if n.startswith(STANDARD)), 0)
    shares = column(terms.get("share", []), main)
    return min(shares[:1] if first else shares, default=1.0)


@check(
    "R04f",
    "nothing learnt of the inputs",
    needs=("start", "course"),
    remedy=Remedy("Print ten pairs of input and target as the loss receives them."),
    limits={
        "left": Limit(0.95, "our choice: of the loss of the best constant answer"),
        "known": Limit(
            0.8, "our choice: the same of the training loss, where the other is as high"
        ),
    },
)
def nothing_of_inputs(case: Case) -> Clue | None:
    """The loss ends where one answer to all samples gets it, though the baseline learns far more.

    Why it breaks training: what stands in the inputs has nothing to do with the targets, as where one
    of the two was shuffled or read ahead; or it never reaches the outputs.

    How it is seen: the training loss at the end against that of the best answer which does not look
    at the sample: each class as often as it comes, the mean of numbers. Or the validation loss, where
    the training loss is not much lower. Whatever else is found comes before it.

    How to mend it: follow a pair from the data set to the loss.

    Before:
        x = x[torch.randperm(len(x))]
    After:
        order = torch.randperm(len(x)); x, y = x[order], y[order]

    Source: reason 4, "make sure input is connected to output".
    """
    start = case.facts["start"]
    # Of targets that are numbers, their mean is the best answer that does not look at the sample.
    least = math.nan if "classes" in start else start.get("ignorant", math.nan)
    constant = float(str(start.get("constant", least)))
    own, usual = ends(case.facts, "loss"), ends(case.healthy, "loss")
    losses = numbers(case.each("course", "loss"))
    if len(losses) < FEW or not all(map(math.isfinite, losses)):
        return None
    held_out = ends(case.facts, "val_loss") if own > case.limits["known"] * constant else math.nan
    if not constant > 0 or not any(v > case.limits["left"] * constant for v in (own, held_out)):
        return None
    # Without a baseline nobody knows whether more can be learnt.
    if not usual < case.limits["left"] * own:
        return None
    words = f"The loss ends at {own:.3g}, where one answer to all gives {constant:.3g} and the baseline {usual:.3g}."
    return Clue(words, {"loss": case.each("course", "loss")[:60]}, Crossed("left", own / constant))


def _same_training(case: Case, tolerance: float) -> bool:
    """Whether the training losses are the baseline's, at the beginning and at the end."""
    own, usual = (numbers(f.get("course", {}).get("loss", [])) for f in (case.facts, case.healthy))
    if min(len(own), len(usual)) < FEW or len(own) != len(usual):
        return False
    if not all(map(math.isfinite, own)):
        return False
    return all(
        abs(a - b) <= tolerance * abs(b)
        for a, b in ((own[0], usual[0]), (middle(late(own)), middle(late(usual))))
    )
