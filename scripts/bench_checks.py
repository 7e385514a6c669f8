"""Which check fires on which fault: `python scripts/bench_checks.py [--quick] [--json] [--matrix]`.

Every fault of `tests/checks` is injected into a recipe that trains, alone; the row says which
finding came first. Beside it: false alarms on healthy recipes, the score of the best constant
answer, what each check costs, what the faults that are hard to see do to the accuracy, and what
the nearest libraries say of the same recipes. The answer that counts is the first.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from faults_of_tests import KINDS, EveryFault, every_fault, made
from nearest_libraries import LIBRARIES, USERS, Library
from omegaconf import OmegaConf

from bisector.checks.catalogue import CATALOGUE
from bisector.config.compose import Composer
from bisector.diagnose import BEFORE, Terms, diagnose
from bisector.model.finding import Diagnosis, Severity
from bisector.train.facts.scene import Bounds
from bisector.train.facts.shown import of_recipe
from bisector.train.inspection import Inspected, finite, inspect
from bisector.train.loop import Training
from bisector.train.parts import Parts, build
from bisector.train.run import Run

SHIPPED = ("digits", "tabular", "charlm")
"""The experiments whose baselines are healthy recipes too."""
QUIET = {
    "softmax before cross-entropy, under Adam": ("R19a", "after image 1"),
    "sorted by class, not shuffled": ("R07a", "unshuffled image 2"),
    "20 % wrong labels": ("R06", "mislabelled image 2"),
    "inputs not scaled, under Adam": ("R12", "scaled image 1"),
}
"""Faults that hardly move the accuracy on easy data: their check, and their name in the list."""
STEPS = 600
"""So long the recipes with these faults are trained: until the healthy one has learnt."""
PATIENCE = 60
"""Seconds that a library is given for one recipe."""
LIBRARY_FAULTS = ("image", "table")
"""Kinds of data that every library can be shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recipe that was looked at."""

    name: str
    expected: str
    """The check that must be first; empty for a healthy recipe."""
    said: tuple[str, ...]
    """Findings, first to last; of a healthy recipe those at warning or above."""
    unlooked: tuple[str, ...]
    seconds: float
    costs: Mapping[str, float]
    """Seconds by family of facts."""


def main() -> int:
    """Exit code 1 if a fault was not named first, or a healthy recipe raised an alarm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4 seeds, libraries on a part")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--matrix", action="store_true", help="every fault against every check")
    parser.add_argument("--folder", type=Path, default=Path("out/.nearest_libraries"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_slow)
    torch.set_num_threads(1)
    say = Printer(as_json=args.json)
    with tempfile.TemporaryDirectory() as folder:
        rundir = Path(folder)
        faults = every_fault()
        seeds = range(4 if args.quick else 20)
        with ProcessPoolExecutor(
            mp_context=get_context("spawn"), initializer=warnings.simplefilter, initargs=("ignore",)
        ) as pool:
            rows = list(pool.map(faulty, range(len(faults)), chunksize=8))
            well = list(pool.map(healthy, *zip(*product(seeds, (*KINDS, *SHIPPED)), strict=True)))
        tell_rows(say, rows, well, matrix=args.matrix)
        tell_costs(say, [*rows, *well])
        tell_quiet(say, rundir, rows, faults)
        chosen = [f for f in faults if f.kind in LIBRARY_FAULTS]
        tell_libraries(say, rundir, args.folder, firsts(chosen) if args.quick else chosen)
    wrong = [r for r in rows if r.said[:1] != (r.expected,)]
    return 1 if wrong or any(r.said for r in well) else 0


def faulty(number: int) -> Row:
    """One of the faults."""
    fault = every_fault()[number]
    with tempfile.TemporaryDirectory() as folder:
        return looked(fault.name, fault.expected, fault.make(Path(folder)))


def healthy(seed: int, kind: str) -> Row:
    """One of the gallery's recipes, or a shipped baseline: nothing wrong in it."""
    with tempfile.TemporaryDirectory() as folder:
        if kind in KINDS:
            return looked(f"{kind} seed {seed}", "", made(kind, Path(folder), seed=seed))
        recipe = OmegaConf.create(dict(Composer(kind).recipe([])))
        return looked(f"conf={kind} seed {seed}", "", build(recipe, Run(Path(folder), seed)))


def looked(name: str, expected: str, parts: Parts) -> Row:
    """Inspect one recipe, and let all checks look that need no training."""
    began = time.process_time()
    found = inspect(of_recipe(parts), torch.device("cpu"), Bounds())
    diagnosis = told(found)
    return Row(
        name,
        expected,
        tuple(f.check for f in diagnosis.findings if f.severity is not Severity.NOTE or expected),
        tuple(u.check for u in diagnosis.unlooked),
        time.process_time() - began,
        dict(found.seconds),
    )


def told(found: Inspected) -> Diagnosis:
    """What the checks say of the facts."""
    return diagnose(CATALOGUE, finite(found.facts), found.absent, Terms())


def firsts(faults: Sequence[EveryFault]) -> list[EveryFault]:
    """One fault for each check."""
    return list({f.expected: f for f in reversed(faults)}.values())[::-1]


class Printer:
    """Tables for people, or one JSON object a line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def title(self, text: str) -> None:
        """A heading."""
        if not self.as_json:
            print(f"\n## {text}\n", flush=True)

    def table(self, what: str, rows: Sequence[dict[str, Any]]) -> None:
        """Rows with equal keys; `what` names them in JSON."""
        if self.as_json:
            for row in rows:
                print(json.dumps({"table": what} | row), flush=True)
        elif rows:
            print(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
            for row in rows:
                print(f"| {' | '.join(map(str, row.values()))} |", flush=True)


def tell_rows(say: Printer, rows: Sequence[Row], well: Sequence[Row], *, matrix: bool) -> None:
    """How often each check was first, second or silent on its faults, and its false alarms."""
    say.title("Checks on their faults")
    alarms = Counter(check for row in well for check in row.said)
    say.table(
        "check", [_of_check(c, rows, alarms) for c in dict.fromkeys(r.expected for r in rows)]
    )
    first = sum(r.said[:1] == (r.expected,) for r in rows)
    fired = sum(r.expected in r.said for r in rows)
    constant, hits = Counter(r.expected for r in rows).most_common(1)[0]
    say.title("In all")
    summary = {
        "faults": len(rows),
        "named first": f"{first} ({first / len(rows):.0%})",
        "named at all": f"{fired} ({fired / len(rows):.0%})",
        "best constant answer": f"{constant}: {hits} ({hits / len(rows):.0%})",
        "healthy recipes": len(well),
        "with an alarm": sum(bool(r.said) for r in well),
        "median s a recipe": round(statistics.median(r.seconds for r in (*rows, *well)), 2),
    }
    say.table("summary", [summary])
    missed = [r for r in (*rows, *well) if r.said[:1] != ((r.expected,) if r.expected else ())]
    if missed:
        say.title("Where another answer came first")
        say.table("missed", [{"recipe": r.name, "expected": r.expected or "nothing",
                              "said": " ".join(r.said) or "nothing"} for r in missed])  # fmt: skip
    if say.as_json:
        say.table("fault", [asdict(r) for r in rows])
    elif matrix:
        tell_matrix(rows)


def _of_check(check: str, rows: Sequence[Row], alarms: Counter[str]) -> dict[str, Any]:
    mine = [r for r in rows if r.expected == check]
    others = [r for r in rows if r.expected != check]
    first = sum(r.said[:1] == (check,) for r in mine)
    fired = sum(check in r.said for r in mine)
    return {
        "check": check,
        "faults": len(mine),
        "first": first,
        "fired, not first": fired - first,
        "silent": len(mine) - fired,
        "first on another's fault": sum(r.said[:1] == (check,) for r in others),
        "false alarms": alarms[check],
    }


def tell_matrix(rows: Sequence[Row]) -> None:
    """A line for each fault, a column for each check: 1 first, + fired, . silent, ? not looked."""
    ids = [c.id for c in CATALOGUE if c.stage in BEFORE]
    print()
    for letter in range(max(map(len, ids))):
        print(" " * 34 + "".join(f"{i:<4}"[letter] for i in ids))
    for row in rows:
        signs = dict.fromkeys(ids, ".") | dict.fromkeys(row.unlooked, "?")
        signs |= {i: "1" if i == row.said[0] else "+" for i in row.said}
        print(f"{row.name[:27]:<28}{row.expected:<6}" + "".join(signs[i] for i in ids))


def tell_costs(say: Printer, rows: Sequence[Row]) -> None:
    """What each family of facts takes; a check takes next to nothing beside its facts."""
    costs: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for family, seconds in row.costs.items():
            costs[family].append(seconds)
    say.title("Seconds by family of facts, and the checks that need it")
    users = {f: [c.id for c in CATALOGUE if f in c.needs] for f in costs}
    table = [
        {
            "facts": family,
            "median s": round(statistics.median(seconds), 3),
            "worst s": round(max(seconds), 3),
            "checks": " ".join(users[family]),
        }
        for family, seconds in costs.items()
    ]
    say.table("cost", sorted(table, key=lambda row: -float(str(row["median s"]))))


def tell_quiet(
    say: Printer, rundir: Path, rows: Sequence[Row], faults: Sequence[EveryFault]
) -> None:
    """What the faults that hardly show do to the accuracy, and whether they were named first."""
    say.title("Faults that hardly move the accuracy on easy data")
    named = {f.name: f for f in faults}
    said = {r.name: r.said for r in rows}
    table = [_quiet("nothing wrong", rundir, lambda d: made("image", d), "", ())]
    for words, (check, name) in QUIET.items():
        table.append(_quiet(words, rundir, named[name].make, check, said[name]))
    say.table("quiet", table)


def _quiet(
    words: str, rundir: Path, make: Callable[[Path], Parts], check: str, said: Sequence[str]
) -> dict[str, Any]:
    parts = replace(make(rundir), planned=STEPS)
    Training(parts, Run(rundir, 0)).go_on()
    model = parts.model.eval()
    x, y = zip(*(parts.data.val[i] for i in range(len(parts.data.val))), strict=True)
    with torch.no_grad():
        right = model(torch.stack(x)).argmax(1) == torch.stack(y)
    return {
        "fault": words,
        "accuracy after training": round(right.float().mean().item(), 3),
        "first finding": (said[0] if said else "none") if check else "-",
        "expected": check or "-",
    }


def tell_libraries(say: Printer, rundir: Path, folder: Path, faults: Sequence[EveryFault]) -> None:
    """The same recipes through the nearest libraries."""
    say.title(f"The nearest libraries, on {len(faults)} of the faults")
    table = []
    for library in LIBRARIES:
        why = library.install(folder)
        table.append(
            {"library": library.name} | (_nothing(why) if why else _asked(library, rundir, faults))
        )
    say.table("library", table)


def _nothing(why: str) -> dict[str, Any]:
    return dict.fromkeys(("first", "at all", "healthy with an alarm", "s a recipe"), "-") | {
        "note": why
    }


def _asked(library: Library, rundir: Path, faults: Sequence[EveryFault]) -> dict[str, Any]:
    first = fired = 0
    began = time.monotonic()
    for fault in faults:
        alarms = _alarms(library, fault.make(rundir))
        right = [library.names(alarm, fault.reason) for alarm in alarms]
        first, fired = first + any(right[:1]), fired + any(right)
    well = [_alarms(library, made(k, rundir, seed=s)) for k in LIBRARY_FAULTS for s in range(3)]
    often = Counter(alarm for alarms in well for alarm in alarms).most_common(1)
    return {
        "first": f"{first} ({first / len(faults):.0%})",
        "at all": f"{fired} ({fired / len(faults):.0%})",
        "healthy with an alarm": f"{sum(map(bool, well))} of {len(well)}",
        "s a recipe": round((time.monotonic() - began) / (len(faults) + len(well)), 2),
        "note": f"on healthy ones most often: {often[0][0]}" if often else "",
    }


def _alarms(library: Library, parts: Parts) -> list[str]:
    signal.alarm(PATIENCE)
    try:
        return library.look(parts)
    except (*USERS, OSError) as error:
        return [f"raised {type(error).__name__}"]
    finally:
        signal.alarm(0)


def _too_slow(number: int, frame: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    sys.exit(main())
