"""A verdict as GitHub workflow commands, which the pull request shows beside the lines they name.

Escaping follows `toolkit/packages/core/src/command.ts` of GitHub's Actions toolkit.
"""

from collections.abc import Iterable, Iterator, Mapping

from bisector.model.experiment import Addition
from bisector.report.accused import BLAMES, Standing, answers
from bisector.report.summary import Summary
from bisector.report.wording import clean

Line = tuple[str, int]
"""A file, from the folder of the run, and a line of it, counted from 1."""


def annotations(
    summary: Summary, additions: Iterable[Addition], declared: Mapping[str, Line]
) -> str:
    """One command a line: an error for each guilty addition, or one remark on the search.

    `declared` tells where additions stand; one that it lacks is named without a place.
    """
    return "".join(f"{line}\n" for line in _commands(summary, additions, declared))


def _commands(
    summary: Summary, additions: Iterable[Addition], declared: Mapping[str, Line]
) -> Iterator[str]:
    title = f"bisect: {summary.name}"
    if summary.ruling not in BLAMES:
        level = "notice" if summary.decided and "baseline" not in str(summary.ruling) else "warning"
        yield _command(level, summary.sentence, {"title": title})
        return
    guilty = [a for a in answers(summary, additions) if a.standing is Standing.GUILTY]
    for answer in guilty:
        place = declared.get(answer.addition.name)
        where = {"file": place[0], "line": str(place[1])} if place else {}
        yield _command("error", answer.because, {**where, "title": title})


def _command(level: str, message: str, properties: Mapping[str, str]) -> str:
    told = ",".join(f"{k}={_property(v)}" for k, v in properties.items())
    return f"::{level} {told}::{_data(message)}"


def _data(text: str) -> str:
    return clean(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
