"""Judges a run by its symptoms, relative to the baseline's own runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from bisector.judge.noise import Noise, learn
from bisector.judge.symptoms import SYMPTOMS, not_finite, value_of
from bisector.model.evidence import Evidence, Exit
from bisector.model.experiment import Metric
from bisector.model.verdict import Outcome, Verdict

RETRIED = {Exit.KILLED, Exit.VANISHED, Exit.ENVIRONMENT, Exit.CANCELLED, Exit.RUNNING}
"""Ends that say something about the machine and nothing about the arm."""


@dataclass(frozen=True, slots=True)
class SymptomOracle:
    """Broken at the first symptom that shows; healthy when none does."""

    metric: Metric

    def judge(self, evidence: Evidence, baseline: Sequence[Evidence]) -> Verdict:
        """The verdict on a run that has ended; with no baseline it is judged on its own."""
        if evidence.exit in RETRIED:
            verdict = Verdict(
                Outcome.UNRESOLVED,
                0.5,
                because=f"the run was not finished: {evidence.exit}",
                retry=True,
                interrupted=evidence.exit is Exit.CANCELLED,
            )
            return self._told(verdict, evidence)
        if evidence.exit is Exit.SKIPPED:
            verdict = Verdict(Outcome.UNRESOLVED, 0.5, because="the run said it cannot be judged")
            return self._told(verdict, evidence)
        noise = self._noise(baseline)
        looks = (look(evidence, self.metric, noise) for look in SYMPTOMS)
        healthy = Verdict(Outcome.HEALTHY, 0.0, because="it trained")
        return self._told(next((v for v in looks if v), healthy), evidence)

    def glance(self, evidence: Evidence, baseline: Sequence[Evidence]) -> Verdict | None:
        """Broken as soon as a loss is not finite: no later step can mend it."""
        verdict = not_finite(evidence, self.metric, None)
        return verdict and replace(self._told(verdict, evidence), early=True)

    def _noise(self, baseline: Sequence[Evidence]) -> Noise | None:
        values = [v for e in baseline if (v := value_of(e, self.metric)) is not None]
        return learn([v for v in values if isfinite(v)], self.metric)

    def _told(self, verdict: Verdict, evidence: Evidence) -> Verdict:
        """The verdict with the run's own value and how far it got."""
        value = value_of(evidence, self.metric)
        steps = max((c.steps[-1] for c in evidence.curves.values()), default=0)
        planned = evidence.facts.get("planned_steps", 0)
        return replace(
            verdict,
            score=value if value is not None and isfinite(value) else None,
            steps=steps,
            planned=int(planned) if isinstance(planned, int | float) else 0,
        )
