"""R17, R18, R19: the loss: what it is given, whether it is one, and where it starts."""

import itertools
from typing import Any

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

ROUNDING = 1e-3
"""By how much probabilities computed in single or half precision miss a sum of 1."""


def calls(case: Case, *names: str) -> list[dict[str, Any]]:
    """What some functions of torch were called with by the loss."""
    return [c for c in case.each("loss_calls", "calls") if c["function"] in names]


def probabilities(call: dict[str, Any]) -> bool:
    """Whether the first argument holds numbers from 0 to 1 that sum to 1."""
    return _unit(call) and float(call["sum_error"]) < ROUNDING


def _unit(call: dict[str, Any]) -> bool:
    return float(call["min"]) >= 0 and float(call["max"]) <= 1


@check(
    "R19a",
    "softmax before cross-entropy",
    needs=("loss_calls",),
    remedy=Remedy("Give the loss the scores: leave the softmax out of the model."),
)
def softmax_before_cross_entropy(case: Case) -> Clue | None:
    """A loss that applies softmax itself is given probabilities.

    Why it breaks training: softmax of probabilities is nearly even, so the loss cannot go below
    about ln(1 + (C - 1)/e) and gradients are small; under Adam it still learns, slowly and worse.

    How it is seen: the first argument of `cross_entropy` or `log_softmax` inside of the loss lies
    between 0 and 1, and sums to 1 over the classes.

    How to mend it: return scores from the model; apply softmax only to show probabilities.

    Before:
        return self.head(x).softmax(1)         # then nn.CrossEntropyLoss()
    After:
        return self.head(x)

    Source: reason 19, "check the loss input"; torch.nn.CrossEntropyLoss expects logits.
    """
    for call in calls(case, "cross_entropy", "log_softmax"):
        if probabilities(call):
            return Clue(
                f"`{call['function']}` is given probabilities: {call['min']:.3g} to "
                f"{call['max']:.3g}, summing to 1 over the classes.",
                {"shape": call["shapes"][0], "sum_error": call["sum_error"]},
            )
    return None


@check(
    "R19b",
    "NLLLoss without log-probabilities",
    needs=("loss_calls",),
    severity=Severity.FATAL,
    remedy=Remedy("End the model with log_softmax, or use CrossEntropyLoss."),
)
def nll_without_log_probabilities(case: Case) -> Clue | None:
    """`nll_loss` is given scores or probabilities, and expects log-probabilities.

    Why it breaks training: it only picks the number of the right class. Given scores it falls for
    ever, without learning which class is right; given probabilities its gradient does not grow
    where the model is wrong.

    How it is seen: the exponentials of the first argument do not sum to 1 over the classes.

    How to mend it: `log_softmax` at the end of the model, or CrossEntropyLoss in its place.

    Before:
        F.nll_loss(model(x), y)
    After:
        F.cross_entropy(model(x), y)

    Source: reason 19; torch.nn.NLLLoss.
    """
    for call in calls(case, "nll_loss"):
        if float(call["log_sum_error"]) > 10 * ROUNDING:
            what = "probabilities" if probabilities(call) else "scores"
            return Clue(
                f"`nll_loss` is given {what} from {call['min']:.3g} to {call['max']:.3g}; "
                f"their logsumexp is {call['log_sum_error']:.3g} off 0.",
                {"shape": call["shapes"][0]},
            )
    return None


@check(
    "R19c",
    "sigmoid before a loss with logits",
    needs=("loss_calls",),
    remedy=Remedy("Give the loss the scores: leave the sigmoid out of the model."),
    limits={"values": Limit(32, "so many scores of both signs lie in 0..1 by luck never")},
)
def sigmoid_before_logits(case: Case) -> Clue | None:
    """`binary_cross_entropy_with_logits` is given probabilities.

    Why it breaks training: it applies the sigmoid again, so that outputs stay between 0.5 and
    0.73 and no prediction can say no.

    How it is seen: all of its first argument, of at least as many values as the limit, lies
    between 0 and 1.

    How to mend it: leave the sigmoid out of the model, or use BCELoss.

    Before:
        F.binary_cross_entropy_with_logits(torch.sigmoid(out), y)
    After:
        F.binary_cross_entropy_with_logits(out, y)

    Source: reason 19; torch.nn.BCEWithLogitsLoss.
    """
    for call in calls(case, "binary_cross_entropy_with_logits"):
        if _unit(call) and float(call["values"]) >= case.limits["values"]:
            return Clue(
                f"All {call['values']} scores lie between {call['min']:.3g} and "
                f"{call['max']:.3g}: they are probabilities already.",
                {"shape": call["shapes"][0]},
                Crossed("values", float(call["values"])),
            )
    return None


@check(
    "R19d",
    "outputs and targets that are broadcast",
    needs=("loss_calls",),
    severity=Severity.FATAL,
    remedy=Remedy("Bring both to one shape: out.squeeze(1), or y.unsqueeze(1)."),
)
def broadcast_in_the_loss(case: Case) -> Clue | None:
    """Outputs [N, 1] meet targets [N] and become [N, N]: each prediction against every target.

    Why it breaks training: the best answer is then the mean target for every input.

    How it is seen: shapes of the arguments of the loss's own operations.

    How to mend it: squeeze the outputs, or unsqueeze the targets.

    Before:
        ((model(x) - y) ** 2).mean()           # [N, 1] - [N]
    After:
        ((model(x).squeeze(1) - y) ** 2).mean()

    Source: reason 19; the warning of torch.nn.MSELoss.
    """
    for call in case.each("loss_calls", "calls"):
        shapes = [tuple(s) for s in call["shapes"]]
        n = max((s[0] for s in shapes if s), default=0)
        if n > 1 and len(shapes) == 2 and set(shapes) == {(n,), (n, 1)}:
            return Clue(
                f"`{call['function']}` meets {list(shapes[0])} with {list(shapes[1])} "
                f"and makes [{n}, {n}] of them.",
                {"outputs": case.each("loss_calls", "outputs")},
            )
    return None


@check(
    "R19e",
    "a loss that refuses its inputs",
    needs=("loss_calls",),
    severity=Severity.FATAL,
    remedy=Remedy("Bring outputs and targets to the shapes, types and range the loss asks for."),
)
def loss_refuses(case: Case) -> Clue | None:
    """The loss raises an error on the first batch: wrong shape, wrong type, target out of range.

    Why it breaks training: it does not begin.

    How it is seen: the loss is called once with the untrained model's outputs.

    How to mend it: see the message; class numbers run from 0 to C - 1 and are of type int64.

    Before:
        nn.Linear(width, 9)                    # and targets 0 to 9
    After:
        nn.Linear(width, 10)

    Source: reason 19.
    """
    raised = case.text("loss_calls", "raises")
    if not raised:
        return None
    return Clue(
        f"{case.text('loss_calls', 'loss')} raised {raised}",
        {n: case.each("loss_calls", n) for n in ("outputs", "targets")},
    )


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
    scores = case.text("loss_shape", "kind") == "scores"
    rungs = case.each("loss_shape", "probabilities" if scores else "distances")
    size = max(abs(v) for v in losses) or 1.0
    rises = [(b - a) / size for a, b in itertools.pairwise(losses)]
    worst = max(range(len(rises)), key=rises.__getitem__)
    if rises[worst] <= case.limits["rise"]:
        return None
    unit = "the right class has probability" if scores else "predictions are off by deviations of"
    return Clue(
        f"The loss rises from {losses[worst]:.4g} to {losses[worst + 1]:.4g} as predictions get "
        f"better: {unit} {rungs[worst]:.3g}, then {rungs[worst + 1]:.3g}.",
        {"at": rungs, "losses": losses},
        Crossed("rise", rises[worst]),
    )


@check(
    "R18b",
    "a loss that depends on the batch",
    needs=("loss_shape",),
    remedy=Remedy("Take the mean over the batch (reduction='mean')."),
    limits={"change": Limit(0.01, "rounding is below 0.0001; a sum over the batch gives 1")},
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
    sick = case.each("loss_shape", "saturated")
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
    the mean target, where targets are numbers) with the same loss.

    How to mend it: small weights and zero bias in the last layer; standardised targets.

    Before:
        nn.init.normal_(head.weight)
    After:
        nn.init.normal_(head.weight, std=0.01); nn.init.zeros_(head.bias)

    Source: reason 17, "look for correct loss at chance": -ln(1/C) for C classes (CS231n).
    """
    loss, chance = case.number("start", "loss"), case.number("start", "ignorant")
    limit = "ratio" if case.has("start", "classes") else "ratio_of_numbers"
    if loss / chance <= case.limits[limit]:
        return None
    return Clue(
        f"The first loss is {loss:.4g}; knowing nothing costs {chance:.4g}.",
        {n: case.facts["start"][n] for n in ("largest_output", "output_std", "losses")},
        Crossed(limit, loss / chance),
    )
