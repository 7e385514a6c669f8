"""What the user typed, and where that search lives on disk."""

import argparse
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bisector.cli.from_shell import SAVED, save
from bisector.config.compose import Composer
from bisector.errors import ConfigError
from bisector.journal import Journal
from bisector.model.session import Session
from bisector.rundir import JOURNAL


@dataclass(frozen=True, slots=True)
class Given:
    """The command line, parted into the experiment, its overrides and where things are."""

    conf: str
    overrides: tuple[str, ...]
    out: Path
    folder: Path | None
    """The user's configuration folder; None: `conf`."""

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Given":
        """From parsed arguments.

        Raises:
            ConfigError: no experiment is named, or a word is no override.
        """
        typed = getattr(args, "baseline", None) is not None
        words = [*args.words, *([f"conf={save(args)}"] if typed else [])]
        confs = [w.removeprefix("conf=") for w in words if w.startswith("conf=")]
        rest = tuple(w for w in args.words if not w.startswith("conf="))
        for word in rest:
            if "=" not in word and not word.startswith("~"):
                raise ConfigError(
                    f"`{word}` is neither key=value nor a flag.",
                    hint=f"Did you mean conf={word}?"
                    if not confs
                    else f"Write `{word}=...`; flags begin with --.",
                )
        if len(confs) != 1 or not confs[0]:
            raise ConfigError(
                "Say which experiment: conf=NAME."
                if not confs
                else f"conf is given {len(confs)} times; one was expected."
                if not typed
                else "Both conf= and --baseline were given; one experiment was expected.",
                hint="conf=digits is one that comes with bisect; `bisect init` writes your own.",
            )
        name = confs[0].removesuffix(".yaml")
        return cls(name, rest, args.out, args.conf_dir or _saved(args.out, name))

    @property
    def name(self) -> str:
        """The session's name as far as the command line tells: `name=` or the file's name."""
        named = [o.removeprefix("name=") for o in self.overrides if o.startswith("name=")]
        return named[-1] if named else self.conf.rpartition("/")[2]


def _saved(out: Path, name: str) -> Path | None:
    """The folder of experiments that were typed, if that is where this one is; None: `conf`."""
    here = (out / SAVED / f"{name}.yaml").is_file()
    return out / SAVED if here and not (Path("conf") / f"{name}.yaml").is_file() else None


def home_of(out: Path, name: str) -> Path:
    """The folder of a session.

    Raises:
        ConfigError: the name cannot be a folder's.
    """
    if not name or name.startswith(".") or set(name) & set("/\\\0"):
        raise ConfigError(
            f"name = `{name}` cannot name a folder.",
            hint="Use letters, digits, - and _; it becomes a folder under --out.",
        )
    return out / name


def check_place(home: Path) -> None:
    """See that the folder is there or can be made; nothing is made.

    Raises:
        ConfigError: it cannot be made, or not be written into.
    """
    there = next(p for p in (home, *home.absolute().parents) if p.exists())
    if not there.is_dir():
        raise _no_place(home, f"be made: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _no_place(home, f"be written: {there} lets nobody write")


def writable(home: Path) -> None:
    """Make the folder.

    Raises:
        ConfigError: it cannot be made, or not be written into.
    """
    check_place(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise _no_place(home, f"be made: {e.strerror}") from None


def _no_place(home: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The output folder {home} cannot {why}.", hint="Name another with --out DIR."
    )


def recorded(given: Given) -> tuple[Path, Session]:
    """The folder and the session of a search that was run before.

    Raises:
        ConfigError: there is none.
    """
    home = home_of(given.out, given.name)
    if not (home / JOURNAL).exists():
        home = home_of(given.out, _configured_name(given))
    session = Journal(home / JOURNAL).load()
    if session is None:
        known = sorted(p.parent.name for p in given.out.glob(f"*/{JOURNAL}"))
        raise ConfigError(
            f"There is no search in {home}.",
            hint=f"There are: {', '.join(known)}."
            if known
            else f"Begin with `bisect run conf={given.conf}`.",
        )
    return home, session


def _configured_name(given: Given) -> str:
    """The name that the experiment's file gives itself; the file's own if it cannot be read."""
    with suppress(ConfigError):
        named = Composer(given.conf, given.overrides, given.folder).base.get("name")
        return str(named or given.name)
    return given.name
