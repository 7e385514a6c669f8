"""Composes the configuration with Hydra; the only place that does.

An addition's overrides are Hydra overrides of the whole experiment: what a user
could type after `bisect run conf=NAME`. The Compose API is used rather than
`@hydra.main`, since the verbs, exit codes and working directory are ours.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import bisector
from bisector.config.blame import blame, shown
from bisector.config.schema import ExperimentConf
from bisector.config.shape import check_shape, not_yaml
from bisector.errors import ConfigError
from bisector.model.surroundings import parted


def packaged(name: str) -> Path:
    """The folder `name` that travels with the package: inside it, or beside it in a checkout."""
    package = Path(bisector.__file__).resolve().parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def folders(given: Path | None) -> tuple[Path, ...]:
    """Where configurations are looked for, in order: the user's `conf/`, then ours."""
    theirs = given or Path("conf")
    ours = packaged("conf")
    found = [f.resolve() for f in (theirs, ours) if f.is_dir()]
    return tuple(dict.fromkeys(found))


@dataclass(slots=True)
class Composer:
    """One experiment's configuration, composed as often as there are arms to resolve."""

    name: str
    overrides: tuple[str, ...] = ()
    folder: Path | None = None
    """The user's configuration folder; None: `conf` in the working directory."""
    _base: DictConfig | None = field(default=None, repr=False)
    _recipes: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> Path:
        """The experiment's file.

        Raises:
            ConfigError: no folder has it.
        """
        places = folders(self.folder)
        for place in places:
            if (place / f"{self.name}.yaml").is_file():
                return place / f"{self.name}.yaml"
        known = sorted({p.stem for place in places for p in place.glob("*.yaml")})
        near = get_close_matches(self.name.rpartition("/")[2], known, 1)
        wanted = (self.folder or Path("conf")) / f"{self.name}.yaml"
        raise ConfigError(
            f"There is no {wanted}, and no experiment of that name comes with bisect.",
            hint=f"Did you mean conf={near[0]}?"
            if near
            else f"There are: {', '.join(known)}. Start your own with `bisect init`.",
        )

    @property
    def shown(self) -> str:
        """The experiment's file as messages name it."""
        return shown(self.path)

    @property
    def base(self) -> DictConfig:
        """The composed experiment with no addition on.

        Raises:
            ConfigError: it does not compose; the message names the file and the key.
        """
        if self._base is None:
            check_shape(self.path, self.shown)
            self._base = self._compose((), what="")
        return self._base

    def recipe(self, overrides: Sequence[str], *, what: str = "") -> dict[str, Any]:
        """The resolved `recipe` with further overrides; `what` says whose they are.

        What they say of the surroundings (`env:`, `python:`, `git:`) is not the recipe's.

        Raises:
            ConfigError: an override does not compose, or leaves a value missing.
        """
        _, key = parted(overrides)
        if key not in self._recipes:
            # Composing takes Hydra a twentieth of a second, and an arm has many seeds.
            self._recipes[key] = self._resolved(key, what)
        return deepcopy(self._recipes[key])

    def _resolved(self, overrides: tuple[str, ...], what: str) -> dict[str, Any]:
        config = self._compose(overrides, what=what) if overrides else self.base
        try:
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as e:
            raise blame(e, self.path, config, what=what) from None
        recipe = plain.get("recipe") if isinstance(plain, dict) else None
        return dict(recipe) if isinstance(recipe, dict) else {}

    def _compose(self, overrides: Sequence[str], *, what: str) -> DictConfig:
        path = self.path
        try:
            with _hydra(path.parent):
                return compose(path.stem, [*self._search(), *self.overrides, *overrides])
        except yaml.YAMLError as e:
            mark = getattr(e, "problem_mark", None)
            raise not_yaml(e, shown(Path(mark.name) if mark else path)) from None
        except (HydraException, OmegaConfBaseException) as e:
            given = self.overrides if not what else overrides
            raise blame(e, path, self._names(), what=what or _said(given, e)) from None

    def _names(self) -> DictConfig | None:
        """The experiment as its file has it, to look up the names that exist."""
        if self._base is None and self.overrides:
            with suppress(ConfigError):
                return Composer(self.name, (), self.folder).base
        return self._base

    def _search(self) -> list[str]:
        others = [f for f in folders(self.folder) if f != self.path.parent]
        quoted = ",".join('"file://' + str(f).replace('"', '\\"') + '"' for f in others)
        return [f"hydra.searchpath=[{quoted}]"] if others else []


def _said(overrides: Sequence[str], error: Exception) -> str:
    """The command-line override that an error speaks of, if it names one."""
    text = f"{error} {error.__cause__ or ''}"
    named = [o for o in overrides if o.split("=")[0].lstrip("+~") in text]
    return f"override `{named[0]}`" if named else ""


@contextmanager
def _hydra(folder: Path) -> Iterator[None]:
    ConfigStore.instance().store(name="bisect_schema", node=ExperimentConf)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        yield
