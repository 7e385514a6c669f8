"""R04, R05, R06, R08: the targets, by themselves and beside their inputs."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

REALIGN = Remedy("Look at some samples with their targets, and bring them back into one order.")


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
    validation and not in training counts as one sample.

    How to mend it: class weights in the loss, a balanced sampler, more samples of the rare class.

    Before:
        nn.CrossEntropyLoss()
    After:
        nn.CrossEntropyLoss(weight=counts.sum() / (len(counts) * counts))

    Source: reason 8, "reduce class imbalance"; He and Garcia (2009), doi:10.1109/TKDE.2008.239.
    """
    counts, val = case.each("labels", "counts"), case.each("labels", "val_counts")
    there = {c: max(1, n) for c, n in enumerate(counts) if n or val[c]}
    rare, most = min(there, key=there.__getitem__), max(there, key=there.__getitem__)
    ratio = there[most] / (there[rare] + there[rare] ** 0.5)
    if ratio <= case.limits["ratio"]:
        return None
    return Clue(
        f"Class {most} has {counts[most]} samples and class {rare} has {counts[rare]}.",
        {"counts": counts[:100], "majority_share": counts[most] / sum(counts)},
        Crossed("ratio", ratio),
    )


@check(
    "R04a",
    "targets shifted against inputs",
    needs=("relation",),
    severity=Severity.FATAL,
    remedy=REALIGN,
    limits={"skill": Limit(0.2, "kappa: what Landis and Koch (1977) call fair agreement")},
)
def targets_shifted(case: Case) -> Clue | None:
    """Each target stands beside another sample's input, some places on.

    Why it breaks training: there is nothing to learn but by heart, and nothing to generalise.

    How it is seen: a simple probe predicts no better than luck in place, and well with the
    targets moved by up to 3 samples.

    How to mend it: look for a header line counted as a sample, a row dropped from one file only,
    lists sorted differently.

    Before:
        x, y = pd.read_csv(a, header=None), pd.read_csv(b)
    After:
        x, y = pd.read_csv(a), pd.read_csv(b); assert (x.id == y.id).all()

    Source: reason 4, "make sure input is connected to output".
    """
    if not case.has("relation", "offset") or case.number("relation", "p") < case.alpha:
        return None
    skill, offset = case.number("relation", "offset_skill"), int(case.number("relation", "offset"))
    if skill <= case.limits["skill"]:
        return None
    return Clue(
        f"Inputs say nothing of their own targets, and much of those {abs(offset)} samples "
        f"{'later' if offset > 0 else 'earlier'} (kappa {skill:.2f}).",
        {"offset": offset, "skill_in_place": case.number("relation", "skill")},
        Crossed("skill", skill),
    )


@check(
    "R04b",
    "targets that are not connected to inputs",
    needs=("relation",),
    remedy=REALIGN,
    limits={
        "skill": Limit(0.3, "kappa that the probe may have missed: below it, nothing strong is")
    },
)
def targets_not_connected(case: Case) -> Clue | None:
    """Inputs say no more of their targets than of anybody's.

    Why it breaks training: the loss stays at chance, or falls by learning by heart.

    How it is seen: held-out predictions of simple probes agree with the targets no better than
    luck (p-value corrected for probes and checks), and the interval of kappa lies below the
    limit. A relation that no simple probe can see, as in arithmetic, looks the same.

    How to mend it: see whether inputs and targets were shuffled or sorted apart.

    Before:
        x = x[rng.permutation(n)]; y = y[rng.permutation(n)]
    After:
        order = rng.permutation(n); x, y = x[order], y[order]

    Source: reason 4; Ojala and Garriga (2010), permutation tests for studying classifiers.
    """
    if case.number("relation", "p") < max(case.alpha, 1e-3):
        return None
    high = case.number("relation", "skill_high")
    if high >= case.limits["skill"]:
        return None
    words = f"kappa {case.number('relation', 'skill'):.2f}, at most {high:.2f}"
    return Clue(
        f"A probe ({case.text('relation', 'probe')}) predicts held-out targets with accuracy "
        f"{case.number('relation', 'accuracy'):.3f}; luck gives "
        f"{case.number('relation', 'by_luck'):.3f} ({words}).",
        {"p": case.number("relation", "p"), "samples": case.number("relation", "samples")},
        Crossed("skill", high),
    )


@check(
    "R04c",
    "targets that repeat the input",
    needs=("relation",),
    severity=Severity.FATAL,
    remedy=Remedy("Shift the targets by one position: y = tokens[1:], x = tokens[:-1]."),
    limits={"share": Limit(0.98, "our choice: in real text the next character seldom repeats")},
)
def targets_repeat_the_input(case: Case) -> Clue | None:
    """At every position the target is the token that the network is given there.

    Why it breaks training: copying is all there is to learn; the loss goes to zero and the model
    can do nothing.

    How it is seen: the share of positions at which target and input are the same token.

    How to mend it: shift the targets by one.

    Before:
        x, y = tokens[i : i + n], tokens[i : i + n]
    After:
        x, y = tokens[i : i + n], tokens[i + 1 : i + 1 + n]

    Source: reason 4.
    """
    if not case.has("relation", "copied"):
        return None
    share = case.number("relation", "copied")
    if share <= case.limits["share"]:
        return None
    return Clue(
        f"At {share:.0%} of all positions the target is the input itself.",
        {"next_share": case.number("relation", "next")},
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
        "share": Limit(0.07, "our choice: clean sets of the calibration show at most 0.01"),
        "contradicted": Limit(0.012, "our choice: hard but clean sets show at most 0.002"),
    },
)
def wrong_labels(case: Case) -> Clue | None:
    """A part of the labels is probably wrong.

    Why it breaks training: the network spends itself on learning errors by heart; its score in
    validation, where labels are as wrong, cannot rise above their share of right ones.

    How it is seen: confident learning on held-out predictions of nearest neighbours. Two shares
    must be crossed: of labels that are probably wrong, and of those whose neighbours agree on
    another label, which hard but clean problems hardly have.

    How to mend it: look at the samples named first; have them labelled again, or leave them out.

    Before:
        train = Set(images, labels)
    After:
        train = Subset(Set(images, labels), clean)         # without the suspects

    Source: reason 6; Northcutt, Jiang and Chuang (2021), Confident learning, by cleanlab.
    """
    share, sure = (case.number("noise", n) for n in ("share", "contradicted"))
    if share <= case.limits["share"] or sure <= case.limits["contradicted"]:
        return None
    return Clue(
        f"About {share:.0%} of the labels are wrong; {sure:.1%} are contradicted by at least 8 of "
        f"10 neighbours.",
        {n: case.each("noise", n) for n in ("samples", "given", "likelier")},
        Crossed("share", share),
    )


@check(
    "R05",
    "a weak relation between inputs and targets",
    needs=("relation",),
    severity=Severity.NOTE,
    remedy=Remedy("Expect no more of a network than the data hold; look for better inputs."),
    limits={
        "skill": Limit(0.05, "kappa: what Landis and Koch (1977) call slight, and little of it")
    },
)
def weak_relation(case: Case) -> Clue | None:
    """Inputs say a little of their targets, and a simple probe finds hardly any of it.

    Why it breaks training: the loss moves so little that it looks stuck, as with stock prices.

    How it is seen: kappa of held-out predictions is beyond luck, and its interval is below the
    limit.

    How to mend it: measure how well anybody can predict it; find inputs that say more.

    Before:
        x = prices[-1:]
    After:
        x = features(prices[-90:], volume, calendar)

    Source: reason 5, "is the relationship between input and output too random?"
    """
    if case.number("relation", "p") >= case.alpha:
        return None
    high = case.number("relation", "skill_high")
    if high >= case.limits["skill"]:
        return None
    skill = case.number("relation", "skill")
    return Clue(
        f"A simple probe is better than luck, with kappa {skill:.3f}, at most {high:.3f}.",
        {"accuracy": case.number("relation", "accuracy")},
        Crossed("skill", high),
    )
