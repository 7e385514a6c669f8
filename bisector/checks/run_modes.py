"""R32: do the phases of a run use the model in their own mode?"""

from bisector.checks.check import check
from bisector.checks.run_series import column, late, middle, named
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy


@check(
    "R32f",
    "trained in evaluation mode",
    needs=("passes",),
    remedy=Remedy("Call model.train() again after every validation."),
    limits={"share": Limit(0.5, "our choice: a few steps in evaluation mode do little")},
)
def trained_in_evaluation_mode(case: Case) -> Clue | None:
    """Passes with a gradient run while the model is in evaluation mode.

    Why it breaks training: batch norm then divides by statistics that it no longer learns, and
    dropout does nothing.

    How it is seen: `model.training` at each forward pass with a gradient, where the model has layers
    to which that makes a difference.

    How to mend it: model.train() at the start of every epoch, not once before the first.

    Before:
        model.train()
        for epoch in range(9): train(); model.eval(); validate()
    After:
        for epoch in range(9): model.train(); train(); model.eval(); validate()

    Source: reason 32, "check train and test mode".
    """
    wrong, right = case.number("passes", "eval"), case.number("passes", "train")
    if not case.each("passes", "sensitive") or not wrong:
        return None
    share = min(1.0, wrong / max(1.0, case.number("passes", "backwards")))
    if share < case.limits["share"]:
        return None
    words = (
        f"{wrong:.0f} of {wrong + right:.0f} forward passes with a gradient ran in evaluation mode."
    )
    modules = case.each("passes", "sensitive")
    return Clue(words, {"modules": modules}, Crossed("share", share))


@check(
    "R32g",
    "evaluated in training mode",
    needs=("passes",),
    remedy=Remedy("Call model.eval() before validation, and model.train() after it."),
    limits={
        "share": Limit(
            0.5, "our choice: statistics may be gathered without a gradient now and then"
        )
    },
)
def evaluated_in_training_mode(case: Case) -> Clue | None:
    """Passes without a gradient run while the model is in training mode.

    Why it breaks training: dropout makes the validation a lottery, and batch norm learns the
    validation set's statistics and mixes its samples.

    How it is seen: `model.training` at each forward pass without a gradient, where the model has
    layers to which that makes a difference.

    How to mend it: model.eval() around validation.

    Before:
        with torch.no_grad(): validate()
    After:
        model.eval()
        with torch.no_grad(): validate()

    Source: reason 32.
    """
    wrong, right = case.number("passes", "train_no_grad"), case.number("passes", "eval_no_grad")
    if not case.each("passes", "sensitive") or not wrong:
        return None
    share = wrong / (wrong + right)
    if share < case.limits["share"]:
        return None
    words = f"{wrong:.0f} of {wrong + right:.0f} forward passes without a gradient ran in training mode."
    return Clue(words, {"modules": case.each("passes", "sensitive")}, Crossed("share", share))


@check(
    "R32h",
    "batch norm far from the batches",
    needs=("run_norms",),
    remedy=Remedy("Larger batches, momentum 0.1, training mode; or GroupNorm."),
    limits={
        "shift": Limit(
            1.0, "our choice: at one deviation, evaluation sees other activations than training"
        ),
        "scale": Limit(
            2.0, "our choice: the variance of a batch over the running one, or under it"
        ),
        "step": Limit(50, "with momentum 0.1 the start is forgotten to 0.5 % after 50 steps"),
    },
)
def batch_norm_far_off(case: Case) -> Clue | None:
    """Batch norm's running mean or variance is not that of the batches it is shown.

    Why it breaks training: in evaluation the model uses the running statistics, and its activations
    are others than those that it was trained with.

    How it is seen: over the last third of the looks, the distance of each channel's running mean
    from the batch's, in running deviations; and the batch's variance over the running one.

    How to mend it: a momentum of 0.1, not 0.001; no second use of a norm for other inputs; batches
    of 16 samples or more.

    Before:
        nn.BatchNorm2d(64, momentum=0.001)
    After:
        nn.BatchNorm2d(64)

    Source: reason 32; torch.nn.BatchNorm2d.
    """
    steps = [float(s) for s in case.each("run_norms", "steps")]
    if steps[-1] < case.limits["step"]:
        return None
    layers, shift = case.each("run_norms", "layers"), case.each("run_norms", "shift")
    far = {n: middle(late(column(shift, i))) for i, n in enumerate(layers) if column(shift, i)}
    names = [n for n, v in far.items() if v > case.limits["shift"]]
    if not names:
        return _variance_far_off(case)
    worst = max(far[n] for n in names)
    words = f"The running mean is {worst:.2g} deviations off in {named(names)}."
    return Clue(
        words, {"modules": names, "shift": [far[n] for n in names]}, Crossed("shift", worst)
    )


def _variance_far_off(case: Case) -> Clue | None:
    layers, scale = case.each("run_norms", "layers"), case.each("run_norms", "scale")
    seen = {n: middle(late(column(scale, i))) for i, n in enumerate(layers) if column(scale, i)}
    far = {n: max(v, 1 / v) for n, v in seen.items() if v > 0}
    names = [n for n, v in far.items() if v > case.limits["scale"]]
    if not names:
        return None
    worst = max(names, key=lambda n: far[n])
    words = f"A batch's variance is {seen[worst]:.2g} of the running one in {named(names)}."
    evidence = {"modules": names, "scale": [seen[n] for n in names]}
    return Clue(words, evidence, Crossed("scale", far[worst]))
