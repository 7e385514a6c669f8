"""Finds, changes and takes out options in a command line that somebody else wrote."""

import re
from collections.abc import Sequence

from bisector.workload.template import OVERRIDES

_OPTION = re.compile(r"-{1,2}[A-Za-z]")
"""How an option begins; `-1.5` is a value."""
_REPEATED = re.compile(
    r"-[osDP]|--(?:set|define|opt|option|param|override|config-override|kv|hparam)s?"
)
"""Options that take one `key=value` each and may be given again, as programs usually mean them."""
_SETTING = re.compile(r"[+~]*([\w./@-]+)=")


def number_of(argv: Sequence[str], key: str) -> float | None:
    """The number that the command line gives for an option or key, the last one counting."""
    for at in reversed(range(len(argv))):
        found = _value_at(argv, at, key)
        if found is not None and (number := _number(found[1])) is not None:
            return number
    return None


def scaled(argv: Sequence[str], key: str, factor: float) -> list[str] | None:
    """The command line with the last number of an option multiplied; None: it has none."""
    for at in reversed(range(len(argv))):
        found = _value_at(argv, at, key)
        if found is not None and (number := _number(found[1])) is not None:
            place, text = found
            before = argv[place][: len(argv[place]) - len(text)]
            return [*argv[:place], f"{before}{digits(number * factor)}", *argv[place + 1 :]]
    return None


def without(argv: Sequence[str], option: str) -> list[str]:
    """The command line less an option and its values: the words up to the next option."""
    kept: list[str] = []
    dropping = False
    for word in argv:
        if word == option or word.startswith(option + "="):
            dropping = word == option
            continue
        dropping = dropping and not _OPTION.match(word) and word not in ("--", OVERRIDES)
        if not dropping:
            kept.append(word)
    return kept


def digits(number: float) -> str:
    """The number without the dust of binary arithmetic: 0.003 for 0.0003 x 10."""
    return repr(float(f"{number:.12g}"))


def names_in(words: Sequence[str]) -> list[str]:
    """The options and keys that words set, as far as they can be told.

    `--set lr=1` sets `--set lr`: it may stand beside `--set wd=2`.
    """
    names, rest = [], [*reversed(words)]
    while rest:
        word = rest.pop()
        name, equals, value = word.partition("=")
        if not _OPTION.match(word):
            names += [found[1]] if (found := _SETTING.match(word)) else []
            continue
        many = _REPEATED.fullmatch(name) is not None
        if many and not equals and rest and _SETTING.match(rest[-1]):
            value = rest.pop()
        inner = _SETTING.match(value) if many else None
        names.append(f"{name} {inner[1]}" if inner else re.sub(r"^--no-", "--", name))
    return names


def _value_at(argv: Sequence[str], at: int, key: str) -> tuple[int, str] | None:
    """Where the value of `key` stands and what it is, if the word `at` names the key."""
    name, equals, value = argv[at].partition("=")
    if name.lstrip("+-") != key.lstrip("+-"):
        return None
    if equals:
        return at, value
    return (at + 1, argv[at + 1]) if at + 1 < len(argv) and name.startswith("-") else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
