"""R19: what the loss is given, as the graph of a watched run's loss tells."""

from bisector.checks.check import check
from bisector.checks.pairing import calls, unit
from bisector.model.finding import Case, Clue, Remedy

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
