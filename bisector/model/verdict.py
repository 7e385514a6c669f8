"""What a run's evidence amounts to."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Delta debugging's three answers: pass, fail, unresolved."""

    HEALTHY = "healthy"
    BROKEN = "broken"
    UNRESOLVED = "unresolved"


class Symptom(StrEnum):
    """What is visibly wrong, with no claim about the reason."""

    CRASH = "crash"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    NOT_FINITE = "not-finite"
    DIVERGED = "diverged"
    STUCK = "stuck"
    WORSE = "worse"
    NO_METRIC = "no-metric"


TRAINS_BADLY = {Symptom.NOT_FINITE, Symptom.DIVERGED, Symptom.STUCK, Symptom.WORSE}


@dataclass(frozen=True, slots=True)
class Signature:
    """The identity of a failure; two runs with equal signatures failed alike."""

    symptom: Symptom
    detail: str = ""
    """What tells failures with the same symptom apart, e.g. `ValueError in model.py:forward`."""

    def like(self, other: "Signature") -> bool:
        """Whether two failures may have the same cause.

        Runs that train badly do so at different strengths: one fault ends in NaN
        on one seed and at chance on another. All else must agree in detail.
        """
        return {self.symptom, other.symptom} <= TRAINS_BADLY or self == other


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one trial."""

    outcome: Outcome
    p_broken: float
    """Probability that the run is broken, given this run and the baseline's: soft evidence."""
    signature: Signature | None = None
    score: float | None = None
    """The deciding metric's value; None when there is none or it is not finite."""
    because: str = ""
    """One clause for the reader, with the numbers."""
    steps: int = 0
    """Optimizer steps done."""
    planned: int = 0
    """Optimizer steps of a whole run, 0 if not known."""
    early: bool = False
    """Judged, and stopped, before its end."""
    retry: bool = False
    """Unresolved through no fault of the arm's: worth another attempt."""
    interrupted: bool = False
    """Stopped by the user, or with the tool: says nothing and costs no attempt."""
    continues: int | None = None
    """The run whose training it went on with; None: it began anew."""


UNMADE = "it cannot be made: "
"""How the reason of a trial begins whose change does not go with what was added: nothing ran."""


def unmade(verdict: Verdict) -> bool:
    """Whether a trial ended before anything ran, as its change cannot be made."""
    return verdict.outcome is Outcome.UNRESOLVED and verdict.because.startswith(UNMADE)
