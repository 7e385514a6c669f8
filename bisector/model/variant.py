"""Changes that the tool may try on a training by itself, to prove a suspicion or to find a mend.

A name says what is changed; how a recipe spells it stands in the experiment (`variants`), or comes
with the workload: our loop knows its own. Each is an arm with tweaks, trained like any other.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum


class Variant(StrEnum):
    """What may be changed, and nothing else with it."""

    # Mends: what they change may stay.
    SHUFFLE = "shuffle"
    CLIP_GRADIENTS = "clip-gradients"
    FULL_PRECISION = "full-precision"
    STANDARDISE = "standardise"
    INITIALISE = "initialise"
    UNFREEZE = "unfreeze"
    BALANCE = "balance"
    STANDARD_LOSS = "standard-loss"
    BARE_SCORES = "bare-scores"
    HALF_AUGMENTATION = "half-augmentation"
    NO_AUGMENTATION = "no-augmentation"
    LESS_REGULARISATION = "less-regularisation"
    NO_REGULARISATION = "no-regularisation"
    STRIPPED = "stripped"
    SMALLER_BATCH = "smaller-batch"
    ADAMW = "adamw"
    QUICK_ADAMW = "quick-adamw"
    SGD = "sgd"
    LONGER = "longer"
    AS_LONG = "as-long"
    """With `{n}`: so many updates (`BASELINE_STEPS`)."""
    WIDER = "wider"
    LOWER_LR = "lower-lr"
    MUCH_LOWER_LR = "much-lower-lr"
    HIGHER_LR = "higher-lr"
    FITTING_LR = "fitting-lr"
    """So many times the learning rate (`LR_TIMES`)."""
    WARM_UP = "warm-up"
    WEAKER = "weaker"
    """Made from the additions themselves (`Addition.weaker`)."""
    # Comparisons: they tell where the fault is.
    REFERENCE_MODEL = "reference-model"
    STANDARD_DATA = "standard-data"
    PLAIN_SGD = "plain-sgd"
    TWO_CLASSES = "two-classes"
    RANDOM_INPUT = "random-input"
    PERMUTED_LABELS = "permuted-labels"
    TINY_SET = "tiny-set"
    """With `{n}` in its overrides: so many samples, or below 1 that share of them."""
    SHARE = "share"
    """With `{n}`: that share of the training samples, evaluated as ever."""


MEANS: Mapping[Variant, str] = {
    Variant.SHUFFLE: "shuffle the training set anew for every epoch",
    Variant.CLIP_GRADIENTS: "clip the gradient's norm",
    Variant.FULL_PRECISION: "compute in single precision",
    Variant.STANDARDISE: "standardise the inputs by the training split's statistics",
    Variant.INITIALISE: "initialise all layers as torch does by default",
    Variant.UNFREEZE: "train all parameters",
    Variant.BALANCE: "draw the classes evenly",
    Variant.STANDARD_LOSS: "put the standard loss in its place",
    Variant.BARE_SCORES: "leave out the activation after the last layer",
    Variant.HALF_AUGMENTATION: "augment half as often",
    Variant.NO_AUGMENTATION: "leave the augmentation out",
    Variant.LESS_REGULARISATION: "regularise a tenth as much",
    Variant.NO_REGULARISATION: "leave the regularisation out",
    Variant.STRIPPED: "leave augmentation, regularisation, averaging and clipping out",
    Variant.SMALLER_BATCH: "take batches of a quarter the size",
    Variant.ADAMW: "use AdamW",
    Variant.QUICK_ADAMW: "use AdamW at a rate for short trainings",
    Variant.SGD: "use SGD with momentum",
    Variant.LONGER: "train twice as long",
    Variant.AS_LONG: "train for as many updates as the baseline",
    Variant.WIDER: "make the network twice as wide",
    Variant.LOWER_LR: "take a tenth of the learning rate",
    Variant.MUCH_LOWER_LR: "take a hundredth of the learning rate",
    Variant.HIGHER_LR: "take ten times the learning rate",
    Variant.FITTING_LR: "take a learning rate with which steps are as long as usual",
    Variant.WARM_UP: "let the learning rate rise over the first tenth of the updates",
    Variant.WEAKER: "change a tenth as much",
    Variant.REFERENCE_MODEL: "put a small standard model in its place",
    Variant.STANDARD_DATA: "put data that any sound model learns from in their place",
    Variant.PLAIN_SGD: "use plain SGD, which hides no fault of scale, for a quarter of the time",
    Variant.TWO_CLASSES: "keep two classes only",
    Variant.RANDOM_INPUT: "put noise in place of the inputs",
    Variant.PERMUTED_LABELS: "permute the targets",
    Variant.TINY_SET: "train on a few samples only",
    Variant.SHARE: "train on a share of the samples",
}
"""What is done, as an order to the reader."""

PROVES: Mapping[str, tuple[Variant, ...]] = {
    "R07": (Variant.SHUFFLE,),
    "R08": (Variant.BALANCE,),
    "R10": (Variant.SHUFFLE,),
    "R11": (Variant.SMALLER_BATCH,),
    "R12": (Variant.STANDARDISE,),
    "R12b": (),  # It is the targets that are of another size.
    "R13": (Variant.HALF_AUGMENTATION, Variant.NO_AUGMENTATION),
    "R14": (Variant.STANDARDISE,),
    "R14b": (),
    "R17": (Variant.INITIALISE,),
    "R18": (Variant.STANDARD_LOSS,),
    "R19": (Variant.STANDARD_LOSS,),
    "R19a": (Variant.BARE_SCORES, Variant.STANDARD_LOSS),
    "R19c": (Variant.BARE_SCORES, Variant.STANDARD_LOSS),
    "R19f": (Variant.BARE_SCORES,),
    "R19h": (Variant.BARE_SCORES,),
    "R19i": (Variant.BARE_SCORES,),
    "R19j": (),
    "R23": (Variant.UNFREEZE,),
    # What is cut off in the forward pass, or done wrong in the loop, is not mended by what is trained.
    **dict.fromkeys(("R23a", "R23d", "R23e", "R23i", "R23j"), ()),
    "R24": (Variant.WIDER,),
    "R28": (Variant.INITIALISE,),
    "R30": (Variant.LESS_REGULARISATION, Variant.NO_REGULARISATION),
    "R30e": (),
    "R31": (Variant.LONGER,),
    "R31b": (Variant.AS_LONG, Variant.LONGER),
    "R34": (Variant.ADAMW, Variant.QUICK_ADAMW, Variant.SGD),
    "R35": (Variant.CLIP_GRADIENTS, Variant.LOWER_LR),
    "R35b": (),  # Gradients that vanish are mended by other layers; to clip them denies nothing.
    "R35c": (Variant.LOWER_LR, Variant.INITIALISE),
    "R35d": (Variant.LOWER_LR, Variant.INITIALISE),
    "R35f": (),
    "R35g": (),
    "R36": (Variant.LOWER_LR, Variant.MUCH_LOWER_LR, Variant.HIGHER_LR),
    "R36b": (Variant.LOWER_LR, Variant.MUCH_LOWER_LR, Variant.FITTING_LR),
    "R36c": (Variant.FITTING_LR, Variant.HIGHER_LR),
    **dict.fromkeys(("R36i", "R36j"), (Variant.FITTING_LR,)),
    # A schedule that is wrong, or a momentum, is mended by another one; no other rate is that.
    **dict.fromkeys(("R36a", "R36g", "R36h"), ()),
    "R37": (Variant.CLIP_GRADIENTS, Variant.LOWER_LR, Variant.FULL_PRECISION),
}
"""THE table: by reason or check, the changes of which each proves it if the training then works.

The likeliest is first. A check whose remedy names its own variants goes before it. A change that cannot
mend what a check has found must not stand here: that it fails would deny the truth.
"""


BASELINE_STEPS = "baseline_steps"
"""What a finding's evidence calls the updates of a baseline that has more."""

LR_TIMES = "lr_times"
"""What a finding's evidence calls the multiple of the learning rate that would suit it."""

COUNTED: Mapping[Variant, str] = {
    Variant.AS_LONG: BASELINE_STEPS,
    Variant.FITTING_LR: LR_TIMES,
}
"""The changes of which a finding says how much, by the name that this has in its evidence."""


BIRTH = "R37b"
"""The check that names the operation of which a NaN was born."""
SEEN = frozenset({BIRTH, "R01a", "R22b", "R22g", "R23f", "R33a", "R37d"})
"""Checks that tell what happened, and no guess: a change that does not help denies nothing of it,
and one that helps something further on, as a lower learning rate does much, explains nothing of it."""

BORN_IN: Mapping[str, tuple[Variant, ...]] = {"the loss": (Variant.STANDARD_LOSS,)}
"""By the place where a NaN was born, what puts the place aside."""


def spelled(overrides: Sequence[str], n: float | None = None) -> tuple[str, ...]:
    """The overrides with `{n}` filled in, where there is one."""
    return tuple(o if n is None else o.replace("{n}", f"{n:.12g}") for o in overrides)


def change_named(variants: Mapping[str, Sequence[str]], tweaks: Sequence[str]) -> str:
    """The change that an arm's tweaks make, e.g. `adamw` or `tiny-set 16`; empty: some other."""
    for name, overrides in variants.items():
        pattern = "\n".join(map(re.escape, overrides)).replace(r"\{n\}", "(?P<n>[0-9.e-]+)", 1)
        found = re.fullmatch(pattern, "\n".join(tweaks)) if tweaks else None
        if found:
            return " ".join([name, *found.groupdict().values()])
    return ""
