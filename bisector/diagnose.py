"""From recorded facts to findings, the likeliest cause first.

One fault sets off many symptoms, so findings are ranked by cause and not by loudness: what is
upstream explains what is downstream of it. What holds for a healthy neighbour as well is no
reason for the difference, and comes last.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from bisector.checks.check import FAMILIES, Check
from bisector.model.finding import (
    Case,
    Clue,
    Crossing,
    Diagnosis,
    Facts,
    Finding,
    Severity,
    Stage,
    Unlooked,
)

BEFORE = frozenset({Stage.DATA, Stage.MODEL})
"""What can be looked for before anything is trained."""


FORETOLD: Mapping[str, tuple[str, ...]] = {
    "R18a": ("R20",),
    "R18c": ("R37b",),
    "R17": ("R37b", "R20", "R28f"),
}
"""A check before the run, and those of the run that say what came of it, or why: these are told first.

Of things foretold it says which has happened. A first loss off chance makes no operation undefined,
and a loud term makes a first loss, or a parameter that starts too large. What drowns the main term
makes a loss that does not heed predictions.
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says about checks."""

    alpha: float = 0.01
    """Chance, over all checks together, that luck alone makes one of them speak."""
    off: frozenset[str] = frozenset()
    """Ids of checks that are not to look."""
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By check, then by name, in place of the defaults."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one check made of one case."""

    check: Check
    clue: Clue
    shared: bool
    """The healthy neighbour shows it too."""


def diagnose(
    checks: Sequence[Check],
    facts: Facts,
    absent: Mapping[str, str],
    terms: Terms,
    *,
    healthy: Facts | None = None,
    stages: Set[Stage] = BEFORE,
) -> Diagnosis:
    """Let every check look that can.

    Args:
        checks: in the order of cause: see `rank`.
        facts: of what is to be explained, by family.
        absent: family to the reason why its facts could not be had.
        terms: thresholds, and what is switched off.
        healthy: the facts of a neighbour that trains.
        stages: which checks are asked; what a run shows is not to be missed before there is one.
    """
    asked = [c for c in checks if c.id not in terms.off and c.stage in stages]
    able = [c for c in asked if all(n in facts for n in c.needs)]
    # Bonferroni over all that might look: one level, whatever the recipe lets be seen.
    alpha = terms.alpha / len(checks)
    beside = healthy or {}
    looked = {c.id: c.look(Case(facts, _limits(c, terms), alpha, beside)) for c in able}
    found = [
        _Seen(c, clue, _holds(c, beside, terms, alpha))
        for c in able
        if (clue := looked[c.id]) is not None
    ]
    met = {each.check.id: each.check for each in found if not each.shared}
    found.sort(key=lambda each: (each.shared, *_place(each.check, met, checks)))
    return Diagnosis(
        findings=tuple(_finding(each, terms) for each in found),
        unlooked=tuple(
            Unlooked(c.id, c.title, _lacking(c, facts, absent)) for c in asked if c not in able
        ),
        silent=tuple(c.id for c in able if looked[c.id] is None),
    )


def _holds(check: Check, facts: Facts, terms: Terms, alpha: float) -> bool:
    """Whether a check finds the same in other facts."""
    able = all(n in facts for n in check.needs)
    return able and check.look(Case(facts, _limits(check, terms), alpha)) is not None


def _place(
    check: Check, met: Mapping[str, Check], checks: Sequence[Check]
) -> tuple[tuple[bool, int, int], bool]:
    """Where a finding is told: what was foretold and then met comes right after that."""
    foretold = next((met[other] for other in FORETOLD.get(check.id, ()) if other in met), None)
    return rank(foretold or check, checks), foretold is not None


def rank(check: Check, checks: Sequence[Check]) -> tuple[bool, int, int]:
    """The place of a finding: THE rule of which one is named first.

    Notes come last. Then data before model before run, by where the reason sits and not by where it
    is seen; within a stage, the order of the catalogue, which lists what comes earlier on a sample's
    way first.
    """
    stages = list(Stage)
    place = stages.index(check.seat or check.stage)
    return (check.severity is Severity.NOTE, place, checks.index(check))


def _limits(check: Check, terms: Terms) -> dict[str, float]:
    return {name: limit.value for name, limit in check.limits.items()} | dict(
        terms.thresholds.get(check.id, {})
    )


def _finding(seen: _Seen, terms: Terms) -> Finding:
    check, clue = seen.check, seen.clue
    crossing = None
    if clue.crossed:
        name = clue.crossed.name
        crossing = Crossing(
            key=f"checks.thresholds.{check.id}.{name}",
            value=clue.crossed.value,
            limit=_limits(check, terms)[name],
            source=check.limits[name].source,
        )
    return Finding(
        check=check.id,
        reason=check.reason,
        title=check.title,
        severity=check.severity,
        stage=check.stage,
        summary=clue.summary,
        evidence=clue.evidence,
        crossing=crossing,
        remedy=check.remedy,
        shared=seen.shared,
    )


def _lacking(check: Check, facts: Facts, absent: Mapping[str, str]) -> str:
    lacking = [n for n in check.needs if n not in facts]
    return "; ".join(
        f"needs {FAMILIES[n][1]}" + (f" ({absent[n]})" if n in absent else "") for n in lacking
    )
