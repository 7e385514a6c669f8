"""How often each planner is right, and how many runs it takes.

    python scripts/bench_planner.py [--quick] [--json] [--planner P ...] [--structure S ...]
                                    [--n N ...] [--workers K ...] [--games G] [--a A] [--b B]

Simulated searches, each with its structure drawn anew: a run of a healthy set fails with
probability a, one of a broken set passes with probability b. For nothing: the baseline has passed
once and the full recipe has failed once. Then follow the calibration of the probability that the
adaptive planner states, and the time it takes to plan a batch. Same numbers on every machine.

right   share of games in which exactly the truth was named
runs    mean; p95: 95th percentile; rounds: batches of at most `workers` runs
cost    mean, where a broken run ends early and costs half
bound   entropy of the structure over the capacity of one run: no planner can do with fewer runs
"""

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing.pool import Pool
from random import Random
from typing import Any

import numpy as np
from searches_by_hand import ByHand, each_alone, leave_one_out, linear, prefix_search
from simulated_truths import STRUCTURES, capacity, draw, entropy

from bisector.model.experiment import Addition, Budget, Experiment, Find
from bisector.model.session import Judged, Launched, Ruling, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.asks import numbered
from bisector.plan.ddmin import DdminPlanner
from bisector.plan.progressive import ProgressivePlanner
from bisector.ports import Accusation, Planner

Subset = frozenset[str]
Row = dict[str, Any]

SIZES, WORKERS = (8, 16, 64), (1, 4, 8)
CHUNK = 5
"""Games that a process plays before it reports."""
SURE = 0.99

GOALS = {
    # Set beforehand: structure, n -> runs, share right; one worker, pass/fail, a = .05, b = .10.
    ("mixture", 16): (13.0, 0.99),
    ("mixture", 64): (17.5, 0.99),
    ("single", 16): (8.5, 0.99),
    ("pair", 16): (17.0, 0.99),
    ("disj2", 16): (17.0, 0.99),
    ("triple", 16): (27.0, 0.98),
    ("mix", 16): (27.0, 0.98),
    ("cumul", 16): (22.0, 0.99),
}


PLANNERS: dict[str, Planner] = {
    "adaptive": AdaptivePlanner(),
    "progressive": ProgressivePlanner(),
    "ddmin": DdminPlanner(),
    "linear": ByHand(linear),
    "each-alone": ByHand(each_alone),
    "leave-one-out": ByHand(leave_one_out),
    "prefix-search": ByHand(prefix_search),
}
TOLD = {"adaptive-told-x3": 3.0, "adaptive-told-third": 1 / 3}
"""The adaptive planner, told that much more or less noise than there is."""


def planner_for(name: str, a: float, b: float) -> Planner:
    """A planner by its name in the table; `a` and `b` matter only to those told of them."""
    if name not in TOLD:
        return PLANNERS[name]
    a, b = TOLD[name] * a, TOLD[name] * b
    # As many imagined runs as in the default prior.
    return AdaptivePlanner(false_fail=(40 * a, 40 * (1 - a)), false_pass=(20 * b, 20 * (1 - b)))


# --- games ---------------------------------------------------------------------------------------


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

    @property
    def goal(self) -> tuple[float, float] | None:
        """The runs and the share right to reach."""
        if (self.planner, self.workers, self.a, self.b) != ("adaptive", 1, 0.05, 0.10):
            return None
        return GOALS.get((self.structure, self.n))


@dataclass(frozen=True)
class Game:
    """What came of one search."""

    right: bool
    runs: int
    rounds: int
    cost: float
    stated: tuple[tuple[float, bool], ...]
    """At each round of the adaptive planner: the leader's probability, whether it was right."""


def play(cell: Cell, number: int) -> Game:
    """One game; the truth depends on structure, n and number only, so planners meet the same."""
    rng = Random(f"{cell.structure}/{cell.n}/{number}")
    asked = arena(cell.n)
    truth = draw(cell.structure, sorted(asked.names), rng)
    planner = planner_for(cell.planner, cell.a, cell.b)
    session, rounds, stated = free_ends(asked), 0, []
    free = len(session.events)
    while True:
        answer = planner.decide(session, cell.workers)
        if cell.planner == "adaptive" and cell.workers == 1:
            leader = planner.rank(session)[0]
            stated.append((leader.probability, truth.named(leader)))
        if isinstance(answer, Accusation):
            break
        trials, rounds = numbered(session, answer, Purpose.ISOLATE), rounds + 1
        fails = [failed(truth.broken(t.arm.additions), cell, rng) for t in trials]
        session = ended(session, trials, fails)
    outcomes = [e.verdict.outcome for e in session.judged][free // 2 :]
    broken = sum(o is Outcome.BROKEN for o in outcomes)
    right = truth.named(answer.suspect) and answer.ruling is not Ruling.INCONCLUSIVE
    return Game(right, len(outcomes), rounds, len(outcomes) - 0.5 * broken, tuple(stated))


def arena(n: int) -> Experiment:
    """Additions alike, `n` of them, with runs enough for any planner that gets anywhere."""
    additions = tuple(Addition(name=f"a{i:03d}", overrides=()) for i in range(n))
    budget = Budget(trials=200 + 4 * n, confidence=SURE)
    return Experiment(name="bench", additions=additions, budget=budget, find=Find.ALL)


def free_ends(asked: Experiment) -> Session:
    """The baseline passed once, everything failed once."""
    arms = [(Arm(), Purpose.BASELINE), (Arm(asked.full), Purpose.REPRODUCE)]
    trials = [Trial(i, arm, 0, purpose) for i, (arm, purpose) in enumerate(arms)]
    return ended(Session(asked), trials, [False, True])


def ended(session: Session, trials: Sequence[Trial], fails: Sequence[bool]) -> Session:
    """The session after these runs, started together."""
    for trial in trials:
        session = session.add(Launched(trial, ""))
    for trial, bad in zip(trials, fails, strict=True):
        verdict = Verdict(Outcome.BROKEN if bad else Outcome.HEALTHY, 0.95 if bad else 0.05)
        session = session.add(Judged(trial, verdict, 1.0))
    return session


def failed(broken: bool, cell: Cell, rng: Random) -> bool:  # noqa: FBT001 - it is the truth
    """Whether a run fails."""
    return rng.random() >= cell.b if broken else rng.random() < cell.a


def play_some(task: tuple[Cell, range]) -> list[Game]:
    """A few games of a cell; what the processes of the pool run."""
    cell, numbers = task
    return [play(cell, number) for number in numbers]


def play_all(cells: Sequence[Cell], width: int) -> Iterator[tuple[Cell, list[Game]]]:
    """Every cell with its games, in order."""
    tasks = [
        (cell, range(at, min(at + CHUNK, cell.games)))
        for cell in cells
        for at in range(0, cell.games, CHUNK)
    ]
    games: dict[Cell, list[Game]] = defaultdict(list)
    with processes(width) as pool:
        for (cell, _), some in zip(tasks, pool.imap(play_some, tasks), strict=True):
            games[cell] += some
            if len(games[cell]) == cell.games:
                yield cell, games[cell]


def processes(count: int) -> Pool:
    """That many, one thread in each: what they compute is too small for more."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return multiprocessing.get_context("spawn").Pool(count)


# --- what is printed -----------------------------------------------------------------------------


def summary(cell: Cell, games: Sequence[Game]) -> Row:
    """The row of a cell."""
    runs = np.array([g.runs for g in games])
    bound = None
    if cell.structure not in ("cumul", "none"):
        bound = round(entropy(cell.structure, cell.n) / capacity(cell.a, cell.b), 1)
    return {
        "planner": cell.planner,
        "structure": cell.structure,
        "n": cell.n,
        "a": cell.a,
        "b": cell.b,
        "workers": cell.workers,
        "games": len(games),
        "right": round(float(np.mean([g.right for g in games])), 4),
        "runs": round(float(runs.mean()), 2),
        "p95": float(np.percentile(runs, 95)),
        "rounds": round(float(np.mean([g.rounds for g in games])), 2),
        "cost": round(float(np.mean([g.cost for g in games])), 2),
        "bound": bound,
    }


def line(row: Row, cell: Cell) -> str:
    """A row as a line of the table."""
    bound = row["bound"]
    ratio = f"{bound:5.1f} {row['runs'] / bound:5.2f}" if bound else "    -     -"
    goal = f"<= {cell.goal[0]:.1f} at >= {cell.goal[1]:.2f}" if cell.goal else ""
    return (
        f"{cell.planner:20}{cell.structure:9}{cell.n:4}{cell.workers:3}{row['games']:6}"
        f"{row['right']:7.3f}{row['runs']:8.2f}{row['p95']:6.0f}{row['rounds']:8.2f}"
        f"{row['cost']:8.2f}  {ratio}  {goal}"
    ).rstrip()


HEAD = (
    f"{'planner':20}{'structure':9}{'n':>4}{'k':>3}{'games':>6}{'right':>7}{'runs':>8}{'p95':>6}"
    f"{'rounds':>8}{'cost':>8}  bound ratio  goal"
)


def calibration(stated: Sequence[tuple[float, bool]]) -> Iterator[Row]:
    """Stated probability against the share that was right, by decile of the stated one."""
    for low in range(10):
        inside = [s for s in stated if low <= min(9.999, 10 * s[0]) < low + 1]
        if inside:
            yield {
                "calibration": f"{low / 10:.1f}-{(low + 1) / 10:.1f}",
                "count": len(inside),
                "stated": round(float(np.mean([p for p, _ in inside])), 3),
                "right": round(float(np.mean([r for _, r in inside])), 3),
            }


def planning_time(task: tuple[int, int, int]) -> Row:
    """Time to plan a batch, after a warm-up, where the past leaves several culprits possible."""
    n, past, slots = task
    asked = arena(n)
    asked = replace(asked, budget=replace(asked.budget, trials=10_000))
    taken = []
    for game in range(4):
        session = history(asked, past, Random(game))
        start = time.perf_counter()
        AdaptivePlanner().decide(session, slots)
        taken.append(1000 * (time.perf_counter() - start))
    return {
        "planning": n,
        "past": past,
        "slots": slots,
        "ms": round(float(np.median(taken[1:])), 1),
    }


def history(asked: Experiment, past: int, rng: Random) -> Session:
    """Past runs of four sets over and over: they leave about n / 16 single culprits."""
    names = sorted(asked.names)
    culprit = rng.choice(names)
    sets = [frozenset(x for x in names if rng.random() < 0.5) for _ in range(4)]
    first = len(free_ends(asked).launched)
    trials = [Trial(first + i, Arm(sets[i % 4]), i // 4, Purpose.ISOLATE) for i in range(past)]
    fails = [culprit in t.arm.additions for t in trials]
    events = list(free_ends(asked).events)
    for trial, bad in zip(trials, fails, strict=True):
        verdict = Verdict(Outcome.BROKEN if bad else Outcome.HEALTHY, 0.95 if bad else 0.05)
        events += [Launched(trial, ""), Judged(trial, verdict, 1.0)]
    return Session(asked, tuple(events))


# --- the command ---------------------------------------------------------------------------------


def cells(args: argparse.Namespace) -> Iterator[Cell]:
    """The rows asked for; unless filtered, more workers and wrong noise at n = 16 only."""
    for planner, n, structure, k in product(args.planner, args.n, args.structure, args.workers):
        if not args.every and (k > 1 or planner in TOLD) and n != 16:
            continue
        if not args.every and k > 1 and planner != "adaptive":
            continue
        games = args.games or quota(planner, n, quick=args.quick)
        yield Cell(planner, structure, n, k, games, args.a, args.b)


def quota(planner: str, n: int, *, quick: bool) -> int:
    """Games that a row is worth, by what one costs."""
    if not quick:
        return 400 if n < 64 else 200
    if n >= 64:
        return 5 if planner.startswith("adaptive") else 10
    return 15 if planner.startswith("adaptive") else 20


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer games; under 8 minutes")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--every", action="store_true", help="all workers and sizes, all planners")
    parser.add_argument(
        "--planner", nargs="+", choices=[*PLANNERS, *TOLD], default=[*PLANNERS, *TOLD]
    )
    parser.add_argument("--structure", nargs="+", choices=STRUCTURES, default=list(STRUCTURES))
    parser.add_argument("--n", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--workers", nargs="+", type=int, default=list(WORKERS))
    parser.add_argument("--games", type=int, help="per row")
    parser.add_argument("--a", type=float, default=0.05, help="chance that a healthy run fails")
    parser.add_argument("--b", type=float, default=0.10, help="chance that a broken run passes")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-timing", action="store_true", help="leave out the planning times")
    return parser.parse_args()


def main() -> None:
    """Play and print."""
    args = arguments()
    if not args.json:
        print(HEAD)
    stated: list[tuple[float, bool]] = []
    for cell, games in play_all(list(cells(args)), args.processes):
        row = summary(cell, games)
        print(json.dumps(row) if args.json else line(row, cell), flush=True)
        if cell.structure == "mixture":  # The prior's own claim is about no other.
            stated += [s for game in games for s in game.stated]
    rows = list(calibration(stated))
    if "adaptive" in args.planner and not args.no_timing:
        with processes(1) as pool:
            rows += pool.map(planning_time, product((64, 256), (0, 100, 2000), (1, 8)))
    for row in rows:
        print(json.dumps(row) if args.json else "  ".join(f"{k} {v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
