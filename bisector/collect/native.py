"""Reads our own files: exit.json, metrics.jsonl, facts.json and the end of the log."""

import json
import re
import signal
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bisector.collect.course import course
from bisector.collect.facts import looked
from bisector.model.evidence import CONSTANT_ANSWER, Curve, Evidence, Exit
from bisector.model.finding import Looked
from bisector.rundir import (
    EXIT,
    EXIT_ENVIRONMENT,
    EXIT_OOM,
    FACT_OF_CONSTANT,
    FACTS,
    LOG,
    METRICS,
    SKIP,
)

TAIL = 8000
"""Characters of the log that are kept: a traceback with its message fits."""

_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGBUS}
"""Signals that a program earns by itself; any other came from outside."""

_REASONS = {
    "timed-out": Exit.TIMED_OUT,
    "out-of-memory": Exit.OUT_OF_MEMORY,
    "cancelled": Exit.CANCELLED,
    "environment": Exit.ENVIRONMENT,
}
_CODES = {0: Exit.CLEAN, SKIP: Exit.SKIPPED, EXIT_ENVIRONMENT: Exit.ENVIRONMENT, EXIT_OOM: Exit.OUT_OF_MEMORY}  # fmt: skip

_ERROR = re.compile(r"[\w.]*(?:Error|Exception)\b")
"""How the line begins that ends a traceback."""
_DISK = (
    r"No space left on device|Disk quota exceeded|Read-only file system|Stale file handle"
    r"|Input/output error|Transport endpoint is not connected"
    # torch.save, which does not pass the reason on.
    r"|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+"
)
_NETWORK = r"Temporary failure in name resolution|Max retries exceeded|Connection (?:reset|refused|timed out)"  # fmt: skip
_DEVICE = (
    r"no CUDA-capable device|busy or unavailable|CUDA driver version is insufficient"
    r"|uncorrectable ECC error|GPU is lost|NCCL.*unhandled (?:system|cuda) error"
    r"|out of shared memory|insufficient shared memory"
)
_LAST_WORDS = (
    (re.compile(f"{_DISK}|{_NETWORK}|{_DEVICE}"), Exit.ENVIRONMENT),
    (re.compile(r"^(ModuleNotFoundError|ImportError)\b", re.MULTILINE), Exit.ENVIRONMENT),
    # torchrun, of the process that failed first.
    (re.compile(r"Root Cause.*exitcode +: -(?:1|2|9|15)\b", re.DOTALL), Exit.KILLED),
    (re.compile(r"OutOfMemoryError|CUDA out of memory|^MemoryError", re.MULTILINE), Exit.OUT_OF_MEMORY),
)  # fmt: skip
"""What a crash says when the machine is at fault, in programs that are not ours."""


@dataclass(frozen=True, slots=True)
class NativeCollector:
    """`names` maps the user's metric names onto canonical signals."""

    names: Mapping[str, str] = field(default_factory=dict)

    def collect(self, rundir: Path) -> Evidence:
        """The evidence of one run, ended or not."""
        ended = _json(rundir / EXIT)
        facts = {**_json(rundir / FACTS), **ended}
        log = _tail(rundir / LOG)
        return Evidence(
            exit=_exit(ended, log),
            curves=self._curves(rundir / METRICS),
            facts={self._fact(k): v for k, v in facts.items() if isinstance(v, int | float | str)},
            log_tail=log,
        )

    def _fact(self, key: str) -> str:
        """A fact's name; in one about a metric, by our name for that."""
        theirs = key.removeprefix(FACT_OF_CONSTANT)
        return key if theirs == key else CONSTANT_ANSWER + self.names.get(theirs, theirs)

    def look(self, rundir: Path) -> Looked:
        """The facts that checks go by."""
        return looked(rundir).beside(course(self.collect(rundir)))

    def _curves(self, path: Path) -> dict[str, Curve]:
        points: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for row in _rows(path):
            name = str(row["name"])
            points[self.names.get(name, name)].append((int(row["step"]), float(row["value"])))
        return {
            name: Curve(tuple(step for step, _ in p), tuple(value for _, value in p))
            for name, p in points.items()
        }


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    # What follows the last newline is still being written.
    whole = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]
    rows = []
    for line in whole.split("\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"step", "name", "value"} <= row.keys():
            rows.append(row)
    return rows


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _tail(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().decode(errors="replace")


def _exit(ended: Mapping[str, Any], log: str) -> Exit:
    if not ended:
        return Exit.RUNNING
    code, reason = int(ended.get("code", 0)), str(ended.get("reason", ""))
    if reason in _REASONS:
        return _REASONS[reason]
    if code in _CODES:
        return _CODES[code]
    # A shell reports a child's signal as 128 + its number.
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number and number not in _CRASHES:
        return Exit.KILLED
    last = _last_words(log)
    return next((exit_ for words, exit_ in _LAST_WORDS if words.search(last)), Exit.CRASHED)


def _last_words(log: str) -> str:
    """From the last error's own line on, which CUDA follows up with advice; else three lines."""
    lines = log.rstrip().splitlines()
    errors = [i for i, line in enumerate(lines) if _ERROR.match(line)]
    return "\n".join(lines[errors[-1] :] if errors else lines[-3:])
