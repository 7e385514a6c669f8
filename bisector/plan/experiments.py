"""The changes that are tried where no check knows the reason, as tables: what, and what it would prove.

A row of the first three is a change, the reason that stands if it makes the training work, and that
reason in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bisector.model.experiment import Addition, Kind
from bisector.model.variant import Variant

Row = tuple[Variant, str, str]

MENDS: tuple[Row, ...] = (
    (Variant.LOWER_LR, "R36", "a learning rate that is too high"),
    (Variant.MUCH_LOWER_LR, "R36", "a learning rate that is far too high"),
    (Variant.STANDARDISE, "R12", "inputs that are not standardised"),
    (Variant.INITIALISE, "R28", "weights that begin badly"),
    (Variant.STRIPPED, "B2", "one of the tricks"),
    (Variant.HIGHER_LR, "R36", "a learning rate that is too low"),
    (Variant.ADAMW, "R34", "an optimizer that does not suit it"),
    (Variant.CLIP_GRADIENTS, "R35", "gradients that explode"),
    (Variant.UNFREEZE, "R23", "frozen parameters"),
    (Variant.STANDARD_LOSS, "R18", "the loss"),
    (Variant.SHUFFLE, "R07", "samples in stored order"),
    (Variant.SMALLER_BATCH, "R11", "batches that are too large"),
    (Variant.FULL_PRECISION, "R37", "too little precision"),
    (Variant.BALANCE, "R08", "unbalanced classes"),
    (Variant.SGD, "R34", "an adaptive optimizer"),
    (Variant.WIDER, "R24", "a network that is too small"),
    (Variant.LONGER, "R31", "too short a training"),
)
"""What may mend a baseline that breaks by itself, the likeliest first."""

TRICKS: tuple[Row, ...] = (
    (Variant.HALF_AUGMENTATION, "R13", "too much augmentation"),
    (Variant.NO_AUGMENTATION, "R13", "the augmentation"),
    (Variant.LESS_REGULARISATION, "R30", "too much regularisation"),
    (Variant.NO_REGULARISATION, "R30", "the regularisation"),
)
"""Which of the tricks it was, once leaving all of them out has mended it."""

DATA_OR_MODEL: tuple[Row, ...] = (
    (Variant.REFERENCE_MODEL, "B1", "the model: a small standard one trains in its place"),
    (Variant.STANDARD_DATA, "S1", "the data: a standard set trains in their place"),
)
"""The pair that tells data from model; asked once the first few mends have failed."""
EARLY = 6
"""So many mends are tried before the pair is asked: they are cheap and the usual ones."""

PLACES: tuple[Row, ...] = (
    (Variant.TWO_CLASSES, "R16", "the whole problem: two classes of it train"),
    (Variant.PLAIN_SGD, "R34", "the optimizer: plain SGD begins to train in its place"),
)
"""What tells where the fault is, and mends nothing."""

OF_DATA = frozenset({Variant.STANDARDISE, Variant.SHUFFLE, Variant.BALANCE, Variant.STRIPPED})
"""The mends of faults that lie in the data."""


@dataclass(frozen=True, slots=True)
class General:
    """A change that mends many ills, whatever they are."""

    variant: Variant
    likely: Mapping[Kind, float]
    """How likely it is to mend what an addition of a kind breaks; by judgement, and only the order
    that it makes with the cost counts."""
    cost: float = 1.0
    """Of one run, in runs of the unchanged arm."""
    replaces: str = ""
    """The part of a configuration that it puts aside: where an addition changes just that, it
    would not mend the addition but remove it."""


AUG, REG, LOSS, MODEL, OTHER = (
    Kind.AUGMENTATION,
    Kind.REGULARISATION,
    Kind.LOSS,
    Kind.MODEL,
    Kind.OTHER,
)

GENERAL: tuple[General, ...] = (
    General(Variant.WEAKER, {AUG: 0.5, REG: 0.6, LOSS: 0.4, MODEL: 0.2, OTHER: 0.4}),
    General(
        Variant.CLIP_GRADIENTS,
        {AUG: 0.05, REG: 0.1, LOSS: 0.35, MODEL: 0.3, OTHER: 0.3},
        replaces="clip",
    ),
    General(
        Variant.WARM_UP,
        {AUG: 0.05, REG: 0.05, LOSS: 0.2, MODEL: 0.35, OTHER: 0.25},
        replaces="warm",
    ),
    General(Variant.INITIALISE, {MODEL: 0.3, OTHER: 0.1}, replaces="init"),
    General(
        Variant.ADAMW,
        {AUG: 0.05, REG: 0.1, LOSS: 0.15, MODEL: 0.2, OTHER: 0.2},
        replaces="optimizer",
    ),
    General(Variant.HALF_AUGMENTATION, {AUG: 0.3}),
    General(Variant.FULL_PRECISION, {MODEL: 0.05, OTHER: 0.1}, replaces="precision"),
    General(
        Variant.SMALLER_BATCH,
        {AUG: 0.05, REG: 0.1, LOSS: 0.05, MODEL: 0.1, OTHER: 0.1},
        2.0,
        "batch",
    ),
    General(Variant.LONGER, {AUG: 0.3, REG: 0.3, LOSS: 0.1, MODEL: 0.2, OTHER: 0.1}),
)
"""What is tried on a convicted set that no check suspects of anything. Not among them is what would
take the set out again: no augmentation, no regularisation, the standard loss."""


def general_mends(additions: Sequence[Addition]) -> tuple[Variant, ...]:
    """The changes worth trying on a set, the most probable for its cost first."""
    rows = [(row, _worth(row, additions)) for row in GENERAL if not _removes(row, additions)]
    ordered = sorted((r for r in rows if r[1] > 0), key=lambda r: -r[1])
    return tuple(row.variant for row, _ in ordered)


def _worth(row: General, additions: Sequence[Addition]) -> float:
    return max((row.likely.get(a.kind, 0.0) for a in additions), default=0.0) / row.cost


def _removes(row: General, additions: Sequence[Addition]) -> bool:
    keys = (o.partition("=")[0] for a in additions for o in a.overrides)
    return bool(row.replaces) and any(row.replaces in key for key in keys)
