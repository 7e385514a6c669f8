"""From recorded facts to findings, the likeliest cause first.

One fault sets off many symptoms, so findings are ranked by cause and not by loudness: what is
upstream explains what is downstream of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bisector.checks.check import FAMILIES, Check
from bisector.model.finding import (
    Case,
    Clue,
    Crossing,
    Diagnosis,
    Finding,
    Severity,
    Stage,
    Unlooked,
)

Facts = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says about checks."""

    alpha: float = 0.01
    """Chance, over all checks together, that luck alone makes one of them speak."""
    off: frozenset[str] = frozenset()
    """Ids of checks that are not to look."""
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By check, then by name, in place of the defaults."""


def diagnose(
    checks: Sequence[Check], facts: Facts, absent: Mapping[str, str], terms: Terms
) -> Diagnosis:
    """Let every check look that can.

    Args:
        checks: in the order of cause: see `rank`.
        facts: by family.
        absent: family to the reason why its facts could not be had.
        terms: thresholds, and what is switched off.
    """
    asked = [c for c in checks if c.id not in terms.off]
    able = [c for c in asked if all(n in facts for n in c.needs)]
    # Bonferroni over all that might look: one level, whatever the recipe lets be seen.
    alpha = terms.alpha / len(checks)
    seen = {c.id: c.look(Case(facts, _limits(c, terms), alpha)) for c in able}
    found = [(c, clue) for c in able if (clue := seen[c.id]) is not None]
    found.sort(key=lambda pair: rank(pair[0], checks))
    return Diagnosis(
        findings=tuple(_finding(c, clue, terms) for c, clue in found),
        unlooked=tuple(
            Unlooked(c.id, c.title, _lacking(c, facts, absent)) for c in asked if c not in able
        ),
        silent=tuple(c.id for c in able if seen[c.id] is None),
    )


def rank(check: Check, checks: Sequence[Check]) -> tuple[bool, int, int]:
    """The place of a finding: THE rule of which one is named first.

    Notes come last. Then data before model before run; within a stage, the order of the
    catalogue, which lists what comes earlier on a sample's way first.
    """
    stages = list(Stage)
    return (check.severity is Severity.NOTE, stages.index(check.stage), checks.index(check))


def _limits(check: Check, terms: Terms) -> dict[str, float]:
    return {name: limit.value for name, limit in check.limits.items()} | dict(
        terms.thresholds.get(check.id, {})
    )


def _finding(check: Check, clue: Clue, terms: Terms) -> Finding:
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
    )


def _lacking(check: Check, facts: Facts, absent: Mapping[str, str]) -> str:
    lacking = [n for n in check.needs if n not in facts]
    return "; ".join(
        f"needs {FAMILIES[n][1]}" + (f" ({absent[n]})" if n in absent else "") for n in lacking
    )
