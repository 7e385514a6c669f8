"""A session in lines of text: one for each event, and the summary at the end.

A line carries a style by name; a terminal may colour it, a pipe drops it.
"""

from dataclasses import dataclass

from bisector.model.session import (
    Accused,
    Concluded,
    Diagnosed,
    Event,
    Explained,
    Judged,
    Launched,
    Opened,
    Session,
)
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.report.arms import arm_name
from bisector.report.beliefs import beliefs
from bisector.report.cost import Cost
from bisector.report.followed import otherwise
from bisector.report.summary import Summary
from bisector.report.why import diagnosed, first_reason
from bisector.report.wording import clean, count, cut, duration, elide, measured, number, percent

MARK = {Outcome.HEALTHY: "ok", Outcome.BROKEN: "BROKEN", Outcome.UNRESOLVED: "lost"}
_STYLE = {Outcome.HEALTHY: "good", Outcome.BROKEN: "bad", Outcome.UNRESOLVED: "dim"}

_PURPOSE = max(len(p) for p in Purpose)
_ARM = 28
"""Columns for the name of an arm in the lines of a run."""
_NARROW = 72
"""Below this the purpose of a run is left out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and the name of its style: title, good, bad, dim, code or none."""

    text: str
    style: str = ""


def event_line(session: Session, event: Event, width: int | None = None) -> Line:
    """One event in one line of at most `width` characters; None: as long as it takes."""
    match event:
        case Opened(experiment):
            many = count(len(experiment.additions), "addition")
            budget = count(experiment.budget.trials, "run")
            asked = f"{percent(experiment.budget.confidence)} sure"
            line = Line(f"{clean(experiment.name)}: {many}, at most {budget}, {asked}", "title")
        case Launched(trial):
            line = Line(f"{_run(session, trial, width)} started", "dim")
        case Judged():
            line = _judged(session, event, width)
        case Accused(suspect, because):
            (accused,) = beliefs([suspect])
            sure = percent(accused.probability)
            line = Line(f"suspect: {accused.label} ({sure}), to be confirmed: {because}", "title")
        case Diagnosed(additions, diagnosis):
            arm = arm_name(session.experiment, Arm(additions))
            line = Line(f"checks of {arm}: {diagnosed(diagnosis)}", "dim")
        case Explained(additions, reasons):
            arm = arm_name(session.experiment, Arm(additions))
            line = Line(f"why {arm} fails: {first_reason(reasons)}", "title")
        case Concluded(ruling, _, confidence, because):
            line = Line(f"concluded: {ruling} ({percent(confidence)}), {because}", "title")
    text = clean(line.text).rstrip(" ,:")
    return Line(text if width is None else cut(text, width), line.style)


def _run(session: Session, trial: Trial, width: int | None) -> str:
    arm = elide(arm_name(session.experiment, trial.arm), _ARM)
    purpose = f"{trial.purpose:<{_PURPOSE}} " if width is None or width >= _NARROW else ""
    return f"{trial.number:>4} {purpose}{arm:<{_ARM}}"


def _judged(session: Session, event: Judged, width: int | None) -> Line:
    verdict = event.verdict
    run = _run(session, event.trial, width)
    if otherwise(session, event):
        # Not as the set with everything on fails, so it says nothing of who is to blame.
        score = number(verdict.score)
        return Line(f"{run} {'other':<6} {score:>7}  failed another way: {verdict.because}", "dim")
    return Line(f"{run} {_said(verdict)}", _STYLE[verdict.outcome])


def _said(verdict: Verdict) -> str:
    early = "stopped early: " if verdict.early else ""
    return f"{MARK[verdict.outcome]:<6} {number(verdict.score):>7}  {early}{verdict.because}"


def summary_lines(summary: Summary, width: int) -> list[Line]:
    """The end of a search: verdict, evidence, cost, what to do next, where things are."""
    lines = [Line(""), *_wrapped(summary.sentence, width, "title"), Line("")]
    lines += [line for r in summary.reasons for line in _wrapped(r, width, "", "- ")]
    lines += [Line(""), *_table(summary, width), Line("")]
    lines += share_lines(summary, width)
    lines += [line for text in _asides(summary) for line in _wrapped(text, width, "")]
    lines += [line for text in _cost(summary.cost) for line in _wrapped(text, width, "dim")]
    for step in summary.steps:
        lines += [Line(""), *_wrapped(step.text, width, "title")]
        # Not wrapped: what is to be pasted must stay on one line.
        lines += [Line(f"  {step.paste}", "code")] if step.paste else []
    return [*lines, *_places(summary)]


def _wrapped(text: str, width: int, style: str, bullet: str = "") -> list[Line]:
    """Lines of at most `width`, broken at blanks; a single word that is longer stays whole."""
    lines, line = [], bullet
    indent = " " * len(bullet)
    for word in text.split():
        if len(line) + len(word) > width and line.strip(" -"):
            lines.append(Line(line.rstrip(), style))
            line = indent
        line += word + " "
    return [*lines, Line(line.rstrip(), style)]


def _table(summary: Summary, width: int) -> list[Line]:
    """The evidence in columns; a narrow terminal keeps what the verdict rests on."""
    rows = summary.arms
    if not rows:
        return []
    columns = [
        _column("broken", [f"{r.broken}/{r.resolved}" for r in rows], 8),
        _column(elide(summary.metric, 8), [number(r.score) for r in rows], 10),
        _column("harm", [_small(r.harm) for r in rows], 9),
    ]
    if width >= _NARROW:
        columns.insert(1, _column("lost", [str(r.unresolved or "-") for r in rows], 6))
        columns.append(["  symptom", *(f"  {r.symptom}" for r in rows)])
    taken = sum(max(map(len, c)) for c in columns)
    arm = max(min(max(len(r.name) for r in rows), width - taken), 12)
    names = [f"{elide(name, arm):<{arm}}" for name in ("arm", *(r.name for r in rows))]
    text = ["".join(cells).rstrip() for cells in zip(names, *columns, strict=True)]
    styles = ["dim", *("bad" if r.broken > r.healthy else "" for r in rows)]
    return [Line(t, style) for t, style in zip(text, styles, strict=True)]


def _small(value: float | None) -> str:
    """A difference, to no more digits than there is room for."""
    return f"{value:.1g}" if value is not None and 0 < abs(value) < 1e-3 else number(value)


def share_lines(summary: Summary, width: int) -> list[Line]:
    """Each addition's part in the harm, and what a fairer answer would cost."""
    told = summary.attribution
    if told is None:
        return []
    wide = min(max((len(s.addition) for s in told.shares), default=8), width - 34)
    lines = (
        [Line(f"{'addition':<{wide}}{'harm':>10}   95 % interval", "dim")] if told.shares else []
    )
    for s in told.shares:
        harm, low, high = (measured(v, s.error) for v in (s.harm, s.low, s.high))
        text = f"{elide(s.addition, wide):<{wide}}{harm:>10}   {low} to {high}"
        lines.append(Line(text, "bad" if s.low > 0 else ""))
    return [*lines, *_wrapped(told.remark, width, "dim"), Line("")]


def _column(title: str, cells: list[str], width: int) -> list[str]:
    return [f"{cell:>{width}}" for cell in (title, *cells)]


def _asides(summary: Summary) -> list[str]:
    """What else was met: other failures, and runs that could not be judged."""
    said = []
    for f in summary.others:
        fate = "counted as broken" if f.counted else "set aside"
        what = f"{f.symptom} {f.detail}".strip()
        said.append(f"Another failure: {what} in {count(len(f.trials), 'run')}, {fate}.")
    lost = [(count(len(u.trials), "run"), u.because) for u in summary.unjudged]
    return said + [f"{runs} could not be judged: {because}." for runs, because in lost]


def _cost(cost: Cost) -> list[str]:
    runs = f"{count(cost.launched, 'run')} in {duration(cost.wall_seconds)}"
    said = [f"Cost: {runs}, {duration(cost.training_seconds)} of training."]
    notable = 60.0
    if cost.idle_seconds > max(notable, cost.wall_seconds / 2):
        said.append(f"No run was going for {duration(cost.idle_seconds)} of that.")
    if cost.early:
        saved = f"{count(cost.steps_saved, 'step')} (about {duration(cost.seconds_saved)})"
        well = f", {cost.passed} of them for doing well," if cost.passed else ""
        said.append(f"Stopping {count(cost.early, 'run')} early{well} saved {saved}.")
    if cost.retries:
        said.append(f"{count(cost.retries, 'run')} of them lost: killed, cancelled or cut off.")
    return said


def _places(summary: Summary) -> list[Line]:
    places = summary.places
    found = [("report", places.report), ("MLflow", places.tracking), ("runs", places.home)]
    lines = [Line(f"{what:<8} {where}") for what, where in found if where]
    return [Line(""), *lines] if lines else []
