"""The launcher contract on every launcher of a single machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from bisector.launch.handle import Handle
from bisector.testing.launcher import LauncherContract
from bisector.testing.runs import JOB_MODULE, job, submit


class TestWarmLocal(LauncherContract):
    target = "bisector.launch.local:LocalLauncher"
    options: ClassVar = {"slots": 2, "threads": 1, "in_process": [JOB_MODULE]}
    slots = 2

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _light(cls) -> Iterator[None]:
        """With hardly any torch: the contract starts several servers, and torch is not its matter."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(Path(__file__).parent / "probes" / "light"))
            yield

    def test_it_really_is_warm(self, launcher, tmp_path):
        handle = submit(launcher, job(tmp_path, "wait", "600"))
        assert "bisector.launch.warm" in psutil.Process(Handle.parse(handle).pid).cmdline()
        launcher.cancel([handle])


class TestColdLocal(LauncherContract):
    target = "bisector.launch.local:LocalLauncher"
    options: ClassVar = {"slots": 8, "threads": 1, "warm": False}
    slots = 8


class TestInlineCommand(LauncherContract):
    target = "bisector.launch.inline:InlineLauncher"
    refused = None
    synchronous = True


class TestInlineInProcess(LauncherContract):
    target = "bisector.launch.inline:InlineLauncher"
    refused = None
    options: ClassVar = {"in_process": [JOB_MODULE]}
    synchronous = True
