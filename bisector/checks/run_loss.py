"""R19, R20: what the loss is given, and which of its terms pulls, as the graph of a watched run's loss tells."""

import math

from bisector.checks.check import check
from bisector.checks.pairing import calls, unit
from bisector.checks.run_series import numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy

NAMES = {
    "LogSoftmax": "the log_softmax of the loss",
    "BinaryCrossEntropyWithLogits": "binary_cross_entropy_with_logits",
    "LogSigmoid": "the logsigmoid of the loss",
    "Logsumexp": "the logsumexp of the loss",
    "Softmax": "another softmax",
    "Sigmoid": "another sigmoid",
}
"""What takes scores, by the name that autograd has for it."""


@check(
    "R19i",
    "scores that were squashed already",
    needs=("run_loss",),
    remedy=Remedy("Give the loss the scores as the last linear layer makes them."),
)
def squashed_twice(case: Case) -> Clue | None:
    """A loss that takes scores is given what a softmax, a sigmoid, a ReLU or a tanh has made of them.

    Why it breaks training: the softmax of probabilities is nearly even, so the loss stays far from
    zero and its gradients are small; a score that cannot be any number can never be sure.

    How it is seen: in the graph of the loss at its first steps: the operation right before the loss's
    own `log_softmax` (`cross_entropy` has one) or sigmoid, wherever in the program it stands.

    How to mend it: leave the activation away between the last layer and the loss; apply it only to show
    probabilities.

    Before:
        loss = F.cross_entropy(model(x).softmax(1), y)
    After:
        loss = F.cross_entropy(model(x), y)

    Source: reason 19, "check the loss input"; torch.nn.CrossEntropyLoss expects logits.
    """
    found = case.each("run_loss", "squashed")
    if not found or _told_before(case):
        return None
    gave, took = found
    return Clue(f"A {gave.lower()} stands right before {NAMES[took]}.", {"operations": found})


def _told_before(case: Case) -> bool:
    """Whether what was seen before the run says it, and better."""
    if not {"loss_calls", "range"} <= set(case.facts):
        return False
    takes = calls(case, "cross_entropy", "log_softmax", "binary_cross_entropy_with_logits")
    ends = case.text("range", "last") in ("Relu", "Tanh", "Softplus", "Sigmoid")
    return any(ends or unit(call) for call in takes)


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
