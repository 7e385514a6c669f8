"""R13, and the parts of R03 and R15 about chance: what is changed at random, where and how much."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity


@check(
    "R13",
    "augmentation that does not keep the label",
    needs=("augmented",),
    remedy=Remedy(
        "Halve its strength, or leave it out, until a person can name augmented samples."
    ),
    limits={
        "left": Limit(
            0.5, "our choice: half of the agreement beyond luck; usual strengths keep 0.8"
        ),
        "skill": Limit(0.2, "kappa: what Landis and Koch (1977) call fair; below, nothing is told"),
    },
)
def label_not_kept(case: Case) -> Clue | None:
    """After augmentation, inputs say much less of their label than before.

    Why it breaks training: the network is asked to tell what cannot be told any more: it learns
    the noise, or nothing.

    How it is seen: a simple probe, held out, on samples as they are stored and, trained anew, on
    the same samples as the network receives them; the share of its agreement beyond luck (kappa)
    that is left, at the ends of both intervals that favour the augmentation.

    How to mend it: less of it. Look at a batch as the network receives it.

    Before:
        RandomErasing(scale=(0.8, 1.0))
    After:
        RandomErasing(scale=(0.02, 0.3))

    Source: reason 13, "do you have too much data augmentation?"
    """
    before, after = (
        case.number("augmented", "clean_skill_low"),
        case.number("augmented", "skill_high"),
    )
    if before < case.limits["skill"] or after >= case.limits["left"] * before:
        return None
    by = ", ".join(f"`{name}`" for name in case.each("augmented", "by"))
    names = ("clean_skill", "skill", "clean_accuracy", "accuracy")
    seen = {name: case.number("augmented", name) for name in names}
    return Clue(
        f"A probe tells {seen['clean_accuracy']:.0%} of the samples as stored and "
        f"{seen['accuracy']:.0%} after {by} (kappa {seen['clean_skill']:.2f}, {seen['skill']:.2f}).",
        {"probe": case.text("augmented", "probe"), **seen},
        Crossed("left", after / before),
    )


@check(
    "R15e",
    "validation samples that change at random",
    needs=("readings",),
    remedy=Remedy("Give validation its own transforms, without the random ones."),
)
def validation_augmented(case: Case) -> Clue | None:
    """The same validation sample is another one each time it is read.

    Why it breaks training: the training's augmentation was left on: the score is that of harder
    samples than the model will meet, and differs from epoch to epoch by chance.

    How it is seen: some validation samples, read twice.

    How to mend it: two data sets over the same files, one with and one without augmentation; a
    random split of one augmented data set augments both parts.

    Before:
        train, val = random_split(Images(folder, transform=augment), [0.8, 0.2])
    After:
        train, val = (Subset(Images(folder, transform=t), i) for t, i in zip(transforms, parts))

    Source: reason 15, "check the preprocessing for train, validation and test set".
    """
    changed = case.each("readings", "changed")
    if not changed:
        return None
    read = case.number("readings", "read")
    words = f"{len(changed)} of {read:.0f} validation samples differ from one reading to the next."
    return Clue(
        words, {"val_samples": changed, "train_changes": case.facts["readings"]["train_changes"]}
    )


@check(
    "R03c",
    "loader processes that draw the same numbers",
    needs=("workers",),
    severity=Severity.WARNING,
    remedy=Remedy("Draw from torch's global stream, or seed a generator in worker_init_fn."),
)
def workers_draw_alike(case: Case) -> Clue | None:
    """Every loader process augments with the same random numbers, or every epoch does.

    Why it breaks training: there are as many times fewer different samples as there are processes;
    the network learns them by heart.

    How it is seen: two processes of the loader's own kind read the same samples, twice each, in two
    epochs. Readings that change within a process must differ between them.

    How to mend it: a generator that the data set holds is copied into every process as it stands:
    make it there, from `torch.initial_seed()`.

    Before:
        self.rng = np.random.default_rng(0)    # in __init__
    After:
        def worker_init_fn(n): get_worker_info().dataset.rng = default_rng(torch.initial_seed())

    Source: reason 3, "check the data loader"; the PyTorch FAQ on loader processes that return the
    same random numbers.
    """
    alike, again = (bool(case.facts["workers"][n]) for n in ("alike", "again"))
    if not alike and not again:
        return None
    workers = case.number("workers", "workers")
    who = f"All {workers:.0f} loader processes draw" if alike else "Every epoch draws"
    return Clue(f"{who} the same random numbers.", {"workers": workers, "each_epoch": again})
