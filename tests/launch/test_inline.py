"""The inline launcher: jobs in this very process, which is as it was afterwards."""

import os
import sys
from pathlib import Path

from bisector.launch.inline import InlineLauncher
from bisector.ports import Job
from bisector.rundir import LOG
from bisector.testing.runs import JOB_MODULE, end_of, job, submit


def test_a_job_in_this_process_leaves_it_as_it_was(tmp_path, capsys):
    before = (dict(os.environ), list(sys.argv), list(sys.path), Path.cwd(), sys.modules["__main__"])
    submit(
        InlineLauncher(in_process=(JOB_MODULE,)),
        Job((sys.executable, "-m", JOB_MODULE, "crash", "here"), tmp_path, {"MINE": "1"}),
    )
    after = (dict(os.environ), list(sys.argv), list(sys.path), Path.cwd(), sys.modules["__main__"])
    assert after == before
    assert end_of(tmp_path)["code"] == 1
    assert (tmp_path / LOG).read_text().endswith("ValueError: here\n")
    assert "ValueError: here" in capsys.readouterr().err


def test_a_debugger_reaches_the_job(tmp_path, monkeypatch):
    reached = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: reached.append(Path.cwd()))
    (tmp_path / "with_breakpoint.py").write_text("breakpoint()")
    launcher = InlineLauncher(in_process=("with_breakpoint",))
    submit(launcher, Job((sys.executable, "-m", "with_breakpoint"), tmp_path))
    assert reached == [tmp_path]


def test_a_relative_run_directory_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    submit(InlineLauncher(), job(Path("runs/1"), "finish", "4"))
    assert end_of(tmp_path / "runs/1")["code"] == 4
