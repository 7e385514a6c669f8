"""What every launcher must do, as tests to inherit; they run real processes and kill some.

class TestMyLauncher(LauncherContract):
    target = "mylab.cluster:MyLauncher"
    options = {"slots": 2}
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bisector.errors import BisectError
from bisector.ports import Job, JobState, Launcher, Limits
from bisector.rundir import ENV_RUNDIR, EXIT, LOG
from bisector.testing.runs import JOB_MODULE, end_of, job, left_of, small_disk, submit

_LAUNCH = """
import importlib, json, sys, time
from pathlib import Path
from bisector.ports import Job
module, name, options, argv, rundirs = json.loads(sys.argv[1])
launcher = getattr(importlib.import_module(module), name)(**options)
handles = list(launcher.submit([Job(tuple(argv), Path(rundir)) for rundir in rundirs]))
print(json.dumps(handles), flush=True)
time.sleep(600)
"""


class LauncherContract:
    """Inherit, and say in `target` and `options` what to build."""

    target: ClassVar[str]
    """`module:Class` of the launcher."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Its keyword arguments; plain JSON."""
    slots: ClassVar[int | None] = None
    """Slots that the options give it; None: they are not counted."""
    synchronous: ClassVar[bool] = False
    """Whether `submit` returns only when the job has ended."""
    patience: ClassVar[float] = 60.0
    """Seconds in which any job of the suite must have ended or started."""
    refused: ClassVar[Limits | None] = Limits(gpus=10_000)
    """What no job can have; None: the launcher does not look at what jobs ask for."""
    relocates: ClassVar[bool] = False
    """Whether a job runs in a folder of its own node's, from which its files come back."""

    @pytest.fixture(scope="class")
    @classmethod
    def launcher(cls) -> Iterator[Launcher]:
        """One launcher for all tests of a class, as a search has one for all its trials."""
        made = cls.build()
        yield made
        with contextlib.suppress(AttributeError):
            made.close()  # type: ignore[attr-defined]

    @classmethod
    def build(cls) -> Launcher:
        """A new launcher."""
        module, _, name = cls.target.partition(":")
        made: Launcher = getattr(importlib.import_module(module), name)(**cls.options)
        return made

    def test_a_job_that_ends_well_says_so(self, launcher: Launcher, tmp_path: Path) -> None:
        ending = self.run(launcher, job(tmp_path, "finish", "0"))
        assert (ending["code"], ending["reason"]) == (0, "exited")
        assert 0 <= ending["seconds"] < self.patience
        assert ending["started"] <= ending["ended"]

    @pytest.mark.parametrize("code", [1, 3, 125])
    def test_an_exit_code_is_passed_on(self, launcher: Launcher, tmp_path: Path, code: int) -> None:
        ending = self.run(launcher, job(tmp_path, "finish", str(code)))
        assert (ending["code"], ending["reason"]) == (code, "exited")

    def test_a_crash_leaves_its_traceback_in_the_log(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        ending = self.run(launcher, job(tmp_path, "crash", "no such layer"))
        assert (ending["code"], ending["reason"]) == (1, "exited")
        log = (tmp_path / LOG).read_text(encoding="utf-8")
        assert "Traceback (most recent call last)" in log
        assert log.rstrip().endswith("ValueError: no such layer")

    def test_a_killed_job_is_signalled(self, launcher: Launcher, tmp_path: Path) -> None:
        self.skip_if_in_process()
        ending = self.run(launcher, job(tmp_path, "kill_self"))
        assert (ending["code"], ending["reason"]) == (-signal.SIGKILL, "signalled")

    def test_a_job_beyond_its_time_is_ended(self, launcher: Launcher, tmp_path: Path) -> None:
        self.skip_if_in_process()
        ending = self.run(launcher, job(tmp_path, "wait", "600", limits=Limits(seconds=1.0)))
        assert ending["reason"] == "timed-out"
        assert ending["code"] < 0
        assert 1.0 <= ending["seconds"] < 10.0

    def test_a_job_beyond_its_memory_is_ended(self, launcher: Launcher, tmp_path: Path) -> None:
        self.skip_if_in_process()
        greedy = job(tmp_path, "swell", "2000", limits=Limits(memory_mb=700, seconds=30.0))
        ending = self.run(launcher, greedy)
        assert ending["reason"] == "out-of-memory"
        assert ending["max_rss_mb"] > 700

    def test_a_program_that_does_not_exist_is_the_environment_s_fault(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        ending = self.run(launcher, Job(("/no/such/program", "x"), tmp_path))
        assert ending["reason"] == "environment"
        assert "/no/such/program" in (tmp_path / LOG).read_text(encoding="utf-8")

    def test_a_folder_that_does_not_exist_is_the_environment_s_fault(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        lost = Job((sys.executable, "-c", "pass"), tmp_path, cwd=tmp_path / "nowhere")
        assert self.run(launcher, lost)["reason"] == "environment"

    @pytest.mark.parametrize(
        "name",
        [
            'it\'s "here"',
            "two\nlines",
            "a b  c",
            "größe-图像-🙂",
            "$(touch x)`y`;&|*?",
            "-P",
            "%s{0}",
        ],
        ids=["quotes", "newline", "spaces", "unicode", "shell", "dash", "format"],
    )
    def test_an_ugly_path_or_argument_is_passed_as_it_is(
        self, launcher: Launcher, tmp_path: Path, name: str
    ) -> None:
        rundir = tmp_path / name
        assert self.run(launcher, job(rundir, "tell", name))["code"] == 0
        told = json.loads((rundir / "told.json").read_text(encoding="utf-8"))
        assert told["argv"] == ["tell", name]
        assert told["cwd"] == str(Path(told["env"][ENV_RUNDIR]).resolve())
        assert self.relocates or told["env"][ENV_RUNDIR] == str(rundir)

    def test_environment_and_folder_are_the_job_s_own(
        self, launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BISECT_TEST_SECRET", "s3cret")
        work = tmp_path / "work"
        work.mkdir()
        asked = Job(
            (sys.executable, "-m", JOB_MODULE, "tell"), tmp_path, {"MINE": "a=b '\n"}, cwd=work
        )
        assert self.run(launcher, asked)["code"] == 0
        told = json.loads((work / "told.json").read_text(encoding="utf-8"))
        assert told["env"]["MINE"] == "a=b '\n"
        assert self.relocates or told["cwd"] == str(work.resolve())
        kept = [p for p in tmp_path.iterdir() if p.is_file()]
        assert not any(b"s3cret" in p.read_bytes() for p in kept)
        assert os.getenv("MINE") is None

    def test_all_output_is_kept(self, launcher: Launcher, tmp_path: Path) -> None:
        self.skip_if_in_process()
        assert self.run(launcher, job(tmp_path, "talk", "20000"))["code"] == 0
        lines = (tmp_path / LOG).read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line.startswith("line ")] == [
            f"line {n}" for n in range(20000)
        ]

    def test_what_a_job_leaves_running_ends_with_it(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        self.skip_if_in_process()
        assert self.run(launcher, job(tmp_path, "litter_and_finish"))["code"] == 0
        assert left_of(tmp_path) == []

    def test_a_hanging_job_is_cancelled_with_all_it_started(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        self.skip_if_synchronous()
        handle = submit(launcher, job(tmp_path, "litter"))
        self.until_begun(launcher, handle, tmp_path)
        assert launcher.poll([handle]) == {handle: JobState.RUNNING}
        launcher.cancel([handle])
        assert left_of(tmp_path) == []
        assert launcher.poll([handle]) == {handle: JobState.ENDED}
        assert end_of(tmp_path)["reason"] == "cancelled"

    def test_a_job_that_will_not_hear_is_cancelled_all_the_same(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        self.skip_if_synchronous()
        handle = submit(launcher, job(tmp_path, "ignore_and_wait"))
        self.until_begun(launcher, handle, tmp_path)
        launcher.cancel([handle])
        assert launcher.poll([handle]) == {handle: JobState.ENDED}
        assert end_of(tmp_path)["reason"] == "cancelled"

    def test_a_job_cancelled_at_once_has_an_end_too(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        self.skip_if_synchronous()
        handles = [submit(launcher, job(tmp_path / str(n), "wait", "600")) for n in range(3)]
        launcher.cancel(handles)
        assert set(launcher.poll(handles).values()) == {JobState.ENDED}
        assert [end_of(tmp_path / str(n))["reason"] for n in range(3)] == ["cancelled"] * 3

    def test_cancelling_what_has_ended_changes_nothing(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        handle = submit(launcher, job(tmp_path, "finish", "3"))
        self.wait(launcher, handle)
        launcher.cancel([handle])
        launcher.cancel([])
        assert end_of(tmp_path)["code"] == 3

    def test_running_jobs_take_up_slots(self, launcher: Launcher, tmp_path: Path) -> None:
        self.skip_if_synchronous()
        if self.slots is None:
            pytest.skip("this launcher's slots are not counted")
        assert launcher.free_slots() == self.slots
        handles = [submit(launcher, job(tmp_path / str(n), "wait", "600")) for n in range(2)]
        assert launcher.free_slots() == max(0, self.slots - 2)
        launcher.cancel(handles)
        assert launcher.free_slots() == self.slots

    def test_a_job_outlives_its_launcher_and_is_adopted(self, tmp_path: Path) -> None:
        self.skip_if_synchronous()
        handle = self.launch_and_die(tmp_path, "wait", "3")
        heir = self.build()
        self.until(lambda: heir.poll([handle]) == {handle: JobState.RUNNING})
        if self.slots is not None:
            assert heir.free_slots() == self.slots - 1
        self.wait(heir, handle)
        assert end_of(tmp_path)["code"] == 0
        assert heir.poll([handle]) == {handle: JobState.ENDED}

    def test_an_adopted_job_can_be_cancelled(self, tmp_path: Path) -> None:
        self.skip_if_synchronous()
        handle, heir = self.launch_and_die(tmp_path, "litter"), self.build()
        self.until_begun(heir, handle, tmp_path)
        heir.cancel([handle])
        assert left_of(tmp_path) == []
        assert end_of(tmp_path)["reason"] == "cancelled"

    def test_a_job_whose_handle_was_lost_is_found_by_its_run_directory(
        self, tmp_path: Path
    ) -> None:
        self.skip_if_synchronous()
        handle = self.launch_and_die(tmp_path, "litter")
        self.until_begun(self.build(), handle, tmp_path)
        self.build().clear([tmp_path])
        assert left_of(tmp_path) == []
        assert end_of(tmp_path)["reason"] == "cancelled"

    def test_jobs_submitted_together_have_handles_and_ends_of_their_own(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        handles = list(launcher.submit(job(tmp_path / n, "finish", n) for n in "34"))
        for handle, number in zip(handles, "34", strict=True):
            self.wait(launcher, handle)
            assert end_of(tmp_path / number)["code"] == int(number)

    def test_one_of_two_that_were_submitted_together_is_cancelled_alone(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        self.skip_if_synchronous()
        stays, goes = launcher.submit(job(tmp_path / n, "go_on", "40") for n in ("stays", "goes"))
        self.until_begun(launcher, stays, tmp_path / "stays")
        self.until_begun(launcher, goes, tmp_path / "goes")
        launcher.cancel([goes])
        assert end_of(tmp_path / "goes")["reason"] == "cancelled"
        self.wait(launcher, stays)
        assert end_of(tmp_path / "stays")["code"] == 0

    def test_of_two_submitted_together_whose_handles_were_lost_each_is_found(
        self, tmp_path: Path
    ) -> None:
        self.skip_if_synchronous()
        folders = [tmp_path / n for n in ("first", "second")]
        handles = self.launch_together_and_die(folders, "litter")
        heir = self.build()
        for handle, folder in zip(handles, folders, strict=True):
            self.until_begun(heir, handle, folder)
        for folder in folders:
            assert not (folder / EXIT).exists(), "it was not asked to end yet"
            self.build().clear([folder])
            assert left_of(folder) == []
            assert end_of(folder)["reason"] == "cancelled"

    def test_there_is_nothing_to_clear_where_no_job_was(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        ending = self.run(launcher, job(tmp_path / "ended", "finish", "3"))
        launcher.clear([tmp_path / "ended", tmp_path / "never"])
        launcher.clear([])
        assert end_of(tmp_path / "ended") == ending

    def test_a_job_that_is_refused_harms_no_other(self, launcher: Launcher, tmp_path: Path) -> None:
        if self.refused is None:
            pytest.skip("this launcher refuses nothing")
        both = [
            job(tmp_path / "before", "finish", "0"),
            job(tmp_path / "refused", "finish", "0", limits=self.refused),
        ]
        given = launcher.submit(both)
        before = next(given)
        with pytest.raises(BisectError) as refusal:
            next(given)
        assert refusal.value.hint
        self.wait(launcher, before)
        assert end_of(tmp_path / "before")["code"] == 0
        assert self.run(launcher, job(tmp_path / "next", "finish", "0"))["code"] == 0

    def test_a_job_on_a_full_disk_ends_and_the_next_one_runs(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        self.skip_if_in_process()
        with small_disk(tmp_path / "small") as disk:
            handle = submit(launcher, job(disk / "run", "fill"))
            try:
                self.wait(launcher, handle)
                if (disk / "run" / EXIT).exists():  # Else even that found no room.
                    assert end_of(disk / "run")["code"] == 1
            except BisectError:  # It filled no disk of its own, but there is no way back.
                assert self.relocates
            launcher.cancel([handle])
        assert self.run(launcher, job(tmp_path / "next", "finish", "0"))["code"] == 0

    def test_a_job_is_neither_lost_nor_said_to_have_ended_while_its_scheduler_is_away(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        away = self.away()
        handle = submit(launcher, job(tmp_path, "go_on", "150"))
        self.until_begun(launcher, handle, tmp_path)
        with away:
            for _ in range(20):
                with contextlib.suppress(BisectError):
                    ended = launcher.poll([handle])[handle] is JobState.ENDED
                    assert not ended or (tmp_path / EXIT).exists()
                time.sleep(0.1)
            with contextlib.suppress(BisectError):
                assert launcher.free_slots() == 0
        self.wait(launcher, handle)
        assert end_of(tmp_path)["code"] == 0
        counted = (tmp_path / "counted").read_text(encoding="utf-8").split()
        assert counted == [str(n) for n in range(150)], "it ran once"

    def away(self) -> contextlib.AbstractContextManager[None]:
        """The launcher's scheduler, stopped; override it for a launcher that has one."""
        pytest.skip("this launcher has no scheduler")

    def run(self, launcher: Launcher, asked: Job) -> dict[str, Any]:
        """Run a job to its end; its exit.json."""
        self.wait(launcher, submit(launcher, asked))
        return end_of(asked.rundir)

    def wait(self, launcher: Launcher, handle: str) -> None:
        """Wait until the launcher says that a job has ended."""
        self.until(lambda: launcher.poll([handle])[handle] is JobState.ENDED)

    def until_begun(self, launcher: Launcher, handle: str, rundir: Path) -> None:
        """Wait until a job that says when it has started has done so."""
        self.until(lambda: bool(launcher.poll([handle])) and (rundir / "started").exists())

    def until(self, done: Callable[[], bool]) -> None:
        """Wait for something to come true."""
        deadline = time.monotonic() + self.patience
        while not done():
            assert time.monotonic() < deadline, "nothing happened in time"
            time.sleep(0.02)

    def launch_and_die(self, rundir: Path, *words: str) -> str:
        """A job's handle, from a launcher in another process that is killed at once."""
        return self.launch_together_and_die([rundir], *words)[0]

    def launch_together_and_die(self, rundirs: Sequence[Path], *words: str) -> list[str]:
        """The same of several jobs that are submitted together."""
        module, _, name = self.target.partition(":")
        order = [module, name, self.options, job(rundirs[0], *words).argv, [*map(str, rundirs)]]
        argv = [sys.executable, "-c", _LAUNCH, json.dumps(order)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            handles: list[str] = json.loads(process.stdout.readline())
            process.kill()
        return handles

    def skip_if_synchronous(self) -> None:
        """For tests that need a job that is still running."""
        if self.synchronous:
            pytest.skip("submit returns when the job has ended")

    def skip_if_in_process(self) -> None:
        """For tests of jobs that would take a synchronous launcher's own process with them."""
        if self.synchronous and JOB_MODULE in self.options.get("in_process", ()):
            pytest.skip("the job shares the launcher's process")
