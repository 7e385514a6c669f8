"""`bisect log`: the journal of a search, one line an event, like `git bisect log`."""

import argparse
import sys
from datetime import datetime

from bisector.cli.given import Given, recorded
from bisector.model.session import Session
from bisector.report.lines import event_line
from bisector.rundir import JOURNAL


def main(args: argparse.Namespace) -> int:
    """Print every whole event; with --json as the journal has it, one object a line."""
    home, session = recorded(Given.of(args))
    if args.json:
        # A line that is being written has no newline yet, and is not an event.
        whole = (home / JOURNAL).read_bytes().rpartition(b"\n")[0]
        sys.stdout.write(whole.decode() + "\n")
    else:
        print("\n".join(_lines(session)))
    return 0


def _lines(session: Session) -> list[str]:
    return [f"{_when(e.at)}  {event_line(session, e).text}" for e in session.events]


def _when(at: float) -> str:
    return datetime.fromtimestamp(at).isoformat(" ", "seconds")
