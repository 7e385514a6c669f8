"""The summary as Markdown: for a pull request, and for MLflow's note on the session."""

import re
import shlex
from collections.abc import Iterable, Sequence

from bisector.model.finding import Reason
from bisector.report.arms import ArmRow
from bisector.report.beliefs import leading
from bisector.report.summary import Summary
from bisector.report.why import sentences
from bisector.report.wording import count, duration, measured, number, percent

_NUMBER = re.compile(r"[-\d.,+% e<>]*$")
_LINE = 100
"""A longer command is broken: where it does not wrap, as in MLflow's pages, it widens all around it."""
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")


def markdown(summary: Summary) -> str:
    """The whole summary, verdict first; every run and the environment are folded away at its end."""
    parts = [verdict(summary).rstrip(), _runs(summary), _environment(summary)]
    return "\n\n".join(p for p in parts if p) + "\n"


def verdict(summary: Summary) -> str:
    """The summary without what is folded away."""
    causes = sentences(summary.why)
    known = [r for r in summary.reasons if r not in causes]
    parts = [
        f"## {_prose(summary.sentence)}",
        _bullets(_prose(r) for r in (*causes, *known)),
        _todo(summary),
        _why(summary),
        _shares(summary),
        _evidence("Evidence", summary.arms, summary),
        _evidence("Learning rate", summary.lr, summary),
        _belief(summary),
        _aside(summary),
        _cost(summary),
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def escaped(text: str) -> str:
    """`text` that shows as it is written, whatever characters it holds."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: str) -> str:
    """`text` as inline code, also within a table."""
    fence = _fence(text, 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def _fence(text: str, least: int) -> str:
    """Backticks enough to enclose `text`."""
    return "`" * max(least, *(len(run) + 1 for run in re.findall("`+", text)), 0)


def _prose(sentence: str) -> str:
    """A sentence whose `names` stay code and whose other words stay words."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # An odd backtick quotes nothing.
        return escaped(sentence)
    return "".join(code(p) if i % 2 else escaped(p) for i, p in enumerate(parts))


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _todo(summary: Summary) -> str:
    steps = [_prose(s.text) + (_block(s.paste) if s.paste else "") for s in summary.steps]
    return "\n\n".join(["### What to do", *steps]) if steps else ""


def _block(paste: str) -> str:
    fence = _fence(paste, 3)
    return f"\n\n{fence}sh\n{_broken(paste)}\n{fence}"


def _broken(paste: str) -> str:
    """`paste` over several lines, if it is long, and a shell takes it apart as it was put together."""
    if len(paste) <= _LINE:
        return paste
    try:
        words = [shlex.quote(word) for word in shlex.split(paste)]
    except ValueError:
        return paste
    return " \\\n  ".join(words) if " ".join(words) == paste else paste


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of numbers to the right, of words to the left."""
    cells = [list(r) for r in rows]
    sides = [
        "---:" if all(map(_NUMBER.match, column)) else "---" for column in zip(*cells, strict=True)
    ]
    lines = [head, sides, *cells]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _why(summary: Summary) -> str:
    """Every reason that a check or an experiment gave, with how far it is proved."""
    head = ["reason", "status", "what was seen", "what was tried"]
    tables = [
        f"### Why {_prose(told.subject)} {'do' if told.several else 'does'} not train\n\n"
        + _table(head, [_reason(r) for r in told.reasons])
        for told in summary.why
        if told.reasons
    ]
    return "\n\n".join(tables)


def _reason(reason: Reason) -> list[str]:
    found = reason.finding
    mend = f" {code(' '.join(reason.mend))}" if reason.mend else ""
    return [
        f"{found.check} {escaped(found.title)}",
        reason.status,
        _prose(found.summary),
        _prose(reason.because) + mend,
    ]


def _evidence(title: str, rows: Sequence[ArmRow], summary: Summary) -> str:
    if not rows:
        return ""
    head = ["arm", "broken", "trained", "not judged", escaped(summary.metric), "harm", "symptom"]
    cells = [
        [
            code(r.name),
            str(r.broken),
            str(r.healthy),
            str(r.unresolved),
            number(r.score),
            number(r.harm),
            escaped(f"{r.symptom} {r.detail}".strip()),
        ]
        for r in rows
    ]
    return f"### {title}\n\n{_table(head, cells)}"


def _shares(summary: Summary) -> str:
    told = summary.attribution
    if told is None:
        return ""
    rows = [
        [
            code(s.addition),
            measured(s.harm, s.error),
            f"{measured(s.low, s.error)} to {measured(s.high, s.error)}",
            str(s.runs),
        ]
        for s in told.shares
    ]
    table = _table(["addition", "harm", "95 % interval", "runs"], rows)
    return f"### Shares in the harm\n\n{table}\n\n{escaped(told.remark)}"


def _belief(summary: Summary) -> str:
    if not summary.beliefs:
        return ""
    shown = 5
    rows = [[code(b.label), percent(b.probability)] for b in leading(summary.beliefs, shown)]
    return f"### Belief\n\n{_table(['explanation', 'probability'], rows)}"


def _aside(summary: Summary) -> str:
    lines = [
        f"Another failure: {escaped(f.symptom)} {escaped(f.detail)} "
        f"in run {', '.join(map(str, f.trials))}, "
        f"{'counted as broken' if f.counted else 'set aside'}."
        for f in summary.others
    ]
    lines += [
        f"Not judged: run {', '.join(map(str, u.trials))}; {escaped(u.because)}."
        for u in summary.unjudged
    ]
    return "### What else was met\n\n" + _bullets(lines) if lines else ""


def _runs(summary: Summary) -> str:
    """Every run, folded away: a pull request shows it on demand."""
    if not summary.runs:
        return ""
    head = ["run", "arm", "purpose", "seed", "outcome", escaped(summary.metric), "because"]
    rows = [
        [
            str(r.number),
            code(r.arm),
            r.purpose,
            str(r.seed),
            r.outcome,
            number(r.score),
            escaped(r.because),
        ]
        for r in summary.runs
    ]
    again = f"Run {summary.runs[0].number} once more, the others likewise:"
    command = summary.runs[0].again
    told = _table(head, rows) + (f"\n\n{again}{_block(command)}" if command else "")
    return _folded(f"Every run ({len(rows)})", told)


def _environment(summary: Summary) -> str:
    rows = [[escaped(name), escaped(value)] for name, value in summary.environment.items()]
    return _folded("The environment", _table(["what", "which"], rows)) if rows else ""


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _cost(summary: Summary) -> str:
    cost, places = summary.cost, summary.places
    runs = f"{count(cost.launched, 'run')} in {duration(cost.wall_seconds)}"
    lines = [f"{runs}, {duration(cost.training_seconds)} of training."]
    if cost.early:
        saved = f"{count(cost.steps_saved, 'step')}, about {duration(cost.seconds_saved)}"
        well = f", {cost.passed} of them for doing well," if cost.passed else ""
        lines.append(f"Stopping {count(cost.early, 'run')} early{well} saved {saved}.")
    named = {"Report": places.report, "MLflow": places.tracking, "Runs": places.home}
    lines += [f"{what}: {code(where)}" for what, where in named.items() if where]
    return "### Cost\n\n" + _bullets(lines)
