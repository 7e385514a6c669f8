"""R02, R03, R13: what the model is called with in the loop, beside what its loader gives."""

import math
from collections.abc import Mapping
from statistics import fmean, stdev
from typing import Any

from bisector.checks.check import check
from bisector.checks.run_series import ends_above, finite, middle, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity, Stage


@check(
    "R02",
    "inputs that are the same for every sample",
    needs=("entering", "given"),
    severity=Severity.FATAL,
    seat=Stage.DATA,
    remedy=Remedy("Print what the model is called with in the loop, line by line from the loader."),
    limits={"left": Limit(0.01, "our choice: of how far the loader's samples differ")},
)
def inputs_alike(case: Case) -> Clue | None:
    """What the model is given does not differ from sample to sample, though the loader's samples do.

    Why it breaks training: any input would do as well; all that can be learnt is how often each answer
    comes.

    How it is seen: how far samples of a batch differ from its first one as they enter the model, at a
    few steps, in units of their own size, against the same for batches of the loader.

    How to mend it: look for a buffer that is never filled, a conversion to whole numbers, a mean over
    the wrong axis.

    Before:
        x = x.long().float()                # pixels between 0 and 1
    After:
        x = x.float()

    Source: reason 2, "try random input": if it makes no difference, the data path destroys the signal.
    """
    left, usual = _differ(case, "between")
    if not usual > 0 or not left < case.limits["left"] * usual:
        return None
    words = f"Samples differ by {left:.2g} of their size as they enter the model, and by {usual:.2g} in the loader."
    evidence = {"steps": case.each("entering", "steps")[:60]}
    return Clue(words, evidence, Crossed("left", left / usual))


@check(
    "R13b",
    "inputs of which little is left",
    needs=("entering", "given"),
    seat=Stage.DATA,
    remedy=Remedy("Halve the augmentation's strength; look at a batch as the model receives it."),
    limits={
        "zero": Limit(0.6, "our choice: of the values, more than in the loader; usual erasing takes 0.3"),
        "left": Limit(0.1, "our choice: of how far values of a sample, or samples, differ"),
    },
)  # fmt: skip
def little_left(case: Case) -> Clue | None:
    """What stands between the loader and the model takes nearly all of a sample away.

    Why it breaks training: the network is asked to tell what cannot be told any more.

    How it is seen: as samples enter the model, at a few steps: the share of values that are zero; how
    far the values of one sample differ, and how far samples do, in units of their size; against the
    same for batches of the loader, where a sample has as many values.

    How to mend it: less of it: smaller rectangles, larger crops, a mask for a few values.

    Before:
        x[:, :, top : top + 7, left : left + 7] = 0     # of 8 x 8
    After:
        x[:, :, top : top + 2, left : left + 2] = 0

    Source: reason 13, "do you have too much data augmentation?"
    """
    if case.number("entering", "values") != case.number("given", "values"):
        return None
    zero, usual = middle(case.each("entering", "zero")), case.number("given", "zero")
    if zero - usual > case.limits["zero"]:
        words = f"{zero:.0%} of the values that enter the model are zero, and {usual:.0%} of the loader's."
        return Clue(words, {"zero": zero}, Crossed("zero", zero - usual))
    for name, what in (("within", "places of a sample"), ("between", "samples")):
        left, usual = _differ(case, name)
        if usual > 0 and left < case.limits["left"] * usual:
            words = f"The {what} differ by {left:.2g} of their size as they enter the model, and by {usual:.2g} in the loader."
            return Clue(words, {name: left}, Crossed("left", left / usual))
    return None


def _differ(case: Case, name: str) -> tuple[float, float]:
    """How far values differ in units of their size, as they enter and in the loader.

    So that a scale which the loop sets right, as pixels over 255, makes no difference.
    """
    seen = zip(numbers(case.each("entering", name)), numbers(case.each("entering", "size")), strict=True)  # fmt: skip
    entering = middle([n / size if size else 0.0 for n, size in seen])
    size = case.number("given", "size")
    return entering, case.number("given", name) / size if size else 0.0


@check(
    "R03f",
    "the same batch in every step",
    needs=("entering", "rate"),
    seat=Stage.DATA,
    remedy=Remedy("Make the iterator once for each epoch: `for batch in loader`."),
    limits={"looks": Limit(4, "our choice: steps far apart, of which no two are of one batch")},
)
def one_batch(case: Case) -> Clue | None:
    """The model is given the same batch at every step, though the loader has many.

    Why it breaks training: it learns these samples by heart, and nothing of the others.

    How it is seen: mean and size of some values as they enter the model are the same to the last digit
    at all steps that were looked at, and an epoch has several batches.

    How to mend it: do not make a new iterator in every step.

    Before:
        batch = next(iter(loader))          # in the loop
    After:
        for batch in loader:

    Source: reason 3, "check the data loader".
    """
    rows = list(zip(*(finite(case.each("entering", n)) for n in ("mean", "size", "between")), strict=False))  # fmt: skip
    if len(rows) < case.limits["looks"] or case.number("rate", "per_epoch") <= 1:
        return None
    # Where nothing differs from sample to sample, that is the finding.
    if len(set(rows)) > 1 or not rows[0][2] > 0:
        return None
    words = f"At {len(rows)} steps from the first to the last, one batch entered the model."
    return Clue(words, {"steps": case.each("entering", "steps")[:60]}, Crossed("looks", len(rows)))


@check(
    "R13c",
    "inputs that are changed more than the baseline's",
    needs=("entering", "given", "course"),
    seat=Stage.RUN,
    remedy=Remedy("Halve the augmentation's strength; look at a batch as the model receives it."),
    limits={
        "apart": Limit(0.05, "our choice: of the baseline's"),
        "errors": Limit(3.0, "standard errors; of few looks as many more as Student's t asks for"),
        "worse": Limit(1.25, "our choice: the loss at the end over the baseline's"),
    },
)
def changed_more(case: Case) -> Clue | None:
    """The loader gives what the baseline's gives, what enters the model differs, and less is learnt.

    Why it breaks training: noise, turns or a scale between the loader and the model make of the samples
    what the network cannot tell, or must first learn to undo.

    How it is seen: size and share of zeros of what enters, and how far values differ in units of that
    size, in the mean over a few steps, against the same of the baseline on the same seed, where the
    loader's batches are alike. Whatever else is found comes before it.

    How to mend it: look at each line between the loader and the model; take half of it away.

    Before:
        x = x + 0.7 * torch.randn_like(x)
    After:
        x = x + 0.07 * torch.randn_like(x)

    Source: reason 13, "do you have too much data augmentation?"
    """
    beside = [case.healthy.get(n, {}) for n in ("entering", "given", "course")]
    if not all(beside) or not _alike(case.facts["given"], beside[1]):
        return None
    if not ends_above(case, case.limits["worse"]):
        return None
    for name in ("size", "between", "within", "zero"):
        here, there = _shares(case.facts["entering"], name), _shares(beside[0], name)
        if min(len(here), len(there)) < FEWEST:
            continue
        errors = _of_student(case.limits["errors"], len(here) + len(there) - 2)
        gap, chance = fmean(here) - fmean(there), math.hypot(_error(here), _error(there))
        apart = abs(gap) / (1.0 if name == "zero" else fmean(there) or 1.0)
        if apart > case.limits["apart"] and abs(gap) > errors * chance:
            words = f"{WORDS[name]} as samples enter the model is {fmean(here):.3g}, and the baseline's {fmean(there):.3g}, of the same loader."
            return Clue(words, {name: here, "baseline": there}, Crossed("apart", apart))
    return None


FEWEST = 3
"""Looks of which the spread is known."""


def _of_student(errors: float, freedom: int) -> float:
    """As many errors as are as seldom by Student's t as these are where the spread is known.

    The first terms of its expansion by one over the degrees of freedom (Fisher and Cornish, 1960).
    """
    z = errors
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def _error(values: list[float]) -> float:
    return stdev(values) / math.sqrt(len(values))


WORDS = {
    "size": "The size of values", "between": "How far samples differ",
    "within": "How far the values of a sample differ", "zero": "The share of zeros",
}  # fmt: skip
SAME = 0.02
"""Of what loaders give on one seed, where they read the same data."""


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two loaders give the same."""
    pairs = [(float(str(one[n])), float(str(other.get(n, math.nan)))) for n in ("values", "size", "between")]  # fmt: skip
    return all(abs(a - b) <= SAME * abs(b) for a, b in pairs)


def _shares(entering: Mapping[str, Any], name: str) -> list[float]:
    """By look; of differences, in units of the size."""
    values = numbers(entering[name])
    if name in ("between", "within"):
        values = [v / s if s else 0.0 for v, s in zip(values, numbers(entering["size"]), strict=True)]  # fmt: skip
    return finite(values)
