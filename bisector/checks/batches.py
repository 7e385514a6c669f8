"""R03, R07, R10: what the loader emits, and in which order."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Safety, Severity

SHUFFLE = Remedy(
    "Shuffle the training set anew for every epoch.", ("recipe.trainer.shuffle=true",), Safety.SAFE
)


@check(
    "R03a",
    "batches that are not what the data set yields",
    needs=("loader",),
    severity=Severity.FATAL,
    remedy=Remedy("Return a new tensor for every sample, or .clone() the buffer."),
)
def batches_not_of_the_data_set(case: Case) -> Clue | None:
    """A sample read by itself differs from the same sample inside a batch.

    Why it breaks training: the network learns from something else than you look at: a buffer
    that is handed out for every sample holds the last one only, a wrong collate mixes x and y.

    How it is seen: samples are read twice by themselves (they must agree), then compared with
    their rows in the first batch.

    How to mend it: return new tensors from `__getitem__`; collate inputs and targets in one order.

    Before:
        def __getitem__(self, i): self.buffer.copy_(self.x[i]); return self.buffer, self.y[i]
    After:
        def __getitem__(self, i): return self.x[i].clone(), self.y[i]

    Source: reason 3, "check the data loader".
    """
    wrong, compared = (
        int(case.number("loader", "mismatched")),
        int(case.number("loader", "compared")),
    )
    if not wrong:
        return None
    distinct, size = (
        int(case.number("loader", "distinct_in_batch")),
        int(case.number("loader", "batch_size")),
    )
    return Clue(
        f"{wrong} of {compared} samples differ between the data set and the batch; "
        f"a batch of {size} holds {distinct} different inputs.",
        {
            "samples": case.each("loader", "mismatched_samples"),
            "shape": case.each("loader", "shape"),
        },
    )


@check(
    "R03b",
    "the same batch over and over",
    needs=("loader",),
    severity=Severity.FATAL,
    remedy=Remedy("Let the data set return the sample that its index asks for."),
    limits={"share": Limit(0.2, "our choice: two equal batches in a row are no luck")},
)
def unchanging_batches(case: Case) -> Clue | None:
    """Batches that follow each other have the same content.

    Why it breaks training: the network learns one batch by heart and never sees the rest.

    How it is seen: hashes of whole batches; the share that equals the one before.

    How to mend it: look for an iterator made anew at every step, or an index that is ignored.

    Before:
        x, y = next(iter(loader))              # at every step
    After:
        for x, y in loader: ...

    Source: reason 3; reason 1, "the same batch again and again".
    """
    share = case.number("loader", "unchanged_share")
    if share <= case.limits["share"]:
        return None
    return Clue(
        f"{share:.0%} of {case.number('loader', 'batches'):.0f} batches equal the one before.",
        {"share": share},
        Crossed("share", share),
    )


@check(
    "R03d",
    "samples that are never drawn",
    needs=("visits",),
    remedy=Remedy("Let the sampler draw from all samples; shuffle=True does."),
    limits={"share": Limit(0.5, "our choice: what is held out on purpose is less than half")},
)
def samples_never_drawn(case: Case) -> Clue | None:
    """The sampler takes the same few samples in every epoch, and most of the data set never.

    Why it breaks training: the network sees far less data than there are, and learns it by heart.

    How it is seen: the numbers that two epochs draw, without reading any sample. The second must
    bring no new ones, as those do that draw at random; what validation reads counts as drawn.

    How to mend it: look for the indices that the sampler was given: of another split, of a first
    try, of one process among several.

    Before:
        DataLoader(data, sampler=SubsetRandomSampler(range(100)))
    After:
        DataLoader(data, shuffle=True)

    Source: reason 3, "check the data loader".
    """
    share = case.number("visits", "never_share")
    if case.number("visits", "new_in_second") or share <= case.limits["share"]:
        return None
    drawn, total = case.number("visits", "drawn"), case.number("visits", "samples")
    return Clue(
        f"Every epoch draws the same {drawn:.0f} of {total:.0f} samples.",
        {"never": case.each("visits", "never")},
        Crossed("share", share),
    )


@check(
    "R07a",
    "samples in stored order",
    needs=("order",),
    remedy=SHUFFLE,
    limits={
        "share": Limit(0.3, "a shuffled set of 1,000 shows 0.001; blocks and small buffers more")
    },
)
def samples_in_stored_order(case: Case) -> Clue | None:
    """The loader emits samples in the order in which the data set stores them.

    Why it breaks training: neighbours are alike (one class, one day, one page), so that each step
    pulls the weights to what is being read and away from what was read before.

    How it is seen: samples of the first batches are recognised by content; the share that are
    followed by their neighbour in the data set.

    How to mend it: shuffle, anew for every epoch; for streams, with a buffer of many classes' size.

    Before:
        DataLoader(train, batch_size=64)
    After:
        DataLoader(train, batch_size=64, shuffle=True)

    Source: reason 7, "shuffle the dataset"; Bengio (2012), arXiv:1206.5533, section 3.1.3.
    """
    share = case.number("order", "following_share")
    if share <= case.limits["share"]:
        return None
    return Clue(
        f"{share:.0%} of the samples are followed by their neighbour in the data set.",
        {"pairs": case.number("order", "pairs"), "first_samples": case.each("order", "first")},
        Crossed("share", share),
    )


@check(
    "R07b",
    "labels that come in runs",
    needs=("batch_labels",),
    remedy=SHUFFLE,
    limits={"excess": Limit(0.15, "our choice, of batches' labels, beyond what is luck")},
)
def labels_in_runs(case: Case) -> Clue | None:
    """Batches that follow each other have much the same labels, other batches other ones.

    Why it breaks training: for a while the network is told that there are these classes only.

    How it is seen: the overlap of label shares of neighbouring batches against that of the same
    batches in random order, with a p-value corrected for the number of checks.

    How to mend it: shuffle; a stream needs a buffer that spans many classes.

    Before:
        dataset.shuffle(buffer_size=128)       # of files sorted by class
    After:
        dataset.shuffle(buffer_size=len(dataset))

    Source: reason 7.
    """
    seen, luck = (case.number("batch_labels", n) for n in ("likeness", "likeness_by_luck"))
    p = case.number("batch_labels", "likeness_p")
    if seen - luck <= case.limits["excess"] or p >= case.alpha:
        return None
    return Clue(
        f"Neighbouring batches share {seen:.0%} of their labels; in random order {luck:.0%}.",
        {"p": p, "batches": case.number("batch_labels", "batches")},
        Crossed("excess", seen - luck),
    )


@check(
    "R10",
    "batches with a single label",
    needs=("batch_labels",),
    remedy=SHUFFLE,
    limits={"share": Limit(0.05, "our choice: beyond what the classes' shares make of luck")},
)
def batches_with_a_single_label(case: Case) -> Clue | None:
    """Whole batches hold samples of one class only.

    Why it breaks training: such a batch is best answered by that class whatever the input; batch
    norm takes the class's statistics for those of the data.

    How it is seen: the share of batches with one label, beyond what the classes' shares and the
    batch size give by luck.

    How to mend it: shuffle over all classes, or draw each batch stratified.

    Before:
        batches = [class_a[:64], class_b[:64], ...]
    After:
        DataLoader(train, batch_size=64, shuffle=True)

    Source: reason 10, "make sure your batches don't contain a single label".
    """
    share, luck = (case.number("batch_labels", n) for n in ("single_share", "single_by_luck"))
    if share - luck <= case.limits["share"] or case.number("batch_labels", "batch_size") < 4:
        return None
    return Clue(
        f"{share:.0%} of the batches hold one label only; by luck it would be {luck:.1%}.",
        {
            "batches": case.each("batch_labels", "single_batches"),
            "labels": case.each("batch_labels", "single_labels"),
        },
        Crossed("share", share - luck),
    )
