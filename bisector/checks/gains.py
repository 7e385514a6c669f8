"""R28, R35: is it the width of the initial weights that ruins a signal, or what comes between them?"""

import math

from bisector.checks.check import check
from bisector.checks.initialisation import weighted_layers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Safety


@check(
    "R28d",
    "weights drawn far too wide",
    needs=("gains",),
    remedy=Remedy(
        "Kaiming or Xavier initialisation: a deviation of about 1/sqrt(inputs).",
        safety=Safety.SAFE,
        variants=("initialise",),
    ),
    limits={
        "gain": Limit(5.0, "Kaiming's is 1.4 (He et al. 2015), torch's default 0.6"),
        "loss": Limit(1.5, "over that of knowing nothing; healthy networks start below 1.3"),
        "recurrent": Limit(5.0, "as for the others; orthogonal matrices have 1"),
    },
)
def weights_too_wide(case: Case) -> Clue | None:
    """The initial weights are so wide that each layer blows its input up, and the first loss is high.

    Why it breaks training: units saturate, or outputs are huge; the first steps go into unlearning
    that, and what is saturated passes no gradient.

    How it is seen: the deviation of each weight matrix times the root of its inputs, in the median;
    and the first loss, which a normalisation between the layers would keep low. Or the same of a
    recurrent layer alone, whose gates saturate and leave the first loss as it was.

    How to mend it: a deviation of about 1/sqrt(inputs), as torch does by itself.

    Before:
        for p in model.parameters(): nn.init.normal_(p)
    After:
        for layer in layers: nn.init.kaiming_normal_(layer.weight)

    Source: reason 28, "check your initial weights"; He et al. (2015), arXiv:1502.01852.
    """
    gain, recurrent = (case.number("gains", n) for n in ("middle", "recurrent"))
    if recurrent > case.limits["recurrent"]:
        words = f"A recurrent layer's weights make a signal {recurrent:.3g} times as wide."
        return Clue(words, _evidence(case), Crossed("recurrent", recurrent))
    start = case.facts.get("start", {})
    loss, chance = (float(str(start.get(n, math.nan))) for n in ("loss", "ignorant"))
    if gain <= case.limits["gain"] or not loss > case.limits["loss"] * chance:
        return None
    words = (
        f"A weight matrix makes a signal {gain:.3g} times as wide; the first loss is {loss:.3g}."
    )
    return Clue(words, _evidence(case), Crossed("gain", gain))


@check(
    "R35f",
    "a signal that dies between layers of sound weights",
    needs=("signal", "gains"),
    remedy=Remedy(
        "ReLU in place of sigmoid, normalisation, paths around the layers; fewer layers."
    ),
    limits={
        "smallest": Limit(1e-3, "as for R28c: a plain network of 5 layers stays above"),
        "narrow": Limit(0.3, "half of torch's default of 0.6"),
        "wide": Limit(3.0, "twice Kaiming's 1.4"),
    },
)
def signal_dies_on_the_way(case: Case) -> Clue | None:
    """Samples hardly differ after some layer, though the weights are as wide as they should be.

    Why it breaks training: what does not differ cannot be told apart, and the gradient dies on its
    way back by the same factor.

    How it is seen: the deviation between samples of what each layer gives, before any step, is too
    small from some layer on, two or more; and the deviation of the weights times the root of their
    inputs is usual. So it is what stands between the layers: an activation that is flat, a bias
    that switches units off, or too many layers for a network without normalisation.

    How to mend it: an activation with slope 1; a norm or a path around each layer; biases of 0.

    Before:
        nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(12)])
    After:
        nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU()) for _ in range(12)])

    Source: reason 35, "exploding / vanishing gradients"; Glorot and Bengio (2010).
    """
    layers, spread = weighted_layers(case)
    gain = case.number("gains", "middle")
    alive = [i for i, s in enumerate(spread) if not s < case.limits["smallest"]]
    dead = (alive[-1] if alive else -1) + 1
    usual = case.limits["narrow"] < gain < case.limits["wide"]
    if len(layers) - dead < 2 or not usual:
        return None
    words = f"From `{layers[dead]}` on samples differ by {spread[dead]:.2g} or less."
    evidence = {"layer": layers[dead], "spread": spread[:50], **_evidence(case)}
    return Clue(words, evidence, Crossed("smallest", spread[dead]))


def _evidence(case: Case) -> dict[str, object]:
    return {n: case.each("gains", n)[:50] for n in ("matrices", "gain")}


@check(
    "R28e",
    "attention that hears of one place alone",
    needs=("attention",),
    remedy=Remedy("Divide scores by the root of a head's width; draw queries and keys at 1/sqrt(inputs)."),
    limits={
        "top": Limit(0.9, "our choice: of a row's attention; healthy ones begin near even shares")
    },
)  # fmt: skip
def attention_to_one(case: Case) -> Clue | None:
    """Before any step, nearly all of each place's attention goes to one other place.

    Why it breaks training: a softmax that is surely one has no gradient: which place is heard was
    decided by the random weights, and stays so.

    How it is seen: one pass of the untrained model: by call of attention, the largest share of a row
    that sees several places, in the mean over rows.

    How to mend it: scores divided by sqrt(width of a head); initial weights of usual size; a norm on
    queries and keys.

    Before:
        shares = (q @ k.transpose(-1, -2)).softmax(-1)
    After:
        shares = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)

    Source: reason 28; Vaswani et al. (2017), arXiv:1706.03762, section 3.2.1.
    """
    tops = [float(str(t)) for t in case.each("attention", "top")]
    top = max(tops)
    if not top > case.limits["top"]:
        return None
    words = f"In call {tops.index(top) + 1} of {len(tops)}, {top:.0%} of a row's attention goes to one place."
    return Clue(words, {"top": tops}, Crossed("top", top))
