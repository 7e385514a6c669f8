"""How often the judge is wrong, and what its early verdicts save.

    python scripts/bench_judge.py [--quick] [--json] [--runs OUT ...]

Five simulated questions, and one about runs that were really made:

noise         healthy runs called broken at their end, singly and in chains of 8 (asked: 0.8 %)
early         healthy runs stopped, broken runs stopped and the steps that saves, by kind of curve
passed        with `judge.early: both`, runs that were passed before their end: how many of them would
              have been broken at it, and the steps that saves; a later collapse is not foreseen
null          whole searches in which nothing breaks and the spread is thrice the usual
intermittent  whole searches for a failure that shows on 60 % of the seeds
runs          sessions' folders, e.g. out/digits: the judge looks again at every run as it went

With --json each row is one object a line.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import exp
from pathlib import Path

import numpy as np

from bisector import rundir
from bisector.collect.native import NativeCollector
from bisector.journal import Journal
from bisector.judge.noise import learn, of_ended_runs
from bisector.judge.oracle import EARLY_SHARE, SymptomOracle
from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Addition, Budget, Early, Experiment, Metric
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.phases import baseline_is_known, conclude, confirm, isolate, reproduce, steer

METRIC = Metric(name="score", min_effect=0.02)
STEPS = 1000
Rng = np.random.Generator
Row = dict[str, object]
Train = Callable[[Trial], Evidence]


def main() -> None:
    """Print every row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the games; about 2 minutes"
    )
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--runs", nargs="*", type=Path, default=[], metavar="OUT")
    args = parser.parse_args()
    games = 50 if args.quick else 500
    for row in rows(games, args.runs):
        print(json.dumps(row) if args.json else "  ".join(f"{k} {v}" for k, v in row.items()))


def rows(games: int, recorded: Sequence[Path]) -> Iterator[Row]:
    """Every row of the bench; `games` scales how long it takes."""
    yield from false_alarms(20 * games)
    yield from early_stops(games)
    yield from early_passes(games)
    # The promise is about 200 searches, and they are cheap; those that go on are not.
    yield null_searches(200)
    yield intermittent_searches(min(games, 100))
    for home in recorded:
        yield replayed(home)


# --- verdicts at the end -------------------------------------------------------------------------


def false_alarms(games: int) -> Iterator[Row]:
    """Healthy runs called broken, by repeats of the baseline and its spread."""
    rng = np.random.default_rng(0)
    alpha = SymptomOracle(METRIC).alpha * (1 - EARLY_SHARE)
    for times in (1, 3, 10):
        for repeats in (2, 3, 6, 10):
            alarms = []
            for _ in range(games):
                draws = rng.normal(0.9, times * METRIC.expected_sd, repeats + 8)
                noise = learn(draws[:repeats].tolist(), METRIC, of_ended_runs(METRIC), alpha)
                assert noise is not None
                alarms.append(noise.mean - draws[repeats:] > noise.line)
            yield {
                "question": "noise",
                "spread": times,
                "repeats": repeats,
                "runs": 8 * games,
                "false": rounded(np.mean(alarms)),
                "chains": rounded(np.any(alarms, axis=1).mean()),
            }


# --- verdicts on the way -------------------------------------------------------------------------


def learning(
    rng: Rng,
    readings: int,
    *,
    slower: float = 1.0,
    late: float = 0.0,
    top: float = 0.96,
    collapse: float = 1.0,
) -> Curve:
    """A learning curve from 0.1 towards `top`.

    Args:
        rng: the run's chance: how fast it learns, and noise that fades as it does.
        readings: how many there are.
        slower: how many times more steps it takes.
        late: when it begins to learn, as a share of all steps.
        top: what it comes to.
        collapse: when it falls back to 0.1, as a share of all steps.
    """
    pace = 0.05 * slower * exp(0.2 * rng.normal())
    steps, values, wobble = [], [], 0.0
    for i in range(1, readings + 1):
        done = i / readings
        ahead = max(0.0, done - late) / pace
        wobble = 0.5 * wobble + rng.normal() * (0.005 + 0.06 * exp(-done / 0.15))
        level = top - (top - 0.1) * exp(-(ahead**0.7)) if done <= collapse else 0.1
        steps.append(round(done * STEPS))
        values.append(level + wobble)
    return Curve(tuple(steps), tuple(values))


KINDS: dict[str, Callable[[Rng, int], Curve]] = {
    "like the baseline": learning,
    "2 times slower": lambda r, n: learning(r, n, slower=2),
    "3 times slower": lambda r, n: learning(r, n, slower=3),
    "5 % late": lambda r, n: learning(r, n, late=0.05),
    "10 % late": lambda r, n: learning(r, n, late=0.1),
    "15 % late": lambda r, n: learning(r, n, late=0.15),
    "25 % late": lambda r, n: learning(r, n, late=0.25),
    "never learns": lambda r, n: learning(r, n, top=0.1),
    "stalls at 0.5": lambda r, n: learning(r, n, top=0.5),
    "ends 0.1 lower": lambda r, n: learning(r, n, top=0.86),
    "collapses": lambda r, n: learning(r, n, collapse=float(r.uniform(0.1, 0.9))),
    "10 times slower": lambda r, n: learning(r, n, slower=10),
}


def early_stops(games: int) -> Iterator[Row]:
    """Runs of each kind against three repeats of the baseline, read 12, 40 and 200 times."""
    oracle = SymptomOracle(METRIC)
    for readings in (12, 40, 200):
        for kind, draw in KINDS.items():
            rng = np.random.default_rng(readings)
            tally = Tally()
            for _ in range(games):
                baseline = [ended(learning(rng, readings)) for _ in range(3)]
                tally.add(oracle, ended(draw(rng, readings)), baseline)
            yield {"question": "early", "curve": kind, "readings": readings, **tally.row()}


def early_passes(games: int) -> Iterator[Row]:
    """The same kinds of runs, passed as healthy before their end."""
    oracle = SymptomOracle(METRIC, early=Early.BOTH)
    for kind, draw in KINDS.items():
        rng = np.random.default_rng(40)
        ends = {True: 0, False: 0}
        saved_steps = 0
        for _ in range(games):
            baseline = [ended(learning(rng, 40)) for _ in range(3)]
            run = ended(draw(rng, 40))
            verdict = first_verdict(oracle, run, baseline)
            if verdict and verdict.outcome is Outcome.HEALTHY:
                ends[oracle.judge(run, baseline).outcome is Outcome.HEALTHY] += 1
                saved_steps += STEPS - verdict.steps
        yield {
            "question": "passed",
            "curve": kind,
            "runs": games,
            "passed_healthy": ends[True],
            "passed_broken": ends[False],
            "saved": rounded(saved_steps / STEPS / games),
        }


def first_verdict(
    oracle: SymptomOracle, run: Evidence, baseline: Sequence[Evidence]
) -> Verdict | None:
    """What is said first, by somebody who looks after every reading but the last."""
    for step in sorted({s for c in run.curves.values() for s in c.steps})[:-1]:
        if verdict := oracle.glance(until(run, step), baseline):
            return verdict
    return None


class Tally:
    """Runs that were judged at their end, and looked at on the way."""

    def __init__(self) -> None:
        self.healthy = self.stopped_healthy = self.broken = self.stopped_broken = 0
        self.saved = 0.0

    def add(self, oracle: SymptomOracle, run: Evidence, baseline: Sequence[Evidence]) -> None:
        """Count one run that is known to its end."""
        share = saved(oracle, run, baseline)
        if oracle.judge(run, baseline).outcome is Outcome.HEALTHY:
            self.healthy += 1
            self.stopped_healthy += share > 0
        else:
            self.broken += 1
            self.stopped_broken += share > 0
            self.saved += share

    def row(self) -> Row:
        """What the runs amount to; `saved` is a share of the broken runs' steps."""
        return {
            "healthy": self.healthy,
            "falsely_stopped": self.stopped_healthy,
            "broken": self.broken,
            "stopped": self.stopped_broken,
            "saved": rounded(self.saved / max(1, self.broken)),
        }


def saved(oracle: SymptomOracle, run: Evidence, baseline: Sequence[Evidence]) -> float:
    """The share of a whole run's steps that looking at it after every reading would save."""
    if oracle.glance(run, baseline) is None:
        return 0.0
    verdict = first_verdict(oracle, run, baseline)
    last = max(c.steps[-1] for c in run.curves.values())
    return 1 - verdict.steps / last if verdict else 0.0


def until(run: Evidence, step: int) -> Evidence:
    """What a run had left when it was at a step."""
    counts = {name: sum(s <= step for s in c.steps) for name, c in run.curves.items()}
    curves = {
        name: Curve(run.curves[name].steps[:n], run.curves[name].values[:n])
        for name, n in counts.items()
        if n
    }
    return replace(run, exit=Exit.RUNNING, curves=curves)


def ended(curve: Curve) -> Evidence:
    """A run that went to its end."""
    return Evidence(Exit.CLEAN, {"score": curve}, {"planned_steps": STEPS})


# --- whole searches ------------------------------------------------------------------------------


def null_searches(games: int) -> Row:
    """Nothing breaks, and runs lie three times as far apart as the smallest effect suggests."""
    sd = 3 * METRIC.expected_sd
    ends = []
    for game in range(games):
        rng = np.random.default_rng(game)

        def train(trial: Trial, rng: Rng = rng) -> Evidence:
            return scored(rng.normal(0.9, sd))

        ends.append(search(additions(8), train))
    return {
        "question": "null",
        "searches": games,
        "accused": sum(s.conclusion.ruling.decided and bool(s.conclusion.culprits) for s in ends),
        **outcomes(ends),
    }


def intermittent_searches(games: int) -> Row:
    """One of eight additions breaks 60 % of the runs that it is on in."""
    ends, right, told = [], 0, 0
    for game in range(games):
        rng, culprit = np.random.default_rng(game), f"a{game % 8}"

        def train(trial: Trial, rng: Rng = rng, culprit: str = culprit) -> Evidence:
            broken = culprit in trial.arm.additions and rng.random() < 0.6
            return scored(rng.normal(0.3 if broken else 0.9, METRIC.expected_sd))

        end = search(additions(8), train)
        ends.append(end)
        found = end.conclusion.ruling.decided and end.conclusion.culprits == (frozenset({culprit}),)
        right += found
        told += found and "intermittent" in end.conclusion.because
    return {"question": "intermittent", "searches": games, "right": right, "told": told, **outcomes(ends)}  # fmt: skip


def outcomes(ends: Sequence[Session]) -> Row:
    """How searches ended, and how many runs they took."""
    rulings = [str(s.conclusion.ruling) for s in ends if s.conclusion]
    return {
        "runs": rounded(np.mean([len(s.launched) for s in ends])),
        "ends": {r: rulings.count(r) for r in sorted(set(rulings))},
    }


def additions(count: int) -> Experiment:
    """A search among `count` additions, on the usual terms."""
    named = tuple(Addition(name=f"a{i}", overrides=(f"recipe.a{i}=1",)) for i in range(count))
    return Experiment(name="bench", additions=named, metric=METRIC, budget=Budget())


def scored(value: float) -> Evidence:
    """A run that ended with this score."""
    return Evidence(Exit.CLEAN, {"score": Curve((STEPS,), (float(value),))})


def search(experiment: Experiment, train: Train) -> Session:
    """A whole search, one run at a time, judged by the real judge; only training is made up."""
    planner = AdaptivePlanner()
    phases = (reproduce, isolate(planner), confirm, conclude(planner))
    session, left = Session(experiment), dict[int, Evidence]()
    while not session.conclusion:
        decision = steer(session, 1 - len(session.running), phases)
        if decision and decision.record:
            session = session.add(decision.record)
        for trial in decision.ask if decision else ():
            session = session.add(Launched(trial, ""))
        for launched in session.running:
            session = session.add(judged(session, launched.trial, train, left))
    return session


def judged(session: Session, trial: Trial, train: Train, left: dict[int, Evidence]) -> Judged:
    """One trial, trained and held to the baseline; what it leaves goes into `left`."""
    left[trial.number] = train(trial)
    alone = trial.purpose is Purpose.BASELINE
    assert alone or baseline_is_known(session)
    runs = () if alone else session.runs(Arm())
    baseline = [left[e.trial.number] for e in runs if e.verdict.outcome is Outcome.HEALTHY]
    oracle = SymptomOracle(session.experiment.metric, 1 - session.experiment.budget.confidence)
    return Judged(trial, oracle.judge(left[trial.number], baseline), 1.0)


# --- recorded runs -------------------------------------------------------------------------------


def replayed(home: Path) -> Row:
    """A session's own runs, each against the baseline's healthy ones, looked at as they went."""
    session = Journal(home / rundir.JOURNAL).load()
    assert session is not None
    opened = session.events[0]
    names = {theirs: ours for ours, theirs in dict(opened.config["metrics"]).items()}
    collector, tally = NativeCollector(names), Tally()
    oracle = SymptomOracle(session.experiment.metric, 1 - session.experiment.budget.confidence)
    left = {e.trial.number: collector.collect(rundir.of(home, e.trial.number)) for e in session.judged}  # fmt: skip
    baseline = [e.trial.number for e in session.runs(Arm()) if e.verdict.outcome is Outcome.HEALTHY]
    for event in session.judged:
        number = event.trial.number
        others = [left[b] for b in baseline if b != number]
        if left[number].exit is Exit.CLEAN and others:
            tally.add(oracle, left[number], others)
    return {"question": "runs", "session": home.name, **tally.row()}


def rounded(value: float) -> float:
    """A figure for print."""
    return round(float(value), 4)


if __name__ == "__main__":
    main()
