"""What a search costs that is large: slots kept busy, extra runs, processor time, memory, start-up.

Searches are simulated with the phases and the planner as they are and a clock that jumps
from event to event. A run takes 40 minutes, give or take a third (log-normal); a broken one
ends after a fifth to all of that. Runs of a healthy set fail with probability 0.02, those of a
broken one pass with 0.05.

    python scripts/bench_scale.py            searches with 1 to 256 slots, journals to 10,000 lines
    python scripts/bench_scale.py --quick    under 8 minutes on 2 cores
    python scripts/bench_scale.py --json     one object a line

busy     share of slots in use while culprits are isolated: from the first such run until the
         planner is sure, for good
hours    from the first run to the verdict
decide   milliseconds of processor time per decision, the mean and the longest
replay   seconds to read a journal of so many lines; MB: what the session then takes in memory
lag      seconds from a trial's last line in the journal to MLflow showing it, in a store that
         holds all trials so far; in_place: from the writer's start until it knows what is there
"""

import argparse
import heapq
import json
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

from mlflow_lag import lag, unhurried
from simulated_truths import Truth, draw
from threadpoolctl import threadpool_limits

from bisector.journal import Journal
from bisector.model.experiment import Addition, Budget, Experiment
from bisector.model.session import Accused, Judged, Launched, Opened, Session, Suspect
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.phases import Phase, conclude, confirm, isolate, reproduce, steer, sweep_lr
from bisector.ports import Accusation

Row = dict[str, Any]
MINUTES, SPREAD = 40.0, 0.33
FALSE_ALARM, MISS = 0.02, 0.05
TIMED = 400
"""Lines of a journal of which each is waited for, to time it."""


class Heard:
    """The planner as it is, and when it became sure of its answer."""

    def __init__(self) -> None:
        self.planner = AdaptivePlanner()
        self.now = self.sure_at = 0.0
        self._sure = False

    def decide(self, session: Session, slots: int) -> tuple[frozenset[str], ...] | Accusation:
        """What it decides."""
        answer = self.planner.decide(session, slots)
        was, self._sure = self._sure, isinstance(answer, Accusation)
        if self._sure and not was:
            self.sure_at = self.now
        return answer

    def rank(self, session: Session) -> tuple[Suspect, ...]:
        """What it thinks."""
        return self.planner.rank(session)


class Simulation:
    """One search of a truth on so many slots."""

    def __init__(self, additions: int, slots: int, seed: int) -> None:
        names = [f"a{n:02d}" for n in range(additions)]
        listed = tuple(Addition(name=name, overrides=()) for name in names)
        self._rng = Random(f"{additions} {slots} {seed}")
        self._truth: Truth = draw("mixture", names, Random(f"{additions} {seed}"))
        self._slots = slots
        self._planner = Heard()
        self._phases: tuple[Phase, ...] = (
            reproduce,
            isolate(self._planner),
            confirm,
            sweep_lr,
            conclude(self._planner),
        )
        experiment = Experiment(name="scale", additions=listed, budget=Budget(trials=2000))
        self.session = Session(experiment, (Opened(experiment, {}, "", "", 0.0),))
        self._ends: list[tuple[float, int, Trial]] = []
        self._spans: list[tuple[float, float, Purpose]] = []
        self._now = 0.0
        self.decisions: list[float] = []

    def run(self) -> None:
        """To the verdict."""
        while self.session.conclusion is None:
            if not self._decide():
                self._end_next()

    def row(self, additions: int) -> Row:
        """What it took."""
        concluded = self.session.conclusion
        accused = self.session.accusation
        assert concluded is not None
        return {
            "what": "search",
            "additions": additions,
            "slots": self._slots,
            "right": accused is not None and self._truth.named(accused.suspect),
            "runs": len(self.session.launched),
            "hours": round(self._now / 60, 2),
            "busy": self._busy(),
            "decide_ms": round(1000 * mean(self.decisions), 1),
            "longest_ms": round(1000 * max(self.decisions), 1),
        }

    def _decide(self) -> bool:
        began = time.process_time()
        free = self._slots - len(self._ends)
        self._planner.now = self._now
        decision = steer(self.session, free, self._phases) if free else None
        self.decisions.append(time.process_time() - began)
        if decision is None:
            return False
        if decision.record is not None:
            self.session = self.session.add(replace(decision.record, at=self._now))
        for trial in decision.ask:
            self._launch(trial)
        return bool(decision.record or decision.ask)

    def _launch(self, trial: Trial) -> None:
        self.session = self.session.add(Launched(trial, "", self._now))
        minutes = MINUTES * self._rng.lognormvariate(0, SPREAD)
        if self._truth.broken(trial.arm.additions):
            minutes *= self._rng.uniform(0.2, 1.0)
        heapq.heappush(self._ends, (self._now + minutes, trial.number, trial))
        self._spans.append((self._now, self._now + minutes, trial.purpose))

    def _end_next(self) -> None:
        began = self._now
        self._now, _, trial = heapq.heappop(self._ends)
        broken = self._truth.broken(trial.arm.additions)
        failed = self._rng.random() >= MISS if broken else self._rng.random() < FALSE_ALARM
        bad = Verdict(Outcome.BROKEN, 0.98, Signature(Symptom.WORSE))
        verdict = bad if failed else Verdict(Outcome.HEALTHY, 0.02)
        self.session = self.session.add(Judged(trial, verdict, 60 * (self._now - began), self._now))

    def _busy(self) -> float | None:
        """Share of the slots' time in use in the isolate phase; None: there was none."""
        starts = [start for start, _, purpose in self._spans if purpose is Purpose.ISOLATE]
        if not starts or self._planner.sure_at <= min(starts):
            return None
        first, last = min(starts), self._planner.sure_at
        used = sum(max(0.0, min(e, last) - max(s, first)) for s, e, _ in self._spans)
        return round(used / (self._slots * (last - first)), 3)


def searches(additions: int, slots: int, games: int) -> Row:
    """The mean of some searches."""
    rows = []
    for seed in range(games):
        game = Simulation(additions, slots, seed)
        game.run()
        rows.append(game.row(additions))
    busy = [row["busy"] for row in rows if row["busy"] is not None]
    return rows[0] | {
        "games": games,
        "right": round(mean(row["right"] for row in rows), 3),
        "runs": round(mean(row["runs"] for row in rows), 1),
        "hours": round(mean(row["hours"] for row in rows), 2),
        "busy": round(mean(busy), 3) if busy else None,
        "decide_ms": round(mean(row["decide_ms"] for row in rows), 1),
        "longest_ms": max(row["longest_ms"] for row in rows),
    }


def journal(trials: int, additions: int = 64) -> Row:
    """A journal of that many trials: time to append its last lines, to read all, what it takes."""
    names = [f"a{n:02d}" for n in range(additions)]
    listed = tuple(Addition(name=name, overrides=(f"recipe.{name}=1",)) for name in names)
    experiment = Experiment(name="scale", additions=listed, budget=Budget(trials=10 * trials))
    rng = Random(trials)
    truth = draw("pair", names, rng)
    with tempfile.TemporaryDirectory() as folder:
        written = Journal(Path(folder) / "journal.jsonl")
        events = _events(trials, names, truth, rng)
        with unhurried():
            written.append(Opened(experiment, {}, "", "", 0.0))
            for event in islice(events, 2 * trials - TIMED):
                written.append(event)
        began = time.perf_counter()
        for event in events:
            written.append(event)
        append = (time.perf_counter() - began) / TIMED
        began = time.perf_counter()
        loaded = written.load()
        replay = time.perf_counter() - began
        tracemalloc.start()
        kept = written.load()
        memory = tracemalloc.get_traced_memory()[0] / 2**20
        tracemalloc.stop()
        assert loaded is not None
        assert kept is not None
    return {
        "what": "journal",
        "trials": trials,
        "lines": len(loaded.events),
        "append_ms": round(1000 * append, 2),
        "replay_s": round(replay, 2),
        "memory_mb": round(memory, 1),
    } | _decision(loaded)


def _events(
    trials: int, names: list[str], truth: Truth, rng: Random
) -> Iterator[Launched | Judged | Accused]:
    for number in range(trials):
        arm = Arm(frozenset(n for n in names if rng.random() < 0.5) if number > 3 else frozenset())
        trial = Trial(number, arm, number, Purpose.ISOLATE if number > 3 else Purpose.BASELINE)
        bad = truth.broken(arm.additions)
        verdict = Verdict(
            Outcome.BROKEN if bad else Outcome.HEALTHY,
            0.98 if bad else 0.02,
            Signature(Symptom.WORSE) if bad else None,
        )
        yield Launched(trial, json.dumps({"slurm": str(number), "rundir": f"/runs/{number}"}))
        yield Judged(trial, verdict, 2400.0)


def _decision(session: Session) -> Row:
    """Processor time of one decision for 256 free slots upon all that is recorded."""
    planner = AdaptivePlanner()
    began = time.process_time()
    steer(session, 256, (reproduce, isolate(planner), confirm, sweep_lr, conclude(planner)))
    return {"decide_s": round(time.process_time() - began, 2)}


def rows(*, quick: bool) -> Iterator[Row]:
    """Everything that is measured."""
    for trials in (500, 2000, 5000):
        yield journal(trials)
    for trials in (100, 5000):
        with tempfile.TemporaryDirectory() as folder:
            yield lag(trials, Path(folder))
    for slots in (1, 8, 32, 256) if quick else (1, 2, 4, 8, 16, 32, 64, 256):
        yield searches(16, slots, 24)
    for slots in (8,) if quick else (1, 8, 64):
        yield searches(64, slots, 4 if quick else 8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    threadpool_limits(1, user_api="blas")  # As in a search: see `cli.search`.
    for row in rows(quick=args.quick):
        told = json.dumps(row)
        print(told if args.json else "  ".join(f"{k}={v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
