"""Judges a run by its symptoms, relative to the baseline's own runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from bisector.judge.early import EarlyStop, known_broken
from bisector.judge.noise import Noise, learn, of_ended_runs, sampling_floor
from bisector.judge.settled import EarlyPass, known_healthy
from bisector.judge.symptoms import SYMPTOMS, not_finite, value_of
from bisector.model.evidence import Evidence, Exit
from bisector.model.experiment import Early, Metric
from bisector.model.verdict import Outcome, Verdict

RETRIED = {Exit.KILLED, Exit.VANISHED, Exit.ENVIRONMENT, Exit.CANCELLED, Exit.RUNNING}
"""Ends that say something about the machine and nothing about the arm."""

EARLY_SHARE = 0.2
"""Share of the false alarms allowed that may be spent before a run's end. Most is kept for
the end, where faults are mildest: a run that can be stopped early is far beyond any line."""


@dataclass(frozen=True, slots=True)
class SymptomOracle:
    """Broken at the first symptom that shows; healthy when none does."""

    metric: Metric
    alpha: float = 0.01
    """Share of healthy runs that may be called broken, early or at their end."""
    patience: float = 3.0
    """How many times slower than the baseline a healthy run may learn before it is stopped;
    infinite: only what is not finite is stopped."""
    early: Early = Early.BROKEN

    def judge(self, evidence: Evidence, baseline: Sequence[Evidence]) -> Verdict:
        """The verdict on a run that has ended; with no baseline it is judged on its own."""
        if evidence.exit in RETRIED:
            verdict = Verdict(
                Outcome.UNRESOLVED,
                0.5,
                because=f"the run was not finished: {evidence.exit}{_last_words(evidence)}",
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
        """Broken as soon as a loss is not finite, or a sequential test says how it will end."""
        verdict = not_finite(evidence, self.metric, None)
        if verdict is None and baseline and self.early is not Early.NONE:
            rule = EarlyStop(self.alpha * EARLY_SHARE, self.patience)
            verdict = known_broken(evidence, baseline, self.metric, rule)
        if verdict is None and self.early is Early.BOTH and (noise := self._noise(baseline)):
            passed = EarlyPass(self.alpha)
            verdict = known_healthy(evidence, baseline, self.metric, noise, passed)
        return verdict and replace(self._told(verdict, evidence), early=True)

    def _noise(self, baseline: Sequence[Evidence]) -> Noise | None:
        values = [v for e in baseline if (v := value_of(e, self.metric)) is not None]
        finite = [v for v in values if isfinite(v)]
        floor = sampling_floor(finite, self.metric, _validation_size(baseline))
        prior = of_ended_runs(self.metric, floor)
        return learn(finite, self.metric, prior, self.alpha * (1 - EARLY_SHARE))

    def _told(self, verdict: Verdict, evidence: Evidence) -> Verdict:
        """The verdict with how far the run got and, if that was the end, its value."""
        value = value_of(evidence, self.metric) if evidence.exit is Exit.CLEAN else None
        steps = max((c.steps[-1] for c in evidence.curves.values()), default=0)
        planned = evidence.facts.get("planned_steps", 0)
        return replace(
            verdict,
            score=value if value is not None and isfinite(value) else verdict.score,
            steps=steps,
            planned=int(planned) if isinstance(planned, int | float) else 0,
        )


def _last_words(evidence: Evidence) -> str:
    """What the log ends with where the machine is at fault: it names the module or the disk."""
    lines = [line.strip() for line in evidence.log_tail.splitlines() if line.strip()]
    return f" ({lines[-1][:120]})" if lines and evidence.exit is Exit.ENVIRONMENT else ""


def _validation_size(baseline: Sequence[Evidence]) -> float:
    """Samples that the deciding metric is a mean over, where the runs say so (`n_val`); else 0."""
    sizes = [e.facts.get("n_val") for e in baseline]
    return min((float(n) for n in sizes if isinstance(n, int | float)), default=0.0)
