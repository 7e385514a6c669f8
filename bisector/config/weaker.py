"""A tenth of what an addition changes, as far as that is numbers: as overrides to put behind its own.

A fraction, such as a weight or a probability, says how much; a whole number may be a size, a count or
a seed, so it is left as it is. A number that the baseline has already is left by a tenth of the way.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

TENTH = 0.1
_NUMBER = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")
_OPTION = re.compile(rf"(--?[A-Za-z][\w.-]*[ =])({_NUMBER.pattern})")


def weaker(base: DictConfig, overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that weaken these; empty: they hold no fractions.

    Args:
        base: the composed experiment, whose recipe tells where the baseline stands.
        overrides: an addition's.
    """
    return tuple(found for text in overrides for found in _of(base, text))


def _of(base: DictConfig, text: str) -> Iterator[str]:
    if option := _OPTION.fullmatch(text):
        # What a program does without the option is not known: a tenth of the number it is.
        yield f"{option[1]}{TENTH * float(option[2]):.6g}"
        return
    key, equals, raw = text.partition("=")
    if not equals or key.startswith(("~", "-")) or "/" in key or "@" in key:
        return
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        return
    plain = key.lstrip("+")
    mark = "++" if plain != key or plain.startswith("recipe.") else ""
    for path, number in _fractions(plain, value):
        at = OmegaConf.select(base, path)
        begin = float(at) if isinstance(at, int | float) and not isinstance(at, bool) else 0.0
        yield f"{mark}{path}={begin + TENTH * (number - begin):.6g}"


def _fractions(path: str, value: Any) -> Iterator[tuple[str, float]]:
    """Every number below a value that says how much, with its key."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _fractions(f"{path}.{name}", child)
    elif isinstance(value, float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        yield path, float(value)
