"""Simulated searches for `bench_planner.py`: what is played, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from any_question import ask, passing_or_failing, scored
from searches_by_hand import ByHand, each_alone, leave_one_out, linear, prefix_search
from simulated_truths import Truth, draw

from bisector.model.experiment import Addition, Budget, Experiment, Find, Metric
from bisector.model.session import Judged, Launched, Ruling, Session, Suspect
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.asks import numbered
from bisector.plan.ddmin import DdminPlanner
from bisector.plan.phases import conclude, confirm, isolate, reproduce, steer
from bisector.plan.progressive import ProgressivePlanner
from bisector.ports import Accusation, Planner

SURE = 0.99
EFFECT = 3.3
"""How much worse broken runs are, in the baseline's standard deviations, where runs have scores."""
SD = 0.005
"""That standard deviation; the smallest harm worth a verdict is the customary four of them."""

METRIC, SAME_RUNS = "adaptive-metric", "adaptive-pass-fail"
"""The same scored runs, the scores as evidence or only on which side of half the effect they are."""
WHOLE = "whole-search"
"""The adaptive planner with all phases around it: what `bisect run` trains, the sweep left out."""
ANY, ANY_METRIC = "any-question", "any-question-metric"
"""No planners: what could be done if runs answered any question, all but the answer known."""

PLANNERS: dict[str, Planner] = {
    "adaptive": AdaptivePlanner(),
    "progressive": ProgressivePlanner(),
    "ddmin": DdminPlanner(),
    "linear": ByHand(linear),
    "each-alone": ByHand(each_alone),
    "leave-one-out": ByHand(leave_one_out),
    "prefix-search": ByHand(prefix_search),
    METRIC: AdaptivePlanner(),
    SAME_RUNS: AdaptivePlanner(evidence="pass-fail"),
    WHOLE: AdaptivePlanner(),
}
TOLD = {"adaptive-told-x3": 3.0, "adaptive-told-third": 1 / 3}
"""The adaptive planner, told that much more or less noise than there is."""


@dataclass(frozen=True)
class Cell:
    """One row of the table."""

    planner: str
    structure: str
    n: int
    workers: int
    games: int
    a: float = 0.05
    b: float = 0.10


@dataclass(frozen=True)
class Game:
    """What came of one search."""

    right: bool
    runs: int
    rounds: int
    cost: float
    stated: tuple[tuple[float, bool], ...] = ()
    """At each round of the adaptive planner: the leader's probability, whether it was right."""


@dataclass(frozen=True)
class World:
    """What trials come to, by a truth and a stream of chance."""

    truth: Truth
    cell: Cell
    rng: Random

    def judged(self, trial: Trial) -> Judged:
        """One run, noise and all."""
        if self.truth.lost(trial.arm.additions):
            return Judged(trial, Verdict(Outcome.UNRESOLVED, 0.5), 1.0)
        broken = self.truth.broken(trial.arm.additions)
        if self.cell.planner in (METRIC, SAME_RUNS):
            return judged(trial, fails=None, harm=self.rng.gauss(EFFECT if broken else 0.0, 1.0))
        chance = 1 - self.cell.b if broken else self.cell.a
        return judged(trial, fails=self.rng.random() < chance)


def planner_for(name: str, a: float, b: float) -> Planner:
    """A planner by its name in the table; `a` and `b` matter only to those told of them."""
    if name not in TOLD:
        return PLANNERS[name]
    a, b = TOLD[name] * a, TOLD[name] * b
    # As many imagined runs as in the default prior.
    return AdaptivePlanner(false_fail=(40 * a, 40 * (1 - a)), false_pass=(20 * b, 20 * (1 - b)))


def play(cell: Cell, number: int) -> Game:
    """One game; the truth depends on structure, n and number only, so planners meet the same."""
    rng = Random(f"{cell.structure}/{cell.n}/{number}")
    if cell.planner in (ANY, ANY_METRIC):
        run = scored(EFFECT) if cell.planner == ANY_METRIC else passing_or_failing(cell.a, cell.b)
        right, runs = ask(cell.structure, cell.n, run, SURE, rng)
        return Game(right, runs, rounds=runs, cost=runs)
    asked = arena(cell.n)
    world = World(draw(cell.structure, sorted(asked.names), rng), cell, rng)
    if cell.planner == WHOLE:
        return _whole(world, Session(asked))
    return _planned(world, free_ends(asked, scored=cell.planner in (METRIC, SAME_RUNS)))


def arena(n: int) -> Experiment:
    """Additions alike, `n` of them, with runs enough for any planner that gets anywhere."""
    additions = tuple(Addition(name=f"a{i:03d}", overrides=()) for i in range(n))
    budget = Budget(trials=200 + 4 * n, confidence=SURE)
    metric = Metric(min_effect=4 * SD)
    return Experiment(
        name="bench", additions=additions, budget=budget, metric=metric, find=Find.ALL
    )


def free_ends(asked: Experiment, *, scored: bool = False) -> Session:
    """The baseline passed once, everything failed once; scored: three times, and as expected."""
    arms = [(Arm(), Purpose.BASELINE)] * (3 if scored else 1)
    arms.append((Arm(asked.full), Purpose.REPRODUCE))
    session = Session(asked)
    for i, (arm, purpose) in enumerate(arms):
        trial = Trial(i, arm, i * (purpose is Purpose.BASELINE), purpose)
        bad = purpose is Purpose.REPRODUCE
        harm = (EFFECT if bad else i - 1.0) if scored else None
        session = session.add(Launched(trial, ""))
        session = session.add(judged(trial, fails=bad, harm=harm))
    return session


def judged(trial: Trial, *, fails: bool | None, harm: float | None = None) -> Judged:
    """A trial that fails or not; given its harm in standard deviations, by that."""
    score = None if harm is None else 0.9 - SD * harm
    bad = harm > EFFECT / 2 if fails is None and harm is not None else bool(fails)
    if not bad:
        return Judged(trial, Verdict(Outcome.HEALTHY, 0.02, score=score), 1.0)
    verdict = Verdict(Outcome.BROKEN, 0.98, Signature(Symptom.WORSE), score=score)
    return Judged(trial, verdict, 1.0)


def _planned(world: World, session: Session) -> Game:
    """The planner alone, runs ending together."""
    cell, truth, free = world.cell, world.truth, len(session.judged)
    planner = planner_for(cell.planner, cell.a, cell.b)
    rounds, stated = 0, []
    while True:
        answer = planner.decide(session, cell.workers)
        if cell.planner == "adaptive" and cell.workers == 1:
            leader = planner.rank(session)[0]
            stated.append((leader.probability, truth.named(leader)))
        if isinstance(answer, Accusation):
            break
        rounds += 1
        session = _ended(session, numbered(session, answer, Purpose.ISOLATE), world)
    right = truth.named(answer.suspect) and answer.ruling is not Ruling.INCONCLUSIVE
    return _game(session, free, rounds=rounds, right=right, stated=tuple(stated))


def _whole(world: World, session: Session) -> Game:
    """All phases from the baseline's repeats to the confirmation, every run counted."""
    planner, rounds = AdaptivePlanner(), 0
    phases = (reproduce, isolate(planner), confirm, conclude(planner))
    while (decision := steer(session, world.cell.workers, phases)) is not None:
        if decision.record:
            session = session.add(decision.record)
        else:
            rounds += 1
            session = _ended(session, decision.ask, world)
    end = session.conclusion
    right = end is not None and end.ruling is not Ruling.INCONCLUSIVE
    if end and right:
        heap = end.ruling is Ruling.CUMULATIVE
        right = world.truth.named(Suspect(end.culprits, end.confidence, cumulative=heap))
    return _game(session, 0, rounds=rounds, right=right)


def _ended(session: Session, trials: Sequence[Trial], world: World) -> Session:
    """The session after these runs, started together."""
    for trial in trials:
        session = session.add(Launched(trial, ""))
    for trial in trials:
        session = session.add(world.judged(trial))
    return session


def _game(
    session: Session,
    free: int,
    *,
    rounds: int,
    right: bool,
    stated: tuple[tuple[float, bool], ...] = (),
) -> Game:
    outcomes = [e.verdict.outcome for e in session.judged][free:]
    broken = sum(o is Outcome.BROKEN for o in outcomes)
    return Game(right, len(outcomes), rounds, len(outcomes) - 0.5 * broken, stated)


def history(asked: Experiment, past: int, rng: Random) -> Session:
    """Past runs of as many sets, in which a culprit and a few others are only on together."""
    asked = replace(asked, budget=replace(asked.budget, trials=10_000))
    culprit, *others = rng.sample(sorted(asked.names), len(asked.names))
    twins, free = frozenset(others[: len(others) // 16]) | {culprit}, others[len(others) // 16 :]
    session = free_ends(asked)
    first, events = len(session.launched), list(session.events)
    for i in range(past):
        guilty = rng.random() < 0.5
        on = twins if guilty else frozenset()
        trial = Trial(
            first + i, Arm(on | {x for x in free if rng.random() < 0.5}), i, Purpose.ISOLATE
        )
        events += [Launched(trial, ""), judged(trial, fails=guilty)]
    return Session(asked, tuple(events))
