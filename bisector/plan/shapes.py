"""The shapes that explanations come in: how often each occurs, and how it is evaluated."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

from bisector.plan.families import Family


class Shape(StrEnum):
    """What an explanation looks like."""

    NONE = "none"
    BASE = "base"
    SINGLE = "single"
    PAIR = "pair"
    TRIPLE = "triple"
    EITHER = "either"
    EITHER3 = "either3"
    MIX = "mix"
    MASK = "mask"
    DORMANT = "dormant"
    DEEP = "deep"
    """More than three additions, or a rescuer in company; reached by edits only."""
    CUMULATIVE = "cumulative"
    CHANCE = "chance"
    """Failures that follow no subset: what remains when nothing else fits."""


PRIOR: Mapping[str, float] = {
    Shape.NONE: 0.01,
    Shape.BASE: 0.002,
    Shape.SINGLE: 0.58,
    Shape.PAIR: 0.14,
    Shape.EITHER: 0.10,
    Shape.TRIPLE: 0.04,
    Shape.MIX: 0.04,
    Shape.EITHER3: 0.01,
    Shape.MASK: 0.01,
    Shape.DORMANT: 0.01,
    Shape.DEEP: 0.01,
    Shape.CUMULATIVE: 0.045,
    Shape.CHANCE: 0.003,
}
"""How often each shape occurs: mostly one culprit, then two that break only together."""

ROLES: Mapping[str, tuple[int, ...]] = {
    # The term of each member; -1 - t: a rescuer of term t.
    Shape.NONE: (),
    Shape.BASE: (),
    Shape.SINGLE: (0,),
    Shape.PAIR: (0, 0),
    Shape.EITHER: (0, 1),
    Shape.MASK: (0, -1),
    Shape.TRIPLE: (0, 0, 0),
    Shape.EITHER3: (0, 1, 2),
    Shape.MIX: (0, 1, 1),
    Shape.DORMANT: (0, 1, -2),
}

WIDTH = 3
"""Most terms of a listed family."""
TERMS = {shape: max((r + 1 for r in roles), default=0) for shape, roles in ROLES.items()}
TERMS[Shape.BASE] = 1

SHOWN: Mapping[str, tuple[tuple[Shape, int], tuple[Shape, int]]] = {
    # What is left of a shape whose last member rescues: where that is in the full recipe, and
    # where not; and how many of its members it keeps.
    Shape.MASK: ((Shape.NONE, 0), (Shape.SINGLE, 1)),
    Shape.DORMANT: ((Shape.SINGLE, 1), (Shape.EITHER, 2)),
}

POLYNOMIALS: Mapping[str, tuple[tuple[int, list[int]], ...]] = {
    # A family's verdict as a polynomial in its members: sign, and who is multiplied.
    Shape.NONE: (),
    Shape.BASE: ((1, []),),
    Shape.SINGLE: ((1, [0]),),
    Shape.PAIR: ((1, [0, 1]),),
    Shape.EITHER: ((1, [0]), (1, [1]), (-1, [0, 1])),
    Shape.MASK: ((1, [0]), (-1, [0, 1])),
    Shape.TRIPLE: ((1, [0, 1, 2]),),
    Shape.EITHER3: (
        *((1, [i]) for i in range(3)),
        *((-1, pair) for pair in ([0, 1], [0, 2], [1, 2])),
        (1, [0, 1, 2]),
    ),
    Shape.MIX: ((1, [0]), (1, [1, 2]), (-1, [0, 1, 2])),
    Shape.DORMANT: ((1, [0]), (1, [1]), (-1, [1, 2]), (-1, [0, 1]), (1, [0, 1, 2])),
}

_SHAPES: Mapping[tuple[tuple[int, int], ...], Shape] = {
    # Additions and rescuers of each term, in a family's own order.
    (): Shape.NONE,
    ((0, 0),): Shape.BASE,
    ((1, 0),): Shape.SINGLE,
    ((2, 0),): Shape.PAIR,
    ((3, 0),): Shape.TRIPLE,
    ((1, 0), (1, 0)): Shape.EITHER,
    ((1, 0), (1, 0), (1, 0)): Shape.EITHER3,
    ((1, 0), (2, 0)): Shape.MIX,
    ((1, 1),): Shape.MASK,
    ((1, 0), (1, 1)): Shape.DORMANT,
}


@lru_cache(maxsize=1 << 16)
def shape_of(members: Family) -> Shape:
    """What a family looks like."""
    return _SHAPES.get(tuple((t.on.bit_count(), t.off.bit_count()) for t in members), Shape.DEEP)
