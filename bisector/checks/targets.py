"""R04, R05, R06: the targets beside their inputs."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

COPIED = 0.98
"""The share of positions at which targets stand in the input itself: in real text no luck does it."""
SHOWN = 8
REALIGN = Remedy("Look at some samples with their targets, and bring them back into one order.")


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
    targets moved by up to 3 samples. Of sequences: targets are the token 2 or 3 places on.

    How to mend it: look for a header line counted as a sample, a row dropped from one file only,
    lists sorted differently.

    Before:
        x, y = pd.read_csv(a, header=None), pd.read_csv(b)
    After:
        x, y = pd.read_csv(a), pd.read_csv(b); assert (x.id == y.id).all()

    Source: reason 4, "make sure input is connected to output".
    """
    if case.has("relation", "following"):
        return _skipped(case)
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


def _skipped(case: Case) -> Clue | None:
    """Of sequences: the target of each position is a token further on than the next."""
    share: dict[str, float] = dict(case.facts["relation"]["following"])
    for places in ("2", "3"):
        if share[places] > COPIED > share["1"]:
            words = f"At {share[places]:.0%} of all positions the target is the token {places} on."
            return Clue(words, {"following": share})
    return None


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
    luck (p-value corrected for probes and checks), and the interval of kappa, or of the
    correlation, lies below the limit. A relation that no simple probe can see, as in arithmetic, looks the same.

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
    words = f"beyond luck {case.number('relation', 'skill'):.2f}, at most {high:.2f}"
    return Clue(
        f"A probe ({case.text('relation', 'probe')}) predicts held-out targets with "
        f"{case.text('relation', 'measure')} "
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
    """At every position the target is a token that the network is given, there or before.

    Why it breaks training: copying is all there is to learn; the loss goes to zero and the model
    can do nothing.

    How it is seen: the share of positions at which the target is the token of that position, or of
    one of the three before.

    How to mend it: shift the targets by one.

    Before:
        x, y = tokens[i : i + n], tokens[i : i + n]
    After:
        x, y = tokens[i : i + n], tokens[i + 1 : i + 1 + n]

    Source: reason 4.
    """
    if not case.has("relation", "copied"):
        return None
    share, evidence = case.number("relation", "copied"), {"next": case.number("relation", "next")}
    if share > case.limits["share"]:
        words = f"At {share:.0%} of all positions the target is the input itself."
        return Clue(words, evidence, Crossed("share", share))
    earlier: dict[str, float] = dict(case.facts["relation"]["following"])
    for places in ("-1", "-2", "-3"):
        if earlier[places] > case.limits["share"]:
            words = f"At {earlier[places]:.0%} of all positions the target is the token {places[1:]} before."
            return Clue(words, evidence, Crossed("share", earlier[places]))
    return None


@check(
    "R04d",
    "features that are the target",
    needs=("leaks",),
    remedy=Remedy("Leave these columns out of the inputs."),
)
def target_among_the_features(case: Case) -> Clue | None:
    """A column of the inputs is the target itself, in another unit or coding.

    Why it breaks training: the network learns to read that column; where it is not to be had, in
    use, the model knows nothing.

    How it is seen: a column with one value for each class, or whose correlation with targets that
    are numbers is above 0.9999.

    How to mend it: drop the column, and those made of it.

    Before:
        x = table.drop(columns="label")        # and "label_code" stays
    After:
        x = table.drop(columns=["label", "label_code"])

    Source: reason 4; Kaufman et al. (2012), Leakage in data mining.
    """
    features = case.each("leaks", "features")
    if not features:
        return None
    of = case.number("leaks", "of")
    listed = ", ".join(map(str, features[:SHOWN]))
    return Clue(f"Of {of:.0f} features these are the target: {listed}.", {"features": features})


@check(
    "R01f",
    "extreme targets",
    needs=("targets",),
    remedy=Remedy("Look at these samples; correct or drop them, or take a loss that bears them."),
    limits={"widths": Limit(20.0, "as of inputs: heavy tails of healthy tables reach 10")},
)
def extreme_targets(case: Case) -> Clue | None:
    """Single targets lie far outside of all others: codes for "missing", another unit, a slip.

    Why it breaks training: a squared error of 100 times the others' counts 10,000 times as much;
    the network learns these few, and every step throws the rest away.

    How it is seen: the distance from the median, in widths between the 10 and 90 % quantiles,
    which the extremes themselves do not move.

    How to mend it: drop samples without a target; bring all to one unit; Huber's loss.

    Before:
        y = table.price                        # 99999 where it was not known
    After:
        table = table[table.price < 99999]; y = table.price

    Source: reason 1, "verify that the input makes sense", applied to the targets; Huber (1964).
    """
    widths = case.number("targets", "extreme_widths")
    if widths <= case.limits["widths"]:
        return None
    value, middle = (case.number("targets", f"extreme_{w}") for w in ("value", "median"))
    return Clue(
        f"A target is {value:.4g} where the median is {middle:.4g}: {widths:.0f} widths off.",
        {"samples": case.each("targets", "extreme_samples")},
        Crossed("widths", widths),
    )


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
        "share": Limit(0.07, "our choice: clean sets of the calibration show at most 0.01"),
        "contradicted": Limit(0.012, "our choice: hard but clean sets show at most 0.002"),
        "one_way": Limit(0.08, "our choice: clean sets of the calibration show at most 0.03"),
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
    part of a class, are of one other class, and not the other way round.

    How to mend it: look at the samples named first; have them labelled again, or leave them out.

    Before:
        train = Set(images, labels)
    After:
        train = Subset(Set(images, labels), clean)         # without the suspects

    Source: reason 6; Northcutt, Jiang and Chuang (2021), Confident learning, by cleanlab.
    """
    share, sure = (case.number("noise", n) for n in ("share", "contradicted"))
    if share <= case.limits["share"] or sure <= case.limits["contradicted"]:
        return _under_another_name(case)
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
