"""R14, B3: is what the model receives what its pretrained weights were trained on?"""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

DECLARED = Remedy("Use the preprocessing that the weights declare, in every split.")


@check(
    "R14a",
    "preprocessing that is not the weights' own",
    needs=("declared",),
    remedy=DECLARED,
    limits={
        "outside": Limit(0.1, "of the pixels' range: interpolation overshoots by a few hundredths"),
        "span": Limit(0.6, "our choice: photographs fill nearly all of the pixels' range"),
        "size": Limit(1.5, "our choice: the side in pixels against the one declared, either way"),
    },
)
def not_the_declared_preprocessing(case: Case) -> Clue | None:
    """Pretrained weights declare a mean, a deviation and a size, and the input has others.

    Why it breaks training: the first layers were fitted to that input. On another range, or another
    scale of objects, they give what later layers have never seen, and fine-tuning begins far off.

    How it is seen: the declared standardisation is undone; pixels must then fill 0 to 1. The
    declaration is found on the model, its parts or the data set: torchvision's
    `weights.transforms()`, timm's `pretrained_cfg`, transformers' image processor.

    How to mend it: take the transforms from the weights, do not write them down anew.

    Before:
        transform = Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    After:
        transform = model.weights.transforms()

    Source: reason 14, "check the preprocessing of your pretrained model", and measure B3.
    """
    low, high = case.number("declared", "low"), case.number("declared", "high")
    where = case.text("declared", "where")
    evidence = {n: case.each("declared", n) for n in ("mean", "std", "seen_mean", "seen_std")}
    outside = max(-low, high - 1)
    range_ = f"With what `{where}` declares undone, pixels lie from {low:.3g} to {high:.3g}"
    if outside > case.limits["outside"]:
        return Clue(f"{range_}, not 0 to 1.", evidence, Crossed("outside", outside))
    span = case.number("declared", "span")
    if span < case.limits["span"]:
        return Clue(f"{range_}: too little of 0 to 1.", evidence, Crossed("span", span))
    wanted, seen = case.each("declared", "size"), case.each("declared", "seen_size")
    ratios = [max(a, b) / min(a, b) for a, b in zip(wanted, seen, strict=False)]
    if ratios and max(ratios) > case.limits["size"]:
        words = f"Images are {seen[0]} x {seen[1]}; `{where}` declares {wanted[0]} x {wanted[1]}."
        return Clue(words, {"declared": wanted, "seen": seen}, Crossed("size", max(ratios)))
    return None


@check(
    "R14b",
    "channels in another order than the weights'",
    needs=("declared",),
    severity=Severity.NOTE,
    remedy=Remedy("See whether images are read as BGR (OpenCV) where the weights expect RGB."),
    limits={"nearer": Limit(0.02, "our choice, in units of the pixels' range")},
)
def channels_turned_round(case: Case) -> Clue | None:
    """The channels' means fit the declared ones better in the reverse order.

    Why it breaks training: filters for red see blue; accuracy falls by some percent and no more, so
    that nobody looks.

    How it is seen: mean by channel, the declared standardisation undone, against the declared mean
    as it stands and reversed. Pictures of sky or sea look so by nature, hence a note.

    How to mend it: `cv2.cvtColor(image, cv2.COLOR_BGR2RGB)` after reading.

    Before:
        image = cv2.imread(path)
    After:
        image = cv2.imread(path)[..., ::-1]

    Source: reason 14.
    """
    means, wanted = ([float(v) for v in case.each("declared", n)] for n in ("undone_mean", "mean"))
    level = sum(means) / len(means) - sum(wanted) / len(wanted)
    straight, turned = (
        sum(abs(m - level - w) for m, w in zip(means, order, strict=True)) / len(means)
        for order in (wanted, wanted[::-1])
    )
    if straight - turned <= case.limits["nearer"]:
        return None
    words = f"Channel means {', '.join(f'{m:.3g}' for m in means)} fit the reversed order better"
    return Clue(
        f"{words}; `{case.text('declared', 'where')}` declares {', '.join(map(str, wanted))}.",
        {"seen": means, "declared": wanted},
        Crossed("nearer", straight - turned),
    )
