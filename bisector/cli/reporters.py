"""Who is told of a search: the terminal, the report on disk, and MLflow's child process."""

import argparse
import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console

from bisector import rundir
from bisector.cli.assemble import collector_of
from bisector.cli.environment import COMMAND
from bisector.cli.given import Given
from bisector.model.session import Opened
from bisector.ports import Reporter
from bisector.report.advice import Places
from bisector.report.live import LiveReporter
from bisector.report.mlflow_child import MlflowReporter
from bisector.report.page import PageReporter
from bisector.report.terminal import Rank, TerminalReporter
from bisector.report.views import viewed


def reporters_of(
    args: argparse.Namespace, given: Given, home: Path, rank: Rank, opened: Opened
) -> tuple[Reporter, ...]:
    """One for each thing that shows a search; MLflow last, for which nobody should have to wait."""
    places = places_of(given, home, opened)
    collector = collector_of(opened.config)
    page = PageReporter(
        home / rundir.REPORT,
        rank,
        lambda number: collector.collect(rundir.of(home, number)),
        places,
        lambda number: collector.look(rundir.of(home, number)).facts,
    )
    told: tuple[Reporter, ...] = (page, _terminal(args, rank, places))
    if not viewed(opened).anywhere:
        return told
    return (*told, MlflowReporter(home, completed_by=_complete(given, home)))


def places_of(given: Given, home: Path, opened: Opened) -> Places:
    """Where the things of the session in `home` are, as the reader would type it.

    The command that runs it is the one it was opened with; `bisect report` is not told again what
    was overridden.
    """
    words = [f"conf={given.conf}", *given.overrides]
    return Places(
        run=opened.environment.get(COMMAND) or shlex.join(["bisect", "run", *words, *_out(given)]),
        home=str(home),
        report=str(home / rundir.REPORT),
        tracking=shlex.join(["bisect", "ui", *_named(given, home)]),
        python=_python(),
    )


def _python() -> str:
    """How the reader would call this interpreter."""
    found = shutil.which("python")
    # By folder, not by file: an environment's python is a link to the one it was made from.
    here = found is not None and Path(found).parent == Path(sys.executable).parent
    return "python" if here else shlex.quote(sys.executable)


def _complete(given: Given, home: Path) -> str:
    return shlex.join(["bisect", "report", *_named(given, home), "--mlflow"])


def _named(given: Given, home: Path) -> list[str]:
    """The words by which a verb other than `run` finds the session."""
    name = [f"name={home.name}"] if home.name != given.conf.rpartition("/")[2] else []
    return [f"conf={given.conf}", *name, *_out(given)]


def _out(given: Given) -> list[str]:
    return ["--out", str(given.out)] if given.out != Path("out") else []


def _terminal(args: argparse.Namespace, rank: Rank, places: Places) -> Reporter:
    if args.json:
        return TerminalReporter(sys.stderr, rank, places)
    if args.plain or not sys.stdout.isatty():
        return TerminalReporter(sys.stdout, rank, places)
    return LiveReporter(Console(), rank, places)
