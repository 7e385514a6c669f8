"""From a parsed experiment to its verdict: open the session, run the phases, report."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from threadpoolctl import threadpool_limits

from bisector.cli.assemble import assemble, collector_of
from bisector.cli.gate import check_gate, gated, publish
from bisector.cli.given import Given, home_of, writable
from bisector.cli.opening import open_session, opened
from bisector.cli.preflight import preflight
from bisector.cli.remarks import remarks
from bisector.cli.reporters import places_of, reporters_of
from bisector.cli.tracking import check_tracking
from bisector.config.compose import Composer
from bisector.journal import Journal
from bisector.model.experiment import Experiment
from bisector.model.session import Session, Suspect
from bisector.orchestrator import Orchestrator, Parts
from bisector.plan.phases import Phase
from bisector.report.as_json import as_json
from bisector.report.summary import summarise
from bisector.workload.continuing import forget


@dataclass(frozen=True, slots=True)
class Search:
    """What to search, and by which phases."""

    given: Given
    composer: Composer
    experiment: Experiment
    phases: Sequence[Phase]
    rank: Callable[[Session], tuple[Suspect, ...]]


def search(args: argparse.Namespace, what: Search) -> int:
    """Run a search to its end.

    Returns:
        0 concluded, 1 budget spent first, 130 interrupted; 4 a verdict that --fail-on names.

    Raises:
        BisectError: it cannot begin, or cannot go on; what was computed is kept.
    """
    check_gate(args)
    home = home_of(what.given.out, what.experiment.name)
    writable(home)
    event = opened(what.composer, what.experiment)
    journal, session = open_session(home, event, fresh=args.fresh)
    try:
        if not session.launched:
            check_tracking(what.composer)
        collector = collector_of(event.config)
        reporters = reporters_of(args, what.given, home, what.rank, event)
        parts = assemble(what.composer, what.experiment, what.phases, collector, reporters)
        # Planners' matrices are small: beside trials on all cores, threads that wait for each other by
        # spinning made a decision of 0.2 s one of 3 s, of processor time.
        with _on_signal(signal.default_int_handler), threadpool_limits(1, user_api="blas"):
            session = _drive(session, parts, journal, home)
        if session.conclusion:
            forget(home)
        summary = summarise(session, what.rank(session), places=places_of(what.given, home, event))
        if args.json:
            print(json.dumps(as_json(summary), indent=1))
        publish(args, what.given, what.experiment, summary)
        return gated(args, summary.ruling, _exit_code(session))
    finally:
        journal.release()


def _drive(session: Session, parts: Parts, journal: Journal, home: Path) -> Session:
    orchestrator = Orchestrator(session, parts, journal, home)

    def interrupt(number: int, frame: FrameType | None) -> None:
        """Ask for the end between two events, never within one; the same signal again is final."""
        orchestrator.interrupt()
        signal.signal(number, signal.default_int_handler)

    if not session.conclusion:
        if not session.judged:
            preflight(parts, session, home)
            sys.stderr.writelines(
                f"note: {said}\n" for said in remarks(parts.workload, session.experiment)
            )
        orchestrator.clear_orphans()
    try:
        with _on_signal(interrupt):
            return orchestrator.run()
    finally:
        for reporter in parts.reporters:
            reporter.close(orchestrator.session)


def _exit_code(session: Session) -> int:
    if session.conclusion is None:
        sys.stderr.write("bisect: stopped; the same command goes on where it left off\n")
        return 130
    return 0 if session.conclusion.ruling.decided else 1


@contextmanager
def _on_signal(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let `handler` answer what asks for an end, unless it is to be ignored, as under nohup."""
    asks = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [s for s in asks if signal.getsignal(s) is not signal.SIG_IGN]
    before = {s: signal.signal(s, handler) for s in heeded}
    try:
        yield
    finally:
        for s, other in before.items():
            signal.signal(s, other)
