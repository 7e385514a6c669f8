"""The search as a short list of phases, each a pure question to the session.

A phase returns what it still wants, or None when it has nothing left to ask.
The first phase with an answer decides; when none has one, the search is over.
The list reads like the method section of a paper: reproduce, isolate, confirm,
sweep the learning rate, conclude.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bisector.model.session import Accused, Concluded, Session, Suspect
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome
from bisector.plan.ahead import ahead
from bisector.plan.asks import Want, again, broken_share, missing, numbered, pending
from bisector.plan.lr_sweep import lr_verdicts, lr_wants
from bisector.plan.proof import clauses, proof
from bisector.plan.rulings import (
    BROKEN,
    FLAKY,
    baseline_ruling,
    breaks,
    effect_of,
    nothing_breaks,
    passes_needed,
    rule,
)
from bisector.ports import Accusation, Decision, Planner

Phase = Callable[[Session, int], Decision | None]

WAIT = Decision()

PUT_TO_PROOF = 0.95
"""Probability from which an explanation is put to the proof, before the planner is sure of it.

The seeds of a proof are trained in any case, and are evidence as good as any other: begun early
they save questions. Convicted is only what has the confidence asked for when its proof is complete.
"""


def steer(session: Session, slots: int, phases: Sequence[Phase]) -> Decision | None:
    """The decision of the first phase that has one; None ends the search."""
    if session.conclusion:
        return None
    return next((d for phase in phases if (d := phase(session, slots)) is not None), None)


def reproduce(session: Session, slots: int) -> Decision | None:
    """The baseline on several seeds, and everything on: nothing can be learnt before these."""
    baseline, full = Arm(), Arm(session.experiment.full)
    if decision := _ask(session, slots, reproduce_wants(session)):
        return decision
    if ruling := baseline_ruling(session, baseline):
        return Decision(record=ruling)
    runs = session.runs(full)
    if runs and not breaks(runs, session.experiment.budget.confidence):
        return Decision(record=nothing_breaks(session, runs))
    return None


def reproduce_wants(session: Session) -> tuple[Want, ...]:
    """The baseline's repeats, and everything on until it plainly breaks or is known not to."""
    budget, full = session.experiment.budget, Arm(session.experiment.full)
    runs = session.runs(full)
    failed = sum(e.verdict.outcome is Outcome.BROKEN for e in runs)
    search = not runs or breaks(runs, budget.confidence)
    count = 1 if search else passes_needed(budget.confidence, failed)
    return (
        Want(Arm(), _repeats(session, doubtful=failed > 0 and not search), Purpose.BASELINE),
        Want(full, count, Purpose.REPRODUCE),
    )


def _repeats(session: Session, *, doubtful: bool) -> int:
    """How often the baseline is trained.

    One bad run among the repeats is chance or an unreliable baseline, and a failure near the line
    may be the noise of either: look twice as long. Two of six come of a recipe that breaks on one
    seed in twenty in 3 % of all searches, so that to call it flaky takes as many runs again.
    """
    usual, runs = session.experiment.budget.repeats, session.runs(Arm())
    if not (doubtful or 0 < broken_share(runs) < 1):
        return usual
    longer = runs[: 2 * usual]
    flaky = len(longer) == 2 * usual and FLAKY < broken_share(longer) < BROKEN
    return usual * (4 if flaky else 2)


def baseline_is_known(session: Session) -> bool:
    """Whether the baseline's repeats have all been judged, so that others can be held to them."""
    baseline = [w for w in reproduce_wants(session) if w.purpose is Purpose.BASELINE]
    return not missing(session, baseline) and not pending(session, baseline)


def isolate(planner: Planner) -> Phase:
    """Hand over to the planner until it accuses; ask it again after every confirmation."""

    def phase(session: Session, slots: int) -> Decision | None:
        spent = session.spent >= session.experiment.budget.trials
        if not spent and (retried := again(session, Purpose.ISOLATE)):
            return _launch(session, slots, retried)
        answer = planner.decide(session, slots)
        if not isinstance(answer, Accusation):
            leader = planner.rank(session)[0]
            if _to_be_proved(session, leader):
                return _accuse(session, Accusation(leader, "it explains the runs best"))
            asked = numbered(session, answer, Purpose.ISOLATE)
            return _launch(session, slots, asked or ahead(session, leader))
        if answer.ruling is not None:
            return Decision(record=_ended(session, answer, planner))
        return _accuse(session, answer)

    return phase


def _to_be_proved(session: Session, leader: Suspect) -> bool:
    """Whether the leading explanation is likely, and there are runs of its proof to begin."""
    if leader.probability < PUT_TO_PROOF or not leader.culprits or leader.cumulative:
        return False
    standing = session.accusation
    if standing is None or not same_suspect(standing.suspect, leader):
        return True
    return bool(missing(session, [c.want for c in clauses(session, standing)]))


def _accuse(session: Session, answer: Accusation) -> Decision | None:
    """The accusation, for the record; None if it stands already."""
    standing = session.accusation
    if standing and same_suspect(standing.suspect, answer.suspect):
        return None
    return Decision(record=Accused(answer.suspect, answer.because, len(session.launched)))


def confirm(session: Session, slots: int) -> Decision | None:
    """The accused on fresh seeds: alone it must break, and all else without it must train."""
    if session.accusation is None:
        return None
    return _ask(session, slots, [c.want for c in clauses(session, session.accusation)])


def sweep_lr(session: Session, slots: int) -> Decision | None:
    """Each convicted set at other learning rates: broken, or in need of another one?"""
    if session.accusation is None:
        return None
    return _ask(session, slots, lr_wants(session, session.accusation))


def conclude(planner: Planner) -> Phase:
    """Nothing is left to ask: say what was found."""

    def phase(session: Session, slots: int) -> Decision | None:
        accused = session.accusation
        if accused is None:
            return None
        ranked, shown = planner.rank(session), proof(session, accused)
        end = rule(session, accused, ranked, shown, lr_verdicts(session, accused))
        if shown.complete:
            return Decision(record=end)
        left = missing(_with_one_more(session), [c.want for c in clauses(session, accused)])
        return Decision(record=replace(end, upcoming=tuple(t.arm.additions for t in left[:1])))

    return phase


def same_suspect(one: Suspect, other: Suspect) -> bool:
    """Whether two explanations claim the same, however probable they are."""
    return set(one.culprits) == set(other.culprits) and one.cumulative == other.cumulative


def _ended(session: Session, answer: Accusation, planner: Planner) -> Concluded:
    assert answer.ruling is not None
    suspect, decided = answer.suspect, answer.ruling.decided
    return Concluded(
        answer.ruling,
        suspect.culprits,
        suspect.probability,
        answer.because,
        ranked=planner.rank(session),
        effect=effect_of(session, session.runs(Arm(session.experiment.full))) if decided else None,
        upcoming=() if decided else _next(planner, session),
    )


def _next(planner: Planner, session: Session) -> tuple[frozenset[str], ...]:
    """The set that one more run would train; none where it is not the budget that ends it."""
    answer = planner.decide(_with_one_more(session), 1)
    return () if isinstance(answer, Accusation) else answer


def _with_one_more(session: Session) -> Session:
    budget = replace(session.experiment.budget, trials=session.spent + 1)
    return replace(session, experiment=replace(session.experiment, budget=budget))


def _ask(session: Session, slots: int, wants: Sequence[Want]) -> Decision | None:
    """What is missing of the wants, as far as slots and budget allow; None if all is there."""
    trials = missing(session, wants)
    if trials and session.spent < session.experiment.budget.trials:
        return _launch(session, slots, trials)
    return WAIT if pending(session, wants) else None


def _launch(session: Session, slots: int, trials: Sequence[Trial]) -> Decision:
    left = session.experiment.budget.trials - session.spent
    return Decision(ask=tuple(trials[: max(0, min(slots, left))]))
