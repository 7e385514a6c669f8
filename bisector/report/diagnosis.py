"""What the checks said, in plain lines and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

from bisector.model.finding import Diagnosis, Finding, Severity
from bisector.report.wording import clean, count, number

_SHOWN = 8
"""Items of a list that are printed; JSON has all."""


def suspected(diagnosis: Diagnosis) -> bool:
    """Whether there is anything worth a warning."""
    return any(f.severity is not Severity.NOTE for f in diagnosis.findings)


def lines(diagnosis: Diagnosis) -> Iterator[str]:
    """The findings first to last, then what could not be looked at."""
    yield headline(diagnosis)
    for place, finding in enumerate(diagnosis.findings, 1):
        yield ""
        yield from _of(finding, place)
    if diagnosis.unlooked:
        yield ""
        yield "Could not look:"
        for ids, because in unlooked_by_reason(diagnosis):
            yield f"  {ids}: {because}"


def headline(diagnosis: Diagnosis) -> str:
    """How many checks looked, and how much they found."""
    looked = len(diagnosis.silent) + len(diagnosis.findings)
    total = count(looked + len(diagnosis.unlooked), "check")
    found = count(len(diagnosis.findings), "finding") if diagnosis.findings else "nothing found"
    return f"{looked} of {total} looked: {found}." if looked else f"None of {total} could look."


def unlooked_by_reason(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """The ids of checks that could not look, and what they lacked, which many have in common."""
    alike: dict[str, list[str]] = {}
    for u in diagnosis.unlooked:
        alike.setdefault(u.because, []).append(u.check)
    return [(", ".join(ids), clean(because)) for because, ids in alike.items()]


def facts_of(finding: Finding) -> Iterator[tuple[str, str]]:
    """What shows it: the threshold that was crossed, and the evidence."""
    if finding.crossing:
        c = finding.crossing
        yield "threshold", f"{number(c.value)} against {c.key}={c.limit:g} ({c.source})"
    for name, value in finding.evidence.items():
        yield name.replace("_", " "), _shown(value)


def _of(finding: Finding, place: int) -> Iterator[str]:
    yield f"{place}. {finding.check} {finding.title} ({finding.severity}, {finding.stage})"
    yield f"   {clean(finding.summary)}"
    for name, value in facts_of(finding):
        yield f"   {name}: {value}"
    yield f"   remedy: {finding.remedy.text}"
    if finding.remedy.overrides:
        yield f"   try: {' '.join(finding.remedy.overrides)}"
    yield f"   more: bisect explain {finding.check}"


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        more = f", ... ({len(value)})" if len(value) > _SHOWN else ""
        # What belongs together, as the samples that share one input, stays together.
        parts = (f"[{_shown(v)}]" if isinstance(v, list | tuple) else _shown(v) for v in value)
        return ", ".join(islice(parts, _SHOWN)) + more
    if isinstance(value, dict):
        return "; ".join(f"{k} {_shown(v)}" for k, v in list(value.items())[:_SHOWN])
    return f"{value:.4g}" if isinstance(value, float) else clean(str(value))


def as_json(diagnosis: Diagnosis) -> dict[str, object]:
    """All of it, for machines."""
    return {
        "suspected": suspected(diagnosis),
        "findings": [asdict(f) for f in diagnosis.findings],
        "could_not_look": [asdict(u) for u in diagnosis.unlooked],
        "silent": list(diagnosis.silent),
    }
