"""The jobs of the launcher contract, as its tests ask for them, and what these leave."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bisector.ports import Job, Launcher, Limits
from bisector.rundir import EXIT

JOB_MODULE = "bisector.testing.job"
"""The module that all jobs of the contract run; launchers that fork may be told of it."""
_UNLIMITED = Limits()


def submit(launcher: Launcher, asked: Job) -> str:
    """The handle of one job that is submitted alone."""
    (handle,) = launcher.submit([asked])
    return handle


def job(rundir: Path, *words: str, limits: Limits = _UNLIMITED) -> Job:
    """A job of the contract's own module."""
    return Job((sys.executable, "-m", JOB_MODULE, *words), rundir, limits=limits)


def end_of(rundir: Path) -> dict[str, Any]:
    """A run's exit.json."""
    ending: dict[str, Any] = json.loads((rundir / EXIT).read_text(encoding="utf-8"))
    return ending


def left_of(rundir: Path) -> list[int]:
    """Those of the processes which a job has named that have not ended."""
    named: list[int] = json.loads((rundir / "pids.json").read_text(encoding="utf-8"))
    return [pid for pid in named if not gone(pid)]


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "256k") -> Iterator[Path]:
    """A file system of that size, mounted on `folder`; the test is skipped where that may not be."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "bisect-test", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def gone(pid: int) -> bool:
    """Whether a process has ended, be it buried yet or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
