"""`bisect report`: a search's report, written again from its journal and run directories."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from shutil import get_terminal_size

from bisector import rundir
from bisector.cli.assemble import collector_of, planner_of
from bisector.cli.gate import check_gate, gated, publish
from bisector.cli.given import Given, recorded
from bisector.cli.reporters import places_of
from bisector.errors import LaunchError
from bisector.model.session import Opened
from bisector.report.as_json import as_json
from bisector.report.attribution import attribution
from bisector.report.lines import share_lines
from bisector.report.markdown import markdown
from bisector.report.mlflow_child import LOG, complete_view
from bisector.report.page import PageReporter
from bisector.report.summary import summarise


def main(args: argparse.Namespace) -> int:
    """Exit code 0 once it is written; with --fail-on 4 for the verdicts it names, 1 for none yet.

    Raises:
        LaunchError: MLflow's store cannot be brought up to date.
    """
    given = Given.of(args)
    check_gate(args)
    home, session = recorded(given)
    if args.mlflow:
        return _complete(home, _store(given))
    opened = next(e for e in reversed(session.events) if isinstance(e, Opened))
    config, places = opened.config, places_of(given, home, opened)
    rank = planner_of(config["planner"]).rank
    summary = summarise(session, rank(session), places=places)
    if args.shapley:
        summary = replace(summary, attribution=attribution(session))
    publish(args, given, session.experiment, summary)
    # For a gate, not knowing is no pass: the same codes as those of the search itself.
    code = gated(args, summary.ruling, 1 if args.fail_on and not summary.decided else 0)
    if args.json or args.md:
        sys.stdout.write(
            json.dumps(as_json(summary), indent=1) + "\n" if args.json else markdown(summary)
        )
        return code
    collector = collector_of(config)
    page = home / rundir.REPORT
    PageReporter(
        page,
        rank,
        lambda number: collector.collect(rundir.of(home, number)),
        places,
        lambda number: collector.look(rundir.of(home, number)).facts,
    ).close(session)
    print(page)
    if args.shapley:
        print("\n".join(line.text for line in share_lines(summary, get_terminal_size().columns)))
    return code


def _store(given: Given) -> str:
    """The store that takes the place of the search's own; empty: none was named."""
    named = [o.partition("=") for o in given.overrides]
    return next((v for key, _, v in reversed(named) if key == "mlflow.tracking_uri"), "")


def _complete(home: Path, store: str) -> int:
    if not complete_view(home, store):
        raise LaunchError(
            "MLflow's store could not be brought up to date.",
            hint=f"{home / LOG} says why; nothing of the search is lost. If it is gone for good, name another: `mlflow.tracking_uri=...`.",
        )
    print("MLflow shows all of it.")
    return 0
