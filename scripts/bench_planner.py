"""How often each planner is right, and how many runs it takes.

    python scripts/bench_planner.py [--quick] [--json] [--planner P ...] [--structure S ...]
                                    [--n N ...] [--workers K ...] [--games G] [--a A] [--b B]

Simulated searches, each with its structure drawn anew: a run of a healthy set fails with
probability a, one of a broken set passes with probability b. For nothing, and not counted: the
baseline has passed once and the full recipe has failed once. All else is counted, the runs that
complete the certificate included. `whole-search` counts every run of `bisect run` up to its
verdict: three repeats of the baseline, the full recipe, the planner's, and the confirmation.
In the rows `adaptive-metric` and `adaptive-pass-fail` runs have scores, those of broken sets 3.3
standard deviations worse; there the baseline has passed three times for nothing.
`any-question` is no planner: it is told all but the answer, asks what no set of additions can tell,
and completes no certificate, so that the goals and all rows can be held against what it takes.

right   share of games in which exactly the truth was named
runs    mean; p95: 95th percentile; rounds: batches of at most `workers` runs
cost    mean, where a broken run ends early and costs half
bound   entropy of the structure over the capacity of one run: no planner can do with fewer runs

Then follow the calibration of the probability that the adaptive planner states, and the time it
takes to plan a batch. Runs and shares are the same on every machine.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from multiprocessing.pool import Pool
from random import Random
from typing import Any

import numpy as np
from planner_games import (
    ANY,
    ANY_METRIC,
    METRIC,
    PLANNERS,
    SAME_RUNS,
    TOLD,
    WHOLE,
    Cell,
    Game,
    arena,
    history,
    play,
)
from simulated_truths import MIXTURE, STRUCTURES, capacity, entropy

from bisector.plan.adaptive import AdaptivePlanner

Row = dict[str, Any]

SIZES, WORKERS = (8, 16, 64, 256), (1, 4, 8)
CHUNK = 5
"""Games that a process plays before it reports."""
SIDE = (METRIC, SAME_RUNS, WHOLE, *TOLD)
"""Planners of which only `SHOWN` structures at n = 16 and one worker are played."""
SHOWN = ("mixture", "single", "pair", "disj2")
LARGE = ("single", "pair")
"""Structures of which the adaptive planner plays games at n = 256."""

GOALS = {
    # Set beforehand: structure, n -> runs, share right; one worker, pass/fail, a = .05, b = .10.
    ("mixture", 16): "<= 13.0 at >= .99",
    ("mixture", 64): "<= 17.5 at >= .99",
    ("single", 16): "<= 8.5 at >= .99",
    ("pair", 16): "<= 17.0 at >= .99",
    ("disj2", 16): "<= 17.0 at >= .99",
    ("triple", 16): "<= 27.0 at >= .98",
    ("mix", 16): "<= 27.0 at >= .98",
    ("cumul", 16): "<= 22.0 at >= .99",
}
ROUNDS = {("single", 16): 2.4, ("pair", 16): 4.0, ("single", 64): 3.2, ("pair", 64): 4.5}
"""The same for eight workers: rounds, at no more than 1.5 times the runs of one worker."""


def goal(cell: Cell) -> str:
    """What the row was to reach, if anything."""
    usual = (cell.a, cell.b) == (0.05, 0.10)
    match cell.planner, cell.workers:
        case "adaptive", 1 if usual:
            return GOALS.get((cell.structure, cell.n), "")
        case "adaptive", 8 if usual and (cell.structure, cell.n) in ROUNDS:
            return f"{ROUNDS[cell.structure, cell.n]} rounds at <= 1.5 x the runs of one worker"
        case planner, 1 if planner == METRIC:
            return f"<= 0.7 x the runs of {SAME_RUNS}"
        case planner, 1 if planner in TOLD:
            return "right: at most .02 below adaptive"
        case _:
            return ""


# --- games ---------------------------------------------------------------------------------------


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
    if cell.structure not in ("cumul", "none") and cell.planner not in (
        METRIC,
        SAME_RUNS,
        ANY_METRIC,
    ):
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
        "goal": goal(cell),
    }


def line(row: Row) -> str:
    """A row as a line of the table."""
    bound = row["bound"]
    ratio = f"{bound:5.1f} {row['runs'] / bound:5.2f}" if bound else "    -     -"
    return (
        f"{row['planner']:20}{row['structure']:9}{row['n']:4}{row['workers']:3}{row['games']:6}"
        f"{row['right']:7.3f}{row['runs']:8.2f}{row['p95']:6.0f}{row['rounds']:8.2f}"
        f"{row['cost']:8.2f}  {ratio}  {row['goal']}"
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
    """Time of a core to plan a batch, after a warm-up."""
    n, past, slots = task
    taken = []
    for game in range(4):
        session = history(arena(n), past, Random(f"{task}/{game}"))
        start = time.process_time()
        AdaptivePlanner().decide(session, slots)
        taken.append(1000 * (time.process_time() - start))
    ms = round(float(np.median(taken[1:])), 1)
    return {"planning": n, "past": past, "slots": slots, "ms": ms, "goal": 100 if n < 256 else 1000}


# --- the command ---------------------------------------------------------------------------------


def cells(args: argparse.Namespace) -> Iterator[Cell]:
    """The rows asked for; unless `--every`, those that the goals are about, and a little more."""
    for planner, n, structure, k in product(args.planner, args.n, args.structure, args.workers):
        if not args.every and not telling(planner, structure, n, k):
            continue
        games = args.games or quota(planner, structure, n, quick=args.quick)
        yield Cell(planner, structure, n, k, games, args.a, args.b)


def telling(planner: str, structure: str, n: int, workers: int) -> bool:
    """Whether a row is shown unless asked for."""
    if planner in (ANY, ANY_METRIC):
        return structure in (*MIXTURE, "mixture") and n in (16, 64) and workers == 1
    if planner in SIDE:
        return structure in SHOWN and n == 16 and workers == 1
    if n == 256:
        return planner == "adaptive" and structure in LARGE and workers == 1
    if workers == 1:
        return True
    return planner == "adaptive" and n > 8 and structure in SHOWN


def quota(planner: str, structure: str, n: int, *, quick: bool) -> int:
    """Games that a row is worth, by what one costs."""
    if not quick:
        return {64: 200, 256: 20}.get(n, 400)
    if planner == "adaptive" and n == 16:
        return 60 if (structure, n) in GOALS else 20
    if n < 64:
        return 20
    return 10 if planner == "adaptive" and structure in SHOWN else 5


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [*PLANNERS, *TOLD, ANY, ANY_METRIC]
    parser.add_argument("--quick", action="store_true", help="fewer games; under 8 minutes")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--every", action="store_true", help="all workers and sizes, all planners")
    parser.add_argument("--planner", nargs="+", choices=names, default=names)
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
        print(json.dumps(row) if args.json else line(row), flush=True)
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
