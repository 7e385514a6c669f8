"""`bisect explain [ID]`: the manual page of a check, or all reasons and who looks for them."""

import argparse
import inspect
import json
from collections.abc import Iterator, Sequence

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import FAMILIES, Check
from bisector.checks.reasons import REASONS, Reason
from bisector.config.blame import nearest
from bisector.errors import ConfigError


def main(args: argparse.Namespace) -> int:
    """Always 0."""
    wanted = [w.upper() if len(w) < 4 else w[:3].upper() + w[3:] for w in args.words]
    if args.json:
        print(json.dumps([_as_json(r) for r in REASONS if not wanted or r.id in wanted], indent=1))
    elif not wanted:
        print("\n".join(overview()))
    else:
        print("\n\n".join(line for word in wanted for line in explained(word)))
    return 0


def overview() -> Iterator[str]:
    """All reasons, one line each."""
    for reason in REASONS:
        yield f"{reason.id:<4} {looked_at(reason):<28} {reason.title}"
    yield ""
    yield "bisect explain ID prints the page of a check; a reason's id prints all of its checks."


def explained(word: str) -> Iterator[str]:
    """The pages of a check, or of all checks of a reason.

    Raises:
        ConfigError: there is no such id.
    """
    found = [c for c in CATALOGUE if word in (c.id, c.reason)]
    yield from (page(c) for c in found)
    reason = next((r for r in REASONS if r.id == word), None)
    if found:
        return
    if reason is None:
        known = [*(r.id for r in REASONS), *(c.id for c in CATALOGUE)]
        raise ConfigError(f"There is no reason or check `{word}`.", hint=nearest(word, known))
    yield f"{reason.id}: {reason.title}\n\n{looked_at(reason).capitalize()}."


def looked_at(reason: Reason) -> str:
    """Who looks for a reason."""
    ids = ", ".join(c.id for c in of(reason)) or reason.elsewhere
    return ids or f"not in this version ({reason.scope.partition(' ')[0]})"


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


def _as_json(reason: Reason) -> dict[str, object]:
    checks = [{"id": c.id, "title": c.title, "page": page(c)} for c in of(reason)]
    return {
        "id": reason.id,
        "title": reason.title,
        "scope": reason.scope,
        "looked_at": looked_at(reason),
        "checks": checks,
    }
