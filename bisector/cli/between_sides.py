"""The two sides of a comparison, whatever they are: files, experiments, MLflow runs, revisions."""

import argparse
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from bisector.cli.between_code import Code, code_of
from bisector.config.compose import Composer
from bisector.config.difference import Change, Difference, differences
from bisector.config.plain_hydra import composed
from bisector.errors import ConfigError
from bisector.workload import config_file

_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared, and all places at which it differs."""

    good: dict[str, Any]
    """The first configuration; empty where only code is compared."""
    found: tuple[Difference, ...]
    """Of the configurations; those of the code are in `code`."""
    path: Path | None = None
    """The first configuration's file, if it is one."""
    hydra: bool = False
    """Whether that is the primary file of a Hydra application."""
    experiment: Composer | None = None
    """The first configuration, if it is an experiment of ours."""
    code: Code | None = None
    """The two revisions, if code is compared."""

    @property
    def all(self) -> tuple[Difference, ...]:
        """The differences of configuration, and after them those of the code."""
        return (*self.found, *(self.code.pieces if self.code else ()))


def sides_of(args: argparse.Namespace) -> Sides:
    """Read what the words name.

    Raises:
        ConfigError: they are not two of a kind, or one of them cannot be read.
    """
    code, words = _code(args.words)
    # Settings of the search stand among the words, as with `bisect run`.
    args.settings = [w for w in words if "=" in w and not w.startswith("conf=")]
    words = [w for w in words if w not in args.settings]
    if len(words) == 0 and code:
        return Sides({}, (), code=code)
    if len(words) != 2:
        raise ConfigError(
            f"`bisect between` compares two configurations, and {len(words)} were given.",
            hint="For instance: bisect between good.yaml bad.yaml --command 'python train.py --config {config}'.",
        )
    good, bad = words
    if good.startswith("conf=") and bad.startswith("conf="):
        return _experiments(good[5:], bad[5:], args, code)
    if _RUN.fullmatch(good) and _RUN.fullmatch(bad):
        params = importlib.import_module("bisector.report.mlflow_params").params_of
        first, second = (params(run, args.tracking_uri) for run in (good, bad))
        return Sides(first, tuple(differences(first, second)), code=code)
    return _files(Path(good), Path(bad), code)


def _files(good: Path, bad: Path, code: Code | None) -> Sides:
    first, second = config_file.read(good), config_file.read(bad)
    if not (isinstance(first.get("defaults"), list) and isinstance(second.get("defaults"), list)):
        return Sides(first, tuple(differences(first, second)), path=good, code=code)
    one, other = composed(good), composed(bad)
    swaps = [
        Difference((group,), Change.OPTION, option, other.choices[group])
        for group, option in one.choices.items()
        if group in other.choices and other.choices[group] != option
    ]
    swapped = composed(good, [f"{s.name}={s.bad}" for s in swaps])
    rest = differences(swapped.document, other.document)
    return Sides(one.document, (*swaps, *rest), path=good, hydra=True, code=code)


def _experiments(good: str, bad: str, args: argparse.Namespace, code: Code | None) -> Sides:
    first, second = (Composer(name, (), args.conf_dir) for name in (good, bad))
    recipes = []
    for composer in (first, second):
        recipe = OmegaConf.to_container(composer.base, resolve=False)
        recipe = recipe.get("recipe") if isinstance(recipe, dict) else None
        if not isinstance(recipe, dict):
            raise ConfigError(
                f"{composer.shown} has no recipe to compare.",
                hint="Compare the files of its settings instead: bisect between good.yaml bad.yaml --command ...",
            )
        recipes.append({str(k): v for k, v in recipe.items()})
    found = tuple(differences(recipes[0], recipes[1]))
    return Sides(recipes[0], found, experiment=first, code=code)


def _code(words: list[str]) -> tuple[Code | None, list[str]]:
    """The revisions, of `GOOD=git:REV` and `BAD=git:REV`, and the words that are none."""
    named = {}
    rest = []
    for word in words:
        found = re.fullmatch(r"(GOOD|BAD)=git:(.*)", word)
        if found:
            named[found[1]] = found[2]
        else:
            rest.append(word)
    if "BAD" in named and "GOOD" not in named:
        raise ConfigError(
            "BAD=git: was given without GOOD=git:.",
            hint="Name the revision that worked: GOOD=git:v1.2.",
        )
    return (code_of(named["GOOD"], named.get("BAD", "")) if named else None), rest
