"""R02, R03, R13: what the model is called with in the loop, beside what its loader gives."""

from bisector.checks.check import check
from bisector.checks.run_series import finite, middle, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity


@check(
    "R02",
    "inputs that are the same for every sample",
    needs=("entering", "given"),
    severity=Severity.FATAL,
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
