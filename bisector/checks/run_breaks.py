"""R04: does what was learnt fit, to the end and in all batches?"""

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
    constant, loss = _constant(case), numbers(case.each("course", "loss"))
    if not _enough(loss, constant):
        return None
    cut = _break(loss)
    earlier, later = sorted(loss[cut - WINDOW : cut]), sorted(loss[cut : cut + WINDOW])
    before, after = middle(earlier), middle(later)
    # One batch on either side may be an odd one; two would be a loss that jumps about.
    if later[1] < earlier[-2]:
        return None
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


def _constant(case: Case) -> float:
    """The loss of the best answer that does not look at the sample; NaN: it is not known."""
    return float(str(case.facts["start"].get("constant", math.nan)))


def _enough(loss: Sequence[float], constant: float) -> bool:
    """Whether there are losses enough for medians on either side, all finite, and one to hold them against."""
    return len(loss) >= 4 * WINDOW and all(map(math.isfinite, loss)) and constant > 0


def _break(loss: Sequence[float]) -> int:
    """The number of the loss before which and after which the medians differ most."""
    cuts = range(WINDOW, len(loss) - WINDOW + 1)
    return max(cuts, key=lambda i: middle(loss[i : i + WINDOW]) - middle(loss[i - WINDOW : i]))


@check(
    "R04h",
    "batches that do not fit among others that do",
    needs=("start", "course"),
    remedy=Remedy("Print pairs of input and target of a batch of either kind."),
    limits={
        "gap": Limit(0.2, "our choice: of the loss of the best constant answer, with no loss in it"),
        "part": Limit(0.2, "our choice: of the batches, on either side of the gap"),
        "learnt": Limit(0.8, "our choice: the lower losses, of that of the best constant answer"),
    },
)  # fmt: skip
def some_do_not_fit(case: Case) -> Clue | None:
    """Losses fall apart into two heaps: what is learnt of some batches is worse than nothing for others.

    Why it breaks training: the batches teach two things that contradict each other; targets of some
    were shuffled, shifted or numbered otherwise.

    How it is seen: the losses of the last third, in order of size: the widest gap between two of them,
    with a good part of the losses on either side, those above it worse than the best answer which
    does not look at the sample, those below it better.

    How to mend it: look for what is done to every other batch, by one of several workers, or to the
    samples of one source.

    Before:
        if step % 2: y = y.roll(1)
    After:
        x, y = next(batches)

    Source: reason 4, "make sure input is connected to output".
    """
    constant, loss = _constant(case), sorted(late(numbers(case.each("course", "loss"))))
    if not _enough(loss, constant):
        return None
    part = math.ceil(case.limits["part"] * len(loss))
    cut = max(range(part, len(loss) - part + 1), key=lambda i: loss[i] - loss[i - 1])
    gap, low, high = loss[cut] - loss[cut - 1], middle(loss[:cut]), middle(loss[cut:])
    if gap < case.limits["gap"] * constant:
        return None
    if not low < case.limits["learnt"] * constant < constant < high:
        return None
    words = f"At the end {len(loss) - cut} of {len(loss)} losses lie about {high:.3g}, above the {constant:.3g} of one answer to all, and the others about {low:.3g}."
    return Clue(words, {"loss": case.each("course", "loss")[-60:]}, Crossed("gap", gap / constant))
