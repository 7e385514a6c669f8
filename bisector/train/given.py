"""The configuration of a run, as it was written into its run directory."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from bisector.conceal import restored, secrets
from bisector.rundir import CONFIG


def config_in(rundir: Path) -> DictConfig | ListConfig:
    """The resolved recipe; where a secret of the environment stood there is its value again."""
    loaded = OmegaConf.load(rundir / CONFIG)
    if not secrets():
        return loaded
    plain: Any = restored(OmegaConf.to_container(loaded))
    return OmegaConf.create(plain)  # type: ignore[no-any-return]
