"""Why a training may not work: what a check says, and what is made of it.

A *symptom* is what is visibly wrong; a *finding* is the reason for it, with the numbers that
show it and a way to mend it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Evidence = Mapping[str, object]
"""Name to number, word or list of these: sample numbers, module paths, shapes."""


class Severity(StrEnum):
    """How bad it is if the finding holds."""

    FATAL = "fatal"
    """No training can work with this."""
    WARNING = "warning"
    """It breaks many trainings, or makes them worse."""
    NOTE = "note"
    """Worth knowing; healthy trainings may show it."""


class Safety(StrEnum):
    """What the tool may do with a remedy."""

    SAFE = "safe"
    """Overrides that may be tried without asking."""
    UNSAFE = "unsafe"
    """Overrides that change what is trained: to be tried only when asked for."""
    ADVICE = "advice"
    """Words only."""


class Stage(StrEnum):
    """Where in a training a reason sits; a fault upstream explains those downstream of it."""

    DATA = "data"
    MODEL = "model"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Remedy:
    """Words for the reader, and changes that the machine may try.

    A check knows what to change, not how a recipe spells it: it names `variants` (see
    `model.variant`), whose overrides stand in the experiment. `overrides` are for what is
    spelled the same everywhere.
    """

    text: str
    overrides: tuple[str, ...] = ()
    safety: Safety = Safety.ADVICE
    variants: tuple[str, ...] = ()
    """Each a mend by itself, the likeliest first; tried only if `safety` is SAFE."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold of a check: its default, and where that comes from."""

    value: float
    source: str


Facts = Mapping[str, Mapping[str, Any]]
"""By family, as an inspection or a run's probes recorded them: numbers, words, lists."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What could be seen of an arm: by an inspection before it trains, by probes while it does."""

    facts: Facts = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    """Family to the reason why its facts could not be had."""

    def beside(self, other: "Looked") -> "Looked":
        """Both together; where both have a family, the other's counts."""
        facts = {**self.facts, **other.facts}
        absent = {**self.absent, **other.absent}
        return Looked(facts, {n: why for n, why in absent.items() if n not in facts})


@dataclass(frozen=True, slots=True)
class Case:
    """All that a check may look at."""

    facts: Facts
    """By family."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """The check's own thresholds, as configured."""
    alpha: float = 0.001
    """Level at which one check may call a p-value small, corrected for the number of checks."""
    healthy: Facts = field(default_factory=dict)
    """The same of a healthy neighbour, e.g. the baseline on the same seed; empty: there is none."""

    def number(self, family: str, name: str) -> float:
        """A number; infinities and NaN are recorded as words."""
        return float(str(self.facts[family][name]))

    def each(self, family: str, name: str) -> list[Any]:
        """A list."""
        found = self.facts[family][name]
        assert isinstance(found, list), f"{family}.{name} is no list"
        return found

    def text(self, family: str, name: str) -> str:
        """A word; empty if it is not recorded."""
        return str(self.facts[family].get(name, ""))

    def has(self, family: str, name: str) -> bool:
        """Whether a fact of a family was recorded."""
        return name in self.facts[family]


@dataclass(frozen=True, slots=True)
class Crossed:
    """The threshold that decided."""

    name: str
    """A key of `Check.limits`."""
    value: float
    """What was measured."""


@dataclass(frozen=True, slots=True)
class Clue:
    """What a check saw."""

    summary: str
    """One sentence with the numbers in it."""
    evidence: Evidence = field(default_factory=dict)
    crossed: Crossed | None = None
    """None where no threshold decides: one NaN is one too many."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A crossed threshold as the reader needs it."""

    key: str
    """The configuration key that moves it, e.g. `checks.thresholds.R08.ratio`."""
    value: float
    limit: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A reason that is suspected, with its numbers."""

    check: str
    reason: str
    title: str
    severity: Severity
    stage: Stage
    summary: str
    evidence: Evidence
    crossing: Crossing | None
    remedy: Remedy
    shared: bool = False
    """It holds for the healthy neighbour as well, so it is no reason why this one fails."""


@dataclass(frozen=True, slots=True)
class Unlooked:
    """A check that could not look, which is not the same as one that found nothing."""

    check: str
    title: str
    because: str
    """What it would need, and why that was not to be had."""


class Status(StrEnum):
    """How far a reason has been put to the proof."""

    SUSPECTED = "suspected"
    """A check saw it; nothing was tried, or nothing could be."""
    PROVED = "proved"
    """With the remedy, and nothing else changed, the training works."""
    REFUTED = "refuted"
    """With the remedy it fails all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A finding, and what came of trying to mend it."""

    finding: Finding
    status: Status
    because: str = ""
    """What was tried and how it came out, in one clause; or why nothing was tried."""
    mend: tuple[str, ...] = ()
    """Overrides that mend it, to be pasted; proved ones if there are any, else those untried."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What all checks said."""

    findings: tuple[Finding, ...] = ()
    """The likeliest cause first."""
    unlooked: tuple[Unlooked, ...] = ()
    silent: tuple[str, ...] = ()
    """The ids of the checks that looked and found nothing."""
