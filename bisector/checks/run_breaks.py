"""R04: does what was learnt fit to the end?"""

import math
from collections.abc import Sequence

from bisector.checks.check import check
from bisector.checks.run_series import late, middle, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy


@check(
    "R04g",
    "what was learnt no longer fits",
    needs=("start", "course"),
    remedy=Remedy("Print pairs of input and target before that step and after it."),
    limits={
        "learnt": Limit(0.6, "our choice: the loss before, of that of the best constant answer"),
        "thrown": Limit(0.8, "our choice: the loss right after, of the same"),
        "left": Limit(1.5, "our choice: the loss at the end over that before"),
    },
)
def no_longer_fits(case: Case) -> Clue | None:
    """From one step to the next the loss goes back to where nothing was known, and does not recover.

    Why it breaks training: what goes with what is no longer what it was: labels or inputs were
    shuffled on their own, replaced, or prepared otherwise from there on.

    How it is seen: the median of a few losses before and after each step, at the step between which
    they differ most, and at the end, against the loss of the best answer which does not look at
    the sample. Whatever else is found in the run, as steps that are too long, comes before it.

    How to mend it: look for what is done every so many epochs, or once, to the data set or its
    loader: a shuffle of one of two lists, a cache, a curriculum.

    Before:
        if epoch == 3: random.shuffle(dataset.labels)
    After:
        sampler.set_epoch(epoch)               # shuffles pairs

    Source: reason 4, "make sure input is connected to output".
    """
    constant = float(str(case.facts["start"].get("constant", math.nan)))
    loss = numbers(case.each("course", "loss"))
    if len(loss) < 4 * WINDOW or not all(map(math.isfinite, loss)) or not constant > 0:
        return None
    cut = _break(loss)
    before, after = middle(loss[cut - WINDOW : cut]), middle(loss[cut : cut + WINDOW])
    if not before < case.limits["learnt"] * constant or after < case.limits["thrown"] * constant:
        return None
    left = middle(late(loss)) / before if before > 0 else math.inf
    if left < case.limits["left"]:
        return None
    step = numbers(case.each("course", "loss_steps"))[cut]
    words = f"At step {step:.0f} the loss goes from {before:.3g} to {after:.3g}, where one answer to all gives {constant:.3g}; it ends at {middle(late(loss)):.3g}."
    return Clue(words, {"step": step, "loss": loss[:60]}, Crossed("left", left))


WINDOW = 5
"""Losses in a median: one batch may be hard."""


def _break(loss: Sequence[float]) -> int:
    """The number of the loss before which and after which the medians differ most."""
    cuts = range(WINDOW, len(loss) - WINDOW + 1)
    return max(cuts, key=lambda i: middle(loss[i : i + WINDOW]) - middle(loss[i - WINDOW : i]))
