"""R22, R23, R26, R37: do all parts of the network learn, and rightly?"""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

SHOWN = 6


def named(names: list[str]) -> str:
    """The first names, and how many more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"`{n}`" for n in names[:SHOWN]) + more


@check(
    "R37",
    "outputs that are not finite before any step",
    needs=("signal",),
    severity=Severity.FATAL,
    remedy=Remedy("Guard this layer: a small number under a division or a root, log of a clamp."),
)
def outputs_not_finite(case: Case) -> Clue | None:
    """The untrained network turns finite inputs into NaN or infinity.

    Why it breaks training: the first loss is NaN, and after the first step all weights are.

    How it is seen: every module's output on the first batch, in the order in which they end; the
    first that is not finite is named, and the rows of the batch.

    How to mend it: 0 divided by 0 in a hand-written normalisation, the log of 0, a mask that
    leaves softmax nothing: add a small number, clamp, or use the standard layer.

    Before:
        (x - x.mean(0)) / x.std(0)
    After:
        (x - x.mean(0)) / (x.std(0) + 1e-5)

    Source: reason 37, "NaN": look where it begins.
    """
    module = case.text("signal", "sick")
    if not module:
        return None
    return Clue(
        f"{case.number('signal', 'sick_share'):.1%} of what `{module}` gives is not finite.",
        {"module": module, "rows": case.each("signal", "sick_samples")},
    )


@check(
    "R22a",
    "layers that torch does not know of",
    needs=("parameters",),
    severity=Severity.FATAL,
    remedy=Remedy("Keep layers in nn.ModuleList or nn.ModuleDict, parameters in nn.ParameterList."),
)
def unregistered_layers(case: Case) -> Clue | None:
    """Layers or parameters stand in a plain list or dict.

    Why it breaks training: `model.parameters()` does not list them, so no optimizer moves them,
    no `.to(device)` takes them along and no checkpoint saves them.

    How it is seen: parameters, or tensors that ask for a gradient, found in the modules' attributes
    and not registered.

    How to mend it: nn.ModuleList, nn.ModuleDict, nn.ParameterList.

    Before:
        self.blocks = [Block() for _ in range(4)]
    After:
        self.blocks = nn.ModuleList(Block() for _ in range(4))

    Source: reason 22, "check custom layers".
    """
    names = case.each("parameters", "unregistered")
    if not names:
        return None
    return Clue(f"Not registered: {named(names)}.", {"attributes": names})


@check(
    "R22b",
    "layers made anew at every call",
    needs=("forward",),
    severity=Severity.FATAL,
    remedy=Remedy("Make the layer in __init__ and keep it as an attribute."),
)
def layers_made_anew(case: Case) -> Clue | None:
    """`forward` calls layers with parameters that are not part of the model.

    Why it breaks training: a layer that is made in `forward` has new random weights at every call,
    and no optimizer has them: it lays fresh noise over the signal.

    How it is seen: every module that runs during one forward pass must be one of the model's own.

    How to mend it: make it once, in `__init__`.

    Before:
        def forward(self, x): return nn.Linear(64, 10)(x)
    After:
        def forward(self, x): return self.head(x)      # self.head = nn.Linear(64, 10)

    Source: reason 22, "check custom layers".
    """
    layers, places = case.each("forward", "foreign"), case.each("forward", "foreign_in")
    if not layers:
        return None
    words = "; ".join(f"{layer} in `{place}`" for layer, place in zip(layers, places, strict=True))
    return Clue(f"Not the model's own: {words}.", {"layers": layers, "modules": places})


@check(
    "R22c",
    "state that is not saved",
    needs=("reload",),
    remedy=Remedy("Keep such tensors by self.register_buffer(name, tensor), or as nn.Parameter."),
    limits={"change": Limit(1e-4, "rounding in single precision is about 1e-6 of the output")},
)
def state_not_saved(case: Case) -> Clue | None:
    """A second module, given the first one's `state_dict`, gives other outputs.

    Why it breaks training: a checkpoint does not hold all that the module is; what is loaded is not
    what was trained, and `.to(device)` leaves it behind.

    How it is seen: the module, or the model of a recipe, is made twice with other random numbers;
    the second is given the state of the first; both see one batch, in evaluation mode. What a
    function gives to `run.watch` was made once, so there it is not looked for.

    How to mend it: plain tensors as attributes are not saved: register them as buffers.

    Before:
        self.directions = torch.randn(8, 16)
    After:
        self.register_buffer("directions", torch.randn(8, 16))

    Source: reason 22, "check custom layers"; torch.nn.Module.state_dict.
    """
    change = case.number("reload", "change")
    if not change > case.limits["change"]:
        return None
    held = case.each("reload", "held")
    also = f" These tensors are not registered: {named(held)}." if held else ""
    words = f"After loading, outputs differ by {change:.2g} of their size.{also}"
    return Clue(words, {"attributes": held}, Crossed("change", change))


@check(
    "R23a",
    "parameters that no gradient reaches",
    needs=("parameters",),
    remedy=Remedy("Use these layers in forward, and do not detach on the way to the loss."),
)
def unreached_parameters(case: Case) -> Clue | None:
    """Parameters ask for a gradient, and the loss has no path to them.

    Why it breaks training: they stay as they were initialised, as if they were random noise laid
    over the input.

    How it is seen: after a backward pass on two batches they have no gradient at all, nor in the run
    if there was one.

    How to mend it: look for `.detach()`, `.data`, `.item()`, NumPy, `torch.no_grad()` or `argmax`
    between them and the loss, or for a layer that forward does not call.

    Before:
        x = self.stem(x).detach()
    After:
        x = self.stem(x)

    Source: reason 23, "check for frozen layers or variables".
    """
    # A loss that is put together in the loop may reach what the one that was shown does not.
    reached = set(case.facts.get("held", {}).get("with_pull", []))
    names = [n for n in case.each("parameters", "unreached") if n not in reached]
    if not names:
        return None
    total = case.number("parameters", "count")
    words = f"{len(names)} of {total:.0f} parameters are not reached: {named(names)}."
    return Clue(words, {"parameters": names})


@check(
    "R23b",
    "frozen parameters",
    needs=("parameters",),
    remedy=Remedy("Set requires_grad, unless it is a pretrained part that is meant to stay."),
)
def frozen_parameters(case: Case) -> Clue | None:
    """Parameters with `requires_grad` off.

    Why it breaks training: they do not learn. Of a pretrained network that may be meant so; of
    one with random weights it is not.

    How it is seen: `requires_grad` of all parameters of the model. A table of vectors for tokens that
    the optimizer was not given either is left alone, unless the baseline learns it: vectors drawn
    once are codes as good as others.

    How to mend it: `model.requires_grad_(True)`, or freeze by name and list what is frozen.

    Before:
        for p in model.parameters(): p.requires_grad = False
    After:
        for p in model.backbone.parameters(): p.requires_grad = False

    Source: reason 23.
    """
    codes = set(case.facts.get("handed", {}).get("codes", []))
    if beside := case.healthy.get("handed", {}):
        codes &= set(beside.get("codes", []))
    names = [n for n in case.each("parameters", "frozen") if n not in codes]
    if not names:
        return None
    share = case.number("parameters", "frozen_values") / case.number("parameters", "values")
    words = f"{share:.0%} of all weights are frozen: {named(names)}."
    return Clue(words, {"parameters": names, "share": share})


@check(
    "R23c",
    "parameters that the optimizer does not have",
    needs=("handed",),
    remedy=Remedy("Give the optimizer model.parameters(), after the model is complete."),
)
def parameters_not_handed_over(case: Case) -> Clue | None:
    """Parameters want a gradient and stand in none of the optimizer's groups.

    Why it breaks training: their gradient is computed and never used.

    How it is seen: the model's parameters against those in the optimizer's groups.

    How to mend it: make the optimizer last; let the groups cover everything.

    Before:
        optimizer = SGD(model.head.parameters(), lr=0.1)
    After:
        optimizer = SGD(model.parameters(), lr=0.1)

    Source: reason 23.
    """
    names = case.each("handed", "not_handed")
    if not names:
        return None
    strangers = int(case.number("handed", "strangers"))
    other = f" It has {strangers} of another model." if strangers else ""
    words = f"The optimizer does not have {named(names)}.{other}"
    return Clue(words, {"parameters": names, "strangers": strangers})


@check(
    "R23d",
    "gradients that are always zero",
    needs=("parameters",),
    remedy=Remedy("Look at what follows these layers: dead ReLU, rounding, a mask of zeros."),
)
def still_parameters(case: Case) -> Clue | None:
    """Parameters have a gradient, and it is exactly zero.

    Why it breaks training: they do not move, and nothing says so.

    How it is seen: zero on two batches, and still so after the weights were moved a little, which
    lets gradients through layers that are initialised to zero on purpose; and in the run, if there
    was one.

    How to mend it: look for units that are negative for every sample before ReLU, `round`,
    `sign`, a clamp whose range is always left, a mask.

    Before:
        x = torch.relu(self.linear(x) - 100)
    After:
        x = torch.relu(self.linear(x))

    Source: reason 23; reason 35 for dead units.
    """
    # In a run the loss may have further terms, which no inspection is shown.
    pulled = set(case.facts.get("held", {}).get("with_pull", []))
    names = [n for n in case.each("parameters", "still") if n not in pulled]
    if not names:
        return None
    return Clue(f"The gradient is zero in {named(names)}.", {"parameters": names})


@check(
    "R26",
    "gradients that are not the loss's slope",
    needs=("slope",),
    remedy=Remedy("Test the custom backward with torch.autograd.gradcheck, module by module."),
    limits={"error": Limit(0.01, "relative; the gradient check of TheDeepChecker (2022)")},
)
def wrong_gradients(case: Case) -> Clue | None:
    """Autograd's derivative differs from what small changes of a weight do to the loss.

    Why it breaks training: steps go elsewhere than downhill.

    How it is seen: per parameter, the derivative along one direction against central differences
    in double precision, in evaluation mode. Functions that replace a gradient on purpose
    (straight-through) show here too.

    How to mend it: correct the `backward` of custom functions; look for `detach` inside.

    Before:
        def backward(ctx, g): return g                     # forward: x ** 2
    After:
        def backward(ctx, g): return 2 * ctx.saved_tensors[0] * g

    Source: reason 26, "do gradient checking"; CS231n, section "Gradient checks".
    """
    error = case.number("slope", "largest_error")
    if error <= case.limits["error"]:
        return None
    wrong, total = case.each("slope", "wrong"), case.number("slope", "parameters")
    worst = case.each("slope", "worst")[0]
    return Clue(
        f"Wrong in {len(wrong)} of {total:.0f} parameters, at and before the faulty layer: "
        f"{named(wrong)}; in `{worst['name']}` autograd says {worst['analytic']:.3g}, the loss "
        f"itself {worst['numeric']:.3g}.",
        {"parameters": wrong},
        Crossed("error", error),
    )
