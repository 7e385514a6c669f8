"""What a search runs in, for whoever reads its report or does it again: versions, machine, commit."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bisector.launch.gpus import models

_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "hydra-core",
    "omegaconf",
    "optuna",
    "mlflow",
    "lightning",
    "transformers",
    "submitit",
    "ray",
)
"""What can change a training or a search; those that are not installed are left out."""
_GIT_ANSWERS_IN = 5.0

COMMAND = "command"
"""The name under which the command line is kept that began a search."""


def environment(folder: Path) -> Mapping[str, str]:
    """Names and values in the order to show them; nothing heavy is imported to find them."""
    told = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": str(os.cpu_count() or ""),
        "GPUs": ", ".join(models()) or "none",
        "commit": commit(folder),
    }
    return {k: v for k, v in (told | _installed()).items() if v}


def commit(folder: Path) -> str:
    """The git commit that `folder` is at, and whether files differ from it; empty: none is known."""
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return ""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{head} and changes" if changed else head


def _installed() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=_GIT_ANSWERS_IN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
