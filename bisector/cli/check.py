"""`bisect check conf=X`: known reasons, looked for in data, model and loss before any training.

`bisect check loss=my.pkg.Loss` and `module=my.pkg.Block` look at one piece: see `check_piece`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import FAMILIES
from bisector.cli.assemble import launcher_of, workload_of
from bisector.cli.check_piece import check_piece, is_piece
from bisector.cli.checking import terms_of
from bisector.cli.errand import errand, last_line
from bisector.cli.given import Given, home_of, writable
from bisector.config.blame import nearest
from bisector.config.compose import Composer
from bisector.config.parse import check_additions, parse_experiment, typed
from bisector.diagnose import diagnose
from bisector.errors import ConfigError, LaunchError
from bisector.model.experiment import Experiment
from bisector.model.finding import Diagnosis
from bisector.report.check_page import write_check_page
from bisector.report.diagnosis import as_json, lines, suspected
from bisector.report.pictures import pictures_in
from bisector.rundir import EXIT, INSPECTED, LOG, PICTURES, REPORT
from bisector.workload.function import FunctionWorkload

WAIT = 600.0
"""Seconds for the launcher's queue, beside those that the inspection itself may take."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What the inspection left."""

    facts: Mapping[str, Mapping[str, Any]]
    absent: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Examined:
    """An experiment that was looked at."""

    name: str
    on: tuple[str, ...]
    """Names of the additions that were on."""
    rundir: Path
    diagnosis: Diagnosis


def main(args: argparse.Namespace) -> int:
    """Exit code 0 when nothing is suspected, 1 when something is."""
    if is_piece(args.words):
        return check_piece(args.words, as_json_too=args.json)
    if args.html:
        writable(args.html.parent)
    found = examined(args)
    page = args.html or found.rundir / REPORT
    write_check_page(page, found.name, found.on, found.diagnosis, pictures_in(found.rundir))
    if args.json:
        print(json.dumps(as_json(found.diagnosis), indent=1))
    else:
        print("\n".join([*lines(found.diagnosis), "", f"pictures {page}"]))
    return 1 if suspected(found.diagnosis) else 0


def examined(args: argparse.Namespace) -> Examined:
    """Look at the experiment that was typed.

    Raises:
        ConfigError: something is wrong with it.
        LaunchError: the inspection did not end well.
    """
    given = Given.of(args)
    composer = Composer(given.conf, given.overrides, given.folder)
    experiment = parse_experiment(composer)
    check_additions(composer, experiment)
    terms = terms_of(typed(composer).checks)
    names = tuple(word for word in (args.on or "").split(",") if word)
    rundir = home_of(given.out, experiment.name) / "check"
    writable(rundir)
    looked = look(composer, experiment, additions(experiment, names), rundir)
    diagnosis = diagnose(CATALOGUE, looked.facts, looked.absent, terms)
    return Examined(experiment.name, names, rundir, diagnosis)


def additions(experiment: Experiment, names: Sequence[str]) -> list[str]:
    """The overrides of the additions that are to be on.

    Raises:
        ConfigError: one of them is not an addition.
    """
    for name in names:
        if name not in experiment.names:
            hint = nearest(name, experiment.names)
            raise ConfigError(f"--on names `{name}`, which is not an addition.", hint=hint)
    return [o for a in experiment.additions if a.name in names for o in a.overrides]


def look(composer: Composer, experiment: Experiment, on: list[str], rundir: Path) -> Looked:
    """Run the inspection through the launcher, as a trial would be.

    Raises:
        LaunchError: it did not end well; the message has the last line of its log.
    """
    workload = workload_of(composer)
    if not isinstance(workload, FunctionWorkload):
        why = f"a {type(workload).__name__} does not show its parts; a recipe does, and a function that calls run.watch"
        return Looked({}, dict.fromkeys(FAMILIES, why))
    bounds = typed(composer).inspect
    for stale in (INSPECTED, PICTURES, EXIT):
        (rundir / stale).unlink(missing_ok=True)
    recipe = composer.recipe(on, what="--on")
    job = workload.inspection(recipe, experiment.seed, asdict(bounds), rundir)
    errand(launcher_of(composer, workload), job, "The inspection", WAIT + 2 * bounds.seconds)
    if not (rundir / INSPECTED).exists():
        raise LaunchError(
            f"The inspection did not end well: {last_line(rundir)}",
            hint=f"Look at {rundir / LOG}: a training would end in the same way.",
        )
    found = json.loads((rundir / INSPECTED).read_text(encoding="utf-8"))
    return Looked(found["facts"], found["absent"])
