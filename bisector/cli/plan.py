"""`bisect plan`: what would run and about what it would cost; checks all that can be, runs nothing."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bisector.cli.assemble import assemble, collector_of
from bisector.cli.given import check_place, home_of
from bisector.cli.opening import continued, opened
from bisector.cli.outlook import Outlook, outlook, prior
from bisector.cli.preflight import preflight
from bisector.cli.remarks import remarks
from bisector.cli.run import asked
from bisector.cli.search import Search
from bisector.cli.tracking import check_tracking
from bisector.config.parse import typed
from bisector.errors import LaunchError
from bisector.journal import Journal
from bisector.launch.inline import InlineLauncher
from bisector.launch.local import LocalLauncher
from bisector.model.experiment import Addition, Direction, Experiment, Kind, Metric, Rule
from bisector.model.session import Session
from bisector.model.trial import Trial
from bisector.orchestrator import Parts
from bisector.plan.rehearsal import first_runs
from bisector.ports import Launcher
from bisector.report.arms import arm_name
from bisector.report.wording import clean, count, cut, duration, listed, number, scale
from bisector.rundir import JOURNAL

_ALL_AT_ONCE = 10_000
"""Slots enough to be told everything that may be asked for in one go."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What `bisect run` would do now."""

    what: Search
    home: Path
    session: Session
    """What is there already; no events: nothing."""
    next: tuple[Trial, ...]
    """What would be launched first, given slots enough."""
    outlook: Outlook
    tracking: str
    notes: tuple[str, ...]


def main(args: argparse.Namespace) -> int:
    """Always 0, unless something is found that `bisect run` would refuse."""
    plan = _plan(args)
    if args.json:
        print(json.dumps(_as_json(plan), indent=1))
    else:
        print("\n".join(_lines(plan)))
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    """Look at all that `run` looks at before its first run, in the same order.

    Raises:
        BisectError: what `run` would say.
    """
    what = asked(args)
    home = home_of(what.given.out, what.experiment.name)
    check_place(home)
    event = opened(what.composer, what.experiment)
    collector = collector_of(event.config)
    parts = assemble(what.composer, what.experiment, what.phases, collector, ())
    session = None if args.fresh else Journal(home / JOURNAL).load()
    if session:
        session = continued(session, event, home)
    check_tracking(what.composer)
    session = session or Session(what.experiment)
    slots, notes = _slots(parts.launcher)
    notes += _check_imports(parts, session)
    notes += remarks(parts.workload, what.experiment)
    return Plan(
        what=what,
        home=home,
        session=session,
        next=first_runs(session, what.phases, _ALL_AT_ONCE),
        outlook=outlook(what, home, slots),
        tracking=_tracking(what),
        notes=tuple(notes),
    )


def _slots(launcher: Launcher) -> tuple[int, list[str]]:
    try:
        return max(1, launcher.free_slots()), []
    except LaunchError as e:
        return 1, [f"No run could start now: {e}"]


def _check_imports(parts: Parts, session: Session) -> list[str]:
    """The workload's own check, on this machine; what only another machine can tell is said."""
    if not isinstance(parts.launcher, LocalLauncher | InlineLauncher):
        return ["What the recipe names is imported for the first time where runs will be."]
    here = LocalLauncher(slots=1, warm=False, gpus="none")
    with TemporaryDirectory(prefix="bisect-plan-") as folder:
        preflight(replace(parts, launcher=here), session, Path(folder))
    return []


def _tracking(what: Search) -> str:
    mlflow = typed(what.composer).mlflow
    if not mlflow.enabled:
        return "off"
    return mlflow.tracking_uri or f"a SQLite file in {what.given.out}"


def _lines(plan: Plan) -> list[str]:
    experiment = plan.what.experiment
    lines = [
        f"{clean(experiment.name)}: {count(len(experiment.additions), 'addition')}, "
        f"from {plan.what.composer.shown}, into {plan.home} ({_found(plan)})",
        "",
        *_additions(experiment),
        "",
        f"Baseline   the recipe with none of them, on {count(experiment.budget.repeats, 'seed')} from {experiment.seed}",
        f"Judged by  {_judged_by(plan)}",
        f"First      {_first(plan)}",
        f"Then       {_then(experiment)}",
        f"Runs       {_runs(plan.outlook)}; at most {experiment.budget.trials} (budget.trials)",
        f"Time       {_time(plan.outlook)}",
        f"MLflow     {plan.tracking}",
    ]
    return lines + [f"Note       {note}" for note in plan.notes]


def _found(plan: Plan) -> str:
    if plan.session.conclusion:
        return f"concluded: {plan.session.conclusion.ruling}"
    done = len(plan.session.judged)
    return f"{count(done, 'run')} done, to go on with" if done else "nothing there yet"


def _additions(experiment: Experiment) -> list[str]:
    names = [clean(a.name) for a in experiment.additions]
    width = max(len(n) for n in names)
    lines = [f"  {'':<{width}}  prior  sets"]
    for kind in Kind:
        members = [a for a in experiment.additions if a.kind is kind]
        if members:
            lines += [kind.value, *(_addition(experiment, a, width) for a in members)]
    if most := max(a.learned_from for a in experiment.additions):
        lines.append(
            f"* learned from other searches in the output folder: up to {count(most, 'finding')} a kind."
        )
    if left_out := sorted(experiment.names - experiment.full):
        lines.append(f"Not on with all others, which exclude it: {', '.join(left_out)}.")
    return lines


def _addition(experiment: Experiment, addition: Addition, width: int) -> str:
    ties = [("requires", addition.requires), ("excludes", addition.excludes)]
    said = "".join(f"  ({what} {', '.join(sorted(who))})" for what, who in ties if who)
    p = prior(experiment, addition.name)
    words = clean(" ".join(addition.overrides))
    return f"  {clean(addition.name):<{width}}  {p:>5.2f}{'*' if addition.learned_from else ' '} {words}{said}"


def _judged_by(plan: Plan) -> str:
    experiment = plan.what.experiment
    metrics = (experiment.metric, *experiment.also)
    joint = f"{experiment.rule} of: " if experiment.also else ""
    return joint + (", or " if experiment.rule is Rule.ANY else ", and ").join(
        _line_of(plan, m) for m in metrics
    )


def _line_of(plan: Plan, metric: Metric) -> str:
    theirs = typed(plan.what.composer).metrics.get(metric.name)
    better = "higher" if metric.direction is Direction.MAXIMIZE else "lower"
    named = f" ({clean(theirs)})" if theirs else ""
    sd = f" or {metric.min_effect_sd:g} standard deviations" if metric.min_effect_sd else ""
    return f"{clean(metric.name)}{named}, {better} is better; broken when worse by {metric.min_effect:g}{sd}"


def _first(plan: Plan) -> str:
    if not plan.next:
        return "nothing: the verdict is known" if plan.session.conclusion else "what is running"
    experiment = plan.what.experiment
    runs = [f"{arm_name(experiment, t.arm)} seed {t.seed}" for t in plan.next]
    return cut(", ".join(runs), 200)


def _then(experiment: Experiment) -> str:
    steps = ["isolate", f"confirm on {count(experiment.budget.confirm, 'fresh seed')}"]
    if experiment.lr:
        steps.append(f"sweep its learning rate at {listed(map(scale, experiment.lr.scales))}")
    return ", ".join(steps)


def _runs(outlook: Outlook) -> str:
    low, high = outlook.one_culprit
    about = f"{low}" if low == high else f"{low} to {high}"
    return f"{outlook.nothing_breaks} if nothing breaks, about {about} if one addition does (rehearsed; noise adds some)"


def _time(outlook: Outlook) -> str:
    pace, seconds = outlook.pace, outlook.seconds
    at_once = f"{count(outlook.slots, 'run')} at a time"
    if pace is None or seconds is None:
        return f"not known before a run has been timed; {at_once}"
    timed = (
        f"{duration(pace.seconds)} a run, the mean of {number(pace.runs)} in {pace.where.parent}"
    )
    return f"about {duration(seconds)}; {at_once}, {timed}"


def _as_json(plan: Plan) -> dict[str, object]:
    experiment, ahead = plan.what.experiment, plan.outlook
    return {
        "name": experiment.name,
        "file": str(plan.what.composer.path),
        "home": str(plan.home),
        "found": {
            "judged": len(plan.session.judged),
            "concluded": plan.session.conclusion is not None,
        },
        "additions": [_addition_as_json(experiment, a) for a in experiment.additions],
        "next": _next_as_json(plan.next),
        "runs": {
            "nothing_breaks": ahead.nothing_breaks,
            "one_culprit": list(ahead.one_culprit),
            "budget": experiment.budget.trials,
        },
        "slots": ahead.slots,
        "seconds_per_run": ahead.pace and ahead.pace.seconds,
        "seconds": ahead.seconds,
        "budget": asdict(experiment.budget),
        "tracking": plan.tracking,
        "notes": list(plan.notes),
    }


def _addition_as_json(experiment: Experiment, addition: Addition) -> dict[str, object]:
    return {
        "name": addition.name,
        "kind": addition.kind,
        "prior": prior(experiment, addition.name),
        "learned_from": addition.learned_from,
        "overrides": list(addition.overrides),
        "requires": sorted(addition.requires),
        "excludes": sorted(addition.excludes),
    }


def _next_as_json(trials: Sequence[Trial]) -> list[dict[str, object]]:
    return [
        {
            "arm": t.arm.label,
            "additions": sorted(t.arm.additions),
            "seed": t.seed,
            "purpose": t.purpose,
        }
        for t in trials
    ]
