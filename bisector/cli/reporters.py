"""Who is told of a search: the terminal, MLflow's child process, and the report on disk."""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console

from bisector.cli.given import Given
from bisector.ports import Reporter
from bisector.report.advice import Places
from bisector.report.live import LiveReporter
from bisector.report.terminal import Rank, TerminalReporter


def reporters_of(
    args: argparse.Namespace, given: Given, home: Path, rank: Rank
) -> tuple[Reporter, ...]:
    """One for each thing that shows a search."""
    places = places_of(given, home)
    return (_terminal(args, rank, places),)


def places_of(given: Given, home: Path) -> Places:
    """Where a session's things are, as the reader would type it."""
    words = [f"conf={given.conf}", *given.overrides]
    folder = ["--out", str(given.out)] if given.out != Path("out") else []
    return Places(
        run=shlex.join(["bisect", "run", *words, *folder]),
        home=str(home),
        report=str(home / "report.html"),
        tracking=shlex.join(["bisect", "ui", f"conf={given.conf}", *folder]),
    )


def _terminal(args: argparse.Namespace, rank: Rank, places: Places) -> Reporter:
    if args.json:
        return TerminalReporter(sys.stderr, rank, places)
    if args.plain or not sys.stdout.isatty():
        return TerminalReporter(sys.stdout, rank, places)
    return LiveReporter(Console(), rank, places)
