"""R19: is the loss given what it takes its inputs for?"""

import math
from typing import Any

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

ROUNDING = 1e-3
"""By how much probabilities computed in single or half precision miss a sum of 1."""
REACH = {
    "Relu": (0.0, math.inf),
    "Sigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Softplus": (0.0, math.inf),
    "Exp": (0.0, math.inf),
}
"""The last step of a model, as autograd calls it, and what it can give."""


def calls(case: Case, *names: str) -> list[dict[str, Any]]:
    """What some functions of torch were called with by the loss."""
    return [c for c in case.each("loss_calls", "calls") if c["function"] in names]


def probabilities(call: dict[str, Any]) -> bool:
    """Whether the first argument holds numbers from 0 to 1 that sum to 1."""
    return unit(call) and float(call["sum_error"]) < ROUNDING


def unit(call: dict[str, Any]) -> bool:
    """Whether the first argument holds numbers from 0 to 1."""
    return float(call["min"]) >= 0 and float(call["max"]) <= 1


@check(
    "R19a",
    "softmax before cross-entropy",
    needs=("loss_calls", "range"),
    remedy=Remedy("Give the loss the scores: leave the softmax out of the model."),
)
def softmax_before_cross_entropy(case: Case) -> Clue | None:
    """A loss that applies softmax itself is given probabilities.

    Why it breaks training: softmax of probabilities is nearly even, so the loss cannot go below
    about ln(1 + (C - 1)/e) and gradients are small; under Adam it still learns, slowly and worse.

    How it is seen: the first argument of `cross_entropy` or `log_softmax` inside of the loss lies
    between 0 and 1, and sums to 1 over the classes; or the model ends with a sigmoid.

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
        if unit(call) and case.text("range", "last") == "Sigmoid":
            return Clue(
                f"`{call['function']}` is given what a sigmoid makes, {call['min']:.3g} to "
                f"{call['max']:.3g}.",
                {"shape": call["shapes"][0]},
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
        if unit(call) and float(call["values"]) >= case.limits["values"]:
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
    "R19f",
    "scores that cannot be any number",
    needs=("loss_calls", "range"),
    remedy=Remedy("End the model with a linear layer: no ReLU, tanh or clamp after it."),
)
def scores_cut_off(case: Case) -> Clue | None:
    """A loss of scores is given what a ReLU, a tanh or a clamp has cut off.

    Why it breaks training: a score that cannot fall below 0 cannot say no, and where it is cut off
    no gradient passes; scores between -1 and 1 cannot be sure.

    How it is seen: the last step of the forward pass, as autograd recorded it, where the loss calls
    `cross_entropy`, `log_softmax` or `binary_cross_entropy_with_logits`.

    How to mend it: leave the activation away after the last layer.

    Before:
        return F.relu(self.head(h))
    After:
        return self.head(h)

    Source: reason 19, "check the loss input".
    """
    last = case.text("range", "last")
    takes = calls(case, "cross_entropy", "log_softmax", "binary_cross_entropy_with_logits")
    if not takes or last not in ("Relu", "Tanh", "Clamp", "Softplus", "Abs", "Exp"):
        return None
    low, high = case.number("range", "low"), case.number("range", "high")
    return Clue(
        f"The model ends with {last.lower()}, which gives {low:.3g} to {high:.3g} as scores to "
        f"`{takes[0]['function']}`.",
        {"zeros": case.number("range", "zeros"), "outputs": case.each("range", "outputs")},
    )


@check(
    "R19g",
    "probabilities that are cut off",
    needs=("loss_calls",),
    remedy=Remedy(
        "Make probabilities of scores by a sigmoid, or give scores to BCEWithLogitsLoss."
    ),
    limits={"share": Limit(0.05, "our choice: a sigmoid reaches 0 or 1 in single precision never")},
)
def probabilities_cut_off(case: Case) -> Clue | None:
    """`binary_cross_entropy` is given numbers of which many are exactly 0 or 1.

    Why it breaks training: scores were clamped into 0 to 1 in place of a sigmoid. Where they were
    cut off no gradient passes, and a wrong 0 costs the most that the function allows.

    How it is seen: the share of exact zeros and ones in its first argument.

    How to mend it: a sigmoid, or better the loss that takes scores.

    Before:
        F.binary_cross_entropy(out.clamp(0, 1), y)
    After:
        F.binary_cross_entropy_with_logits(out, y)

    Source: reason 19; torch.nn.BCELoss.
    """
    for call in calls(case, "binary_cross_entropy"):
        share = float(call["cut"])
        if share > case.limits["share"]:
            words = f"{share:.0%} of the {call['values']} probabilities are exactly 0 or 1."
            return Clue(words, {"shape": call["shapes"][0]}, Crossed("share", share))
    return None


@check(
    "R19h",
    "outputs that cannot reach the targets",
    needs=("range",),
    severity=Severity.FATAL,
    remedy=Remedy("End a model of numbers with a linear layer, or scale targets into its range."),
)
def targets_out_of_reach(case: Case) -> Clue | None:
    """The model ends with an activation beyond whose range targets lie.

    Why it breaks training: below 0 after a ReLU, outside 0 to 1 after a sigmoid and -1 to 1 after a
    tanh, no output is ever right; the network learns the nearest edge.

    How it is seen: the last step of the forward pass, as autograd recorded it, and the range of the
    targets.

    How to mend it: no activation after the last layer.

    Before:
        return F.relu(self.head(h))            # standardised targets
    After:
        return self.head(h)

    Source: reason 19.
    """
    last = case.text("range", "last")
    if not case.has("range", "target_low") or last not in REACH:
        return None
    low, high = (case.number("range", f"target_{n}") for n in ("low", "high"))
    if low >= REACH[last][0] and high <= REACH[last][1]:
        return None
    return Clue(
        f"The model ends with {last.lower()}, from {REACH[last][0]:g} to {REACH[last][1]:g}; "
        f"targets are from {low:.3g} to {high:.3g}.",
        {"outputs": case.each("range", "outputs")},
    )


@check(
    "R12b",
    "targets of another size than the outputs",
    needs=("targets", "start"),
    remedy=Remedy("Standardise the targets by the training split, and turn predictions back."),
    limits={
        "ratio": Limit(100.0, "our choice: Adam at 1e-3 needs 1,000 steps to move a bias by 1"),
        "perfect": Limit(1e-6, "rounding in single precision, as a share of the first loss"),
    },
)
def targets_of_another_size(case: Case) -> Clue | None:
    """Targets are numbers of quite another size than what the untrained network gives.

    Why it breaks training: an error of 1,000 makes gradients of its size, so that rates which suit
    other problems throw the weights about; with Adam the last layer creeps there step by step.

    How it is seen: the root mean square of the targets, beside that of the first outputs; where
    outputs that equal the targets have no loss, so that both are in one unit.

    How to mend it: standardise targets too; set the last bias to their mean.

    Before:
        y = table.price                        # 20,000 to 900,000
    After:
        y = (table.price - mean) / std         # and prediction * std + mean in use

    Source: reason 12, applied to targets; Bishop (1995), Neural Networks for Pattern
    Recognition, section 8.2.
    """
    if not case.has("start", "perfect"):
        return None
    least = abs(case.number("start", "perfect")) / case.number("start", "loss")
    size, outputs = case.number("targets", "size"), case.number("start", "output_size")
    ratio = size / outputs if outputs > 0 and least < case.limits["perfect"] else 1.0
    if not ratio > 0 or 1 / case.limits["ratio"] <= ratio <= case.limits["ratio"]:
        return None
    mean, std = case.number("targets", "mean"), case.number("targets", "std")
    words = f"Targets have mean {mean:.4g} and deviation {std:.4g}; the first outputs are about "
    return Clue(
        f"{words}{outputs:.2g}.",
        {"ratio": ratio},
        Crossed("ratio", max(ratio, 1 / ratio)),
    )
