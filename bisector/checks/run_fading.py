"""R36: do the steps last as long as the training, whoever makes them?"""

import math

from bisector.checks.check import check
from bisector.checks.run_rate import typical
from bisector.checks.run_series import finite, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy


@check(
    "R36h",
    "steps that fade long before the end",
    needs=("run_weights", "course"),
    remedy=Remedy("Let the rate fall once for each epoch, or by a factor near 1."),
    limits={
        "spent": Limit(1e-3, "of the longest step; a cosine or a line has such for 3 % of the steps"),
        "share": Limit(0.3, "our choice: of the steps"),
        "left": Limit(0.2, "our choice: of the first loss at the end; what is learnt asks for none"),
    },
)  # fmt: skip
def steps_fade(case: Case) -> Clue | None:
    """From some step on the weights hardly move any more, though the loss is far from learnt.

    Why it breaks training: most of the steps move nothing.

    How it is seen: the length of a step over the size of what it moves, in the median over the weight
    matrices: from some step on it is a thousandth of the longest, to the end, for a good part of
    the run. It is seen of any optimizer, also of one that is a few lines in the loop.

    How to mend it: a rate that is halved belongs behind an epoch, not behind a step.

    Before:
        for x, y in loader: step(x, y, rate); rate /= 2
    After:
        for epoch in range(9): train(rate); rate /= 2

    Source: reason 36, "increase or decrease the learning rate".
    """
    ratios, steps = typical(case), numbers(case.each("run_weights", "steps"))
    loss = finite(case.each("course", "loss"))
    known = [(s, r) for s, r in zip(steps, ratios, strict=True) if not math.isnan(r)]
    if len(known) < FEW or not loss or loss[-1] < case.limits["left"] * abs(loss[0]):
        return None
    longest = max(ratio for _, ratio in known)
    lasting = [s for s, r in known if r > case.limits["spent"] * longest]
    # Looks lie apart: of the steps before the first one that saw it nothing is known.
    faded = [s for s, _ in known if not lasting or s > lasting[-1]]
    share = 1 - faded[0] / known[-1][0] if lasting and faded else 0.0
    if share < case.limits["share"]:
        return None
    words = (
        f"From step {faded[0]:.0f} of {known[-1][0]:.0f} on no step is a thousandth of the longest."
    )
    return Clue(words, {"steps": steps[:60], "ratio": ratios[:60]}, Crossed("share", share))


FEW = 6
"""Looks below which little is known of how steps go on."""
