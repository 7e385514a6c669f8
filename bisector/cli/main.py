"""`bisect VERB [conf=NAME] [key=value ...] [--flags]`: parses, dispatches, owns the exit code.

`key=value` is the experiment, in Hydra's grammar; `--flags` are the tool.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bisector import __version__
from bisector.cli.shell_flags import add_flags, joined
from bisector.conceal import concealed
from bisector.errors import BisectError, ConfigError

VERBS = {
    "run": "search for the addition that breaks training, or go on with a stopped search",
    "between": "search the differences between a configuration that works and one that does not",
    "plan": "show what would run and what it would cost; runs nothing",
    "status": "show how far a search is: belief, running trials, what is left",
    "log": "print the journal of a search",
    "replay": "take up a search from a copy of its journal, which may have been edited",
    "report": "write a search's report again from its journal",
    "ui": "open MLflow on a search",
    "init": "write a commented experiment for your own code",
    "check": "look for known reasons in data, model and loss, before anything is trained",
    "explain": "print the manual page of a reason or a check, or list all of them",
    "ladder": "train on 2 samples, then on ever more, up to the first rung that breaks",
    "sweep": "sweep hyperparameters of the recipe, with nothing to accuse",
}
"""One module of `bisector.cli` each, imported only when asked for: `--help` stays instant."""

WORDS = {
    "init": ("NAME", "the experiment to write"),
    "between": (
        "GOOD BAD",
        "two files, conf=NAME, MLflow runs; GOOD=git:REV; settings of the search",
    ),
    "replay": ("FILE", "a journal, as `bisect log --json` prints it"),
    "explain": ("ID", "as in R08 or R15b; or conf=NAME"),
}
"""What the words after a verb are, and their help, where they are no experiment."""

EPILOG = """\
exit codes: 0 concluded, 1 budget spent without a conclusion (check: something is suspected),
2 usage or configuration, 3 the tool broke, 4 a verdict that --fail-on names,
130 stopped (the same command goes on)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code is explained in `--help`."""
    try:
        given, rest = _parser().parse_known_args(joined(sys.argv[1:] if argv is None else argv))
        given.words = [*given.words, *_overrides(rest, given.verb)]
        verb = importlib.import_module(f"bisector.cli.{given.verb}")
        return int(verb.main(given))
    except BisectError as e:
        sys.stderr.write(str(concealed(f"bisect: {e}\n  hint: {e.hint}\n")))
        return e.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("bisect: stopped; the same command goes on where it left off\n")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `bisect log | head`.
        sys.stderr.close()
        return 0
    except Exception as e:  # noqa: BLE001  the one place that turns surprises into an exit code
        return _broke(e)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line as everything else here does."""

    def error(self, message: str) -> NoReturn:
        """One line and a hint, in place of the usage."""
        raise ConfigError(f"{message[:1].upper()}{message[1:]}.", hint=f"See `{self.prog} --help`.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bisect",
        allow_abbrev=False,
        description="Find which addition broke a training run, and why.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bisect {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in VERBS.items():
        sub = verbs.add_parser(verb, help=text, description=text, epilog=EPILOG, allow_abbrev=False)
        _add(sub, verb)
        add_flags(sub, verb)
    return parser


def _add(sub: argparse.ArgumentParser, verb: str) -> None:
    what, text = WORDS.get(verb, ("conf=NAME, key=value", "the experiment and overrides of it"))
    sub.add_argument("words", nargs="*", metavar=what, help=text)
    sub.add_argument(
        "--out", type=Path, default=Path("out"), help="where sessions are kept (default: out)"
    )
    sub.add_argument("--conf-dir", type=Path, help="folder of your configurations (default: conf)")
    sub.add_argument("--json", action="store_true", help="for machines: JSON on standard output")
    if verb in ("run", "between", "sweep", "ladder", "plan"):
        sub.add_argument(
            "--fresh", action="store_true", help="start over; the old search is kept aside"
        )
    if verb in ("run", "between", "sweep", "ladder"):
        sub.add_argument("--plain", action="store_true", help="plain lines, no live view")
    if verb in ("run", "between", "sweep", "ladder", "report"):
        _gate(sub)
    if verb == "report":
        sub.add_argument("--md", action="store_true", help="print it as Markdown instead")
        sub.add_argument(
            "--shapley", action="store_true", help="share the harm out among the additions"
        )
        sub.add_argument("--mlflow", action="store_true", help="complete the view in MLflow")
    if verb == "ui":
        sub.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default: 5000)")
    _add_for_one_arm(sub, verb)
    if verb == "sweep":
        sub.add_argument("--trials", type=int, help="settings to try where a range is given")
        sub.add_argument("--seeds", type=int, default=1, help="runs of each setting (default: 1)")


def _gate(sub: argparse.ArgumentParser) -> None:
    """What a CI system asks for: see `bisector.cli.gate`."""
    sub.add_argument(
        "--fail-on",
        metavar="V,V",
        help="exit with 4 on these verdicts, e.g. culprit,baseline-broken",
    )
    sub.add_argument("--junit", type=Path, metavar="FILE", help="write the verdict as JUnit XML")
    sub.add_argument(
        "--github", action="store_true", help="print the verdict as annotations of a pull request"
    )


def _add_for_one_arm(sub: argparse.ArgumentParser, verb: str) -> None:
    """The flags of verbs that do not search, but look at or train one set of additions."""
    if verb in ("sweep", "ladder", "check", "explain"):
        sub.add_argument("--on", metavar="A,B", help="additions that are on throughout")
    if verb == "check":
        sub.add_argument("--html", type=Path, metavar="FILE", help="where the page goes")


def _overrides(rest: Sequence[str], verb: str) -> list[str]:
    """What argparse could not place: overrides that stand after a flag, or a misspelt flag."""
    for word in rest:
        if word.startswith("--"):
            raise ConfigError(
                f"`bisect {verb}` has no flag `{word}`.",
                hint=f"See `bisect {verb} --help`; settings of the experiment are written key=value.",
            )
    return list(rest)


def _broke(error: Exception) -> int:
    import tempfile  # noqa: PLC0415  only when something broke
    import traceback  # noqa: PLC0415

    with tempfile.NamedTemporaryFile(
        "w", prefix="bisect-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    sys.stderr.write(
        f"bisect: the tool broke ({type(error).__name__}: {error}); nothing recorded is lost.\n"
        f"  hint: run the same command again; {file.name} holds the details for a bug report.\n"
    )
    return 3
