"""What the user typed, and where that search lives on disk."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

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
        confs = [w.removeprefix("conf=") for w in args.words if w.startswith("conf=")]
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
                else f"conf is given {len(confs)} times; one was expected.",
                hint="conf=digits is one that comes with bisect; `bisect init` writes your own.",
            )
        return cls(confs[0].removesuffix(".yaml"), rest, args.out, args.conf_dir)

    @property
    def name(self) -> str:
        """The session's name as far as the command line tells: `name=` or the file's name."""
        named = [o.removeprefix("name=") for o in self.overrides if o.startswith("name=")]
        return named[-1] if named else self.conf.rpartition("/")[2]


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


def writable(home: Path) -> None:
    """Make the folder.

    Raises:
        ConfigError: it cannot be made, or not be written into.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(
            f"The output folder {home} cannot be made ({e.strerror}).",
            hint="Name another with --out DIR.",
        ) from None
    if not os.access(home, os.W_OK):
        raise ConfigError(
            f"The output folder {home} cannot be written.", hint="Name another with --out DIR."
        )


def recorded(given: Given) -> tuple[Path, Session]:
    """The folder and the session of a search that was run before.

    Raises:
        ConfigError: there is none.
    """
    home = home_of(given.out, given.name)
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
