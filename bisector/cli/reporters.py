"""Who is told of a search: the terminal, the report on disk, and MLflow's child process."""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console

from bisector import rundir
from bisector.cli.given import Given
from bisector.ports import Collector, Reporter
from bisector.report.advice import Places
from bisector.report.live import LiveReporter
from bisector.report.page import PageReporter
from bisector.report.terminal import Rank, TerminalReporter


def reporters_of(
    args: argparse.Namespace, given: Given, home: Path, rank: Rank, collector: Collector
) -> tuple[Reporter, ...]:
    """One for each thing that shows a search; the terminal last, since it says where the rest is."""
    places = places_of(given, home, sys.argv[1:])
    page = PageReporter(
        home / rundir.REPORT,
        rank,
        lambda number: collector.collect(rundir.of(home, number)),
        places,
    )
    return (page, _terminal(args, rank, places))


def places_of(given: Given, home: Path, typed: list[str] | None = None) -> Places:
    """Where a session's things are, as the reader would type it.

    Args:
        given: the experiment.
        home: the session's folder.
        typed: the command line that runs it; None: made from `given`.
    """
    folder = ["--out", str(given.out)] if given.out != Path("out") else []
    words = [f"conf={given.conf}", *given.overrides]
    named = [f"conf={given.conf}", *([f"name={home.name}"] if home.name != given.conf else [])]
    return Places(
        run=shlex.join(["bisect", *(typed or ["run", *words, *folder])]),
        home=str(home),
        report=str(home / rundir.REPORT),
        tracking=shlex.join(["bisect", "ui", *named, *folder]),
    )


def _terminal(args: argparse.Namespace, rank: Rank, places: Places) -> Reporter:
    if args.json:
        return TerminalReporter(sys.stderr, rank, places)
    if args.plain or not sys.stdout.isatty():
        return TerminalReporter(sys.stdout, rank, places)
    return LiveReporter(Console(), rank, places)
