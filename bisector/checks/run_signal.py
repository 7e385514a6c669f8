"""R33, R35: do signals and gradients get through the layers, as long as it trains?"""

import math
from collections.abc import Callable, Mapping

from bisector.checks.check import check
from bisector.checks.inputs import scaled_in_the_loop
from bisector.checks.run_series import column, finite, late, middle, named, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy

NORMALISE = Remedy("Normalise the layers, add paths around them, initialise by Kaiming or Xavier.")


def by_layer(case: Case, name: str, of: Callable[[list[float]], float]) -> Mapping[str, float]:
    """A number for each layer that has any, from its series of an activation's statistic."""
    series = case.each("run_activations", name)
    columns = {n: column(series, i) for i, n in enumerate(case.each("run_activations", "layers"))}
    return {n: of(values) for n, values in columns.items() if values}


@check(
    "R03e",
    "other inputs than the loader's",
    needs=("run_activations", "signal"),
    remedy=Remedy("Print what the model is called with in the loop, beside what the loader gives."),
    limits={
        "times": Limit(4.0, "our choice: augmentation in the loop changes the size by less"),
        "step": Limit(2, "later on the weights are others, and so are all activations"),
    },
)
def other_inputs(case: Case) -> Clue | None:
    """What the model is given in the training loop is not of the size of what its loader gives.

    Why it breaks training: noise, a scale or a conversion in the loop drowns the samples, and all
    that was made sure of by looking at the data set does not hold for what is trained on.

    How it is seen: the standard deviation of what the first layer with weights gives, at the first
    step of the run, against that for batches of the loader before it. The weights are the same.
    A loop that brings large inputs to a usual size is left alone.

    How to mend it: look at each line between the loader and the model: noise in the units of
    another data set, a second normalisation, a cast.

    Before:
        x = x + 30 * torch.randn_like(x)
    After:
        x = x + 0.03 * torch.randn_like(x)

    Source: reason 3, "check the data loader".
    """
    steps, layers = case.each("run_activations", "steps"), case.each("run_activations", "layers")
    widths = zip(case.each("signal", "layers"), case.each("signal", "deviation"), strict=False)
    expected = dict(widths)
    first = column(case.each("run_activations", "std")[:1], 0)
    before = float(str(expected.get(layers[0], 0.0)))
    if float(str(steps[0])) > case.limits["step"] or not first or not before > 0:
        return None
    times = max(first[0] / before, before / first[0] if first[0] else math.inf)
    if times < case.limits["times"] or scaled_in_the_loop(case):
        return None
    words = (
        f"`{layers[0]}` gives values of deviation {first[0]:.3g} at the first step, and {before:.3g} "
        "for what the loader gives."
    )
    return Clue(words, {"layer": layers[0]}, Crossed("times", times))


@check(
    "R35a",
    "exploding gradients",
    needs=("run_gradients", "run_activations"),
    remedy=Remedy("Clip the gradient's norm, lower the learning rate, normalise the layers."),
    limits={
        "ratio": Limit(70.0, "first layer over last layer, AutoTrainer"),
        "slope": Limit(
            100.0, "our choice: the gradient of a healthy first loss is 0.1 to 10 of it"
        ),
    },
)
def exploding_gradients(case: Case) -> Clue | None:
    """Values grow from layer to layer on the way forward, or gradients on the way back.

    Why it breaks training: one step then undoes all that was learnt, or overflows.

    How it is seen: the root mean square of the gradient in the first layer's weights over the last
    one's, in the median over the looks; or, at the first step, how much wider values spread after a
    layer than after the first one, and the norm of the whole gradient over the loss, which does not
    depend on the loss's scale. The last one sees a recurrent layer explode in time.

    How to mend it: clip the norm; smaller initial weights (orthogonal for a recurrent layer);
    normalisation; a shorter way back in time.

    Before:
        loss.backward(); optimizer.step()
    After:
        loss.backward(); clip_grad_norm_(model.parameters(), 1.0); optimizer.step()

    Source: reason 35, "exploding / vanishing gradients"; Pascanu et al. (2013), arXiv:1211.5063.
    """
    layers, size = case.each("run_gradients", "layers"), case.each("run_gradients", "size")
    ratio = middle([row[0] / row[-1] for row in size if len(row) > 1 and row[-1]])
    if ratio > case.limits["ratio"]:
        words = f"The gradient in `{layers[0]}` is {ratio:.3g} times that in `{layers[-1]}`."
        return Clue(words, _depth(case), Crossed("ratio", ratio))
    spread = numbers(case.each("run_activations", "std")[0])
    grown = max(spread[1:-1], default=0.0) / spread[0] if spread[0] else 0.0
    if grown > case.limits["ratio"]:
        words = f"From the first layer on values spread {grown:.3g} times as wide, before any step."
        return Clue(words, {"layers": layers, "std": spread}, Crossed("ratio", grown))
    slope = _first_slope(case)
    if slope > case.limits["slope"]:
        words = f"Before any step the norm of the gradient is {slope:.3g} times the loss."
        return Clue(words, _depth(case), Crossed("slope", slope))
    return None


def _first_slope(case: Case) -> float:
    """The norm of the first step's gradient over its loss; NaN where no loss was logged."""
    loss = numbers(case.facts.get("course", {}).get("loss", []))
    norm, step = case.each("run_gradients", "norm")[0], case.each("run_gradients", "steps")[0]
    known = bool(loss) and loss[0] > 0 and step == 1
    return float(str(norm)) / loss[0] if known else math.nan


@check(
    "R35e",
    "gradients that jump",
    needs=("course", "nonfinite"),
    remedy=Remedy("Clip the gradient's norm, at a few times its usual size."),
    limits={"growth": Limit(1e3, "our choice: the largest gradient over the median one")},
)
def jumping_gradients(case: Case) -> Clue | None:
    """At single steps the gradient is a thousand times its usual size.

    Why it breaks training: one such step undoes all that was learnt.

    How it is seen: the largest logged norm of the gradient, before clipping, over the median one.

    How to mend it: clip the norm; a shorter way back in time for a recurrent net; look at the samples
    of that step.

    Before:
        loss.backward(); optimizer.step()
    After:
        loss.backward(); clip_grad_norm_(model.parameters(), 1.0); optimizer.step()

    Source: reason 35; Pascanu et al. (2013), arXiv:1211.5063.
    """
    norms = finite(case.each("course", "grad_norm"))
    if not norms or case.facts["nonfinite"]["met"]:
        return None
    growth = max(norms) / (middle(norms) or 1.0)
    if growth <= case.limits["growth"]:
        return None
    step = case.each("course", "grad_norm_steps")[norms.index(max(norms))]
    words = f"At step {step} the gradient is {growth:.3g} times its usual size."
    return Clue(words, {"step": step}, Crossed("growth", growth))


@check(
    "R35b",
    "vanishing gradients",
    needs=("run_gradients",),
    remedy=NORMALISE,
    limits={
        "ratio": Limit(1e-3, "first layer over last layer, AutoTrainer"),
        "tiny": Limit(1e-4, "of the first layer's gradient, AutoTrainer"),
    },
)
def vanishing_gradients(case: Case) -> Clue | None:
    """Gradients fade away from layer to layer on the way back.

    Why it breaks training: the first layers hardly move, and the rest must do with what these
    happen to let through.

    How it is seen: the root mean square of the gradient in each layer's weights; in the median over
    the looks, the smallest of the first half of the layers over the last layer's.

    How to mend it: ReLU in place of sigmoid; Kaiming or Xavier initialisation; normalisation; paths
    around the layers; gates in a recurrent net.

    Before:
        nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(12)])
    After:
        nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(12)])

    Source: reason 35; Glorot and Bengio (2010).
    """
    layers, size = case.each("run_gradients", "layers"), case.each("run_gradients", "size")
    typical = [middle(column(size, i)) for i in range(len(layers))]
    first = typical[: len(typical) // 2]
    if not first or not typical[-1] > 0:
        return None
    least = min(first)
    ratio = least / typical[-1]
    # None at all is another finding: detached, frozen, or dead.
    if not 0 < ratio < case.limits["ratio"] or least > case.limits["tiny"]:
        return None
    words = (
        f"The gradient in `{layers[first.index(least)]}` is {ratio:.2g} of that in `{layers[-1]}`."
    )
    return Clue(words, _depth(case), Crossed("ratio", ratio))


def _depth(case: Case) -> dict[str, object]:
    """The gradient by layer, for the reader."""
    layers, size = case.each("run_gradients", "layers"), case.each("run_gradients", "size")
    return {
        "layers": layers[:50],
        "gradient": [middle(column(size, i)) for i in range(len(layers))][:50],
    }


@check(
    "R35c",
    "dead units",
    needs=("run_activations",),
    remedy=Remedy("Lower the learning rate, warm up, reset the biases; or use LeakyReLU or GELU."),
    limits={"share": Limit(0.7, "AutoTrainer and DeepDiagnosis; SageMaker Debugger says 0.5")},
)
def dead_units(case: Case) -> Clue | None:
    """Most units of a layer give zero for every sample of a batch.

    Why it breaks training: a ReLU that is zero for all passes no gradient, so it never comes back.

    How it is seen: over the last third of the looks, the share of units behind each layer whose
    ReLU is zero for the whole batch.

    How to mend it: a large step pushes the biases down once and for ever: lower the learning rate;
    start biases at 0; an activation with a slope on both sides.

    Before:
        nn.init.constant_(layer.bias, -5.0)
    After:
        nn.init.zeros_(layer.bias)

    Source: reason 35; Lu et al. (2019), Dying ReLU and Initialization, arXiv:1903.06733.
    """
    return _shares(case, "dead", "units give zero for every sample behind")


@check(
    "R35d",
    "saturated units",
    needs=("run_activations",),
    remedy=Remedy("Smaller initial weights, standardised inputs, normalisation; or ReLU."),
    limits={
        "share": Limit(
            0.5, "TheDeepChecker and SageMaker Debugger; healthy recurrent nets stay below 0.1"
        )
    },
)
def saturated_units(case: Case) -> Clue | None:
    """Most values of a tanh or sigmoid are at the flat ends of its range.

    Why it breaks training: the slope there is near zero, so hardly a gradient gets through.

    How it is seen: over the last third of the looks, the share of values beyond 0.99 of the range.
    The last layer is left out: a model that is sure of itself saturates there.

    How to mend it: smaller weights at the start, inputs with deviation 1, or a layer norm before the
    activation.

    Before:
        nn.init.normal_(layer.weight, std=1.0)
    After:
        nn.init.xavier_normal_(layer.weight)

    Source: reason 35; Glorot and Bengio (2010).
    """
    return _shares(case, "saturated", "values are at the ends of their range behind")


def _shares(case: Case, name: str, words: str) -> Clue | None:
    layers = case.each("run_activations", "layers")
    found = by_layer(case, name, lambda values: middle(late(values)))
    over = {n: v for n, v in found.items() if v > case.limits["share"] and n != layers[-1]}
    if not over:
        return None
    worst = max(over.values())
    evidence = {"modules": list(over), "share": list(over.values())}
    return Clue(
        f"{worst:.0%} of the {words} {named(list(over))}.", evidence, Crossed("share", worst)
    )


@check(
    "R33b",
    "weights or biases that run away",
    needs=("run_weights",),
    remedy=Remedy("Lower the learning rate, use weight decay, normalise; see which layer begins."),
    limits={
        "growth": Limit(30.0, "our choice: healthy weights grow by a few times their size"),
        "size": Limit(10.0, "our choice, as healthy weights and biases stay below"),
    },
)
def weights_run_away(case: Case) -> Clue | None:
    """A weight or bias grows and grows.

    Why it breaks training: the larger it gets, the less all else counts; in the end it overflows.

    How it is seen: the largest magnitude in each parameter, at the last look over the first one.

    How to mend it: a lower learning rate; weight decay; for a bias, a loss that can be satisfied by
    growing it alone.

    Before:
        loss = -output.mean()
    After:
        loss = F.softplus(-output).mean()

    Source: reason 33, "visualise the training: watch for biases that become very large".
    """
    names, largest = case.each("run_weights", "parameters"), case.each("run_weights", "largest")
    grown = {}
    for i, name in enumerate(names):
        seen = column(largest, i)
        if seen and max(seen) > case.limits["size"]:
            # Biases may start at 0: then it is their own size that counts.
            grown[name] = max(seen) / max(seen[0], 0.1)
    over = {n: g for n, g in grown.items() if g > case.limits["growth"]}
    if not over:
        return None
    name = max(over, key=lambda n: over[n])
    words = f"`{name}` has grown to {over[name]:.3g} times its size."
    return Clue(words, {"parameters": list(over)}, Crossed("growth", over[name]))


@check(
    "R30e",
    "noise in place of gradients",
    needs=("run_gradients",),
    remedy=Remedy("A tenth of the noise, or none; let it fall with the steps."),
    limits={
        "spread": Limit(0.2, "our choice: largest over smallest layer, less 1; healthy ones differ by 2"),
        "layers": Limit(3, "our choice: two layers may be alike by chance"),
    },
)  # fmt: skip
def noise_for_gradients(case: Case) -> Clue | None:
    """The gradient is of the same size in every layer and at every step, as noise is.

    Why it breaks training: steps go anywhere; what the samples ask for is lost among it.

    How it is seen: the root mean square of the gradient in each layer's weights: at every look that
    of the largest is hardly above that of the smallest.

    How to mend it: noise on gradients, or for privacy, belongs far below the gradient's own size.

    Before:
        p.grad += torch.randn_like(p)
    After:
        p.grad += 0.01 / (1 + step) ** 0.55 * torch.randn_like(p)

    Source: reason 30, "reduce regularization"; Neelakantan et al. (2015), arXiv:1511.06807.
    """
    rows = [finite(row) for row in case.each("run_gradients", "size")]
    if not rows or min(map(len, rows)) < case.limits["layers"] or not min(map(min, rows)) > 0:
        return None
    spread = middle([max(row) / min(row) - 1 for row in rows])
    if not spread < case.limits["spread"]:
        return None
    words = f"From layer to layer the gradient's size differs by {spread:.0%} only."
    return Clue(words, {"size": rows[:20]}, Crossed("spread", spread))
