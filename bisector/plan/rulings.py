"""What a search ends with: from runs and posterior to a `Concluded`."""

from collections.abc import Sequence

from scipy.special import bdtr, bdtrc

from bisector.model.session import (
    Accused,
    Concluded,
    Effect,
    Judged,
    LrVerdict,
    Ruling,
    Session,
    Suspect,
)
from bisector.model.trial import Arm
from bisector.model.verdict import Outcome
from bisector.plan.asks import broken_share
from bisector.plan.dormant import dormant
from bisector.plan.effect import effect, seeds_needed
from bisector.plan.proof import Proof, with_requirements

BROKEN = 0.5
"""Share of broken baseline runs from which it is said to break by itself."""
FLAKY = 0.25
"""Share of broken baseline runs above which nothing can be held against the baseline."""

TOO_WIDE = 5.0
"""Multiple of the smallest effect worth a verdict which the interval of the harm must exclude
before everything on is said to train: else nothing is known of it."""
INTERMITTENT = 0.6
"""Share of seeds on which a failure may show and still must not be missed."""
PLAIN = 0.95
"""Probability of being broken from which one run is enough to say that its arm breaks."""
SLIP = 0.05
"""Share of healthy runs that may come out broken, near the line, by chance."""
STEADY = 0.9
"""Share of broken seeds below which a culprit is said to be intermittent."""


def baseline_ruling(session: Session, baseline: Arm) -> Concluded | None:
    """How the search ends if the baseline's repeats do not let it begin; else None."""
    runs = session.runs(baseline)
    share = broken_share(runs)
    if not runs:
        last = next((e for e in reversed(session.judged) if e.trial.arm == baseline), None)
        why = last.verdict.because if last else "the budget is too small for it"
        return Concluded(Ruling.INCONCLUSIVE, (), 0.0, f"no baseline run could be judged: {why}")
    if share >= BROKEN:
        why = next(e.verdict.because for e in runs if e.verdict.outcome is Outcome.BROKEN)
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


def breaks(runs: Sequence[Judged], confidence: float) -> bool:
    """Whether the runs of an arm show that it breaks, on some of its seeds at least.

    One plain failure does; of those near the line it takes more than healthy runs have by chance.
    """
    broken = [e.verdict.p_broken for e in runs if e.verdict.outcome is Outcome.BROKEN]
    plain = any(p >= PLAIN for p in broken)
    return plain or (bool(broken) and bdtrc(len(broken) - 1, len(runs), SLIP) <= 1 - confidence)


def passes_needed(confidence: float, broken: int = 0) -> int:
    """On how many seeds the full set must run, and break on `broken` only, to be cleared."""
    count = broken + 1
    while 1 - chance_of_passing(count, broken) < confidence:
        count += 1
    return count


def chance_of_passing(count: int, broken: int = 0) -> float:
    """That a set which breaks on `INTERMITTENT` of all seeds does so on no more of these."""
    return float(bdtr(broken, count, INTERMITTENT))


def repeats_needed(rate: float, confidence: float) -> int:
    """The smallest odd number of seeds whose majority is right this often, given a failure rate."""
    count = 1
    while bdtrc(count // 2, count, rate) > 1 - confidence and count < 999:
        count += 2
    return count


def nothing_breaks(session: Session, runs: Sequence[Judged]) -> Concluded:
    """Everything on trains, often enough; or is worse, and only the seeds' spread hides it."""
    confidence = session.experiment.budget.confidence
    found = effect_of(session, runs)
    if found is None:
        return _nothing(runs, "", None)
    said = (
        f"mean harm {found.harm:.2g}, {confidence:.0%} interval {found.low:.2g} to {found.high:.2g}"
    )
    seeds = seeds_needed(found, confidence)
    take = f"telling a harm of {found.worth:.2g} from none would take about {seeds} seeds an arm"
    if found.harm > found.worth:
        because = (
            f"everything on is worse than the baseline ({said}), but single runs lie so far "
            f"apart (sd {found.sd:.2g}) that none can be called broken; {take}"
        )
        return Concluded(Ruling.BASELINE_FLAKY, (), 0.0, because, effect=found)
    if found.high > TOO_WIDE * found.worth:
        because = (
            f"single runs lie so far apart (sd {found.sd:.2g}) that everything on may be anything "
            f"from better to much worse ({said}); {take}"
        )
        return Concluded(Ruling.BASELINE_FLAKY, (), 0.0, because, effect=found)
    end = f", below the {found.worth:.2g} worth acting on" if found.negligible else f"; {take}"
    return _nothing(runs, f": {said}{end}", found)


def _nothing(runs: Sequence[Judged], said: str, found: Effect | None) -> Concluded:
    broken = sum(e.verdict.outcome is Outcome.BROKEN for e in runs)
    because = f"everything on trained on {len(runs) - broken} of {len(runs)} seeds{said}"
    sure = 1 - chance_of_passing(len(runs), broken)
    return Concluded(Ruling.NOTHING_BREAKS, (), sure, because, effect=found)


def effect_of(session: Session, runs: Sequence[Judged]) -> Effect | None:
    """The harm of an arm's runs beside the healthy ones of the baseline."""
    experiment = session.experiment
    healthy = [e for e in session.runs(Arm()) if e.verdict.outcome is Outcome.HEALTHY]
    return effect(experiment.metric, healthy, runs, experiment.budget.confidence)


def rule(
    session: Session,
    accused: Accused,
    ranked: tuple[Suspect, ...],
    proof: Proof,
    lr: tuple[LrVerdict, ...],
) -> Concluded:
    """The end of a search whose accusation has been put to the proof."""
    suspect = accused.suspect
    probability = _probability(suspect, ranked, proof)
    if not proof.complete:
        because = f"{accused.because}; the budget was spent before this was confirmed"
        ruling = Ruling.INCONCLUSIVE
    elif proof.against:
        because = f"{accused.because}; but {' and '.join(proof.against)} came out the other way"
        ruling = Ruling.INCONCLUSIVE
    else:
        now_and_then = "".join(f"; {said}" for said in intermittent(session, suspect))
        lost = "".join(f"; {said} could not be judged" for said in proof.unjudged)
        because = f"{accused.because}; confirmed on fresh seeds{lost}{now_and_then}"
        ruling = _class(suspect, lr)
    return Concluded(
        ruling,
        suspect.culprits,
        probability,
        because,
        ranked=ranked,
        lr=lr,
        dormant=dormant(session),
        effect=effect_of(session, session.runs(_accused(session, suspect))),
    )


def _probability(suspect: Suspect, ranked: Sequence[Suspect], proof: Proof) -> float:
    """That of the accused; with those of its parts, where no run could judge them by themselves."""
    same = [s for s in ranked if set(s.culprits) == set(suspect.culprits)]
    if not same:
        return suspect.probability
    if not proof.unjudged or len(suspect.culprits) != 1:
        return same[0].probability
    parts = (s for s in ranked if len(s.culprits) == 1 and s.culprits[0] < suspect.culprits[0])
    return min(1.0, same[0].probability + sum(s.probability for s in parts if not s.cumulative))


def _accused(session: Session, suspect: Suspect) -> Arm:
    """The arm whose harm is to be told: the one culprit's, else everything on."""
    experiment = session.experiment
    alone = len(suspect.culprits) == 1 and not suspect.cumulative
    on = with_requirements(experiment, suspect.culprits[0]) if alone else experiment.full
    return Arm(on)


def intermittent(session: Session, suspect: Suspect) -> tuple[str, ...]:
    """What is to be said of the culprits that break on some seeds only.

    Counted are all runs of a set that holds a culprit and no other: whatever else is on is innocent.
    """
    if suspect.cumulative:
        return ()
    found = []
    for culprit in suspect.culprits:
        runs = _runs_with(session, culprit, [c for c in suspect.culprits if c != culprit])
        share = broken_share(runs)
        if 0 < share < STEADY:
            found.append(
                f"{' with '.join(sorted(culprit))} is intermittent: it breaks on {_of(share, runs)} seeds"
            )
    return tuple(found)


def _runs_with(
    session: Session, culprit: frozenset[str], others: Sequence[frozenset[str]]
) -> tuple[Judged, ...]:
    """The judged runs of sets that hold a culprit and none of the others."""
    return tuple(
        e
        for e in session.ended
        if e.trial.arm.plain
        and e.verdict.outcome is not Outcome.UNRESOLVED
        and culprit <= e.trial.arm.additions
        and not any(other <= e.trial.arm.additions for other in others)
    )


def _class(suspect: Suspect, lr: tuple[LrVerdict, ...]) -> Ruling:
    if suspect.cumulative:
        return Ruling.CUMULATIVE
    if not suspect.culprits:
        return Ruling.NOTHING_BREAKS
    if lr and all(v.mended for v in lr):
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
