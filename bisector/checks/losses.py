"""R17, R18: the loss: is it one, of the right size, and where does it start?"""

import itertools
import math

from bisector.checks.check import check
from bisector.checks.softness import softened
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity


@check(
    "R18a",
    "a loss that does not prefer better predictions",
    needs=("loss_shape",),
    severity=Severity.FATAL,
    remedy=Remedy("Put the standard loss in its place; then test yours against it."),
    limits={"rise": Limit(0.001, "rounding, as a share of the loss")},
)
def loss_prefers_worse(case: Case) -> Clue | None:
    """A better prediction costs more than a worse one.

    Why it breaks training: the loss falls nicely while the model learns to be wrong.

    How it is seen: made-up predictions for real targets, from surely wrong to nearly right: the
    loss must fall at every rung. (The last rung is p = 0.8, above which label smoothing and the
    like may rightly make it rise.)

    How to mend it: compare with the formula; at its neutral setting (focal: gamma 0) it must
    equal the standard loss.

    Before:
        -(p ** gamma * log_p)                  # cheapest when surely wrong
    After:
        -((1 - p) ** gamma * log_p)

    Source: reason 18, "check your loss function".
    """
    losses = [float(v) for v in case.each("loss_shape", "losses")]
    if not all(map(math.isfinite, losses)):
        return None  # Another finding: it cannot be compared.
    scores = case.text("loss_shape", "kind") == "scores"
    rungs = case.each("loss_shape", "probabilities" if scores else "distances")
    size = max(abs(v) for v in losses) or 1.0
    rises = [(b - a) / size for a, b in itertools.pairwise(losses)]
    worst = max(range(len(rises)), key=rises.__getitem__)
    if rises[worst] <= case.limits["rise"]:
        return _flat(case, losses, rungs)
    if softened(case) > 0:
        return None  # It is true to targets that are soft: how soft is another finding.
    unit = "the right class has probability" if scores else "predictions are off by deviations of"
    return Clue(
        f"The loss rises from {losses[worst]:.4g} to {losses[worst + 1]:.4g} as predictions get "
        f"better: {unit} {rungs[worst]:.3g}, then {rungs[worst + 1]:.3g}.",
        {"at": rungs, "losses": losses},
        Crossed("rise", rises[worst]),
    )


def _flat(case: Case, losses: list[float], rungs: list[float]) -> Clue | None:
    fall = (losses[0] - losses[-1]) / (max(abs(v) for v in losses) or 1.0)
    if fall > case.limits["rise"]:
        return None
    words = f"The loss stays at {losses[-1]:.4g}, however good predictions are."
    return Clue(words, {"at": rungs, "losses": losses}, Crossed("rise", fall))


@check(
    "R18d",
    "classes that the loss does not heed",
    needs=("loss_shape",),
    remedy=Remedy(
        "Look at the loss's class weights, `ignore_index`, and the term of the negatives."
    ),
)
def classes_not_heeded(case: Case) -> Clue | None:
    """Samples of some class may be predicted well or badly: the loss is the same.

    Why it breaks training: the network gives that class up, and sends its samples to the others.

    How it is seen: made-up predictions for real targets; those of one class at a time are made
    better, and the loss must fall.

    How to mend it: weights above zero for every class; no `ignore_index` that is a class; both
    terms of a binary cross-entropy.

    Before:
        -(y * torch.log(p)).mean()
    After:
        -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()

    Source: reason 18, "check your loss function".
    """
    classes = case.each("loss_shape", "indifferent")
    if not classes:
        return None
    return Clue(
        f"The loss does not heed class {', '.join(map(str, classes))}.", {"classes": classes}
    )


@check(
    "R18f",
    "a loss that is not the standard one where it should be",
    needs=("neutral",),
    remedy=Remedy("Compare with the formula term by term; then test it with check_loss."),
    limits={"spread": Limit(1e-3, "rounding; a constant factor is allowed")},
)
def not_standard_when_neutral(case: Case) -> Clue | None:
    """At its neutral setting a loss differs from the one that it extends.

    Why it breaks training: a focal loss with gamma 0 is cross-entropy by its formula; one that is not
    has a slip that the setting hides.

    How it is seen: a copy with `gamma`, `label_smoothing` and the like at 0, over the standard loss,
    on made-up predictions: the ratio must be the same for all.

    How to mend it: write the loss as the standard one times a factor that is 1 at the neutral
    setting.

    Before:
        (1 - p) ** gamma * log_p + p           # a term left over
    After:
        -((1 - p) ** gamma) * log_p

    Source: reason 18; Lin et al. (2017), arXiv:1708.02002, equation 4.
    """
    spread = case.number("neutral", "spread")
    if not spread > case.limits["spread"]:
        return None
    settings, ratios = case.each("neutral", "settings"), case.each("neutral", "ratios")
    return Clue(
        f"With {', '.join(settings)} at 0 it is {min(ratios):.3g} to {max(ratios):.3g} times "
        f"{case.text('neutral', 'standard')}.",
        {"ratios": ratios},
        Crossed("spread", spread),
    )


@check(
    "R18e",
    "a loss that hardly pulls",
    needs=("loss_shape",),
    remedy=Remedy("Do not divide the loss by what its mean has divided by; scale it up."),
    limits={"pull": Limit(1e-4, "of the standard losses at an undecided output it is 0.01 to 1")},
)
def loss_hardly_pulls(case: Case) -> Clue | None:
    """The gradient of the loss is tiny where predictions are undecided.

    Why it breaks training: SGD makes no step to speak of, and Adam divides by so little that its
    epsilon (1e-8) holds it back.

    How it is seen: the gradient in the outputs, as root mean square per sample, where all classes
    are given the same probability, or numbers are one deviation off.

    How to mend it: divide once: `reduction="mean"` has divided by the batch already.

    Before:
        loss = criterion(out, y) / len(dataset)
    After:
        loss = criterion(out, y)

    Source: reason 18; reason 20 for terms of different size.
    """
    pull = case.number("loss_shape", "pull")
    if not pull < case.limits["pull"]:
        return None
    return Clue(
        f"The gradient per sample is {pull:.2g} at an undecided output.", {}, Crossed("pull", pull)
    )


@check(
    "R18b",
    "a loss that depends on the batch",
    needs=("loss_shape",),
    remedy=Remedy("Take the mean over the batch (reduction='mean')."),
    limits={
        "change": Limit(0.1, "a sum over the batch gives 1; overlap losses (Dice) some hundredths")
    },
)
def loss_depends_on_the_batch(case: Case) -> Clue | None:
    """The same samples cost more in a larger batch, or in another order.

    Why it breaks training: the step's size then hangs on the batch size, and the last, smaller
    batch or another number of GPUs changes the training.

    How it is seen: the loss of a batch against that of the batch twice over, and reversed.

    How to mend it: the mean instead of the sum.

    Before:
        nn.CrossEntropyLoss(reduction="sum")
    After:
        nn.CrossEntropyLoss()

    Source: reason 18.
    """
    ratio, change = (case.number("loss_shape", n) for n in ("double_ratio", "order_change"))
    if abs(ratio - 1) > case.limits["change"]:
        words = f"The loss of a batch that is there twice is {ratio:.3g} times that of it once."
        return Clue(words, {"double_ratio": ratio}, Crossed("change", abs(ratio - 1)))
    if change > case.limits["change"]:
        words = f"The loss changes by {change:.1%} when the batch is reversed."
        return Clue(words, {"order_change": change}, Crossed("change", change))
    return None


@check(
    "R18c",
    "a loss that is not finite at sure predictions",
    needs=("loss_shape",),
    remedy=Remedy(
        "Compute in logarithms (log_softmax, logsigmoid), not with log of a probability."
    ),
)
def loss_not_finite(case: Case) -> Clue | None:
    """At saturated scores the loss, or its gradient, is infinite or NaN.

    Why it breaks training: it runs well until the model is sure of something, then all is NaN.

    How it is seen: scores of +-200 for the right class: its probability is then 0 or 1 in single
    precision, and its logarithm must still be finite.

    How to mend it: `log_softmax` in place of `log(softmax)`, `logsigmoid` in place of
    `log(sigmoid)`, `clamp` where a logarithm must be taken.

    Before:
        -torch.log(out.softmax(1)[rows, y])
    After:
        -out.log_softmax(1)[rows, y]

    Source: reasons 18 and 37.
    """
    sick = list(case.each("loss_shape", "saturated"))
    losses = [float(v) for v in case.each("loss_shape", "losses")]
    sick += ["loss at ordinary predictions"] if not all(map(math.isfinite, losses)) else []
    return Clue(f"Not finite: {', '.join(sick)}.", {"scores": [-200, 200]}) if sick else None


@check(
    "R17",
    "a first loss far above chance",
    needs=("start",),
    remedy=Remedy("Scale down the initial weights of the last layer; standardise real targets."),
    limits={
        "ratio": Limit(1.5, "healthy networks start below 1.3; reason 17 asks for chance, 1"),
        "ratio_of_numbers": Limit(4.0, "outputs of 0, where targets lie 1.7 deviations from it"),
    },
)
def first_loss_above_chance(case: Case) -> Clue | None:
    """The untrained model is surer of its answers than one that knows nothing.

    Why it breaks training: the first steps go into unlearning it, with large gradients; saturated
    units may never come back.

    How it is seen: the loss of the first batches, before any step, over that of even scores (of
    the mean target, where targets are numbers) with the same loss. Of heads whose weights are
    normalised (cosines on a scale) nothing is said: they start above chance on purpose.

    How to mend it: small weights and zero bias in the last layer; standardised targets.

    Before:
        nn.init.normal_(head.weight)
    After:
        nn.init.normal_(head.weight, std=0.01); nn.init.zeros_(head.bias)

    Source: reason 17, "look for correct loss at chance": -ln(1/C) for C classes (CS231n).
    """
    loss, chance = case.number("start", "loss"), case.number("start", "ignorant")
    limit = "ratio" if case.has("start", "classes") else "ratio_of_numbers"
    if case.facts["start"].get("heedless"):
        return None
    if loss / chance <= case.limits[limit]:
        return None
    return Clue(
        f"The first loss is {loss:.4g}; knowing nothing costs {chance:.4g}.",
        {n: case.facts["start"][n] for n in ("largest_output", "output_std", "losses")},
        Crossed(limit, loss / chance),
    )
