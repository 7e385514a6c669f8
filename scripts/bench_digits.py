"""How long to the culprit: `bisect run` against the same search done by hand, in one run.

By hand is what people do today: add one thing at a time in the order in which
it is written down, three seeds each, a fresh process for every run, until one
breaks; then its learning rate at x0.1 and x10. Both use the same slots.

Prints, for every experiment and way of searching, whether the truth was named,
the runs, the wall time and its ratio to doing it by hand; and for `bisect run`
the milliseconds between one trial's end and the next one's first step.

    python scripts/bench_digits.py            every planner, 3 searches each
    python scripts/bench_digits.py --quick    under 8 minutes on 2 cores: one search each, adaptive
                                              only, and two seeds by hand on the second experiment
    python scripts/bench_digits.py --json     one object a line, with the keys of bench_planner.py;
                                              `cost` is in whole baseline runs, and what only a
                                              simulation knows is null
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import fmean, median

from measure_truth import truth_of

from bisector import rundir
from bisector.cli.assemble import collector_of, workload_of
from bisector.cli.opening import opened
from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
from bisector.judge.oracle import SymptomOracle
from bisector.launch.local import LocalLauncher
from bisector.model.evidence import Evidence
from bisector.model.session import Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome
from bisector.ports import JobState

CONFS = ("digits", "digits_interaction")
SEEDS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One search."""

    conf: str
    way: str
    seed: int
    right: bool
    runs: int
    wall: float
    """Seconds."""
    rounds: int | None = None
    """The longest chain of runs of which each began after the one before it had ended."""
    cost: float | None = None
    """All training, in whole baseline runs: less than `runs` where some were stopped early."""
    gap: float | None = None
    """Median milliseconds from one trial's end to the next one's first logged step."""


class ByHand:
    """Somebody with a terminal, three seeds and patience."""

    def __init__(self, conf: str, home: Path, slots: int, seeds: range) -> None:
        composer = Composer(conf, (f"seed={seeds.start}",))
        self._experiment = parse_experiment(composer)
        self._workload = workload_of(composer)
        self._collector = collector_of(opened(composer, self._experiment).config)
        self._oracle = SymptomOracle(self._experiment.metric)
        self._launcher = LocalLauncher(slots=slots, warm=False)
        self._home, self._seeds, self.runs = home, seeds, 0
        self._baseline: tuple[Evidence, ...] = ()

    def search(self) -> frozenset[str]:
        """What such a person would blame; empty if nothing ever broke."""
        self._baseline = self._train(Arm())
        on: frozenset[str] = frozenset()
        for addition in self._experiment.additions:
            on |= {addition.name}
            if self._breaks(Arm(on)):
                for scale in (0.1, 10.0):
                    self._breaks(Arm(frozenset({addition.name}), lr_scale=scale))
                return frozenset({addition.name})
        return frozenset()

    def _breaks(self, arm: Arm) -> bool:
        verdicts = [self._oracle.judge(e, self._baseline) for e in self._train(arm)]
        return sum(v.outcome is Outcome.BROKEN for v in verdicts) > len(self._seeds) / 2

    def _train(self, arm: Arm) -> tuple[Evidence, ...]:
        folders, waiting = [], []
        for seed in self._seeds:
            while self._launcher.free_slots() == 0:
                time.sleep(0.02)
            trial = Trial(self.runs, arm, seed, Purpose.ISOLATE)
            folders.append(rundir.of(self._home, trial.number))
            job = self._workload.prepare(Session(self._experiment), trial, folders[-1])
            waiting += self._launcher.submit([job])
            self.runs += 1
        while JobState.RUNNING in self._launcher.poll(waiting).values():
            time.sleep(0.02)
        return tuple(self._collector.collect(f) for f in folders)


def by_hand(conf: str, seed: int, slots: int, seeds: int = SEEDS) -> Row:
    """One search by hand."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        person = ByHand(conf, Path(folder), slots, range(seed, seed + seeds))
        blamed = person.search()
        wall = time.monotonic() - began
        rounds, cost = _work(Path(folder) / "runs")
    right = {blamed} == {truth_of(Composer(conf).path)}
    return Row(conf, "by hand", seed, right, person.runs, wall, rounds, cost)


def by_bisect(conf: str, planner: str, seed: int, slots: int) -> Row:
    """One `bisect run`, start-up and report included."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"conf={conf}", f"seed={seed}", f"planner={planner}", f"launcher.slots={slots}"]
        command = [sys.executable, "-m", "bisector", "run", *words, "--json", "--out", folder]
        began = time.monotonic()
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.monotonic() - began
        if said.returncode not in (0, 1):
            raise SystemExit(said.stderr)
        told = json.loads(said.stdout)
        runs = Path(folder) / conf / "runs"
        gaps = list(_gaps(runs))
        rounds, cost = _work(runs)
        found = {frozenset(c) for c in told["culprits"]} if told["decided"] else set()
        count = len(list(runs.glob("*/exit.json")))
    gap = median(gaps) if gaps else None
    right = found == {truth_of(Composer(conf).path)}
    return Row(conf, planner, seed, right, count, wall, rounds, cost, gap)


def _work(runs: Path) -> tuple[int, float]:
    """Runs one after another at the most, and all training in whole baseline runs."""
    ends = [json.loads(f.read_text()) for f in sorted(runs.glob("*/exit.json"))]
    ends.sort(key=lambda e: e["ended"])
    depth: list[int] = []
    for end in ends:
        before = [d for e, d in zip(ends, depth, strict=False) if e["ended"] <= end["started"]]
        depth.append(1 + max(before, default=0))
    baseline = [json.loads((runs / f"{k:03d}" / "exit.json").read_text()) for k in range(2)]
    whole = fmean(e["ended"] - e["started"] for e in baseline)
    return max(depth), sum(e["ended"] - e["started"] for e in ends) / whole


def _gaps(runs: Path) -> Iterator[float]:
    """Milliseconds from the latest end before a trial's start to that trial's first logged step."""
    ends = {f.parent: json.loads(f.read_text()) for f in sorted(runs.glob("*/exit.json"))}
    for folder, end in ends.items():
        before = [e["ended"] for e in ends.values() if e["ended"] <= end["started"]]
        with (folder / rundir.METRICS).open() as metrics:
            first = json.loads(metrics.readline() or "{}").get("at")
        if before and first:
            yield 1000 * (first - max(before))


def show(rows: Sequence[Row]) -> None:
    """The table, with medians over the searches of a way and ratios to doing it by hand."""
    print(f"{'experiment':20}{'way':14}{'right':>7}{'runs':>6}{'wall s':>18}{'by hand / this':>16}{'gap ms':>8}")  # fmt: skip
    for conf in dict.fromkeys(r.conf for r in rows):
        hand = median(r.wall for r in rows if (r.conf, r.way) == (conf, "by hand"))
        for way in dict.fromkeys(r.way for r in rows if r.conf == conf):
            mine = [r for r in rows if (r.conf, r.way) == (conf, way)]
            walls = sorted(r.wall for r in mine)
            spread = f"{median(walls):.0f} ({walls[0]:.0f}-{walls[-1]:.0f})"
            right = f"{sum(r.right for r in mine)}/{len(mine)}"
            gaps = [r.gap for r in mine if r.gap is not None]
            gap = f"{median(gaps):.0f}" if gaps else "-"
            runs = median(r.runs for r in mine)
            print(f"{conf:20}{way:14}{right:>7}{runs:>6.0f}{spread:>18}{hand / median(walls):>16.1f}{gap:>8}")  # fmt: skip


def told(rows: Sequence[Row], slots: int) -> dict[str, object]:
    """The searches of one way, as one object with the keys of `bench_planner.py`."""
    conf = rows[0].conf
    truth, runs = truth_of(Composer(conf).path), sorted(r.runs for r in rows)
    return {
        "conf": conf,
        "planner": rows[0].way,
        "structure": "single" if len(truth) == 1 else "pair",
        "n": len(parse_experiment(Composer(conf)).additions),
        "a": None,
        "b": None,
        "workers": slots,
        "games": len(rows),
        "right": fmean(r.right for r in rows),
        "runs": fmean(runs),
        "p95": runs[ceil(0.95 * len(runs)) - 1],
        "rounds": fmean(r.rounds or 0 for r in rows),
        "cost": round(fmean(r.cost or 0.0 for r in rows), 2),
        "bound": None,
        "wall": round(median(r.wall for r in rows), 1),
        "gap_ms": next((round(r.gap) for r in rows if r.gap is not None), None),
    }


def main() -> None:
    """Search, one after the other, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one search each, adaptive only")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--conf", action="append", choices=CONFS)
    parser.add_argument("--slots", type=int, default=2)
    args = parser.parse_args()
    rows = []
    for conf in args.conf or CONFS:
        for seed in (0,) if args.quick else (0, 100, 200):
            # By hand the interaction takes half as long again: too long to be quick.
            rows.append(
                by_hand(conf, seed, args.slots, 2 if args.quick and conf != CONFS[0] else SEEDS)
            )
            planners = ("adaptive",) if args.quick else ("adaptive", "progressive")
            rows += [by_bisect(conf, planner, seed, args.slots) for planner in planners]
    if args.json:
        for conf, way in dict.fromkeys((r.conf, r.way) for r in rows):
            mine = [r for r in rows if (r.conf, r.way) == (conf, way)]
            print(json.dumps(told(mine, args.slots)))
    else:
        show(rows)


if __name__ == "__main__":
    main()
