"""The ranked explanations in words, and what they leave no room for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bisector.model.session import Suspect
from bisector.report.wording import label, listed, name, names

CLEARED = 0.05
"""An addition is called cleared when it has a part in no more than this share of the belief."""

_SHOWN = 0.005


@dataclass(frozen=True, slots=True)
class Belief:
    """One explanation and how probable it is."""

    label: str
    """For tables and bars: `focal`, `mixup+wide`, `nothing breaks`."""
    phrase: str
    """For sentences, names in backticks."""
    culprits: tuple[frozenset[str], ...]
    probability: float
    cumulative: bool


def beliefs(ranked: Iterable[Suspect]) -> tuple[Belief, ...]:
    """The explanations in the order given."""
    return tuple(
        Belief(_label(s), _phrase(s), s.culprits, s.probability, s.cumulative) for s in ranked
    )


def leading(told: Sequence[Belief], most: int) -> tuple[Belief, ...]:
    """The first `most` that are probable enough to be shown; the first of all in any case."""
    return tuple(b for i, b in enumerate(told[:most]) if i == 0 or b.probability >= _SHOWN)


def stands_out(told: Sequence[Belief]) -> bool:
    """Whether the first explanation is clearly likelier than the second."""
    clearly = 1.2
    return bool(told) and (len(told) == 1 or told[0].probability > clearly * told[1].probability)


def cleared(everyone: frozenset[str], ranked: Sequence[Suspect]) -> tuple[str, ...]:
    """The additions that have a part in next to no explanation, in alphabetical order.

    What the ranking leaves untold might blame anyone, so it is added to each one's share.
    """
    if not ranked:
        return ()
    untold = max(1 - sum(s.probability for s in ranked), 0.0)
    share = dict.fromkeys(everyone, untold)
    for suspect in ranked:
        for member in frozenset().union(*suspect.culprits):
            share[member] = share.get(member, untold) + suspect.probability
    return tuple(sorted(n for n in everyone if share[n] <= CLEARED))


def _label(suspect: Suspect) -> str:
    if not suspect.culprits:
        return "many, a little each" if suspect.cumulative else "nothing breaks"
    words = "; ".join(label(c) for c in suspect.culprits)
    return f"a little each: {words}" if suspect.cumulative else words


def _phrase(suspect: Suspect) -> str:
    if suspect.cumulative:
        return "many additions that do a little harm each"
    if not suspect.culprits:
        return "that nothing breaks"
    return listed([_set(c) for c in suspect.culprits])


def _set(culprit: frozenset[str]) -> str:
    if not culprit:
        return "the baseline itself"
    return name(next(iter(culprit))) if len(culprit) == 1 else f"{names(culprit)} together"
