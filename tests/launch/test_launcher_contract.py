"""The launcher contract on every launcher of a single machine."""

from typing import ClassVar

from bisector.testing.launcher import JOB_MODULE, LauncherContract


class TestWarmLocal(LauncherContract):
    target = "bisector.launch.local:LocalLauncher"
    options: ClassVar = {"slots": 2, "threads": 1, "in_process": [JOB_MODULE]}
    slots = 2


class TestColdLocal(LauncherContract):
    target = "bisector.launch.local:LocalLauncher"
    options: ClassVar = {"slots": 8, "threads": 1, "warm": False}
    slots = 8


class TestInlineCommand(LauncherContract):
    target = "bisector.launch.inline:InlineLauncher"
    synchronous = True


class TestInlineInProcess(LauncherContract):
    target = "bisector.launch.inline:InlineLauncher"
    options: ClassVar = {"in_process": [JOB_MODULE]}
    synchronous = True
