"""R04, R06, R13: other pairs of input and target than the baseline's, on the same seed."""

import math

from bisector.checks.check import check
from bisector.checks.run_series import WORSE, ends_above, numbers
from bisector.model.finding import Case, Clue, Crossed, Facts, Limit, Remedy, Stage

Numbers = dict[float, list[float]]
"""By step, what was seen of a batch."""


@check(
    "R06c",
    "labels that fit the inputs far worse than the baseline's",
    needs=("relation", "given", "course"),
    seat=Stage.DATA,
    remedy=Remedy("Compare the labels with the baseline's, sample by sample."),
    limits={
        "left": Limit(0.5, "our choice: of the baseline's skill, at the ends of both intervals"),
        "least": Limit(0.1, "our choice: of the same, where it is no noise but nothing at all"),
    },
)
def labels_fit_worse(case: Case) -> Clue | None:
    """Inputs are those of the baseline, and a simple probe finds far less of their labels in them.

    Why it breaks training: what differs must be the labels, and most of what is learnt of them is
    chance.

    How it is seen: the skill of a simple probe beyond luck, held out, here and in the baseline, where
    the loaders' batches are alike. It sees noise that is too much for a search of single samples.

    How to mend it: compare both sets of labels; where they are read, joined or drawn.

    Before:
        y = torch.where(torch.rand(len(y)) < 0.7, torch.randint(10, y.shape), y)
    After:
        y = torch.where(torch.rand(len(y)) < 0.02, torch.randint(10, y.shape), y)

    Source: reason 6, "too much noise in the dataset?"
    """
    left = _skill_left(case)
    if not case.limits["least"] < left < case.limits["left"]:
        return None
    return Clue(_of_probe(left), {"left": left}, Crossed("left", left))


@check(
    "R04j",
    "targets that say nothing of the inputs, where the baseline's do",
    needs=("relation", "given", "course"),
    seat=Stage.DATA,
    remedy=Remedy("Compare pairs of input and target with the baseline's, sample by sample."),
    limits={
        "left": Limit(0.1, "our choice: of the baseline's skill, at the ends of both intervals"),
        "next": Limit(0.5, "our choice: of the targets that are the next token in the baseline's"),
    },
)
def targets_say_nothing(case: Case) -> Clue | None:
    """Inputs are those of the baseline, and a simple probe finds nothing of the targets in them.

    Why it breaks training: what goes with what is lost, and there is nothing to learn but how often
    each answer comes.

    How it is seen: the skill of a simple probe beyond luck, held out, here and in the baseline, where
    the loaders' batches are alike. It sees little left where a test against luck sees something. Of
    text, how often the target is the token that comes next.

    How to mend it: compare both sets of pairs; where they are read, cut, joined or sorted.

    Before:
        return windows[i].input, windows[i + 1].target
    After:
        return windows[i].input, windows[i].target

    Source: reason 4, "make sure input is connected to output".
    """
    left = _skill_left(case)
    follows = [float(f.get("relation", {}).get("next", 0.0)) for f in (case.facts, case.healthy)]
    if follows[0] < case.limits["next"] * follows[1]:
        words = f"Of the targets {follows[0]:.0%} are the token that comes next, and {follows[1]:.0%} of the baseline's."
        return Clue(words, {"next": follows[0]}, Crossed("next", follows[0] / follows[1]))
    if not left <= case.limits["left"]:
        return None
    return Clue(_of_probe(left), {"left": left}, Crossed("left", left))


def _skill_left(case: Case) -> float:
    """The share of a probe's skill that is left of the baseline's; NaN where none can be compared."""
    beside = [case.healthy.get(n, {}) for n in ("relation", "given")]
    if not all(beside) or not _near(case.facts["given"], beside[1]):
        return math.nan
    usual = float(beside[0]["skill_low"])
    return case.number("relation", "skill_high") / usual if usual > ENOUGH else math.nan


ENOUGH = 0.1
"""A skill of the baseline's probe with which another can be compared."""


def _of_probe(left: float) -> str:
    return f"Of a probe's skill beyond luck {max(left, 0.0):.0%} is left at most, with inputs like the baseline's."


def _near(one: Facts, other: Facts) -> bool:
    """Whether loaders give inputs of one size that differ as much; their order may be another."""
    pairs = [(float(str(one[n])), float(str(other[n]))) for n in ("values", "size", "between")]
    return all(abs(a - b) <= LIKE * abs(b) for a, b in pairs)


LIKE = 0.1
"""Of what batches in another order give."""


@check(
    "R04i",
    "other targets than the baseline's for the same inputs",
    needs=("run_targets", "entering", "course"),
    seat=Stage.DATA,
    remedy=Remedy("Print inputs and targets as the loss receives them, here and in the baseline."),
    limits={"share": Limit(0.1, "our choice: of the targets"), "worse": WORSE},
)
def other_targets(case: Case) -> Clue | None:
    """The model is given what the baseline's is given, and the loss is given other targets.

    Why it breaks training: one of the two has them wrong, and the baseline learns.

    How it is seen: a few of the targets of each of a few steps, against the baseline's of the same
    step, where what enters the model is the same to the last digit: on one seed both see the same
    batches. The loss ends well above the baseline's.

    How to mend it: look for a shuffle, a shift or a draw of one of the two, in the data set, where
    batches are put together, or in the loop.

    Before:
        loss = criterion(model(x), y.roll(1))
    After:
        loss = criterion(model(x), y)

    Source: reason 4, "make sure input is connected to output".
    """
    own, usual = (_inputs(f) for f in (case.facts, case.healthy))
    steps = [s for s in own if s in usual and _same(own[s], usual[s])]
    share = _other(case, steps)
    if not share > case.limits["share"] or not ends_above(case, case.limits["worse"]):
        return None
    words = f"For the same inputs {share:.0%} of the targets that were looked at are others than the baseline's."
    return Clue(words, {"steps": steps[:60]}, Crossed("share", share))


@check(
    "R13d",
    "inputs that the baseline does not change",
    needs=("run_targets", "entering", "course"),
    remedy=Remedy("Halve the augmentation's strength; look at a batch as the model receives it."),
    limits={"changed": Limit(1e-3, "rounding is about 1e-6"), "worse": WORSE},
)
def otherwise_changed(case: Case) -> Clue | None:
    """For the same targets other inputs enter the model than in the baseline, and less is learnt.

    Why it breaks training: what is turned, mirrored, moved or hidden may not be what its label says,
    or must first be learnt to be undone.

    How it is seen: at the first step, on the same seed, the targets are the baseline's, and what
    enters the model is not: its mean, size, share of zeros, or how values differ from sample to
    sample and from place to place. Whatever else is found comes before it.

    How to mend it: half as strong, or half as often; only changes that a person would not mind.

    Before:
        x = x.rot90(random.randrange(4), (2, 3))        # a 6 is a 9
    After:
        x = x.roll(random.choice((-1, 0, 1)), 3)

    Source: reason 13, "do you have too much data augmentation?"
    """
    own, usual = (_inputs(f).get(1.0, []) for f in (case.facts, case.healthy))
    if (
        not own
        or not usual
        or _other(case, [1.0]) != 0
        or not ends_above(case, case.limits["worse"])
    ):
        return None
    changed = max(abs(a - b) / max(abs(a), abs(b), 0.1) for a, b in zip(own, usual, strict=True))
    if not changed > case.limits["changed"]:
        return None
    words = f"At the first step what enters the model differs from the baseline's by {changed:.2g}, for the same targets."
    return Clue(words, {"seen": own, "baseline": usual}, Crossed("changed", changed))


def _inputs(facts: Facts) -> Numbers:
    """By step, what entered the model, in a few numbers."""
    seen = facts.get("entering", {})
    columns = [numbers(seen[n]) for n in ("mean", "size", "zero", "between", "within")] if seen else []  # fmt: skip
    return dict(zip(numbers(seen.get("steps", [])), map(list, zip(*columns, strict=True)), strict=True))  # fmt: skip


def _targets(facts: Facts) -> Numbers:
    seen = facts.get("run_targets", {})
    return dict(zip(numbers(seen.get("steps", [])), seen.get("first", []), strict=True))


def _same(one: list[float], other: list[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6) for a, b in zip(one, other, strict=True))  # fmt: skip


def _other(case: Case, steps: list[float]) -> float:
    """The share of targets that are not the baseline's at these steps; NaN: none can be compared."""
    own, usual = _targets(case.facts), _targets(case.healthy)
    if _passes(case.facts) != _passes(case.healthy):
        return math.nan
    both = [(own[s], usual[s]) for s in steps if s in own and s in usual]
    pairs = [pair for a, b in both if len(a) == len(b) for pair in zip(a, b, strict=True)]
    return sum(a != b for a, b in pairs) / len(pairs) if len(pairs) >= FEWEST else math.nan


def _passes(facts: Facts) -> int:
    """The passes that make a step: of several it is not known which of them was looked at."""
    seen = facts.get("passes", {})
    return round(float(seen.get("backwards", 0)) / (float(seen.get("steps", 0)) or 1.0))


FEWEST = 8
"""Targets of which fewer say little."""
