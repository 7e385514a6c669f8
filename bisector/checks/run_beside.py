"""R09, R24, R31, R34: what a run lacks beside the baseline's, which trains."""

from bisector.checks.check import check
from bisector.checks.run_outcome import falls, long_enough, still_falling
from bisector.checks.run_series import ends, finite, late, length
from bisector.model.finding import Case, Clue, Crossed, Facts, Limit, Remedy
from bisector.model.variant import BASELINE_STEPS


@check(
    "R24",
    "a network much smaller than the baseline's",
    needs=("parameters", "course"),
    remedy=Remedy("A wider network."),
    limits={
        "share": Limit(0.25, "our choice: of the baseline's parameters"),
        "loss": Limit(2.0, "our choice: times the baseline's training loss at the end"),
    },
)
def much_smaller(case: Case) -> Clue | None:
    """The network has a small part of the baseline's parameters, and cannot learn what that learns.

    Why it breaks training: a network learns no more than it has room for.

    How it is seen: the parameters of both are counted, and the loss of the samples that it is trained
    on ends far above the baseline's. Whatever else is found comes before it.

    How to mend it: more units in each layer, or more layers.

    Before:
        nn.Linear(64, 4)
    After:
        nn.Linear(64, 64)

    Source: reason 24, "increase network size".
    """
    beside = case.healthy.get("parameters", {}), case.healthy.get("course", {})
    if not all(beside):
        return None
    own, enough = case.number("parameters", "values"), float(beside[0]["values"])
    loss, learnt = finite(late(case.each("course", "loss"))), finite(late(beside[1]["loss"]))
    if not loss or not learnt or not 0 < own < case.limits["share"] * enough:
        return None
    if loss[-1] <= case.limits["loss"] * abs(learnt[-1]):
        return None
    words = (
        f"It has {own:,.0f} parameters, and the baseline {enough:,.0f}; its loss ends at "
        f"{loss[-1]:.3g}, the baseline's at {learnt[-1]:.3g}."
    )
    return Clue(words, {"parameters": own, "baseline": enough}, Crossed("share", own / enough))


@check(
    "R09b",
    "fewer samples than the baseline",
    needs=("loader", "rate", "course"),
    remedy=Remedy("As many samples as the baseline; else augment, or fine-tune a pretrained model."),
    limits={
        "share": Limit(0.25, "our choice: of the baseline's samples"),
        "worse": Limit(1.25, "our choice: the validation loss over the baseline's"),
        "known": Limit(0.8, "our choice: the training loss, of the validation loss: learnt by heart"),
    },
)  # fmt: skip
def fewer_samples(case: Case) -> Clue | None:
    """The loader gives a small part of the samples that the baseline's gives, and they are learnt by heart.

    Why it breaks training: what few samples have in common is not what all have.

    How it is seen: the batches of an epoch times their size, of both; the training loss ends well
    below the validation loss, and that well above the baseline's.

    How to mend it: look for a subset, a limit or a filter that was left over; more data.

    Before:
        DataLoader(Subset(data, range(32)), 8)         # from trying it out
    After:
        DataLoader(data, 8)

    Source: reason 9, "do you have enough training samples?"
    """
    own, usual = _samples(case.facts), _samples(case.healthy)
    if not 0 < own < case.limits["share"] * usual:
        return None
    loss, held_out = (ends(case.facts, n) for n in ("loss", "val_loss"))
    beside = ends(case.healthy, "val_loss")
    if not loss < case.limits["known"] * held_out or not held_out > case.limits["worse"] * beside:
        return None
    words = f"An epoch has {own:.0f} samples, and the baseline's {usual:.0f}; the loss ends at {loss:.3g} for them and {held_out:.3g} for others."
    return Clue(words, {"samples": own, "baseline": usual}, Crossed("share", own / usual))


def _samples(facts: Facts) -> float:
    """The samples of an epoch; 0: nobody knows."""
    loader, rate = facts.get("loader", {}), facts.get("rate", {})
    return float(loader.get("batch_size", 0)) * float(rate.get("per_epoch", 0))


@check(
    "R31b",
    "fewer steps than the baseline",
    needs=("course",),
    remedy=Remedy(
        "Train for as many steps as the baseline, with a schedule of the learning rate that is as long."
    ),
    limits={"share": Limit(0.8, "our choice: of the baseline's steps")},
)
def fewer_steps(case: Case) -> Clue | None:
    """The run ends after a part of the steps that the baseline, which trains, has.

    Why it breaks training: it does not; it was ended too early, or learns less often.

    How it is seen: the steps of both whole runs are counted. Whatever else is found comes before it.

    How to mend it: as many steps, and a schedule that is made for them. Where batches became larger or
    samples fewer, so many more epochs.

    Before:
        epochs: 2
    After:
        epochs: 10

    Source: reason 31, "give it time".
    """
    made, enough = length(case.facts), length(case.healthy)
    if not 0 < made < case.limits["share"] * enough:
        return None
    words = f"The run has {made:.0f} steps, and the baseline {enough:.0f}."
    evidence = {"steps": made, BASELINE_STEPS: enough}
    return Clue(words, evidence, Crossed("share", made / enough))


@check(
    "R34",
    "another optimizer than the baseline's",
    needs=("handed", "course"),
    remedy=Remedy("The baseline's optimizer, or AdamW or SGD with momentum at their usual rates."),
)
def other_optimizer(case: Case) -> Clue | None:
    """It is trained by another optimizer than the baseline, which trains.

    Why it breaks training: each optimizer has learning rates, batch sizes and a noise of the gradient
    that it can do with: Rprop and L-BFGS want whole data sets, SGD without momentum hundreds of
    times Adam's rate.

    How it is seen: by the optimizers' classes. Whatever else is found comes before it.

    How to mend it: an optimizer that is known to train such networks, with its own learning rate.

    Before:
        Rprop(model.parameters(), lr=0.01)
    After:
        AdamW(model.parameters(), lr=0.001)

    Source: reason 34, "try a different optimizer".
    """
    own = case.text("handed", "optimizer")
    usual = str(case.healthy.get("handed", {}).get("optimizer", own))
    if own == usual:
        return None
    return Clue(
        f"It is {own}, and the baseline's is {usual}.", {"optimizer": own, "baseline": usual}
    )


@check(
    "R31c",
    "a loss that still falls where the baseline's is learnt",
    needs=("course",),
    remedy=Remedy("Look for what makes it slower than the baseline; else train for longer."),
    limits=still_falling.limits,
)
def falling_still(case: Case) -> Clue | None:
    """The loss is still falling at the end, and the baseline, with no more steps, has learnt.

    Why it breaks training: it learns more slowly than it should; for twice the steps it might do.

    How it is seen: as that of a loss that still falls, of the run and not of its baseline. Whatever
    else is found comes before it.

    How to mend it: compare the two, line by line; or give it time.

    Before:
        epochs: 10
    After:
        epochs: 20

    Source: reason 31, "give it time".
    """
    return falls(case) if long_enough(case) else None
