"""R04, R05, R01: the targets, and beside their inputs."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

COPIED = 0.98
"""The share of positions at which targets stand in the input itself: in real text no luck does it."""
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
    targets moved by up to 3 samples; or in place much worse than with them moved on, as where a
    row was lost in the midst. Of sequences: targets are the token 2 or 3 places on.

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
    if not case.has("relation", "offset"):
        return None
    skill, offset = case.number("relation", "offset_skill"), int(case.number("relation", "offset"))
    if case.number("relation", "p") < case.alpha:
        return _mostly_shifted(case, offset)
    if skill <= case.limits["skill"]:
        return None
    return Clue(
        f"Inputs say nothing of their own targets, and much of those {abs(offset)} samples "
        f"{'later' if offset > 0 else 'earlier'} (kappa {skill:.2f}).",
        {"offset": offset, "skill_in_place": case.number("relation", "skill")},
        Crossed("skill", skill),
    )


def _mostly_shifted(case: Case, offset: int) -> Clue | None:
    """A first part is in place. An earlier target may well be an input of a forecast: not looked at."""
    in_place, there = (case.number("relation", n) for n in ("skill_high", "offset_skill_low"))
    gained = there - max(0.0, in_place)
    if offset < 0 or gained <= case.limits["skill"]:
        return None
    return Clue(
        f"Inputs say less of their own targets (kappa {case.number('relation', 'skill'):.2f}) than "
        f"of those {offset} samples later ({case.number('relation', 'offset_skill'):.2f}).",
        {"offset": offset, "skill_in_place": case.number("relation", "skill")},
        Crossed("skill", gained),
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
    "R01f",
    "extreme targets",
    needs=("targets",),
    remedy=Remedy("Look at these samples; correct or drop them, or take a loss that bears them."),
    limits={
        "widths": Limit(20.0, "as of inputs: heavy tails of healthy tables reach 10"),
        "apart": Limit(2.0, "as of inputs: a code stands where no measurement can"),
    },
)
def extreme_targets(case: Case) -> Clue | None:
    """Single targets lie far outside of all others: codes for "missing", another unit, a slip.

    Why it breaks training: a squared error of 100 times the others' counts 10,000 times as much;
    the network learns these few, and every step throws the rest away.

    How it is seen: the distance from the median, in widths between the 10 and 90 % quantiles,
    which a few extremes do not move; of one value that stands there often, its distance to all
    others, in ranges of these.

    How to mend it: drop samples without a target; bring all to one unit; Huber's loss.

    Before:
        y = table.price                        # 99999 where it was not known
    After:
        table = table[table.price < 99999]; y = table.price

    Source: reason 1, "verify that the input makes sense", applied to the targets; Huber (1964).
    """
    apart, widths = case.number("targets", "apart"), case.number("targets", "extreme_widths")
    if apart > case.limits["apart"]:
        code = case.number("targets", "apart_value")
        words = f"{case.number('targets', 'apart_share'):.1%} of the targets are {code:.4g}, far "
        return Clue(f"{words}outside of all others.", {"value": code}, Crossed("apart", apart))
    if widths <= case.limits["widths"]:
        return None
    value, middle = (case.number("targets", f"extreme_{w}") for w in ("value", "median"))
    return Clue(
        f"A target is {value:.4g} where the median is {middle:.4g}: {widths:.0f} widths off.",
        {"samples": case.each("targets", "extreme_samples")},
        Crossed("widths", widths),
    )


@check(
    "R05",
    "a weak relation between inputs and targets",
    needs=("relation",),
    severity=Severity.NOTE,
    remedy=Remedy("Expect no more of a network than the data hold; look for better inputs."),
    limits={"skill": Limit(0.2, "kappa: what Landis and Koch (1977) call slight ends there")},
)
def weak_relation(case: Case) -> Clue | None:
    """Inputs say a little of their targets, and a simple probe finds hardly any of it.

    Why it breaks training: the loss moves so little that it looks stuck, as with stock prices.

    How it is seen: kappa, or the correlation, of held-out predictions is beyond luck, and its
    interval ends below the limit. That is a ceiling for simple probes: a relation that only a deep
    network finds, as in photographs, may look the same, hence a note.

    How to mend it: measure how well anybody can predict it; find inputs that say more.

    Before:
        x = prices[-1:]
    After:
        x = features(prices[-90:], volume, calendar)

    Source: reason 5, "is the relationship between input and output too random?"
    """
    if case.number("relation", "p") >= max(case.alpha, 1e-3):
        return None
    high = case.number("relation", "skill_high")
    if high >= case.limits["skill"]:
        return None
    names = ("skill", "skill_low", "accuracy", "by_luck", "p", "samples")
    seen = {name: case.number("relation", name) for name in names}
    return Clue(
        f"A probe ({case.text('relation', 'probe')}) predicts held-out targets with "
        f"{case.text('relation', 'measure')} {seen['accuracy']:.3f}; luck gives "
        f"{seen['by_luck']:.3f}. Beyond luck that is {seen['skill']:.2f}, at most {high:.2f}.",
        {"probe": case.text("relation", "probe"), **seen},
        Crossed("skill", high),
    )
