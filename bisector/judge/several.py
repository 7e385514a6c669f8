"""Several measurements that decide together: broken if any of them is, or only if all are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bisector.judge.oracle import SymptomOracle
from bisector.model.evidence import Evidence
from bisector.model.experiment import Rule
from bisector.model.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class SeveralOracle:
    """One oracle for each measurement; the first one's score is the run's."""

    oracles: tuple[SymptomOracle, ...]
    rule: Rule

    @staticmethod
    def of(oracles: Sequence[SymptomOracle], rule: Rule) -> "SeveralOracle":
        """Together they call no more healthy runs broken than one of them may.

        Each of m measurements of which any decides gets an m-th of the false alarms (Bonferroni).
        """
        parts = len(oracles) if rule is Rule.ANY else 1
        return SeveralOracle(tuple(replace(o, alpha=o.alpha / parts) for o in oracles), rule)

    def judge(self, evidence: Evidence, baseline: Sequence[Evidence]) -> Verdict:
        """The verdict on a run that has ended."""
        return self._joined([o.judge(evidence, baseline) for o in self.oracles])

    def glance(self, evidence: Evidence, baseline: Sequence[Evidence]) -> Verdict | None:
        """The verdict on a run that is still going, if what is known of it settles the rule."""
        seen = [o.glance(evidence, baseline) for o in self.oracles]
        known = [v for v in seen if v is not None]
        settles = Outcome.BROKEN if self.rule is Rule.ANY else Outcome.HEALTHY
        if len(known) == len(seen) or any(v.outcome is settles for v in known):
            return self._joined(known)
        return None

    def _joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        first = verdicts[0]
        if any(v.outcome is Outcome.UNRESOLVED for v in verdicts):
            return next(v for v in verdicts if v.outcome is Outcome.UNRESOLVED)
        chosen = self._deciding(verdicts)
        alike = [v for v in verdicts if v.outcome is chosen.outcome]
        return replace(chosen, score=first.score, because=_said(alike))

    def _deciding(self, verdicts: Sequence[Verdict]) -> Verdict:
        """The likeliest to be broken where any decides, the least likely where all must be."""
        pick = max if self.rule is Rule.ANY else min
        return pick(verdicts, key=lambda v: (v.outcome is Outcome.BROKEN, v.p_broken))


def _said(verdicts: Iterable[Verdict]) -> str:
    return "; ".join(dict.fromkeys(v.because for v in verdicts))
