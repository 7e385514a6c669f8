"""R30, R32: do layers that know two modes follow them, and is what they leave out bearable?"""

from collections.abc import Sequence

from bisector.checks.check import check
from bisector.checks.network import named
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy


@check(
    "R32a",
    "layers that do not change mode",
    needs=("modes",),
    remedy=Remedy("Call model.train() before training and model.eval() before validation."),
)
def layers_stuck_in_a_mode(case: Case) -> Clue | None:
    """After `model.train()` a dropout or batch norm still evaluates, or after `eval()` still trains.

    Why it breaks training: batch norm in evaluation mode divides by statistics that it never
    learns, so that the signal may die or explode; dropout that never rests makes every validation
    a lottery.

    How it is seen: `training` of each such layer in copies of the model, after `train()` and after
    `eval()`. Batch norm whose weights are frozen may stay as it is.

    How to mend it: do not override `train`; do not set `training` by hand; where a part is to be
    frozen, freeze its weights too.

    Before:
        def train(self, mode=True): return super().train(False)
    After:
        model.train()                          # and model.eval() around validation

    Source: reason 32, "check train and test mode".
    """
    stuck, loose = case.each("modes", "stuck"), case.each("modes", "loose")
    if stuck:
        return Clue(f"After train() still evaluating: {named(stuck)}.", {"modules": stuck})
    if loose:
        return Clue(f"After eval() still training: {named(loose)}.", {"modules": loose})
    return None


@check(
    "R32b",
    "evaluation that is random",
    needs=("modes",),
    remedy=Remedy("Write F.dropout(x, p, training=self.training), or use nn.Dropout."),
    limits={"change": Limit(1e-3, "rounding in single precision is about 1e-6 of the output")},
)
def evaluation_is_random(case: Case) -> Clue | None:
    """In evaluation mode the same input gives another output every time.

    Why it breaks training: the validation score is lower than the model is good, and differs from
    one time to the next; so do the predictions of the finished model.

    How it is seen: one batch twice through a copy in evaluation mode, with two random seeds.

    How to mend it: noise and dropout belong behind `if self.training`. `F.dropout` does not know
    the model's mode unless told.

    Before:
        x = F.dropout(x, 0.5)
    After:
        x = F.dropout(x, 0.5, training=self.training)

    Source: reason 32.
    """
    change = case.number("modes", "random")
    if not change > case.limits["change"]:
        return None
    words = f"In evaluation mode outputs of one batch differ by {change:.2g} of their size."
    return Clue(words, {"change": change}, Crossed("change", change))


@check(
    "R32c",
    "batch norm whose statistics do not follow",
    needs=("modes",),
    remedy=Remedy("Leave momentum at torch's default, 0.1; it is 1 minus that of Keras."),
    limits={
        "lowest": Limit(1e-3, "below, 1,000 steps do not bring the statistics near to the data's"),
        "highest": Limit(0.8, "above, evaluation goes by the last batch alone; the default is 0.1"),
    },
)
def norm_does_not_follow(case: Case) -> Clue | None:
    """Batch norm's running mean and variance hardly move, or are those of the last batch alone.

    Why it breaks training: training goes by each batch's own statistics and looks well;
    evaluation goes by the running ones, which are wrong.

    How it is seen: the `momentum` of each batch norm. In torch it is the weight of the new batch.

    How to mend it: the default of 0.1; a momentum of 0.99 from Keras or TensorFlow is 0.01 here.

    Before:
        nn.BatchNorm2d(64, momentum=0.99)
    After:
        nn.BatchNorm2d(64, momentum=0.01)

    Source: reason 32; torch.nn.BatchNorm2d, the note on momentum.
    """
    momenta = [float(m) for m in case.each("modes", "momenta")]
    norms = case.each("modes", "norms")
    for key, wrong in (
        ("lowest", [m for m in momenta if m < case.limits["lowest"]]),
        ("highest", [m for m in momenta if m > case.limits["highest"]]),
    ):
        if wrong:
            names = [n for n, m in zip(norms, momenta, strict=True) if m in wrong]
            words = f"The momentum is {wrong[0]:.3g} in {named(names)}."
            return Clue(words, {"modules": names}, Crossed(key, wrong[0]))
    return None


@check(
    "R30",
    "regularisation that leaves nothing",
    needs=("modes",),
    remedy=Remedy("Dropout of 0.5 at most; then less, until the training metric rises."),
    limits={
        "dropout": Limit(0.8, "0.5 is the usual most (Srivastava et al. 2014); 0.8 leaves 1/5")
    },
)
def dropout_leaves_nothing(case: Case) -> Clue | None:
    """A dropout layer leaves out nearly all units.

    Why it breaks training: what is left changes from step to step and is scaled up by 1/(1 - p), so
    that gradients are noise.

    How it is seen: the rate of each dropout layer.

    How to mend it: a lower rate. In torch `p` is what is left out, not what is kept.

    Before:
        nn.Dropout(p=keep_probability)         # 0.9
    After:
        nn.Dropout(p=1 - keep_probability)

    Source: reason 30, "reduce regularisation"; Srivastava et al. (2014), Dropout.
    """
    rates: Sequence[float] = [float(r) for r in case.each("modes", "rates")]
    worst = max(rates, default=0.0)
    if worst <= case.limits["dropout"]:
        return None
    layers = case.each("modes", "dropouts")
    names = [n for n, r in zip(layers, rates, strict=True) if r > case.limits["dropout"]]
    words = f"{worst:.0%} are left out in {named(names)}."
    return Clue(words, {"modules": names}, Crossed("dropout", worst))
