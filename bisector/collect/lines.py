"""Numbers in what a program prints, by the user's own patterns or by how most programs print."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bisector.collect.log_file import LogFile
from bisector.collect.pattern import NOT_FINITE, NUMBER, STEP, Pattern, number
from bisector.collect.points import Curves, Points
from bisector.errors import ConfigError
from bisector.model.evidence import Curve
from bisector.rundir import LOG

_VALUE = rf"(?:{NUMBER}|{NOT_FINITE})"
_QUOTED = rf"(['\"])(?P<name>[\w/.@ -]+)\1\s*:\s*['\"]?(?:tensor\()?(?P<value>{_VALUE})"
_PAIR = (
    r"(?<![\w/.@-])['\"]?(?P<name>[A-Za-z_][\w/.@-]*)['\"]?"
    rf"\s*[:=]\s*['\"]?(?:tensor\()?(?P<value>{_VALUE})(?:/(?P<total>\d+)\b)?"
)
MEASURES = (
    r"loss|acc|accuracy|top-?[15]|acc@[15]|f1|auc|auroc|iou|miou|map|mse|mae|rmse|ppl|perplexity"
    r"|bpc|bpb|bleu|wer|cer|err|error|score|reward|return|lr"
)
_BARE = (
    rf"(?<![\w/.@-])(?P<name>(?:[A-Za-z]\w*[_/.-])?(?i:{MEASURES})\d?)\s+(?P<value>{_VALUE})"
    r"(?:/(?P<total>\d+)\b)?"
)
PRESETS: dict[str, tuple[re.Pattern[str], ...]] = {
    "dicts": (re.compile(_QUOTED),),
    "pairs": (re.compile(_PAIR),),
    "auto": (re.compile(f"{_PAIR}|{_BARE.replace('name>', 'bare>').replace('value>', 'size>').replace('total>', 'of>')}"),),
}  # fmt: skip
"""`dicts`: `{'loss': 0.1}`; `pairs`: `loss: 0.1` and `loss=0.1`; `auto`: those, and `loss 0.1`."""

_PARTS = {
    "train": "", "training": "", "val": "val_", "valid": "val_", "validation": "val_",
    "test": "test_", "testing": "test_", "eval": "eval_", "evaluation": "eval_", "dev": "dev_",
}  # fmt: skip
"""Words that say on which data something was measured, and what they put before its name."""
_PART = re.compile(rf"(?<![\w/])(?:{'|'.join(_PARTS)})(?![\w/])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One run's log, and what was found in it by each of those that were asked."""

    log: LogFile
    found: Sequence[Points]


@dataclass(frozen=True, slots=True)
class LineReader:
    """Reads the log. Where two of `asked` find the same name, the first one counts."""

    asked: Sequence[str]
    """Names of presets, and regular expressions."""
    _patterns: Mapping[str, Pattern] = field(init=False)
    _logs: dict[Path, _Seen] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        theirs = {text: Pattern.of(text) for text in self.asked if _is_pattern(text)}
        object.__setattr__(self, "_patterns", theirs)

    def read(self, rundir: Path) -> Curves:
        """The curves that are in the run's log."""
        if not (rundir / LOG).exists():
            return {}
        seen = self._logs.get(rundir)
        if seen is None or seen.log.anew():
            seen = self._logs[rundir] = _Seen(LogFile(rundir), [Points() for _ in self.asked])
        lines = seen.log.lines()
        curves: dict[str, Curve] = {}
        for text, points in zip(self.asked, seen.found, strict=True):
            if text in self._patterns:
                _by_pattern(self._patterns[text], lines, points)
            else:
                _by_preset(PRESETS[text], lines, points)
            curves = {**points.curves(), **curves}
        return curves

    @property
    def sought(self) -> str:
        """What is looked for, in words."""
        return " or ".join(
            f"`{text}`" if text in self._patterns else f"the preset `{text}`" for text in self.asked
        )


def _is_pattern(text: str) -> bool:
    """Whether a text is a regular expression and not a preset's name.

    Raises:
        ConfigError: it is neither.
    """
    if text in PRESETS:
        return False
    if re.fullmatch(r"[a-z_]+", text):
        raise ConfigError(
            f"read.stdout: there is no preset `{text}`.",
            hint=f"There are {', '.join(PRESETS)}; a pattern has a group: {text} ([0-9.]+).",
        )
    return True


def _by_pattern(pattern: Pattern, lines: Sequence[str], points: Points) -> None:
    for line in lines:
        for match in pattern.regex.finditer(line):
            found = [
                (name, value)
                for name, text in zip(pattern.names, match.groups(), strict=True)
                if text is not None and (value := number(text)) is not None
            ]
            step = next((int(value) for name, value in found if name == STEP), None)
            for name, value in found:
                if name != STEP:
                    points.add(name, value, step)


def _by_preset(preset: Sequence[re.Pattern[str]], lines: Sequence[str], points: Points) -> None:
    for line in lines:
        for regex in preset:
            for name, value in _pairs(regex, line):
                points.add(name, value)


def _pairs(regex: re.Pattern[str], line: str) -> Iterator[tuple[str, float]]:
    """Names in lower case, with the part of the data that the line speaks of, and their values."""
    parts = [(m.start(), _PARTS[m[0].lower()]) for m in _PART.finditer(line)]
    for match in regex.finditer(line):
        told = match.groupdict()
        name, text = told["name"] or told.get("bare"), told["value"] or told.get("size")
        value = number(text or "")
        if name is None or value is None:
            continue
        total = number(told.get("total") or told.get("of") or "")
        before = [prefix for start, prefix in parts if start < match.start()]
        prefix = before[-1] if before and not _PART.search(re.sub(r"[_/.-]", " ", name)) else ""
        yield prefix + name.lower().strip(), value / total if total else value
