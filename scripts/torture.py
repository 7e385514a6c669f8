"""Kills searches in every way, starts them again, and compares them with undisturbed ones.

Small real searches of four truths; at N random moments the orchestrator is killed
(SIGKILL, SIGTERM, SIGINT), or a worker, or the wrapper that looks after it, or the
journal's disk fails between a write and its arrival. Then the same command again. Asked of
every search: the verdict of an undisturbed one; the same judgement, to the last digit, of
every arm and seed that both have trained; every trial launched is judged once; no arm is trained
to its end twice on one seed, but where a kill destroyed the first or the word of its launch;
no process is left. With one slot, more: each launch is what the recorded events before it ask
for; and if no run took long enough for the planner to prefer cheap ones, the same questions were
asked in the same order. What may differ is the rest: what is asked next depends on how long runs
took, and with two slots on which of them ends first.

    python scripts/torture.py 200         so many kills; exit code 1 if there is a difference
    python scripts/torture.py --quick     20 kills, under 8 minutes on 2 cores
    python scripts/torture.py --json      one object a search, and one for all
    python scripts/torture.py 50 --seed 7 other moments
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import psutil
from torture_lab import BROKEN
from torture_layer import failing

from bisector.cli.assemble import search_phases
from bisector.cli.main import main as main_of_bisect
from bisector.journal import Journal
from bisector.model.session import Launched, Opened, Session
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.cost import WORTH_TIMING
from bisector.plan.phases import steer

HERE = Path(__file__).parent
FORK = get_context("fork")
import_module("bisector.cli.run")  # Which the verb would import, in every fork again.
LIMIT = 240.0
"""Seconds in which a search must end that nobody disturbs any more."""
CONF = """\
defaults: [bisect_schema, launcher: local, planner: adaptive, _self_]
metrics: {{loss: loss, score: acc}}
judge: {{min_effect: 0.05, patience: .inf}}
budget: {{confidence: 0.95, repeats: 2, confirm: 1, retries: 50}}
workload:
  _target_: bisector.workload.command.CommandWorkload
  command: ["{{python}}", "{lab}", {truth}, "{{seed}}", "{lines}", "{{overrides}}"]
launcher: {{slots: {slots}, gpus: none, warm: false, threads: 1}}
mlflow: {{enabled: false}}
additions:
  a: {{overrides: [a]}}
  b: {{overrides: [b]}}
  c: {{overrides: [c]}}
  d: {{overrides: [d]}}
"""
KINDS = ("kill", "kill", "stop", "interrupt", "worker", "wrapper", "lost", "lost", "full")
"""What is done to a search; the first two and `lost` end it as the loss of the machine does."""

ENDS = (0, 3, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
"""Exit codes that may be: with the last two a search ends that had hardly begun to start."""


@dataclass(frozen=True, slots=True)
class Row:
    """One search that was disturbed."""

    truth: str
    slots: int
    kills: dict[str, int]
    trials: int
    seconds: float
    others: int
    """Judgements of arms that the undisturbed search did not ask for, or the other way round."""
    differences: list[str] = field(default_factory=list)


class Search:
    """A search in a folder of its own."""

    def __init__(self, folder: Path, truth: str, slots: int) -> None:
        self.folder, self.truth, self.slots = folder, truth, slots
        self.lines = folder / "lines"
        conf = folder / "conf" / "x.yaml"
        conf.parent.mkdir(parents=True)
        lab = HERE / "torture_lab.py"
        conf.write_text(CONF.format(lab=lab, truth=truth, lines=self.lines, slots=slots))

    def start(self, *layer: str) -> ForkProcess:
        """`bisect run`, upon a failing disk if there is a `layer`."""
        process = FORK.Process(target=self._run, args=layer)
        process.start()
        return process

    def _run(self, *layer: str) -> None:
        """In a fork of this process, which has imported all that takes long."""
        os.setpgid(0, 0)
        os.chdir(self.folder)
        said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(said, stream)
        if layer:
            fault, call, share = layer
            os.fsync = failing(fault, int(call), float(share))
        sys.argv = ["bisect", "run", "conf=x", "--plain"]
        sys.exit(main_of_bisect(sys.argv[1:]))

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The journal's whole lines."""
        journal = self.folder / "out" / "x" / "journal.jsonl"
        text = journal.read_text(encoding="utf-8") if journal.exists() else ""
        found = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
        return [e for e in found if not kind or e["event"] == kind]

    @property
    def concluded(self) -> bool:
        """Whether a verdict stands."""
        return bool(self.events("Concluded"))

    def workers(self) -> list[psutil.Process]:
        """The trainings that run."""
        return [p for p in self.processes() if any("torture_lab.py" in w for w in _words(p))]

    def processes(self) -> list[psutil.Process]:
        """All that work for this search."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        return any(word.startswith(str(self.folder)) for word in _words(process))

    def verdict(self) -> tuple[str, list[list[str]]]:
        """The ruling and the culprits."""
        last = self.events("Concluded")[-1]
        return last["ruling"], last["culprits"]

    @property
    def timed(self) -> bool:
        """Whether a run took so long that the planner learnt from it what runs cost."""
        return any(e["seconds"] >= WORTH_TIMING for e in self.events("Judged"))

    def questions(self) -> list[tuple[object, ...]]:
        """What was asked and judged, in order, without what could not be."""
        return [
            ("+".join(t["arm"]["additions"]), t["arm"]["lr_scale"], t["seed"], t["purpose"])
            for e in self.events("Judged")
            if (t := e["trial"]) and e["verdict"]["outcome"] != "unresolved"
        ]

    def judgements(self) -> list[tuple[object, ...]]:
        """What was judged, by arm and seed, without what could not be."""
        return sorted(
            ("+".join(e["trial"]["arm"]["additions"]), e["trial"]["seed"], v["outcome"], v["score"])
            for e in self.events("Judged")
            if (v := e["verdict"])["outcome"] != "unresolved"
        )


def _words(process: psutil.Process) -> list[str]:
    """A process' folder and command; none of one that has ended."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return []
        return [process.cwd(), *process.cmdline()]
    except psutil.Error:
        return []


@cache
def undisturbed(folder: Path, truth: str, slots: int) -> Search:
    """A search of a truth that nobody disturbs."""
    search = Search(folder / f"{truth}-{slots}", truth, slots)
    if waited(search.start()) != 0:
        raise SystemExit((search.folder / "said").read_text())
    return search


def disturb(search: Search, kills: int, rng: random.Random) -> Counter[str]:
    """Do harm to a search, at most so many times, until it ends all the same; what was done."""
    done: Counter[str] = Counter()
    while not search.concluded:
        kind = rng.choice(KINDS) if done.total() < kills else ""
        if kind in ("lost", "full"):
            code = waited(search.start(kind, str(rng.randint(1, 12)), str(rng.random())))
            done[kind] += code != 0
        else:
            process = search.start()
            done[kind] += bool(kind) and _strike(search, process, kind, rng)
            code = waited(process)
        if code not in ENDS:
            raise SystemExit(f"exit code {code}: {(search.folder / 'said').read_text()[-3000:]}")
    return +done


def waited(process: ForkProcess) -> int:
    """The exit code of a search, which must end."""
    process.join(LIMIT)
    if process.exitcode is None:
        raise SystemExit("a search that was not disturbed stands still")
    return process.exitcode


def _strike(search: Search, process: ForkProcess, kind: str, rng: random.Random) -> bool:
    """Kill at a random moment; False if there was nothing left to kill."""
    if rng.random() < 0.8:  # Else during the start itself.
        began = len(search.events())
        _until(lambda: len(search.events()) > began or not process.is_alive())
    time.sleep(rng.uniform(0.0, 1.5))
    match kind:
        case "kill" | "stop" | "interrupt":
            number = {"kill": signal.SIGKILL, "stop": signal.SIGTERM}.get(kind, signal.SIGINT)
            alive = process.is_alive()
            if alive and process.pid:
                os.kill(process.pid, number)
            return alive
        case _:
            return _kill_worker(search, process, wrapper=kind == "wrapper")


def _kill_worker(search: Search, process: ForkProcess, *, wrapper: bool) -> bool:
    deadline = time.monotonic() + 5.0
    while process.is_alive() and time.monotonic() < deadline:
        # Before that there are jobs that are no trials, which the start itself waits for.
        for worker in search.workers() if search.events("Launched") else []:
            try:
                victim = worker.parent() if wrapper else worker
                if victim is not None and victim.pid not in (1, os.getpid(), process.pid):
                    victim.kill()
                    return True
            except psutil.NoSuchProcess:
                continue
    return False


def _until(done: Any) -> None:
    deadline = time.monotonic() + LIMIT
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("a search that was not disturbed stands still")
        time.sleep(0.01)


def differences(search: Search, true: Search) -> list[str]:
    """In what a search that was disturbed differs from one that was not; empty: in nothing."""
    found = []
    if search.verdict() != true.verdict():
        found.append(f"verdict {search.verdict()} and not {true.verdict()}")
    known = {judged[:2]: judged for judged in true.judgements()}
    found += [
        f"judged {one} and not {known[one[:2]]}"
        for one in search.judgements()
        if known.get(one[:2], one) != one
    ]
    launched = [e["trial"]["number"] for e in search.events("Launched")]
    judged = Counter(e["trial"]["number"] for e in search.events("Judged"))
    if launched != list(range(len(launched))):
        found.append(f"launched {launched}")
    if lost := sorted(set(launched) - set(judged)):
        found.append(f"trials lost: {lost}")
    if twice := [n for n, count in judged.items() if count > 1]:
        found.append(f"trials judged twice: {twice}")
    seats = Counter(str(j[:2]) for j in search.judgements())
    if twice_judged := [seat for seat, count in seats.items() if count > 1]:
        found.append(f"judged twice: {twice_judged}")
    if search.slots == 1:
        found += _asked_otherwise(search, true)
    return found + _trained_twice(search) + _left(search)


def _asked_otherwise(search: Search, true: Search) -> list[str]:
    """Where one run at a time does not follow from what was recorded before it."""
    found = []
    if search.questions() != true.questions() and not (search.timed or true.timed):
        found.append(f"asked {search.questions()} and not {true.questions()}")
    session = Journal(search.folder / "out" / "x" / "journal.jsonl").load()
    assert session is not None
    planner = AdaptivePlanner()
    phases = search_phases(planner, "a command", "a command")
    for at, event in enumerate(session.events):
        if isinstance(event, Launched):
            terms = next(e for e in reversed(session.events[:at]) if isinstance(e, Opened))
            before = Session(terms.experiment, session.events[:at])
            decision = steer(before, 1, phases)
            if decision is None or event.trial not in decision.ask[:1]:
                found.append(f"launched {event.trial}, where the journal asks for {decision}")
    return found


def _trained_twice(search: Search) -> list[str]:
    """Trainings that came to their end more than once, though the first of them was judged.

    A run that its orchestrator did not live to record is cleared away by the next one, and its
    number given out again: of one number, only the last training counts.
    """
    unresolved = {
        e["trial"]["number"]
        for e in search.events("Judged")
        if e["verdict"]["outcome"] == "unresolved"
    }
    lines = [line.split() for line in search.lines.read_text(encoding="utf-8").splitlines()]
    ended = {int(number): (arm, seed) for verb, number, _, arm, seed in lines if verb == "ended"}
    seats = Counter(seat for number, seat in ended.items() if number not in unresolved)
    return [f"trained {count} times: {seat}" for seat, count in seats.items() if count > 1]


def _left(search: Search) -> list[str]:
    deadline = time.monotonic() + 10.0
    while (left := search.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"left behind: {p.pid}" for p in left]


def torture(kills: int, seed: int) -> list[Row]:
    """Disturb searches until they have been disturbed so many times."""
    rng = random.Random(seed)
    rows: list[Row] = []
    home = Path(tempfile.mkdtemp(prefix="torture-")).resolve()
    truths = list(BROKEN)
    while (left := kills - sum(sum(r.kills.values()) for r in rows)) > 0:
        truth, slots = truths[len(rows) % len(truths)], 1 + len(rows) // len(truths) % 2
        true = undisturbed(home, truth, slots)
        search = Search(home / str(len(rows)), truth, slots)
        began = time.monotonic()
        done = disturb(search, min(left, rng.randint(3, 9)), rng)
        seconds = round(time.monotonic() - began, 1)
        trials = len(search.events("Launched"))
        asked, would = ({j[:2] for j in s.judgements()} for s in (search, true))
        others, found = len(asked ^ would), differences(search, true)
        rows.append(Row(truth, slots, dict(done), trials, seconds, others, found))
        if not rows[-1].differences:  # Else it is kept, to be looked at.
            shutil.rmtree(search.folder)
        _show(rows)
    if not any(row.differences for row in rows):
        shutil.rmtree(home)
    return rows


def _show(rows: list[Row]) -> None:
    row, total = rows[-1], sum(sum(r.kills.values()) for r in rows)
    if ARGUMENTS.json:
        print(json.dumps(asdict(row)), flush=True)
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(row.kills.items()))
    print(
        f"{row.truth:5} {row.slots} slots  {row.trials:3} trials  {row.seconds:5.1f} s  {row.others:2} other questions  {kinds}"
    )
    for difference in row.differences:
        print(f"    DIFFERENCE: {difference}")
    print(f"      {total} kills so far", flush=True)


def main() -> int:
    """Torture; 1 if there was a difference."""
    rows = torture(20 if ARGUMENTS.quick else ARGUMENTS.kills, ARGUMENTS.seed)
    kinds = sum((Counter(r.kills) for r in rows), Counter())
    bad = sum(bool(r.differences) for r in rows)
    total = {"kills": kinds.total(), "kinds": dict(kinds), "searches": len(rows), "different": bad}
    print(
        json.dumps(total)
        if ARGUMENTS.json
        else f"{kinds.total()} kills ({dict(kinds)}) of {len(rows)} searches: {bad} different"
    )
    return 1 if bad else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = _arguments()
    sys.exit(main())
