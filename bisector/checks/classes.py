"""R08, R09: how many samples does each class have, and are there enough?"""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy


@check(
    "R08",
    "unbalanced classes",
    needs=("labels",),
    remedy=Remedy("Weigh the loss by class, or draw classes evenly; judge by balanced accuracy."),
    limits={"ratio": Limit(10.0, "common ground where imbalance is called severe: 1 to 10")},
)
def unbalanced_classes(case: Case) -> Clue | None:
    """Some classes have many times more samples than others.

    Why it breaks training: answering with the largest class is a good answer by the loss, and
    accuracy hides it.

    How it is seen: the largest class's count over the smallest's, which is taken one deviation of
    its Poisson error too large, so that small samples raise no alarm; a class that is in
    validation and not in training counts as one sample. Where a whole epoch of the loader can be
    read, it is what that draws which counts; and weights of the classes that torch's own loss is
    given may even it out.

    How to mend it: class weights in the loss, a balanced sampler, more samples of the rare class.

    Before:
        nn.CrossEntropyLoss()
    After:
        nn.CrossEntropyLoss(weight=counts.sum() / (len(counts) * counts))

    Source: reason 8, "reduce class imbalance"; He and Garcia (2009), doi:10.1109/TKDE.2008.239.
    """
    counts, val = case.each("labels", "counts"), case.each("labels", "val_counts")
    there = {c: max(1, n) for c, n in enumerate(counts) if n or val[c]}
    if len(there) == 1:
        return Clue(f"All samples are of class {next(iter(there))}.", {"counts": counts[:100]})
    drawn = _drawn(case)
    told = {c: max(1, drawn.get(c, 0)) for c in there} if drawn else there
    rare, most = min(told, key=told.__getitem__), max(told, key=told.__getitem__)
    ratio = _ratio(told, {})
    if min(ratio, _ratio(told, _weights(case))) <= case.limits["ratio"]:
        return None
    words = "is drawn in an epoch" if drawn and told[rare] < there[rare] / 2 else "is there"
    return Clue(
        f"Class {most} {words} {told[most]} times and class {rare} {told[rare]} times.",
        {"counts": counts[:100], "majority_share": told[most] / sum(told.values())},
        Crossed("ratio", ratio),
    )


def _drawn(case: Case) -> dict[int, int]:
    """How often the loader draws each class in an epoch; empty where that is not known."""
    known = "batch_labels" in case.facts and case.has("batch_labels", "drawn")
    return dict(enumerate(case.each("batch_labels", "drawn"))) if known else {}


def _weights(case: Case) -> dict[int, float]:
    """The weight of each class in the loss; empty: it has none."""
    calls = case.each("loss_calls", "calls") if "loss_calls" in case.facts else []
    return next((dict(enumerate(c["weights"])) for c in calls if c.get("weights")), {})


def _ratio(counts: dict[int, int], weights: dict[int, float]) -> float:
    """The heaviest class over the lightest, which is taken one deviation too heavy."""
    heavy = max(n * weights.get(c, 1.0) for c, n in counts.items())
    light = min((n + n**0.5) * weights.get(c, 1.0) for c, n in counts.items())
    return heavy / light if light > 0 else float("inf")


@check(
    "R09",
    "few samples",
    needs=("inputs", "labels"),
    remedy=Remedy("Gather more, augment, or fine-tune a pretrained model and train its head only."),
    limits={
        "per_class": Limit(15.0, "our choice: below, a fifth of a class's share is within luck"),
    },
)
def few_samples(case: Case) -> Clue | None:
    """Most classes have so few samples that a network learns them by heart.

    Why it breaks training: the training loss goes to zero and says nothing; in validation a sample
    more or less decides.

    How it is seen: the median, over classes, of the training samples of a class. Where data are
    sampled for looking, the whole split is reckoned from the share looked at. How much more would
    help, only a learning curve shows.

    How to mend it: more data; augmentation that a person could still name; a pretrained model.

    Before:
        model = ResNet50()                     # 12 images of each class
    After:
        model = ResNet50(weights="DEFAULT"); model.requires_grad_(False); model.fc = Linear(2048, 5)

    Source: reason 9, "do you have enough training samples?"
    """
    counts = sorted(int(n) for n in case.each("labels", "counts") if n)
    whole = case.number("labels", "total") / max(1.0, case.number("labels", "samples"))
    middle = counts[len(counts) // 2] * max(1.0, whole) if counts else 0.0
    if middle >= case.limits["per_class"]:
        return None
    return Clue(
        f"Half of the {len(counts)} classes have {middle:.0f} training samples or fewer.",
        {"counts": counts[:100]},
        Crossed("per_class", middle),
    )
