"""What the checks said and what the inspection drew, as one HTML file that needs nothing beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bisector.model.finding import Diagnosis, Finding
from bisector.report.diagnosis import facts_of, headline, suspected, unlooked_by_reason
from bisector.report.html import environment
from bisector.report.pictures import Pictures
from bisector.report.wording import clean


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding as the page has it."""

    check: str
    title: str
    severity: str
    stage: str
    summary: str
    remedy: str
    overrides: str
    facts: tuple[tuple[str, str], ...]


def write_check_page(
    path: Path, name: str, on: Sequence[str], diagnosis: Diagnosis, pictures: Pictures | None
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: where to.
        name: the experiment's.
        on: names of the additions that were on.
        diagnosis: what the checks said.
        pictures: what the inspection drew; None where nobody could look.

    Raises:
        OSError: it cannot be written.
    """
    page = (
        environment()
        .get_template("check.html")
        .render(
            name=clean(name),
            on=[clean(n) for n in on],
            sentence=headline(diagnosis),
            tone=_tone(diagnosis),
            findings=[_shown(f) for f in diagnosis.findings],
            unlooked=unlooked_by_reason(diagnosis),
            pictures=pictures,
        )
    )
    draft = path.with_name(path.name + ".part")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)


def _tone(diagnosis: Diagnosis) -> str:
    if suspected(diagnosis):
        return "bad"
    return "good" if diagnosis.silent else "open"


def _shown(finding: Finding) -> Shown:
    return Shown(
        check=finding.check,
        title=finding.title,
        severity=finding.severity.value,
        stage=finding.stage.value,
        summary=clean(finding.summary),
        remedy=finding.remedy.text,
        overrides=" ".join(finding.remedy.overrides),
        facts=tuple(facts_of(finding)),
    )
