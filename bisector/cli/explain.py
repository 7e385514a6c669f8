"""`bisect explain [ID]`: the manual page of a reason or a check, or all reasons and who looks for them.

With `conf=NAME` it looks at that experiment and says of each reason what came of it, or what
would be needed to look.
"""

import argparse
import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import FAMILIES, Check
from bisector.checks.reasons import REASONS, Reason
from bisector.config.blame import nearest
from bisector.errors import ConfigError
from bisector.model.finding import Diagnosis

PAGES = files("bisector.checks") / "pages"
"""The pages of reasons that no check looks for by itself, or not alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of looking for a reason in an experiment."""

    status: str
    """In a few words, e.g. `found R18a`."""
    because: str = ""
    """What it would need, where it could not be looked for."""


def main(args: argparse.Namespace) -> int:
    """Always 0: what is found is told, not judged."""
    settings = [w for w in args.words if "=" in w]
    wanted = [_id(w) for w in args.words if "=" not in w]
    diagnosis = None
    if settings:
        args.words = settings
        diagnosis = _look(args)
    shown = [r for r in REASONS if not wanted or {r.id, *(c.id for c in of(r))} & set(wanted)]
    if args.json:
        print(json.dumps([_as_json(r, diagnosis) for r in shown], indent=1))
    elif wanted:
        print("\n\n".join(line for word in wanted for line in explained(word)))
    if diagnosis and not args.json:
        print("\n".join(in_experiment(shown, diagnosis)))
    elif not wanted and not args.json:
        print("\n".join(overview()))
    return 0


def _look(args: argparse.Namespace) -> Diagnosis:
    # Only where an experiment is named: a page should be there at once.
    from bisector.cli.check import examined  # noqa: PLC0415

    return examined(args).diagnosis


def overview() -> Iterator[str]:
    """All reasons, one line each."""
    for reason in REASONS:
        yield f"{reason.id:<4} {looked_at(reason):<34} {reason.title}"
    yield ""
    yield "bisect explain ID prints the page of a reason with all of its checks, or of one check;"
    yield "bisect explain conf=NAME says which of them can be looked for in an experiment."


def in_experiment(reasons: Sequence[Reason], diagnosis: Diagnosis) -> Iterator[str]:
    """Reasons, one line each, with what came of looking for them."""
    for reason in reasons:
        found = outcome(reason, diagnosis)
        yield f"{reason.id:<4} {found.status:<34} {reason.title}"
        if found.because:
            yield f"     {found.because}"


def outcome(reason: Reason, diagnosis: Diagnosis) -> Outcome:
    """What came of looking for a reason before anything was trained."""
    ids = {c.id for c in of(reason)}
    found = [f.check for f in diagnosis.findings if f.check in ids]
    lacking = {u.check: u.because for u in diagnosis.unlooked if u.check in ids}
    because = "; ".join(f"{check} {why}" for check, why in lacking.items())
    if found:
        return Outcome(f"found {', '.join(found)}", because)
    if ids & set(diagnosis.silent):
        return Outcome("looked: nothing found", because)
    if lacking:
        return Outcome("could not look", because)
    return Outcome(f"see {reason.elsewhere}" if reason.elsewhere else "needs a training run")


def explained(word: str) -> Iterator[str]:
    """The page of a check, or of a reason and all of its checks.

    Raises:
        ConfigError: there is no such id.
    """
    reason = next((r for r in REASONS if r.id == word), None)
    checks = [c for c in CATALOGUE if word in (c.id, c.reason)]
    if reason is None and not checks:
        known = [*(r.id for r in REASONS), *(c.id for c in CATALOGUE)]
        raise ConfigError(f"There is no reason or check `{word}`.", hint=nearest(word, known))
    own = own_page(reason) if reason else ""
    if own:
        yield own
    yield from (page(c) for c in checks)


def own_page(reason: Reason) -> str:
    """The manual page of the reason itself; empty where those of its checks say it all."""
    path = PAGES / f"{reason.id}.txt"
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8").strip()
    return "\n".join(
        [f"{reason.id}: {reason.title}", "", text, "", f"In bisect: {looked_at(reason)}."]
    )


def looked_at(reason: Reason) -> str:
    """Who looks for a reason."""
    return ", ".join(c.id for c in of(reason)) or reason.elsewhere


def page(check: Check) -> str:
    """The manual page: what the docstring says, and what the card says."""
    needs = "; ".join(FAMILIES[n][1] for n in check.needs)
    card = [f"Severity: {check.severity}. Looks at {needs}.", f"Remedy: {check.remedy.text}"]
    if check.remedy.overrides:
        card.append(f"Try: {' '.join(check.remedy.overrides)}")
    for name, limit in check.limits.items():
        card.append(
            f"Threshold: checks.thresholds.{check.id}.{name}={limit.value:g} ({limit.source})"
        )
    text = inspect.cleandoc(check.page)
    return "\n".join([f"{check.id}: {check.title}", "", text, "", *card])


def of(reason: Reason) -> Sequence[Check]:
    """The checks that look for a reason, by id."""
    return sorted((c for c in CATALOGUE if c.reason == reason.id), key=lambda c: c.id)


def _id(word: str) -> str:
    """An id as it is written: `r08B` is `R08b`."""
    return word.upper() if len(word) < 4 else word[:3].upper() + word[3:].lower()


def _as_json(reason: Reason, diagnosis: Diagnosis | None) -> dict[str, object]:
    found = outcome(reason, diagnosis) if diagnosis else None
    return {
        "id": reason.id,
        "title": reason.title,
        "scope": reason.scope,
        "looked_at": looked_at(reason),
        "page": own_page(reason),
        "checks": [{"id": c.id, "title": c.title, "page": page(c)} for c in of(reason)],
        **({"status": found.status, "because": found.because} if found else {}),
    }
