"""The report: one HTML file that needs nothing beside itself, filled from the summary.

Every value is escaped by the template engine; no markup is made in Python.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bisector.model.evidence import Evidence
from bisector.model.finding import Facts
from bisector.model.session import Opened, Session, Suspect
from bisector.report.advice import Places, overrides
from bisector.report.belief_picture import courses
from bisector.report.curve_picture import curve_pictures
from bisector.report.heat_picture import watched_runs
from bisector.report.inspected import inspected_arm
from bisector.report.lr_picture import lr_pictures
from bisector.report.search_picture import search_picture
from bisector.report.summary import Summary, summarise
from bisector.report.why import sentences as why_sentences
from bisector.report.wording import clean, duration, measured, number, percent, scale

_CONFIG_SHOWN = 200_000
"""Characters of the configuration that are shown."""


def nothing_seen(number: int) -> Facts:
    """The facts of runs that nobody watched."""
    return {}


@dataclass(frozen=True, slots=True)
class Further:
    """What a report may draw beside the session's own record."""

    past: Sequence[Sequence[Suspect]] = ()
    """What `belief_picture.history` tells of earlier rankings."""
    facts: Callable[[int], Facts] = nothing_seen
    """What was seen of a trial, by its number."""


NOTHING_FURTHER = Further()


def write_report(
    session: Session,
    ranked: Sequence[Suspect],
    evidence: Callable[[int], Evidence],
    path: Path,
    *,
    places: Places | None = None,
    further: Further = NOTHING_FURTHER,
) -> None:
    """Write the report of `session` to `path`, whole or not at all.

    `evidence` gives a trial's evidence by its number.

    Raises:
        OSError: the file cannot be written.
    """
    summary = summarise(session, ranked, places=places)
    page = render(session, summary, evidence, further)
    draft = path.with_name(path.name + ".part")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)


def render(
    session: Session,
    summary: Summary,
    evidence: Callable[[int], Evidence],
    further: Further = NOTHING_FURTHER,
) -> str:
    """The page as text."""
    end = session.conclusion
    ranked = [Suspect(b.culprits, b.probability, b.cumulative) for b in summary.beliefs]
    opened = next((e for e in session.events if isinstance(e, Opened)), None)
    return (
        environment()
        .get_template("page.html")
        .render(
            summary=summary,
            causes=why_sentences(summary.why),
            bounds=_bounds(summary),
            experiment=session.experiment,
            tone=_tone(summary),
            ended=end is not None,
            search=search_picture(session),
            curves=curve_pictures(session, evidence),
            rates=lr_pictures(session, summary.lr, evidence),
            watched=watched_runs(session, further.facts),
            inspected=inspected_arm(session, summary.places.home),
            courses=courses(further.past, ranked) if ranked else (),
            additions=[
                (a, overrides(session.experiment, [a.name])) for a in session.experiment.additions
            ],
            config=_config(opened),
            began=_date(opened.at) if opened else "",
        )
    )


def environment() -> Environment:
    """The templates, in which every value is escaped."""
    env = Environment(
        loader=PackageLoader("bisector", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "prose": prose,
        "number": number,
        "measured": measured,
        "percent": percent,
        "duration": duration,
        "scale": scale,
        "clean": clean,
    }
    return env


def prose(sentence: str) -> Markup:
    """A sentence with its `names` set as code."""
    # A number keeps its sign of percent on its line.
    parts = sentence.replace(" %", "\N{NO-BREAK SPACE}%").split("`")
    if len(parts) % 2 == 0:  # An odd backtick quotes nothing.
        return Markup("{}").format("`".join(parts))
    code = Markup("<code>{}</code>")
    return Markup().join(code.format(p) if i % 2 else p for i, p in enumerate(parts))


def _tone(summary: Summary) -> str:
    """`bad` where something is to blame, `good` where nothing is, else `open`."""
    if not summary.decided:
        return "open"
    return "bad" if summary.culprits or summary.ruling == "baseline-broken" else "good"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values that the picture of the shares spans."""

    low: float
    span: float


def _bounds(summary: Summary) -> Bounds:
    found = summary.attribution.shares if summary.attribution else ()
    low = min([0.0, *(s.low for s in found)])
    return Bounds(low, max([0.0, *(s.high for s in found)]) - low or 1.0)


def _config(opened: Opened | None) -> str:
    if opened is None:
        return ""
    text = json.dumps(opened.config, indent=2, default=str, ensure_ascii=False)
    return text if len(text) <= _CONFIG_SHOWN else text[:_CONFIG_SHOWN] + "\n..."


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
