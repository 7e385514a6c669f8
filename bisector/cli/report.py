"""`bisect report`: a search's report, written again from its journal and run directories."""

import argparse
import json
import sys

from bisector import rundir
from bisector.cli.assemble import collector_of, planner_of
from bisector.cli.given import Given, recorded
from bisector.cli.reporters import places_of
from bisector.model.session import Opened
from bisector.report.as_json import as_json
from bisector.report.markdown import markdown
from bisector.report.page import PageReporter
from bisector.report.summary import summarise


def main(args: argparse.Namespace) -> int:
    """Always 0: the search's own exit code was told by `bisect run`."""
    given = Given.of(args)
    home, session = recorded(given)
    config = next(e for e in reversed(session.events) if isinstance(e, Opened)).config
    places = places_of(given, home)
    rank = planner_of(config["planner"]).rank
    if args.json or args.md:
        summary = summarise(session, rank(session), places=places)
        sys.stdout.write(
            json.dumps(as_json(summary), indent=1) + "\n" if args.json else markdown(summary)
        )
        return 0
    collector = collector_of(config)
    page = home / rundir.REPORT
    PageReporter(
        page, rank, lambda number: collector.collect(rundir.of(home, number)), places
    ).close(session)
    print(page)
    return 0
