"""The live picture of a search: what is believed, what is running, what was said last."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from bisector.model.evidence import Curve, Evidence, Signal
from bisector.model.session import Judged, Launched, Session, Suspect
from bisector.model.trial import Purpose
from bisector.model.verdict import Outcome
from bisector.report.arms import arm_name
from bisector.report.beliefs import beliefs, leading
from bisector.report.estimate import Left
from bisector.report.followed import otherwise
from bisector.report.sparkline import bar, sparkline
from bisector.report.wording import clean, count, cut, duration, elide, number, percent

_SUSPECTS, _RUNNING, _SAID = 5, 8, 5
"""At most so many lines of each kind."""

_WORTH_SAYING = 24
"""Columns below which none is said: a reason cut to a word says nothing."""

_TITLE, _DIM, _GOOD, _BAD = "bold", "dim", "green", "bold red"
"""No white, yellow or background: the terminal may be light or dark."""

_MARKS = {Outcome.HEALTHY: ("✓", "+"), Outcome.BROKEN: ("✗", "x"), Outcome.UNRESOLVED: ("?", "?")}
_STYLES = {Outcome.HEALTHY: _GOOD, Outcome.BROKEN: _BAD, Outcome.UNRESOLVED: _DIM}


@dataclass(frozen=True, slots=True)
class Picture:
    """What one frame shows."""

    session: Session
    ranked: tuple[Suspect, ...]
    running: Mapping[int, Evidence]
    """Partial evidence by trial number."""
    elapsed: float
    """Seconds since this session was opened or taken up again."""
    left: Left


@dataclass(frozen=True, slots=True)
class Frame:
    """The room a frame has."""

    width: int
    height: int
    ascii_only: bool


def draw(picture: Picture, frame: Frame) -> Text:
    """One frame: every line fits the width, and all of them the height."""
    lines = [*_header(picture, frame), *_belief(picture, frame)]
    lines += [*_trials(picture, frame), *_said(picture, frame)]
    # The last line stays free, or the terminal scrolls.
    shown = lines[: max(frame.height - 1, 1)]
    for line in shown:
        line.truncate(frame.width)
    return Text("\n").join(shown)


def phase(session: Session) -> str:
    """What the search is doing now."""
    words = {
        Purpose.INSPECT: "inspecting",
        Purpose.BASELINE: "reproducing",
        Purpose.REPRODUCE: "reproducing",
        Purpose.ISOLATE: "isolating",
        Purpose.CONFIRM: "confirming",
        Purpose.SWEEP_LR: "sweeping the learning rate",
        Purpose.SWEEP: "sweeping",
        Purpose.EXPERIMENT: "trying experiments",
        Purpose.TRY_REMEDY: "trying remedies",
    }
    if session.conclusion:
        return "concluded"
    launched = session.running or session.launched
    return words[launched[-1].trial.purpose] if launched else "starting"


def _header(picture: Picture, frame: Frame) -> list[Text]:
    name = clean(picture.session.experiment.name)
    title = Text.assemble((name, _TITLE), f"  {phase(picture.session)}")
    clock = duration(picture.elapsed)
    gap = frame.width - title.cell_len - cell_len(clock)
    if gap > 0:
        title.append(" " * gap + clock, _DIM)
    done = f"{count(len(picture.session.judged), 'run')} done"
    runs = f"about {picture.left.runs} left" if picture.left.runs else ""
    seconds = picture.left.seconds if picture.left.runs else None
    time = "" if seconds is None else _rounded(seconds)
    return [title, Text(", ".join(filter(None, [done, runs, time])))]


def _rounded(seconds: float) -> str:
    """A time that claims no more precision than an estimate has."""
    if seconds < 10:
        return "a few seconds"
    step = 10 if seconds < 60 else 60 if seconds < 3600 else 600
    return f"about {duration(max(round(seconds / step), 1) * step).removesuffix(' 0 s')}"


def _belief(picture: Picture, frame: Frame) -> list[Text]:
    top = leading(beliefs(picture.ranked), _SUSPECTS)
    if not top:
        return []
    tail = 8
    wide = max(frame.width - tail - 4, 12)
    name = min(max(len(b.label) for b in top), wide // 2)
    room = min(wide - name, 40)
    lines = [Text(""), Text("Belief", _TITLE)]
    for place, b in enumerate(top):
        filled = bar(b.probability, room, ascii_only=frame.ascii_only)
        label = f"{elide(b.label, name):<{name}}"
        style = _BAD if place == 0 and b.culprits else ""
        lines.append(Text.assemble(f"  {label} ", (filled, style), f" {percent(b.probability):>6}"))
    return lines


def _trials(picture: Picture, frame: Frame) -> list[Text]:
    going = picture.session.running
    if not going:
        return []
    lines = [Text(""), Text("Running", _TITLE)]
    lines += [_trial(picture, frame, launched) for launched in going[:_RUNNING]]
    if len(going) > _RUNNING:
        lines.append(Text(f"  and {len(going) - _RUNNING} more", _DIM))
    return lines


def _trial(picture: Picture, frame: Frame, launched: Launched) -> Text:
    trial = launched.trial
    curve = _loss(picture.running.get(trial.number))
    wide = frame.width >= 64
    spark = 16 if wide else 8
    progress = _progress(picture.running.get(trial.number), curve) if curve else "starting"
    name = arm_name(picture.session.experiment, trial.arm)
    # The number and blanks, the curve, the progress, and `  loss 2.484e-05` where there is room.
    beside = 7 + spark + 12 + (16 if wide else 0)
    room = max(min(frame.width - beside, 34), 8)
    head = f"  {trial.number:>3} {elide(name, room):<{room}} "
    drawn = sparkline(curve.values, spark, ascii_only=frame.ascii_only) if curve else ""
    last = f"  loss {number(curve.last)}" if curve and wide else ""
    return Text.assemble(head, set_cell_size(drawn, spark), " ", (f"{progress:>11}", _DIM), last)


def _loss(evidence: Evidence | None) -> Curve | None:
    if evidence is None:
        return None
    return next(
        (evidence.curves[s] for s in (Signal.LOSS, Signal.VAL_LOSS) if s in evidence.curves), None
    )


def _progress(evidence: Evidence | None, curve: Curve) -> str:
    planned = evidence.facts.get("planned_steps") if evidence else None
    step = curve.steps[-1]
    return f"{step}/{planned:.0f}" if isinstance(planned, int | float) else f"step {step}"


def _said(picture: Picture, frame: Frame) -> list[Text]:
    last = picture.session.judged[-_SAID:]
    if not last:
        return []
    return [
        Text(""),
        Text("Last verdicts", _TITLE),
        *(_verdict(picture, frame, e) for e in reversed(last)),
    ]


def _verdict(picture: Picture, frame: Frame, event: Judged) -> Text:
    outcome = event.verdict.outcome
    aside = otherwise(picture.session, event)
    mark = _MARKS[Outcome.UNRESOLVED if aside else outcome][frame.ascii_only]
    room = max(min(frame.width - 28, 34), 8)
    name = elide(arm_name(picture.session.experiment, event.trial.arm), room)
    head = f"  {event.trial.number:>3} {name:<{room}} "
    said = f"{mark} {'otherwise' if aside else outcome:<10}"
    score = f" {number(event.verdict.score):>7}"
    text = Text.assemble(head, (said, _DIM if aside else _STYLES[outcome]), score)
    left = frame.width - text.cell_len - 2
    if left >= _WORTH_SAYING:
        text.append(f"  {cut(clean(event.verdict.because), left)}", _DIM)
    return text
