"""R06: labels that are wrong."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy

SHOWN = 8
"""Suspects of one kind from which on it is a kind."""


@check(
    "R06b",
    "one input with several labels",
    needs=("conflicts",),
    remedy=Remedy("Look at these samples together; keep one label for each input."),
    limits={"share": Limit(0.01, "our choice: the clean sets of the calibration show none")},
)
def conflicting_labels(case: Case) -> Clue | None:
    """The very same input stands in the training set with different labels.

    Why it breaks training: whatever the network answers, one of them is wrong; the loss cannot
    fall below what they disagree by, and learning by heart is out of reach.

    How it is seen: inputs of equal content, byte by byte, and the labels that they have.

    How to mend it: find out where the copies come from: a file filed under two classes, a join
    that matched twice, an input cut down until two samples became one.

    Before:
        table = left.merge(right, on="name")               # names that are there twice
    After:
        table = left.merge(right, on="id", validate="one_to_one")

    Source: reason 6, "is there too much label noise?"; the same check in Deepchecks.
    """
    share = case.number("conflicts", "share")
    if share <= case.limits["share"]:
        return None
    inputs = int(case.number("conflicts", "inputs"))
    return Clue(
        f"{share:.1%} of the training samples have an input that stands there with another label "
        f"too: {inputs} inputs.",
        {n: case.each("conflicts", n) for n in ("samples", "labels")},
        Crossed("share", share),
    )


@check(
    "R06",
    "wrong labels",
    needs=("noise",),
    remedy=Remedy(
        "Look at these samples; correct them, drop them, or use a loss that bears noise."
    ),
    limits={
        "skill": Limit(
            0.25, "kappa: of neighbours that know hardly more than luck, none can judge"
        ),
        "share": Limit(0.07, "our choice: clean sets of the calibration show at most 0.01"),
        "contradicted": Limit(0.012, "our choice: hard but clean sets show at most 0.002"),
        "one_way": Limit(0.08, "our choice: clean sets of the calibration show at most 0.03"),
        "scattered": Limit(0.25, "our choice: hard but clean sets of the calibration show 0.1"),
        "of_suspects": Limit(
            0.6, "our choice: in hard but clean sets at most 0.35 are of one kind"
        ),
    },
)
def wrong_labels(case: Case) -> Clue | None:
    """A part of the labels is probably wrong.

    Why it breaks training: the network spends itself on learning errors by heart; its score in
    validation, where labels are as wrong, cannot rise above their share of right ones.

    How it is seen: confident learning on held-out predictions of nearest neighbours. Two shares
    must be crossed: of labels that are probably wrong, and of those whose neighbours agree on
    another label, which hard but clean problems hardly have. Or most of the suspects, and a good
    part of a class, are of one other class, and not the other way round. Or suspects look like one
    class that is known again much worse than the others, as where most of it is mislabelled.

    What is not seen: where more than about two thirds of a class stand under one other name, what
    is left of it looks like a rare class beside a common one.

    How to mend it: look at the samples named first; have them labelled again, or leave them out.

    Before:
        train = Set(images, labels)
    After:
        train = Subset(Set(images, labels), clean)         # without the suspects

    Source: reason 6; Northcutt, Jiang and Chuang (2021), Confident learning, by cleanlab.
    """
    if case.number("noise", "skill") < case.limits["skill"]:
        return None
    share, sure = (case.number("noise", n) for n in ("share", "contradicted"))
    if share <= case.limits["share"] or sure <= case.limits["contradicted"]:
        return _under_another_name(case) or _scattered(case)
    return Clue(
        f"About {share:.0%} of the labels are wrong; {sure:.1%} are contradicted by at least 8 of "
        f"10 neighbours.",
        {n: case.each("noise", n) for n in ("samples", "given", "likelier")},
        Crossed("share", share),
    )


def _under_another_name(case: Case) -> Clue | None:
    """Of three classes or more, a part of one stands under the name of another."""
    share, of_suspects = (case.number("noise", f"one_way_{n}") for n in ("share", "of_suspects"))
    few = case.number("noise", "one_way") < SHOWN or case.number("noise", "classes") < 3
    if few or share <= case.limits["one_way"] or of_suspects <= case.limits["of_suspects"]:
        return None
    given, likelier = (int(case.number("noise", f"one_way_{n}")) for n in ("given", "likelier"))
    return Clue(
        f"About {share:.0%} of class {given} are probably of class {likelier}, and hardly any the "
        f"other way round.",
        {n: case.each("noise", n) for n in ("samples", "given", "likelier")},
        Crossed("one_way", share),
    )


def _scattered(case: Case) -> Clue | None:
    """Most of a class stands under other labels."""
    share, samples = case.number("noise", "scattered"), case.each("noise", "scattered_samples")
    if len(samples) < SHOWN or share <= case.limits["scattered"]:
        return None
    which = case.number("noise", "scattered_class")
    return Clue(
        f"Under other labels stand samples that look like class {which:.0f}: {share:.0%} of as many "
        f"as bear its own.",
        {"samples": samples, "likelier": which},
        Crossed("scattered", share),
    )
