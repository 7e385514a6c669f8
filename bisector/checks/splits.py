"""R15: are training and validation data prepared alike, and apart from each other?"""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity


@check(
    "R15a",
    "splits of different shape",
    needs=("splits",),
    severity=Severity.FATAL,
    remedy=Remedy("Send both splits through the same transformation."),
)
def splits_of_different_shape(case: Case) -> Clue | None:
    """Samples of the two splits differ in shape or in type.

    Why it breaks training: the network is judged on something that it was not trained for, or
    the validation fails.

    How it is seen: the shapes and the types of the samples of both splits.

    How to mend it: one function that prepares a sample, called by both splits.

    Before:
        train = Set(resize=64); val = Set()
    After:
        train, val = (Set(part, resize=64) for part in ("train", "val"))

    Source: reason 15, "check the preprocessing for train, validation and test set".
    """
    shapes = [case.each("splits", f"{s}_shape") for s in ("train", "val")]
    types = [case.text("splits", f"{s}_dtype") for s in ("train", "val")]
    if shapes[0] == shapes[1] and types[0] == types[1]:
        return None
    return Clue(
        f"Training samples are {shapes[0]} {types[0]}, validation samples {shapes[1]} {types[1]}.",
        {"shapes": shapes, "types": types},
    )


@check(
    "R15b",
    "splits prepared differently",
    needs=("splits",),
    remedy=Remedy("Use the training split's statistics, or vocabulary, in every split."),
    limits={
        "shift": Limit(
            0.5, "half a deviation, a medium effect (Cohen 1988), beyond sampling error"
        ),
        "scale": Limit(2.0, "our choice: twice the spread, in features that vary"),
        "tokens": Limit(0.4, "total variation distance; chapters of one text stay below 0.2"),
    },
)
def splits_prepared_differently(case: Case) -> Clue | None:
    """The splits' inputs differ by more than luck: another mean, scale or numbering of tokens.

    Why it breaks training: the network learns one kind of input and is judged on another; its
    validation score then says nothing.

    How it is seen: per feature, the difference of means in deviations (with a p-value that
    counts samples, not pixels, corrected for features and checks) and the ratio of deviations;
    for tokens, the total variation distance between their shares.

    How to mend it: compute mean, deviation and vocabulary on the training split, use them in all.

    Before:
        train = (train - train.mean()) / train.std(); val = val / 255
    After:
        mean, std = train.mean(), train.std(); train, val = (train - mean) / std, (val - mean) / std

    Source: reason 15.
    """
    kind = case.text("splits", "kind")
    if kind == "tokens":
        return _tokens(case)
    return _numbers(case) if kind == "numbers" else None


def _tokens(case: Case) -> Clue | None:
    distance = case.number("splits", "distance")
    if distance <= case.limits["tokens"]:
        return None
    one, two = case.each("splits", "worst_shares")
    token = int(case.number("splits", "worst_token"))
    return Clue(
        f"The splits use tokens differently (distance {distance:.2f}): token {token} makes up "
        f"{one:.1%} of the training inputs and {two:.1%} of the validation inputs.",
        {"token": token, "shares": [one, two]},
        Crossed("tokens", distance),
    )


def _numbers(case: Case) -> Clue | None:
    shift, scale = case.number("splits", "shift"), case.number("splits", "scale")
    if shift > case.limits["shift"] and case.number("splits", "shift_p") < case.alpha:
        one, two = case.each("splits", "shift_means")
        feature = int(case.number("splits", "shift_feature"))
        return Clue(
            f"Feature {feature} has mean {one:.3g} in the training split and {two:.3g} in validation.",
            {"feature": feature, "means": [one, two], "p": case.number("splits", "shift_p")},
            Crossed("shift", shift),
        )
    # Below 100 samples, twice the spread is within luck's reach for heavy tails.
    if scale > case.limits["scale"] and case.number("splits", "smaller") >= 100:
        one, two = case.each("splits", "scale_stds")
        feature = int(case.number("splits", "scale_feature"))
        return Clue(
            f"Feature {feature} has deviation {one:.3g} in training and {two:.3g} in validation.",
            {"feature": feature, "stds": [one, two]},
            Crossed("scale", scale),
        )
    return None


@check(
    "R15c",
    "validation samples that are trained on",
    needs=("splits",),
    remedy=Remedy("Split first, then copy, augment or cut windows; each sample in one split only."),
    limits={"share": Limit(0.02, "our choice, beyond the copies within the training split")},
)
def shared_samples(case: Case) -> Clue | None:
    """The same samples are in the training and in the validation split.

    Why it breaks training: nothing looks broken; the validation score is that of samples learnt
    by heart, and hides every other fault.

    How it is seen: hashes of the samples, targets included; the share of validation samples that
    are in the training split, beyond the share of copies within the training split itself.

    How to mend it: split before anything is copied, oversampled, augmented or cut into windows.

    Before:
        data = oversample(data); train, val = split(data)
    After:
        train, val = split(data); train = oversample(train)

    Source: reason 15; Kaufman et al. (2012), Leakage in data mining.
    """
    share = case.number("splits", "shared_share")
    excess = share - case.number("splits", "copied_share")
    if excess <= case.limits["share"]:
        return None
    seen = case.number("splits", "looked_at_share")
    return Clue(
        f"{share:.0%} of the validation samples are in the training split as well"
        f" ({seen:.0%} of which was looked at).",
        {"val_samples": case.each("splits", "shared_val_samples"), "share": share},
        Crossed("share", excess),
    )
