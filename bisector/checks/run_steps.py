"""R22, R23, R33: does every step move what it should, by this step's gradient and nothing else?"""

import math

from bisector.checks.check import check
from bisector.checks.run_series import finite, late, middle, named, numbers
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

DEAD = 0.99
"""Share of dead units from which a layer passes no gradient at all."""


@check(
    "R23e",
    "no optimizer step",
    needs=("passes",),
    severity=Severity.FATAL,
    remedy=Remedy("Call optimizer.step() after backward()."),
    limits={"backwards": Limit(16, "our choice: gradients are rarely accumulated over more")},
)
def no_step(case: Case) -> Clue | None:
    """Gradients are computed, and no optimizer makes a step of them.

    Why it breaks training: the weights stay as they were initialised.

    How it is seen: backward passes and optimizer steps are counted. In half precision a step is
    also left out by the gradient scaler, whenever a gradient is not finite.

    How to mend it: one optimizer.step() for each backward pass, or for every few.

    Before:
        loss.backward(); optimizer.zero_grad()
    After:
        loss.backward(); optimizer.step(); optimizer.zero_grad()

    Source: reason 23, "check for frozen layers or variables".
    """
    backwards, steps = case.number("passes", "backwards"), case.number("passes", "steps")
    if steps or backwards < case.limits["backwards"]:
        return None
    words = f"{backwards:.0f} backward passes, and not one optimizer step."
    return Clue(words, {"steps": steps}, Crossed("backwards", backwards))


@check(
    "R23j",
    "steps without a gradient",
    needs=("passes", "held", "run_weights"),
    severity=Severity.FATAL,
    remedy=Remedy("Call loss.backward() before optimizer.step(), in the closure if there is one."),
    limits={"steps": Limit(8, "our choice: a step may be left out now and then")},
)
def no_backward(case: Case) -> Clue | None:
    """The optimizer steps, and no gradient is ever computed.

    Why it breaks training: where there is no gradient a step does nothing.

    How it is seen: backward passes and optimizer steps are counted, no parameter has a gradient at any
    look, and all weights keep their size.

    How to mend it: one loss.backward() for each step.

    Before:
        optimizer.step(lambda: criterion(model(x), y))
    After:
        def closure(): loss = criterion(model(x), y); loss.backward(); return loss

    Source: reason 23, "check for frozen layers or variables".
    """
    backwards, steps = case.number("passes", "backwards"), case.number("passes", "steps")
    norms = case.each("run_weights", "norm")
    if backwards or steps < case.limits["steps"] or case.each("held", "with_pull"):
        return None
    if any(row != norms[0] for row in norms):
        return None
    words = f"{steps:.0f} optimizer steps, and not one backward pass."
    return Clue(words, {"steps": steps}, Crossed("steps", steps))


@check(
    "R23f",
    "an optimizer for other parameters",
    needs=("held",),
    severity=Severity.FATAL,
    remedy=Remedy("Make the optimizer after the model is final, from the model's own parameters."),
)
def other_parameters(case: Case) -> Clue | None:
    """The optimizer holds parameters that are not the trained model's, and none of those.

    Why it breaks training: it steps, and moves a model that nobody uses any more.

    How it is seen: the identity of the tensors in the optimizer's groups and in the model.

    How to mend it: make the optimizer last: after loading, replacing, copying or compiling.

    Before:
        optimizer = SGD(model.parameters(), 0.1); model = copy.deepcopy(model)
    After:
        model = copy.deepcopy(model); optimizer = SGD(model.parameters(), 0.1)

    Source: reason 23; torch.optim, the note on constructing optimizers.
    """
    trainable = set(case.each("held", "trainable"))
    if not trainable or not trainable <= set(case.each("held", "not_handed")):
        return None
    foreign, handed = case.number("held", "foreign"), case.number("held", "handed")
    words = f"Of {handed:.0f} tensors in the optimizer {foreign:.0f} belong to no part of the model, and none to it."
    return Clue(words, {"parameters": sorted(trainable)})


@check(
    "R22g",
    "layers made in forward",
    needs=("made",),
    severity=Severity.FATAL,
    remedy=Remedy("Make the layer in __init__ and keep it as an attribute of the module."),
)
def made_in_forward(case: Case) -> Clue | None:
    """A forward pass uses parameters that are made anew every time.

    Why it breaks training: what the step learns is thrown away with the layer, and the layers before
    it are taught to suit weights that never come back.

    How it is seen: parameters that torch's functions are called with in a forward pass, that the
    model does not hold and that were not there at the look before.

    How to mend it: layers are made once, in `__init__`.

    Before:
        def forward(self, x): return nn.Linear(64, 10)(x)
    After:
        def __init__(self): self.head = nn.Linear(64, 10)

    Source: reason 22, "check custom layers".
    """
    places = case.each("made", "fresh")
    if not places:
        return None
    return Clue(f"Parameters are made anew in {named(places)}.", {"places": places})


@check(
    "R22h",
    "parameters from outside of the model",
    needs=("made", "held"),
    remedy=Remedy("Register the layer in the module, and make the optimizer after that."),
)
def outside_of_the_model(case: Case) -> Clue | None:
    """A forward pass uses trainable parameters that the model does not hold.

    Why it breaks training: `model.parameters()` does not list them, so that no optimizer moves them.

    How it is seen: parameters that torch's functions are called with in a forward pass, and that are
    neither the model's nor the loss's.

    How to mend it: nn.ModuleList and its like in place of lists, or an attribute of the module.

    Before:
        self.heads = [nn.Linear(64, 10)]
    After:
        self.heads = nn.ModuleList([nn.Linear(64, 10)])

    Source: reason 22.
    """
    places = case.each("made", "outside")
    # An optimizer that was given more than the model's own may well be given these.
    if not places or case.number("held", "foreign") > 0:
        return None
    return Clue(f"Used in {named(places)}, and not the model's.", {"places": places})


@check(
    "R33a",
    "gradients of earlier steps",
    needs=("left_over", "held"),
    remedy=Remedy("Call optimizer.zero_grad() once for each step."),
    limits={
        "share": Limit(0.01, "what is reset is exactly zero; this allows for rounding on purpose"),
        "looks": Limit(0.8, "our choice: a gradient kept on purpose now and then is not meant"),
    },
)
def gradients_not_reset(case: Case) -> Clue | None:
    """When a step's first gradient is computed, that of the steps before is still there.

    Why it breaks training: the gradient is the sum over all of the past: steps grow longer and
    longer and point to where the loss once fell.

    How it is seen: the norm of the gradient before a step's own is added, after an optimizer step.

    How to mend it: zero_grad() in every step, at its beginning or its end. Where batches are
    accumulated, once for each optimizer step.

    Before:
        loss.backward(); optimizer.step()
    After:
        optimizer.zero_grad(); loss.backward(); optimizer.step()

    Source: reason 33, "visualise the training"; torch.optim, the note on taking an optimization step.
    """
    shares = finite(case.each("left_over", "share"))
    over = [s for s in shares if s > case.limits["share"]]
    # There is nothing left over before the first step.
    if not over or len(over) < case.limits["looks"] * (case.number("held", "looks") - 1):
        return None
    words = f"Before a step's own gradient, {middle(over):.0%} of it is there already."
    return Clue(words, {"looks": len(over)}, Crossed("share", middle(over)))


@check(
    "R23g",
    "gradients that nobody uses",
    needs=("held",),
    remedy=Remedy("Give these parameters to the optimizer, or switch their requires_grad off."),
)
def gradients_unused(case: Case) -> Clue | None:
    """Parameters get a gradient in the run, and the optimizer was not given them.

    Why it breaks training: they stay as they were initialised.

    How it is seen: parameters with a gradient that is not zero, against the optimizer's groups.

    How to mend it: name every part in the optimizer, or all of `model.parameters()`.

    Before:
        SGD(model.head.parameters(), 0.1)
    After:
        SGD(model.parameters(), 0.1)

    Source: reason 23.
    """
    pulled = set(case.each("held", "with_pull"))
    names = [n for n in case.each("held", "not_handed") if n in pulled]
    if not names:
        return None
    total = len(case.each("held", "parameters"))
    words = (
        f"{len(names)} of {total} parameters get gradients and are in no optimizer: {named(names)}."
    )
    return Clue(words, {"parameters": names})


@check(
    "R23h",
    "parameters that do not change",
    needs=("held",),
    remedy=Remedy(
        "Look for detach, no_grad or a zero learning rate on the way to these parameters."
    ),
    limits={"looks": Limit(3, "our choice: a look or two may fall on steps that are left out")},
)
def unchanged_parameters(case: Case) -> Clue | None:
    """Trainable parameters are the same after many steps.

    Why it breaks training: what does not change does not learn.

    How it is seen: the difference of each parameter before and after a step is exactly zero at every
    look. Parameters behind units that are all dead are another finding's.

    How to mend it: without a gradient, follow the graph from the loss back to them; with one, look
    at their group's learning rate.

    Before:
        features = self.stem(x).detach()
    After:
        features = self.stem(x)

    Source: reason 23.
    """
    moved, handed = case.each("held", "moved"), set(case.each("held", "not_handed"))
    still = [n for n in case.each("held", "trainable") if n not in {*moved, *handed}]
    # A gradient too small to be felt is no fault of the step: a bias before batch norm has none.
    faint = set(case.each("held", "with_pull")) - set(case.each("held", "with_strong_pull"))
    still = [n for n in still if n not in faint]
    if not still or case.number("held", "looks") < case.limits["looks"] or _choked(case):
        return None
    looks = case.number("held", "looks")
    pulled = set(case.each("held", "with_pull"))
    why = "although they have gradients" if set(still) & pulled else "and have no gradient"
    words = f"{len(still)} parameters never moved, {why}: {named(still)}."
    rates = [float(str(r)) for r in case.each("held", "rates")]
    return Clue(words, {"parameters": still, "rates": rates[:8]}, Crossed("looks", looks))


@check(
    "R23i",
    "a training that begins anew",
    needs=("course",),
    remedy=Remedy("Look for weights that are loaded, copied or initialised inside the epoch loop."),
    limits={
        "lost": Limit(0.7, "our choice: the share of an epoch's progress that the next one loses"),
        "progress": Limit(0.1, "our choice, of the first loss: an epoch that learns less is noise"),
        "epochs": Limit(3, "our choice: once it may be meant"),
    },
)
def begins_anew(case: Case) -> Clue | None:
    """At the beginning of every epoch, or every few steps, the loss is back where the training began.

    Why it breaks training: what an epoch learns is thrown away; the result is that of one epoch.

    How it is seen: the loss at the beginning of each epoch, against that at the end of the one
    before and the very first: most of what was gained is lost, at half of the epochs or more. The
    same for pieces of any other number of steps, at nearly all of them.

    How to mend it: weights are loaded once, before the loop; a model is made once; "the best so far"
    must be stored anew when it gets better.

    Before:
        for epoch in range(9): model.load_state_dict(best); train()
    After:
        model.load_state_dict(best); [train() for epoch in range(9)]

    Source: reason 23, "check for frozen layers or variables".
    """
    loss = numbers(case.each("course", "loss"))
    steps = numbers(case.each("course", "loss_steps"))
    if not loss or not all(map(math.isfinite, loss)):
        return None
    per_epoch = int(case.facts.get("rate", {}).get("per_epoch", 0))
    # A loader's own order comes again with the epochs, so it is these that are looked at there.
    fixed = [n for n in range(POINTS, len(loss) // OFTEN) if not per_epoch or per_epoch % n]
    whole = [n for n in fixed if steps[-1] == len(steps)]
    for length in (per_epoch, *whole):
        begun, ended = _pieces(steps, loss, length)
        least = 0.5 if length == per_epoch else ALWAYS
        again = _thrown_back(case, loss[0], begun, ended)
        if length and len(again) >= max(case.limits["epochs"], least * len(begun)):
            often = "epochs" if length == per_epoch else f"pieces of {length} steps"
            words = f"At {len(again)} of {len(begun) - 1} {often} the loss begins where the first one did."
            evidence = {"begun": begun[:60], "ended": ended[:60]}
            return Clue(words, evidence, Crossed("lost", middle(again)))
    return None


def _pieces(steps: list[float], loss: list[float], length: int) -> tuple[list[float], list[float]]:
    """The losses at the beginning and at the end of each piece of so many steps."""
    if not length:
        return [], []
    pieces: dict[int, list[float]] = {}
    for step, value in zip(steps, loss, strict=True):
        pieces.setdefault(int((step - 1) // length), []).append(value)
    seen = [piece for piece in pieces.values() if len(piece) >= POINTS]
    return [piece[0] for piece in seen], [middle(late(piece)) for piece in seen]


def _thrown_back(case: Case, first: float, begun: list[float], ended: list[float]) -> list[float]:
    """The shares of the progress of a piece that are lost at the beginning of the next, if most is."""
    lost = [
        (after - end) / (first - end)
        for end, after in zip(ended, begun[1:], strict=False)
        if first - end > case.limits["progress"] * abs(first)
    ]
    return [share for share in lost if share > case.limits["lost"]]


OFTEN, ALWAYS = 8, 0.9
"""Of pieces that are no epochs there must be so many, and so large a share of them thrown back."""
POINTS = 3
"""Losses of an epoch by which its beginning and its end can be told apart."""


def _choked(case: Case) -> bool:
    """Whether some layer passes no gradient because all of its units are dead."""
    seen = case.facts.get("run_activations", {}).get("dead", [])
    return any(middle([row[i] for row in seen]) > DEAD for i in range(len(seen[0]) if seen else 0))
