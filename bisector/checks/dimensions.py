"""R25: do samples, and positions of a sequence, see only what they may, at any size?"""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity


@check(
    "R25d",
    "a model that refuses its inputs",
    needs=("forward",),
    severity=Severity.FATAL,
    remedy=Remedy("Bring the layer named and its input to one shape, type or range."),
)
def model_refuses(case: Case) -> Clue | None:
    """The model raises an error on the first batch.

    Why it breaks training: it does not begin.

    How it is seen: one forward pass in training mode; the innermost module that had begun is named.

    How to mend it: see the message: sizes that do not fit, token numbers beyond the embedding's,
    integers where floating-point numbers are asked for.

    Before:
        nn.Embedding(20, 32)                   # and tokens 0 to 64
    After:
        nn.Embedding(65, 32)

    Source: reason 25, "check for hidden dimension errors".
    """
    raised = case.text("forward", "raises")
    if not raised:
        return None
    module, shape = case.text("forward", "module"), case.each("forward", "inputs")
    return Clue(f"`{module}` raised {raised}", {"module": module, "inputs": shape})


@check(
    "R25a",
    "samples that see each other",
    needs=("independence",),
    severity=Severity.FATAL,
    remedy=Remedy("Use permute or transpose where axes are meant to move, and name the right dim."),
    limits={"change": Limit(1e-3, "rounding in single precision is about 1e-6 of the output")},
)
def samples_mixed(case: Case) -> Clue | None:
    """In evaluation mode a sample's output depends on the other samples of its batch.

    Why it breaks training: rows are mixed by a `view` where a `permute` was meant, or a softmax
    or mean runs over the batch: the network reads another sample's values.

    How it is seen: the first and the last sample with two sets of companions; their output must be
    the same. The first module at which it is not, in the order of the forward pass, is named.

    How to mend it: `permute`/`transpose` move axes, `view` only cuts memory anew; give `dim`.

    Before:
        x = x.view(x.shape[1], x.shape[0], -1); weights = scores.softmax(0)
    After:
        x = x.transpose(0, 1); weights = scores.softmax(1)

    Source: reason 25, "check for hidden dimension errors"; Karpathy's recipe, "use backprop to
    chart dependencies".
    """
    change = case.number("independence", "change")
    if not change > case.limits["change"]:
        return None  # Where it is NaN, R37 says so.
    module = case.text("independence", "module") or "the model itself"
    where = "before" if case.facts["independence"]["before"] else "in"
    return Clue(
        f"A sample's output changes by {change:.2g} of its size with other companions, "
        f"first {where} `{module}`.",
        {"module": module, "outputs": case.each("independence", "outputs")},
        Crossed("change", change),
    )


@check(
    "R25b",
    "a batch size built into the model",
    needs=("independence",),
    remedy=Remedy("Take sizes from the input: x.flatten(1), x.view(len(x), -1)."),
)
def batch_size_built_in(case: Case) -> Clue | None:
    """A batch of a prime number of samples fails, or gives a wrong number of outputs.

    Why it breaks training: `view` with a written-down size moves values between samples as soon
    as the numbers happen to fit, and fails when they do not.

    How it is seen: 7 samples in place of a whole batch.

    How to mend it: take sizes from the input.

    Before:
        x = x.view(64, -1)
    After:
        x = x.flatten(1)

    Source: reason 25: use odd numbers, prime ones, for all dimensions.
    """
    size = case.number("independence", "prime")
    raised = case.text("independence", "raises")
    if raised:
        return Clue(f"A batch of {size:.0f} samples fails: {raised}", {"batch": size})
    few, whole = (case.each("independence", n) for n in ("prime_outputs", "outputs_of"))
    per_sample = whole[0] / case.number("independence", "batch")
    if few[1:] == whole[1:] and few[0] == per_sample * size:
        return None
    return Clue(f"{size:.0f} samples give outputs of shape {few}.", {"outputs": few})


@check(
    "R25e",
    "vectors that are broadcast into a square",
    needs=("forward",),
    remedy=Remedy("Bring both to one shape before: squeeze or unsqueeze one of them."),
)
def broadcast_into_a_square(case: Case) -> Clue | None:
    """Inside of forward, [N] meets [N, 1] and becomes [N, N].

    Why it breaks training: every value meets every other one, mostly of another sample; the sums
    that follow hide the shape.

    How it is seen: the shapes that torch's functions are given and give during a forward pass.

    How to mend it: `keepdim=True` in reductions, or squeeze.

    Before:
        x = x - x.mean(1) * gate               # [N] and [N, 1]
    After:
        x = x - x.mean(1, keepdim=True) * gate

    Source: reason 25, "check for hidden dimension errors".
    """
    squares = case.each("forward", "squares")
    if not squares:
        return None
    function, (one, two) = squares[0]["function"], squares[0]["shapes"]
    return Clue(f"`{function}` meets {one} with {two}.", {"times": len(squares)})


@check(
    "R25c",
    "positions that see later ones",
    needs=("causality",),
    severity=Severity.FATAL,
    remedy=Remedy("Mask later positions before the softmax, over the axis of the keys."),
    limits={"change": Limit(1e-3, "rounding in single precision is about 1e-6 of the output")},
)
def positions_see_later_ones(case: Case) -> Clue | None:
    """A model that predicts the next token sees that token.

    Why it breaks training: copying it is all there is to learn; the loss falls far below what is
    possible, and what is generated is nonsense.

    How it is seen: the second half of each sequence is exchanged for another's; no output in the
    first half may change. Looked at where the target of each position is the token after it.

    How to mend it: a causal mask of minus infinity before the softmax, which must run over the
    keys (the last axis of the scores); no convolution or recurrence that looks ahead.

    Before:
        attention = (q @ k.transpose(-2, -1)).softmax(-1)
    After:
        attention = (q @ k.transpose(-2, -1)).masked_fill(later, -inf).softmax(-1)

    Source: reason 25; Vaswani et al. (2017), arXiv:1706.03762, section 3.2.3.
    """
    change = case.number("causality", "change")
    if not change > case.limits["change"]:
        return None
    module = case.text("causality", "module") or "the model itself"
    length, start = (case.number("causality", n) for n in ("length", "changed_from"))
    return Clue(
        f"Outputs before position {start:.0f} of {length:.0f} change by {change:.2g} of their size "
        f"with the tokens from there on, first in `{module}`.",
        {"module": module},
        Crossed("change", change),
    )
