"""How a session looks in MLflow's pages: names, the note, and views that are ready to read.

The runs table shows about a dozen characters of a name, so what differs stands first.
A view is the UI's own state, kept in a tag of the MLflow experiment and opened by its
key in the address. MLflow (3.17) does not document this; one that does not know it opens
its plain page.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from bisector.model.experiment import Experiment
from bisector.model.session import Opened, Session
from bisector.model.trial import Arm, Trial
from bisector.model.variant import change_named
from bisector.report.markdown import verdict
from bisector.report.mlflow_rows import DELTA, P_BROKEN, TAG, metric_key
from bisector.report.summary import summarise
from bisector.report.wording import clean, cut

SHARED_VIEW = "mlflow.sharedViewState."
"""The tag of an MLflow experiment that holds a view, with the view's key behind it."""
_NAMED = 4
"""So many additions fit into a run's name."""
_COLUMNS, _AXES = 16, 8
"""So many additions are columns of the table, and axes of the chart of parallel coordinates."""
_NAME = "attributes.`Run Name`"
_TRAINING = "workflowType=machine_learning"
"""Without it MLflow shows its pages for language models."""


@dataclass(frozen=True, slots=True)
class View:
    """A page on a session."""

    key: str
    state: str
    """The UI's state as JSON."""


def tracking(session: Session, home: Path, store: str = "") -> tuple[str, str]:
    """The store's address and the MLflow experiment's name, as the session was last opened.

    `store` is an address to use in its place; empty: none.
    """
    opened = [e for e in session.events if isinstance(e, Opened)]
    given = opened[-1].config.get("mlflow") if opened else None
    mlflow = given if isinstance(given, dict) else {}
    uri = store or mlflow.get("tracking_uri") or store_of(home.parent)
    return str(uri), str(mlflow.get("experiment") or session.experiment.name)


def store_of(out: Path) -> str:
    """The address of the store that needs no server: a file in the output folder."""
    return f"sqlite:///{out.resolve() / 'mlflow.db'}"


def session_key(session: Session) -> str:
    """What tells this session's runs from all others in a store, whenever it is asked."""
    opened = next(e for e in session.events if isinstance(e, Opened))
    return hashlib.sha256(f"{opened.fingerprint} {opened.at!r}".encode()).hexdigest()[:16]


def page(experiment_id: str, view_key: str) -> str:
    """The address of a view, to put behind the server's."""
    query = f"{_TRAINING}&viewStateShareKey={view_key}"
    return f"/#/experiments/{experiment_id}/runs?{query}"


def arms_key(table_key: str) -> str:
    """The key of the view of arms that belongs to a view of runs."""
    return f"{table_key}-arms"


def run_name(experiment: Experiment, trial: Trial) -> str:
    """`03 +focal lr x10`: what differs first."""
    return f"{trial.number:02d} {arm_in_brief(experiment, trial.arm)}"


def arm_in_brief(experiment: Experiment, arm: Arm) -> str:
    """`+focal lr x10`, `all -focal`: what differs first, in as few characters as can be."""
    named = change_named(experiment.variants, arm.tweaks)
    tweaks = [named] if named else [_short(t) for t in arm.tweaks]
    scale = [f"lr x{arm.lr_scale:g}"] if arm.lr_scale != 1.0 else []
    return cut(clean(" ".join([_on(experiment, arm), *tweaks, *scale])), 200)


def parent_name(session: Session) -> str:
    """`digits: focal` once there is a culprit."""
    name, end = clean(session.experiment.name), session.conclusion
    return f"{name}: {culprits(session) or end.ruling.value}" if end else name


def culprits(session: Session) -> str:
    """The culprits in a few words: sets that break together are joined by `+`."""
    end = session.conclusion
    return ", ".join("+".join(sorted(c)) for c in end.blamed) if end else ""


def deciding(session: Session) -> str:
    """The name under which the runs log the deciding metric."""
    return _logged_as(session, session.experiment.metric.name)


def note(session: Session, links: str = "") -> str:
    """The session's description: the verdict, `links` to what belongs to it, and how to ask further."""
    told = verdict(summarise(session)) if session.judged else "The first runs are on their way."
    name = next((a.name for a in session.experiment.additions), "x")
    asking = (
        "### Ask further\n\nEach run below is one training. Search them like "
        f"`params.\"add.{name}\" = 'true' and tags.outcome = 'broken'`; "
        f"`{DELTA}` is negative for what is worse than the baseline's mean."
    )
    first, *rest = told.split("\n\n")
    parts = [first, links, *rest] if links else [first, *rest]
    return "\n\n".join([*_fitting(parts, TAG - len(asking) - 2), asking])


def links(session: Session, experiment_id: str, parent_id: str) -> str:
    """A line of links to the session's other pages."""
    key = session_key(session)
    artifacts = f"/#/experiments/{experiment_id}/runs/{parent_id}/artifacts"
    report = f"{artifacts}/report.html?{_TRAINING}"
    table, arms = page(experiment_id, key), page(experiment_id, arms_key(key))
    told = {
        "The runs, worst first": table,
        "What goes with a broken run": f"{table}&compareRunsMode=CHART",
        "Curves by arm": f"{arms}&compareRunsMode=CHART",
        **({"The report": report} if session.conclusion else {}),
    }
    return " · ".join(f"[{what}]({where.removeprefix('/')})" for what, where in told.items())


def views(session: Session, parent_id: str) -> tuple[View, ...]:
    """The session's runs as a table, worst first, and its arms with the spread of each."""
    return (_table(session, parent_id), _arms(session, parent_id))


def _fitting(paragraphs: Sequence[str], room: int) -> list[str]:
    """As many whole paragraphs as there is room for, blank lines between them included."""
    ends = accumulate(len(p) + 2 for p in paragraphs)
    return [p for p, end in zip(paragraphs, ends, strict=True) if end <= room]


def _on(experiment: Experiment, arm: Arm) -> str:
    on, full = arm.additions, experiment.full
    if not on:
        return "baseline"
    if on == full and len(on) > 1:
        return "all"
    if on < full and len(full - on) < len(on):
        return f"all {_few('-', full - on)}"
    return _few("+", on)


def _short(tweak: str) -> str:
    """`lr=0.1` for `recipe.optimizer.lr=0.1`."""
    key, equals, value = tweak.partition("=")
    return f"{key.rpartition('.')[2]}{equals}{value}"


def _few(sign: str, names: frozenset[str]) -> str:
    shown = sorted(names)
    rest = [f"{sign}{len(shown) - _NAMED} more"] if len(shown) > _NAMED else []
    return "".join([*(f"{sign}{n}" for n in shown[:_NAMED]), *rest])


def _table(session: Session, parent_id: str) -> View:
    # A run that was stopped early has no effect, but a last reading of what decides.
    last = metric_key(deciding(session))
    told = [_tag("outcome"), _metric(DELTA), _metric(last), _tag("symptom"), _tag("purpose")]
    settings = [_param(p) for p in ("lr_scale", *_interesting(session, _COLUMNS), "seed")]
    columns = [*told, *settings]
    order = [_NAME, "runDateAndNestInfo", "duration", *columns]
    return _view(
        session_key(session),
        session,
        parent_id,
        selectedColumns=columns,
        columnOrder=order,
        columnWidths={**dict.fromkeys(order, 95), _NAME: 190, "runDateAndNestInfo": 120},
    )


def _arms(session: Session, parent_id: str) -> View:
    """Runs of an arm drawn as one line with its spread."""
    columns = [_metric(DELTA), _metric("final/score")]
    key = arms_key(session_key(session))
    curves = [c for c in _charts(session) if c["type"] == "LINE"]
    return _view(
        key,
        session,
        parent_id,
        groupBy="tag.average.arm",
        selectedColumns=columns,
        compareRunCharts=curves,
        compareRunSections=[_section("curves", columns=2)],
    )


def _view(key: str, session: Session, parent_id: str, **state: object) -> View:
    """The runs of one session and no others, those that broke first, and the same charts."""
    plain: dict[str, object] = {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{parent_id}'",
        "orderByKey": _metric(P_BROKEN),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "runsHiddenMode": "SHOW_ALL",
        "hideEmptyCharts": True,
        "compareRunCharts": _charts(session),
        "compareRunSections": [
            _section("additions", columns=1, cardHeight=400),
            _section("curves", columns=2),
        ],
        "isAccordionReordered": True,
    }
    return View(key, json.dumps({**plain, **state}))


def _charts(session: Session) -> list[dict[str, object]]:
    """What goes with a broken run, and curves of the deciding metric and the losses.

    The suspects' axes stand last, beside what they are held against: a line that crosses from
    one to the other is then the answer. Not every run that broke has the metric: the first chart
    shows them all.
    """
    axes = {"selectedParams": _interesting(session, _AXES)[::-1], "showAllRuns": True}
    decides = metric_key(deciding(session))
    return [
        _chart("additions", "PARALLEL", "What goes with a broken run", **axes)
        | {"selectedMetrics": [P_BROKEN]},
        _chart("additions", "PARALLEL", f"What goes with {decides}", **axes)
        | {"selectedMetrics": [decides]},
        *(_chart("curves", "LINE", m, metricKey=m) for m in _curves(session)),
        _chart("curves", "BAR", DELTA, metricKey=DELTA),
    ]


def _chart(section: str, kind: str, name: str, **more: object) -> dict[str, object]:
    return {
        "uuid": f"bisect-{name}",
        "type": kind,
        "metricSectionId": f"bisect-{section}",
        "isGenerated": False,
        "deleted": False,
        "runsCountToCompare": 100,
        "displayName": name,
        **more,
    }


def _section(name: str, **more: object) -> dict[str, object]:
    return {"uuid": f"bisect-{name}", "name": name, "display": True, "isReordered": True, **more}


def _curves(session: Session) -> list[str]:
    """The metrics of the deciding measurement and of the losses."""
    signals = dict.fromkeys([session.experiment.metric.name, "loss", "val_loss"])
    return [metric_key(_logged_as(session, s)) for s in signals]


def _logged_as(session: Session, signal: str) -> str:
    """The name under which the runs log a canonical signal."""
    opened = next(e for e in session.events if isinstance(e, Opened))
    names = opened.config.get("metrics")
    return str(names.get(signal, signal)) if isinstance(names, dict) else signal


def _interesting(session: Session, count: int) -> list[str]:
    """The parameters that tell the runs apart: swept settings, else additions, suspects first."""
    experiment = session.experiment
    if experiment.sweep:
        return [metric_key(a.key.removeprefix("recipe.")) for a in experiment.sweep.axes[:count]]
    suspects = _union(session.conclusion.blamed if session.conclusion else ())
    accused = session.accusation
    suspects |= _union(accused.suspect.culprits if accused else ())
    names = [a.name for a in experiment.additions]
    order = sorted(names, key=lambda n: n not in suspects)
    return [metric_key(f"add.{n}") for n in order[:count]]


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _tag(name: str) -> str:
    return f"tags.`{name}`"


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _param(name: str) -> str:
    return f"params.`{name}`"
