"""`bisect status`: how far a search is, from its journal and its run directories alone.

Reads only, and so may be called from another terminal while the search runs.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bisector import rundir
from bisector.cli.assemble import collector_of, planner_of
from bisector.cli.given import Given, recorded
from bisector.cli.reporters import places_of
from bisector.journal import Journal
from bisector.model.evidence import Evidence
from bisector.model.session import Judged, Opened, Session, Suspect
from bisector.orchestrator import now
from bisector.report.beliefs import Belief, beliefs
from bisector.report.cost import cost
from bisector.report.estimate import Left, entropy, left
from bisector.report.panel import Frame, Picture, draw, phase
from bisector.report.summary import summarise
from bisector.report.wording import clean, count, duration

_SUSPECTS, _VERDICTS = 5, 5
"""At most so many of each are told."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a search at this moment."""

    session: Session
    ranked: tuple[Suspect, ...]
    running: Mapping[int, Evidence]
    """What running trials have written so far, by trial number."""
    left: Left
    holder: str | None
    """The process that searches now; None: nobody does."""
    go_on: str
    """The command that takes the search up again."""

    @property
    def state(self) -> str:
        """`searching`, `concluded` or `stopped`."""
        if self.session.conclusion:
            return "concluded"
        return "searching" if self.holder else "stopped"


def main(args: argparse.Namespace) -> int:
    """Always 0: that a search is not over is no failure."""
    given = Given.of(args)
    home, session = recorded(given)
    status = _status(given, home, session)
    if args.json:
        print(json.dumps(_as_json(status), indent=1))
        return 0
    console = Console(highlight=False)
    # As tall as it needs to be: what scrolls out of a terminal can be scrolled back.
    frame = Frame(console.width, 1000, console.options.ascii_only)
    elapsed = _elapsed(status)
    picture = Picture(session, status.ranked, status.running, elapsed, status.left)
    console.print(draw(picture, frame), soft_wrap=True)
    for line in _lines(status):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def _status(given: Given, home: Path, session: Session) -> Status:
    opened = next(e for e in reversed(session.events) if isinstance(e, Opened))
    config = opened.config
    ranked: tuple[Suspect, ...] = ()
    at_start = 0.0
    if session.experiment.sweep is None:
        planner = planner_of(config["planner"])
        ranked = planner.rank(session)
        at_start = entropy(planner.rank(Session(session.experiment)))
    return Status(
        session=session,
        ranked=ranked,
        running=_running(home, session, config),
        left=left(session, ranked, at_start),
        holder=Journal(home / rundir.JOURNAL).holder(),
        go_on=places_of(given, home, opened).run,
    )


def _running(home: Path, session: Session, config: Mapping[str, Any]) -> Mapping[int, Evidence]:
    collector = collector_of(config)
    numbers = [e.trial.number for e in session.running]
    return {n: collector.collect(rundir.of(home, n)) for n in numbers}


def _elapsed(status: Status) -> float:
    """Seconds since the search began, as far as somebody was searching."""
    last = status.session.events[-1].at
    return cost(status.session).wall_seconds + (now() - last if status.holder else 0.0)


def _lines(status: Status) -> list[str]:
    session, budget = status.session, status.session.experiment.budget
    spent = cost(session)
    money = (
        f"Budget: {session.spent} of {count(budget.trials, 'run')} spent, "
        f"{max(budget.trials - session.spent, 0)} left; {duration(spent.training_seconds)} of training."
    )
    match status.state:
        case "concluded":
            end = clean(summarise(session, status.ranked).sentence)
        case "searching":
            end = f"Being searched by {status.holder}."
        case _:
            end = f"Nobody is searching; it goes on with: {status.go_on}"
    return ["", money, end]


def _as_json(status: Status) -> dict[str, object]:
    session = status.session
    spent = cost(session)
    return {
        "name": session.experiment.name,
        "state": status.state,
        "phase": phase(session),
        "holder": status.holder,
        "runs": {
            "judged": len(session.judged),
            "running": len(session.running),
            "left": status.left.runs,
            "spent": session.spent,
            "budget": session.experiment.budget.trials,
        },
        "seconds": round(_elapsed(status), 3),
        "training_seconds": spent.training_seconds,
        "seconds_left": status.left.seconds,
        "belief": [_belief(b) for b in beliefs(status.ranked)[:_SUSPECTS]],
        "running": [
            {"trial": e.trial.number, "arm": e.trial.arm.label, "purpose": e.trial.purpose}
            for e in session.running
        ],
        "last": [_verdict(e) for e in reversed(session.judged[-_VERDICTS:])],
        "sentence": summarise(session, status.ranked).sentence,
        "go_on": status.go_on,
    }


def _belief(belief: Belief) -> dict[str, object]:
    culprits = [sorted(c) for c in belief.culprits]
    return {"label": belief.label, "culprits": culprits, "probability": belief.probability}


def _verdict(event: Judged) -> dict[str, object]:
    return {
        "trial": event.trial.number,
        "arm": event.trial.arm.label,
        "outcome": event.verdict.outcome,
        "score": event.verdict.score,
        "because": event.verdict.because,
    }
