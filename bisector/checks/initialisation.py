"""R28: are the initial weights such that signals and gradients get through?"""

from bisector.checks.check import check
from bisector.checks.network import named
from bisector.model.finding import Case, Clue, Crossed, Evidence, Limit, Remedy, Severity

INITIALISE = Remedy("Use torch's default, Kaiming (ReLU) or Xavier (tanh) initialisation.")


@check(
    "R28a",
    "units that start alike",
    needs=("weights",),
    severity=Severity.FATAL,
    remedy=INITIALISE,
)
def units_alike(case: Case) -> Clue | None:
    """All units of a layer have the same initial weights.

    Why it breaks training: equal units get equal gradients and stay equal: the layer is one unit.

    How it is seen: the rows of a weight matrix are identical, and not zero.

    How to mend it: random weights.

    Before:
        nn.init.constant_(layer.weight, 0.01)
    After:
        nn.init.kaiming_normal_(layer.weight)

    Source: reason 28; Goodfellow et al. (2016), Deep Learning, section 8.4.
    """
    names = case.each("weights", "alike")
    if not names:
        return None
    return Clue(
        f"All units are equal in {named(names)}.", {"shapes": case.facts["weights"]["shapes"]}
    )


@check(
    "R28b",
    "weights that start at zero",
    needs=("weights",),
    severity=Severity.FATAL,
    remedy=INITIALISE,
    limits={
        "share": Limit(0.5, "our choice: heads and residual ends may start at zero on purpose")
    },
)
def zero_weights(case: Case) -> Clue | None:
    """Most weight matrices are all zero, or one through which everything must go.

    Why it breaks training: no signal goes forward and no gradient back; only the last bias learns.

    How it is seen: the share of weight matrices without any other number than 0; of a single one,
    that samples do not differ any more in any layer behind it.

    How to mend it: random weights; zero only the last layer of a residual branch.

    Before:
        for p in model.parameters(): nn.init.zeros_(p)
    After:
        nn.init.kaiming_normal_(layer.weight); nn.init.zeros_(layer.bias)

    Source: reason 28, "check your initial weights".
    """
    share, names = case.number("weights", "zero_share"), case.each("weights", "zero")
    evidence = {"matrices": case.number("weights", "matrices")}
    if share > case.limits["share"]:
        words = f"{share:.0%} of the weight matrices are zero: {named(names)}."
        return Clue(words, evidence, Crossed("share", share))
    cut = [name for name in names if nothing_passes(case, name.rpartition(".")[0])]
    if not cut:
        return None
    return Clue(f"Nothing passes {named(cut)}, which is zero; layers follow.", evidence)


def nothing_passes(case: Case, layer: str) -> bool:
    """Whether samples are all alike in every layer behind this one that is not zero; one follows."""
    if "signal" not in case.facts or layer not in (seen := case.each("signal", "layers")):
        return False
    spread, zeroed = case.each("signal", "spread"), case.each("signal", "zeroed")
    behind = [
        s for s, zero in list(zip(spread, zeroed, strict=True))[seen.index(layer) + 1 :] if not zero
    ]
    return bool(behind) and not any(float(s) > 0 for s in behind)


def weighted_layers(case: Case) -> tuple[list[str], list[float]]:
    """The layers of the forward pass and how far samples differ behind each; none that is all zero."""
    names = ("layers", "spread", "zeroed")
    rows = zip(*(case.each("signal", n) for n in names), strict=True)
    kept = [(layer, float(spread)) for layer, spread, zero in rows if not zero]
    return [layer for layer, _ in kept], [spread for _, spread in kept]


@check(
    "R28c",
    "a signal that dies or explodes with depth",
    needs=("signal",),
    remedy=INITIALISE,
    limits={
        "largest": Limit(
            50.0, "activations of healthy networks deviate by 0.5 to 2 (TheDeepChecker)"
        ),
        "smallest": Limit(
            1e-3, "the same; default initialisation of a plain network of 5 stays above"
        ),
    },
)
def signal_lost(case: Case) -> Clue | None:
    """Samples that differ at the input hardly differ after some layer, or differ hugely.

    Why it breaks training: what does not differ cannot be told apart, and gradients die or
    explode by the same factor.

    How it is seen: the deviation between samples of what each layer with weights gives, in the
    order of the forward pass, before any step. It is too small where all layers from there on are
    below the limit, two or more; or what the last of them is given, as where the last state of a
    recurrent network is read after hundreds of steps of padding.

    How to mend it: scale initial weights by 1/sqrt(inputs); add normalisation; read the state at
    the end of each sequence, not of the padding.

    Before:
        nn.init.normal_(layer.weight, std=1.0)             # 512 inputs
    After:
        nn.init.kaiming_normal_(layer.weight)              # std = sqrt(2 / 512)

    Source: reason 28; Glorot and Bengio (2010); He et al. (2015), arXiv:1502.01852.
    """
    layers, spread = weighted_layers(case)
    evidence = {"layers": layers[:50], "spread": spread[:50]}
    for layer, s in zip(layers, spread, strict=True):
        if s > case.limits["largest"]:
            words = f"After `{layer}` samples differ by {s:.3g}."
            return Clue(words, {"layer": layer, **evidence}, Crossed("largest", s))
    alive = [i for i, s in enumerate(spread) if not s < case.limits["smallest"]]
    dead = (alive[-1] if alive else -1) + 1
    # A side branch may be faint, and a last layer be small on purpose.
    if len(layers) - dead < 2:
        return _nothing_reaches_the_end(case, layers, evidence)
    words = f"From `{layers[dead]}` on samples differ by {spread[dead]:.2g} or less."
    return Clue(words, {"layer": layers[dead], **evidence}, Crossed("smallest", spread[dead]))


def _nothing_reaches_the_end(case: Case, layers: list[str], evidence: Evidence) -> Clue | None:
    """All layers do tell samples apart, and yet what the last one is given does not."""
    reaching = case.number("signal", "reaching")
    if not layers or not reaching < case.limits["smallest"]:
        return None
    words = f"What reaches `{layers[-1]}` differs between samples by {reaching:.2g} of its size."
    return Clue(words, {"layer": layers[-1], **evidence}, Crossed("smallest", reaching))
