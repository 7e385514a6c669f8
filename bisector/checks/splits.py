"""R15: are training and validation data prepared alike, and apart from each other?"""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

MEASURABLE = 0.2
"""Skill below which it cannot be said that it was lost."""
HALF = 0.5


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
    are in the training split, beyond the share of copies within the training split itself. Slightly
    changed copies are those with a training sample 20 times nearer than is usual.

    How to mend it: split before anything is copied, oversampled, augmented or cut into windows.

    Before:
        data = oversample(data); train, val = split(data)
    After:
        train, val = split(data); train = oversample(train)

    Source: reason 15; Kaufman et al. (2012), Leakage in data mining.
    """
    of = f"training split ({case.number('splits', 'looked_at_share'):.0%} of it was looked at)"
    share = case.number("splits", "shared_share")
    excess = share - case.number("splits", "copied_share")
    if excess > case.limits["share"]:
        words = f"{share:.0%} of the validation samples are in the {of} as well."
        evidence = {"val_samples": case.each("splits", "shared_val_samples"), "share": share}
        return Clue(words, evidence, Crossed("share", excess))
    share = case.number("splits", "near_share")
    excess = share - case.number("splits", "near_own")
    if excess > case.limits["share"]:
        words = f"{share:.0%} of the validation samples are slightly changed copies of the {of}."
        evidence = {"val_samples": case.each("splits", "near_val_samples"), "share": share}
        return Clue(words, evidence, Crossed("share", excess))
    return None


@check(
    "R15d",
    "splits of different classes",
    needs=("shares",),
    remedy=Remedy("Split at random, or stratified by class; use one numbering of classes."),
    limits={
        "distance": Limit(0.08, "total variation distance, beyond luck by the chi-squared test")
    },
)
def splits_of_different_classes(case: Case) -> Clue | None:
    """Classes have other shares in validation than in training, or are not there at all.

    Why it breaks training: the score is that of another problem: a class that validation lacks may
    be lost, and nobody sees it.

    How it is seen: the total variation distance between the splits' shares of classes, with the
    p-value of the chi-squared test, corrected for the number of checks. A loader that draws classes
    as often as they are in validation makes up for it.

    How to mend it: shuffle before splitting, or split within each class.

    Before:
        train, val = data[:8000], data[8000:]  # of files sorted by class
    After:
        train, val = train_test_split(data, stratify=labels)

    Source: reason 15, "check the preprocessing for train, validation and test set".
    """
    distance, p = case.number("shares", "distance"), case.number("shares", "p")
    train, val = ([float(v) for v in case.each("shares", n)] for n in ("train", "val"))
    evened = _apart(_drawn(case, len(val)), val) <= case.limits["distance"]
    if evened or distance <= case.limits["distance"] or p >= case.alpha:
        return None
    worst = max(range(len(train)), key=lambda c: abs(train[c] - val[c]))
    lacking = [
        c for c, (one, two) in enumerate(zip(train, val, strict=True)) if one > 0 and not two
    ]
    also = f" Validation has none of class {', '.join(map(str, lacking[:8]))}." if lacking else ""
    return Clue(
        f"Class {worst} makes up {train[worst]:.1%} of the training split and {val[worst]:.1%} of "
        f"validation.{also}",
        {"p": p, "lacking_in_val": lacking},
        Crossed("distance", distance),
    )


def _drawn(case: Case, classes: int) -> list[float]:
    """The share of each class in an epoch of the loader, which may draw them evenly; else nothing."""
    known = "batch_labels" in case.facts and case.has("batch_labels", "drawn")
    counts = [float(n) for n in case.each("batch_labels", "drawn")] if known else []
    total = sum(counts) or 1.0
    return [n / total for n in counts] + [0.0] * (classes - len(counts))


def _apart(one: list[float], two: list[float]) -> float:
    """The total variation distance."""
    return 0.5 * sum(abs(a - b) for a, b in zip(one, two, strict=True))


@check(
    "R15f",
    "statistics that are not the training split's",
    needs=("standards",),
    remedy=Remedy("Fit the scaler on the training split; use it, as it is, in all splits."),
    limits={
        "share": Limit(0.9, "of the features; by luck not one in 1,000 comes so near to 0 and 1")
    },
)
def standardised_by_others(case: Case) -> Clue | None:
    """Features are standardised by the mean and deviation of all splits, or each split by its own.

    Why it breaks training: fitted on all, they tell the training of the validation data, and the
    score is too good; fitted on each, the same sample is another input in each split.

    How it is seen: by whose values means are 0 and deviations 1, to 4 digits, by column of a table
    or channel of images: of the training split, as it should be; of both together; or of the
    validation split by itself.

    How to mend it: `fit` on the training split, `transform` everywhere.

    Before:
        x = StandardScaler().fit_transform(x); train, val = split(x)
    After:
        train, val = split(x); s = StandardScaler().fit(train); train, val = map(s.transform, (train, val))

    Source: reason 15; Kaufman et al. (2012), Leakage in data mining.
    """
    shares = {name: case.number("standards", name) for name in ("train", "val", "both")}
    for name, words in (
        ("both", "Means are 0 and deviations 1 over both splits together, not over training's."),
        ("val", "Validation is standardised by its own mean and deviation."),
    ):
        alone = name == "val" or shares["train"] < case.limits["share"]
        if alone and shares[name] >= case.limits["share"]:
            return Clue(words, dict(shares), Crossed("share", shares[name]))
    return None


@check(
    "R15g",
    "validation targets that do not follow from training's",
    needs=("transfer",),
    remedy=Remedy("Compare samples of one class in both splits; prepare both by one function."),
    limits={
        "lost": Limit(0.5, "our choice: of the probe's skill; later data of one kind keep 0.8")
    },
)
def nothing_carries_over(case: Case) -> Clue | None:
    """What a simple probe learns on the training split, it does not find in validation.

    Why it breaks training: the network learns well, and its score is at chance: classes are numbered
    otherwise in validation, targets are shifted there, or inputs are turned, mirrored, or have
    their columns in another order.

    How it is seen: the probe's agreement beyond luck, held out within the training split, against
    that in validation, at the ends of both intervals that favour the data.

    How to mend it: see whether classes are numbered by one list (sorted folder names differ where
    a folder is missing), and whether one function prepares both splits.

    Before:
        val = ImageFolder("val")               # lacks a class of "train"
    After:
        val = ImageFolder("val"); assert val.classes == train.classes

    Source: reason 15.
    """
    within, across = case.number("transfer", "skill_low"), case.number("transfer", "val_skill_high")
    lost = 1 - across / within if within > MEASURABLE else 0.0
    if lost <= case.limits["lost"]:
        return None
    skill, val = case.number("transfer", "skill"), case.number("transfer", "val_skill")
    offset = int(case.number("transfer", "offset")) if case.has("transfer", "offset") else 0
    share = case.number("transfer", "offset_share") if offset else 0.0
    also = f" With class numbers moved by {offset}, {share:.0%} fit." if share > HALF else ""
    return Clue(
        f"A probe ({case.text('transfer', 'probe')}) has skill {skill:.2f} within the training split "
        f"and {val:.2f} in validation.{also}",
        {
            "accuracy": case.number("transfer", "accuracy"),
            "in_validation": case.number("transfer", "val_accuracy"),
        },
        Crossed("lost", lost),
    )
