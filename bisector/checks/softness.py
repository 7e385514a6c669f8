"""R30: how much of its target does a loss leave to the right class?"""

import math

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Safety


@check(
    "R30f",
    "targets of which smoothing leaves little",
    needs=("loss_shape",),
    remedy=Remedy(
        "A smoothing of 0.1, or none.",
        safety=Safety.SAFE,
        variants=("less-regularisation", "no-regularisation"),
    ),
    limits={"given_away": Limit(0.3, "0.1 is usual, 0.2 much (Szegedy et al. 2016; Mueller et al. 2019)")},
)  # fmt: skip
def targets_softened(case: Case) -> Clue | None:
    """The loss asks for predictions that give much of the probability to wrong classes.

    Why it breaks training: the best that can be learnt is to be unsure; the gradient of telling classes
    apart shrinks with what is given away, until noise outweighs it.

    How it is seen: the loss at made-up predictions is, to the last digits, a cross-entropy against
    targets that give the right class so much and the others the rest, in equal parts. Whether an
    argument, a mixture or a table does so, makes no difference.

    How to mend it: less smoothing; look for an argument that is one minus what was meant.

    Before:
        nn.CrossEntropyLoss(label_smoothing=0.9)
    After:
        nn.CrossEntropyLoss(label_smoothing=0.1)

    Source: reason 30, "reduce regularisation"; Mueller et al. (2019), arXiv:1906.02629.
    """
    given_away = softened(case)
    if not given_away > case.limits["given_away"]:
        return None
    words = f"The loss gives {given_away:.0%} of each target to wrong classes."
    return Clue(words, {"given_away": given_away}, Crossed("given_away", given_away))


def softened(case: Case) -> float:
    """What a cross-entropy gives to wrong classes, all alike; NaN: it is no such loss.

    At a probability p of the right class it is -q log p - (1 - q) log((1 - p) / (classes - 1)) times
    a constant; two of the rungs give q and the constant, and all the others must agree.
    """
    if case.text("loss_shape", "kind") != "scores":
        return math.nan
    losses = [float(str(v)) for v in case.each("loss_shape", "losses")]
    wrong = case.number("loss_shape", "classes") - 1
    rungs = [
        (-math.log(float(p)), -math.log((1 - float(p)) / wrong))
        for p in case.each("loss_shape", "probabilities")
    ]
    if len(rungs) < len(("first", "last", "another")) or not all(map(math.isfinite, losses)):
        return math.nan
    (a, b), (c, d) = rungs[0], rungs[-1]
    area = a * d - b * c
    if not area:
        return math.nan
    right = (losses[0] * d - losses[-1] * b) / area
    rest = (losses[-1] * a - losses[0] * c) / area
    size = max(map(abs, losses))
    off = max(abs(right * x + rest * y - v) for (x, y), v in zip(rungs, losses, strict=True))
    # Where the right class gets little more than a wrong one, the targets are not these.
    if off > ROUNDING * size or rest < 0 or not right > PREFERRED * rest / wrong:
        return math.nan
    return rest / (right + rest)


PREFERRED = 2.0
"""How much more of a soft target goes to the right class than to each other one, at the least."""
ROUNDING = 1e-3
"""Of the largest loss."""
