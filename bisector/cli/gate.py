"""A verdict for a CI system: an exit code, JUnit XML, annotations of a pull request."""

import argparse
import sys
from contextlib import suppress

import yaml

from bisector.cli.given import Given
from bisector.config.blame import nearest
from bisector.config.compose import Composer
from bisector.config.declared import declared
from bisector.errors import ConfigError
from bisector.model.experiment import Experiment
from bisector.model.session import Ruling
from bisector.report.accused import BLAMES
from bisector.report.annotations import Line, annotations
from bisector.report.junit import junit
from bisector.report.summary import Summary

FAILED = 4
"""Exit code when the verdict is one that --fail-on names."""

_GROUPS = {"culprit": BLAMES}


def fail_on(words: str) -> frozenset[Ruling]:
    """The rulings that are to fail, of a list such as `culprit,baseline-broken`.

    `culprit` stands for every ruling by which additions break training.

    Raises:
        ConfigError: a word is no ruling.
    """
    known = {r.value: frozenset({r}) for r in Ruling} | _GROUPS
    wanted = [w.strip() for w in words.split(",") if w.strip()]
    for word in wanted:
        if word not in known:
            raise ConfigError(
                f"--fail-on names `{word}`, which is no verdict.", hint=nearest(word, known)
            )
    return frozenset().union(*(known[w] for w in wanted))


def check_gate(args: argparse.Namespace) -> None:
    """See before any run that what is asked for can be given.

    Raises:
        ConfigError: two of the flags exclude each other, or one has no usable value.
    """
    fail_on(args.fail_on or "")
    if args.github and args.json:
        raise ConfigError(
            "--github and --json both write to standard output.",
            hint="Give one of them; `bisect report` gives the other afterwards.",
        )
    if args.junit and not args.junit.parent.is_dir():
        raise ConfigError(
            f"--junit {args.junit}: there is no folder {args.junit.parent}.",
            hint="Make it first, or name another file.",
        )


def publish(
    args: argparse.Namespace, given: Given, experiment: Experiment, summary: Summary
) -> None:
    """Write what --junit and --github ask for.

    Raises:
        ConfigError: the file of --junit cannot be written.
    """
    if args.junit:
        try:
            args.junit.write_text(junit(summary, experiment.additions), encoding="utf-8")
        except OSError as e:
            raise ConfigError(
                f"--junit {args.junit} cannot be written: {e.strerror}.", hint="Name another file."
            ) from None
    if args.github:
        sys.stdout.write(annotations(summary, experiment.additions, _lines(given)))


def gated(args: argparse.Namespace, ruling: Ruling | None, code: int) -> int:
    """`code`, or `FAILED` if the ruling is one that --fail-on names."""
    return FAILED if ruling in fail_on(args.fail_on or "") else code


def _lines(given: Given) -> dict[str, Line]:
    """Where additions are declared; nowhere, if the file cannot be read any more."""
    with suppress(ConfigError, OSError, yaml.YAMLError):
        return declared(Composer(given.conf, given.overrides, given.folder).path)
    return {}
