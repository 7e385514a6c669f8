"""The flags by which an experiment is given on the command line, without a file."""

import argparse
from collections.abc import Sequence

BASELINE_VERBS = ("run", "plan", "init")
"""Verbs that take a whole experiment as flags."""


_TAKES_OPTIONS = ("--add", "--baseline", "--command", "--metric", "--lr-key")
"""Flags whose values may look like flags: `--add --model-ema`."""


def joined(argv: Sequence[str]) -> list[str]:
    """The command line with such values joined to their flags, so that argparse can tell them."""
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        value = next(rest, None) if word in _TAKES_OPTIONS else None
        words.append(word if value is None else f"{word}={value}")
    return words


def add_flags(sub: argparse.ArgumentParser, verb: str) -> None:
    """The flags of a verb, if it takes any of them."""
    if verb == "between":
        group = sub.add_argument_group("how to train with either")
        group.add_argument(
            "--command",
            metavar="'COMMAND'",
            help="with {config} for the configuration file, or {overrides}",
        )
        group.add_argument("--target", metavar="MODULE:FUNCTION", help="def train(cfg, run)")
        group.add_argument("--tracking-uri", help="where MLflow keeps the two runs")
        group.add_argument(
            "--dry-run", action="store_true", help="show the differences; run nothing"
        )
        _judging(group)
    if verb in BASELINE_VERBS:
        group = sub.add_argument_group("an experiment without a file")
        group.add_argument("--baseline", metavar="'COMMAND'", help="the command that trains well")
        _judging(group)
        group.add_argument(
            "--add",
            action="append",
            default=[],
            metavar="'NAME: WORDS'",
            help="an addition: what one types to switch it on; any number of them",
        )


def _judging(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--metric",
        metavar="'PATTERN'",
        help="what decides: a pattern, e.g. 'val_acc ([0-9.]+)', or a name that is printed; "
        "without it the exit code does",
    )
    better = group.add_mutually_exclusive_group()
    better.add_argument("--higher", action="store_true", help="a higher value is better")
    better.add_argument("--lower", action="store_true", help="a lower value is better")
    group.add_argument("--min-effect", type=float, help="the smallest harm worth a verdict")
    group.add_argument(
        "--observe",
        action="store_true",
        help="watch every run's PyTorch from outside, with no edit; --metric observed/loss is then "
        "the training loss",
    )
    group.add_argument("--lr-key", metavar="OPTION", help="the option of the learning rate")
    group.add_argument("--spelling", help="how settings are passed on (default: words, as typed)")
