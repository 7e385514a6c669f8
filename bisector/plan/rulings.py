"""What a search ends with: from runs and posterior to a `Concluded`."""

from collections.abc import Sequence

from scipy.special import bdtr, bdtrc

from bisector.model.session import (
    Accused,
    Concluded,
    Judged,
    LrEffect,
    LrVerdict,
    Ruling,
    Session,
    Suspect,
)
from bisector.model.trial import Arm
from bisector.plan.asks import broken_share
from bisector.plan.proof import Proof

FLAKY = 0.25
"""Share of broken baseline runs above which nothing can be held against the baseline."""


def baseline_ruling(session: Session, baseline: Arm) -> Concluded | None:
    """How the search ends if the baseline's repeats do not let it begin; else None."""
    runs = session.runs(baseline)
    share = broken_share(runs)
    if not runs:
        last = next((e for e in reversed(session.judged) if e.trial.arm == baseline), None)
        why = last.verdict.because if last else "the budget is too small for it"
        return Concluded(Ruling.INCONCLUSIVE, (), 0.0, f"no baseline run could be judged: {why}")
    if share >= 0.5:
        why = next(e.verdict.because for e in runs if e.verdict.p_broken >= 0.5)
        because = f"the baseline breaks by itself on {_of(share, runs)} seeds: {why}"
        return Concluded(
            Ruling.BASELINE_BROKEN, (frozenset(),), _beta_above_half(share, runs), because
        )
    if share > FLAKY:
        repeats = repeats_needed(share, session.experiment.budget.confidence)
        because = (
            f"the baseline breaks on {_of(share, runs)} seeds with nothing added; "
            f"telling an addition from chance would take about {repeats} seeds an arm"
        )
        return Concluded(Ruling.BASELINE_FLAKY, (), 0.0, because)
    return None


def passes_needed(confidence: float) -> int:
    """How many passes of the full set show, at this confidence, that nothing in it breaks."""
    count = 1
    while 1 - chance_of_passing(count) < confidence:
        count += 1
    return count


def chance_of_passing(count: int) -> float:
    """That a broken set passes `count` times running, its passing rate being Beta(1, 9)."""
    chance = 1.0
    for i in range(count):
        chance *= (1 + i) / (10 + i)
    return chance


def repeats_needed(rate: float, confidence: float) -> int:
    """The smallest odd number of seeds whose majority is right this often, given a failure rate."""
    count = 1
    while bdtrc(count // 2, count, rate) > 1 - confidence and count < 999:
        count += 2
    return count


def nothing_breaks(session: Session, runs: Sequence[Judged]) -> Concluded:
    """Everything on trains, often enough."""
    because = f"everything on trained on {len(runs)} of {len(runs)} seeds"
    return Concluded(Ruling.NOTHING_BREAKS, (), 1 - chance_of_passing(len(runs)), because)


def rule(
    accused: Accused,
    ranked: tuple[Suspect, ...],
    proof: Proof,
    lr: tuple[LrVerdict, ...],
) -> Concluded:
    """The end of a search whose accusation has been put to the proof."""
    suspect = accused.suspect
    probability = next(
        (s.probability for s in ranked if set(s.culprits) == set(suspect.culprits)),
        suspect.probability,
    )
    if not proof.complete:
        because = f"{accused.because}; the budget was spent before this was confirmed"
        ruling = Ruling.INCONCLUSIVE
    elif proof.against:
        because = f"{accused.because}; but {' and '.join(proof.against)} came out the other way"
        ruling = Ruling.INCONCLUSIVE
    else:
        because = f"{accused.because}; confirmed on fresh seeds"
        ruling = _class(suspect, lr)
    return Concluded(ruling, suspect.culprits, probability, because, ranked=ranked, lr=lr)


def _class(suspect: Suspect, lr: tuple[LrVerdict, ...]) -> Ruling:
    if suspect.cumulative:
        return Ruling.CUMULATIVE
    if not suspect.culprits:
        return Ruling.NOTHING_BREAKS
    if lr and all(v.effect is LrEffect.NEEDS_LR for v in lr):
        return Ruling.NEEDS_LR
    if len(suspect.culprits) > 1:
        return Ruling.SEVERAL
    return Ruling.CULPRIT if len(suspect.culprits[0]) == 1 else Ruling.INTERACTION


def _beta_above_half(share: float, runs: Sequence[Judged]) -> float:
    """Posterior probability, from a uniform prior, that more than half of all seeds break."""
    broken = round(share * len(runs))
    return float(bdtr(broken, len(runs) + 1, 0.5))


def _of(share: float, runs: Sequence[Judged]) -> str:
    return f"{round(share * len(runs))} of {len(runs)}"
