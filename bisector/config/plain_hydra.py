"""Composes a Hydra application's own configuration, which is not one of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from bisector.config.blame import blame, shown
from bisector.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Composed:
    """A configuration and the options of the groups that it was composed of."""

    document: dict[str, Any]
    """Plain values; references stay as they are written."""
    choices: dict[str, str]
    """Group to option."""


def composed(path: Path, overrides: Sequence[str] = ()) -> Composed:
    """What Hydra makes of a primary configuration file.

    Raises:
        ConfigError: it does not compose.
    """
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(path.parent.absolute()), version_base="1.3"):
            config = compose(path.stem, list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as e:
        raise blame(e, path, None, what="") from None
    choices = config.hydra.runtime.choices
    theirs = {str(k): str(v) for k, v in choices.items() if not str(k).startswith("hydra/")}
    with open_dict(config):
        del config["hydra"]
    return Composed(_plain(config, path), theirs)


def _plain(config: DictConfig, path: Path) -> dict[str, Any]:
    document = OmegaConf.to_container(config, resolve=False)
    if not isinstance(document, dict):
        raise ConfigError(
            f"{shown(path)} holds no mapping of names to values.",
            hint="Settings are named by their keys.",
        )
    return {str(k): v for k, v in document.items()}
