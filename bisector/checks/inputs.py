"""R01, R12: does what goes in make sense, and is it of the size that networks expect?"""

import math

from bisector.checks.check import check
from bisector.checks.run_series import middle
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity


@check(
    "R01a",
    "inputs that are not finite",
    needs=("inputs",),
    severity=Severity.FATAL,
    remedy=Remedy("Drop these samples, or fill the gaps before the data set is made."),
)
def values_not_finite(case: Case) -> Clue | None:
    """Samples hold NaN or infinity.

    Why it breaks training: one such value makes the loss, then every weight, NaN.

    How it is seen: values of the samples looked at are NaN or infinite; one is too many.

    How to mend it: find where the gap was read, and drop or fill it (the training split's median).

    Before:
        x = torch.tensor(table.values)
    After:
        x = torch.tensor(table.fillna(table[train].median()).values)

    Source: reason 1, "verify that the input makes sense"; IEEE 754 arithmetic keeps NaN for ever.
    """
    bad, val = int(case.number("inputs", "nonfinite")), int(case.number("inputs", "nonfinite_val"))
    if not bad and not val:
        return None
    total = int(case.number("inputs", "samples"))
    return Clue(
        f"{bad} of {total} training samples and {val} validation samples hold NaN or infinity.",
        {"samples": case.each("inputs", "nonfinite_samples")},
    )


@check(
    "R01b",
    "blank samples",
    needs=("inputs",),
    remedy=Remedy("Look at these samples: a failed read often leaves zeros."),
    limits={
        "share": Limit(0.01, "our choice: real sets have stray blank samples, not every 100th")
    },
)
def blank_samples(case: Case) -> Clue | None:
    """Samples whose values are all the same: an image of zeros, a row of one number.

    Why it breaks training: they carry a target and nothing to tell it from, which is label noise.

    How it is seen: the share of samples with a single value, of those with 8 values or more.

    How to mend it: see why they were read so (a missing file, a failed decode); drop them.

    Before:
        image = read(path) if path.exists() else np.zeros((28, 28))
    After:
        paths = [p for p in paths if p.exists()]

    Source: reason 1, "check that the input is not all zeros".
    """
    share = case.number("inputs", "blank_share")
    if share <= case.limits["share"]:
        return None
    return Clue(
        f"{share:.1%} of the training samples hold one single value throughout.",
        {"samples": case.each("inputs", "blank_samples"), "share": share},
        Crossed("share", share),
    )


@check(
    "R01c",
    "features that never vary",
    needs=("numbers",),
    remedy=Remedy("Leave these features out, or mend what should have filled them."),
    limits={"share": Limit(0.5, "our choice: borders of images are constant in healthy data")},
)
def constant_features(case: Case) -> Clue | None:
    """Features or channels that have the same value in every sample.

    Why it breaks training: what never varies cannot tell samples apart; divided by its own
    deviation it becomes NaN.

    How it is seen: the share of features (columns, channels) with standard deviation 0.

    How to mend it: leave them out, or mend the step that should have filled them.

    Before:
        rgb = np.zeros((n, 3, h, w)); rgb[:, 0] = grey
    After:
        rgb = np.repeat(grey[:, None], 3, axis=1)

    Source: reason 1, "verify that the input makes sense".
    """
    share = case.number("numbers", "constant_share")
    if share <= case.limits["share"]:
        return None
    return Clue(
        f"{share:.0%} of the {case.number('numbers', 'features'):.0f} features never vary.",
        {"features": case.each("numbers", "constant")},
        Crossed("share", share),
    )


@check(
    "R01d",
    "the same samples again and again",
    needs=("inputs",),
    remedy=Remedy("Keep one of each; see whether an index or a buffer is used again."),
    limits={"share": Limit(0.2, "our choice: above what real sets with coarse features show")},
)
def repeated_samples(case: Case) -> Clue | None:
    """Many samples are copies of others, target included.

    Why it breaks training: the network sees far less data than it seems, and learns it by heart.

    How it is seen: hashes of the samples' content; the share of samples that equal an earlier one.

    How to mend it: look for an index taken modulo, a list multiplied, a buffer that is handed out
    again and again; else drop the copies.

    Before:
        def __getitem__(self, i): return self.samples[i % 100]
    After:
        def __getitem__(self, i): return self.samples[i]

    Source: reason 1, "the same batch again and again".
    """
    share = case.number("inputs", "repeated_share")
    if share <= case.limits["share"]:
        return None
    most = int(case.number("inputs", "most_copies"))
    return Clue(
        f"{share:.0%} of the training samples are copies of others; one is there {most} times.",
        {"samples": case.each("inputs", "repeated_samples"), "share": share, "most": most},
        Crossed("share", share),
    )


@check(
    "R01e",
    "extreme values",
    needs=("numbers",),
    remedy=Remedy("Look at these samples: a missing-value code or another unit; clip or drop it."),
    limits={
        "widths": Limit(20.0, "our choice: heavy tails of healthy tables reach 10"),
        "apart": Limit(2.0, "our choice: a code stands where no measurement can"),
    },
)
def extreme_values(case: Case) -> Clue | None:
    """Single values lie far outside of their feature's range: codes for "missing", other units.

    Why it breaks training: one such value outweighs all others in a sum of products, and its
    gradient throws the weights far off.

    How it is seen: the distance from the feature's median, in widths between its 10 and 90 %
    quantiles, which the extremes themselves do not move; of one value that stands there often, its
    distance to all others, in ranges of these.

    How to mend it: turn codes into gaps and fill them; bring all samples to one unit; clip.

    Before:
        x = table.values                       # -999 where nothing was measured
    After:
        x = table.replace(-999, np.nan).fillna(table.median()).values

    Source: reason 1, "verify that the input makes sense".
    """
    apart, widths = case.number("numbers", "apart"), case.number("numbers", "extreme_widths")
    if apart > case.limits["apart"]:
        feature, value = (case.number("numbers", f"apart_{w}") for w in ("feature", "value"))
        return Clue(
            f"{case.number('numbers', 'apart_share'):.1%} of the values of feature {feature:.0f} "
            f"are {value:.4g}, far outside of all others: a code for a missing one?",
            {"feature": feature, "value": value},
            Crossed("apart", apart),
        )
    if widths <= case.limits["widths"]:
        return None
    value, middle = (case.number("numbers", f"extreme_{w}") for w in ("value", "median"))
    return Clue(
        f"A value of {value:.4g} stands where the median is {middle:.4g}: {widths:.0f} widths off, "
        f"and {case.number('numbers', 'extreme_share'):.1%} of the samples hold one above 20.",
        {
            "feature": case.number("numbers", "extreme_feature"),
            "samples": case.each("numbers", "extreme_samples"),
        },
        Crossed("widths", widths),
    )


@check(
    "R12",
    "inputs that are not standardised",
    needs=("numbers",),
    remedy=Remedy("Subtract the training split's mean and divide by its deviation, per feature."),
    limits={
        "largest": Limit(4.0, "our choice: half of one byte's span is 128, standardised is 1"),
        "smallest": Limit(0.1, "a tenth of 1: the factor of 10 of reason 12"),
    },
)
def inputs_not_standardised(case: Case) -> Clue | None:
    """Features reach the network with means far from 0 or deviations far from 1.

    Why it breaks training: gradients are as large as their inputs, so one learning rate is too
    high for large features and too low for small ones; initial weights expect unit variance.

    How it is seen: of what the first layer receives, the largest absolute mean or deviation of
    a feature, and the median deviation of those that vary. Nothing is said where a run shows that
    the loop brings values to a usual size before they enter the model.

    How to mend it: standardise with the training split's statistics, in every split.

    Before:
        x = images.float()                     # 0 to 255
    After:
        x = (images.float() - mean) / std      # of the training split

    Source: reason 12; LeCun et al. (1998), Efficient BackProp, section 4.3.
    """
    means, stds = case.each("numbers", "mean"), case.each("numbers", "std")
    if scaled_in_the_loop(case):
        return None
    size = [max(abs(float(m)), float(s)) for m, s in zip(means, stds, strict=True)]
    worst = max(range(len(size)), key=size.__getitem__)
    varying = sorted(float(s) for s in stds if float(s) > 0)
    middle = varying[len(varying) // 2] if varying else 1.0
    evidence = {"feature": worst, "mean": means[worst], "std": stds[worst], "median_std": middle}
    if size[worst] > case.limits["largest"]:
        words = f"Feature {worst} has mean {means[worst]:.3g} and deviation {stds[worst]:.3g}"
        many = sum(s > case.limits["largest"] for s in size)
        clue = f"{words}; {many} of {len(size)} features are as large as that."
        return Clue(clue, evidence, Crossed("largest", size[worst]))
    if middle < case.limits["smallest"]:
        words = f"Features hardly vary: half of them have a deviation below {middle:.3g}."
        return Clue(words, evidence, Crossed("smallest", middle))
    return None


def scaled_in_the_loop(case: Case) -> bool:
    """Whether values of another size leave the loader than enter the model, and that is a usual one."""
    entering, given = case.facts.get("entering", {}), case.facts.get("given", {})
    size, loaded = middle(entering.get("size", [])), float(str(given.get("size", math.nan)))
    low, high = USUAL
    return low < size < high and not low <= loaded <= high


USUAL = (0.1, 3.0)
"""Sizes of inputs that are standardised, or between 0 and 1."""
