"""The local launcher beyond the contract: deaths, adoption, refusals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bisector.errors import BisectError
from bisector.launch.handle import Handle
from bisector.launch.local import LocalLauncher
from bisector.launch.processes import born
from bisector.ports import Job, JobState, Limits
from bisector.rundir import EXIT, PROCESS
from bisector.testing.runs import JOB_MODULE, end_of, gone, job, submit

PROBES = str(Path(__file__).parent / "probes")
LIGHT = os.pathsep.join([PROBES, str(Path(PROBES) / "light")])
"""A search path with hardly any torch on it, for tests of lives and deaths."""


@pytest.fixture
def warm(monkeypatch) -> Iterator[LocalLauncher]:
    monkeypatch.setenv("PYTHONPATH", LIGHT)
    launcher = LocalLauncher(slots=2, in_process=(JOB_MODULE,))
    yield launcher
    launcher.close()


@pytest.fixture
def cold() -> LocalLauncher:
    return LocalLauncher(slots=2, warm=False)


def until(done, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def wait(launcher, handle):
    until(lambda: launcher.poll([handle])[handle] is JobState.ENDED)


def server_of(launcher):
    (server,) = [
        p
        for p in psutil.Process().children()
        if p.status() != psutil.STATUS_ZOMBIE and "bisector.launch.warm" in p.cmdline()
    ]
    return server


def test_a_dead_server_is_replaced_and_harms_no_job(warm, tmp_path):
    running = submit(warm, job(tmp_path / "running", "wait", "600"))
    server = server_of(warm)
    server.kill()
    assert warm.poll([running]) == {running: JobState.RUNNING}
    wait(warm, submit(warm, job(tmp_path / "next", "finish", "0")))
    assert end_of(tmp_path / "next")["code"] == 0
    assert server_of(warm).pid != server.pid
    warm.cancel([running])
    assert end_of(tmp_path / "running")["reason"] == "cancelled"


@pytest.mark.parametrize("module", ["probe_thread", "probe_broken_import", "no_such_module"])
def test_a_module_that_cannot_be_imported_beforehand_is_left_to_the_job(
    module, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", LIGHT)
    launcher = LocalLauncher(slots=1, preload=(module,), in_process=(JOB_MODULE,))
    wait(launcher, submit(launcher, job(tmp_path, "finish", "0")))
    assert end_of(tmp_path)["code"] == 0
    assert server_of(launcher).num_threads() == 1
    launcher.close()


def test_where_no_server_can_live_jobs_start_cold(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("import os; os._exit(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    launcher = LocalLauncher(slots=1, in_process=(JOB_MODULE,))
    handle = submit(launcher, job(tmp_path / "run", "finish", "0"))
    wait(launcher, handle)
    assert end_of(tmp_path / "run")["code"] == 0


def test_no_zombies_and_no_server_are_left(warm, cold, tmp_path):
    submit(warm, job(tmp_path / "w", "finish", "0"))
    handles = [submit(warm, job(tmp_path / f"w{n}", "finish", "0")) for n in range(3)]
    for handle in handles:
        wait(warm, handle)
    handle = submit(cold, job(tmp_path / "c", "finish", "0"))
    wait(cold, handle)
    until(lambda: cold.free_slots() == 2 and not zombies())
    server = server_of(warm)
    warm.close()
    assert gone(server.pid)


def zombies():
    below = psutil.Process().children(recursive=True)
    return [p for p in below if born(p.pid) is None and p.is_running()]


def test_the_server_goes_with_its_launcher_and_the_job_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", LIGHT)
    code = (
        "import json, sys, time; from pathlib import Path\n"
        "from bisector.launch.local import LocalLauncher; from bisector.testing.runs import *\n"
        "l = LocalLauncher(slots=1, in_process=[JOB_MODULE])\n"
        "print(submit(l, job(Path(sys.argv[1]), 'wait', '600')), flush=True); time.sleep(600)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as launching:
        handle = launching.stdout.readline().strip()
        (server,) = psutil.Process(launching.pid).children()
        launching.kill()
    until(lambda: gone(server.pid), seconds=10)
    heir = LocalLauncher(slots=1)
    assert heir.poll([handle]) == {handle: JobState.RUNNING}
    assert heir.free_slots() == 0
    heir.cancel([handle])
    assert heir.free_slots() == 1


@pytest.mark.parametrize("kind", ["warm", "cold"])
def test_a_killed_wrapper_takes_its_job_along(kind, tmp_path, request):
    launcher = request.getfixturevalue(kind)
    handle = submit(launcher, job(tmp_path, "litter"))
    until((tmp_path / "started").exists)
    os.kill(json.loads((tmp_path / PROCESS).read_text())["pid"], signal.SIGKILL)
    wait(launcher, handle)
    trainer, child, daemon = json.loads((tmp_path / "pids.json").read_text())
    os.kill(daemon, signal.SIGKILL)  # Nobody can know any more whose it was.
    until(lambda: gone(trainer) and gone(child), seconds=5)
    assert not (tmp_path / EXIT).exists()


def test_a_recycled_process_id_is_not_mistaken_for_the_job(cold, tmp_path):
    me = os.getpid()
    handle = str(Handle(me, born(me) - 1.0, tmp_path))
    assert cold.poll([handle]) == {handle: JobState.ENDED}
    cold.cancel([handle])
    assert born(me) is not None


def test_a_run_directory_has_one_job_at_a_time(cold, tmp_path):
    first = submit(cold, job(tmp_path, "ignore_and_wait"))
    until((tmp_path / "started").exists)
    heir = LocalLauncher(slots=1, warm=False)
    second = submit(heir, job(tmp_path, "finish", "3"))
    assert not Handle.parse(first).alive
    wait(heir, second)
    assert end_of(tmp_path)["code"] == 3


def test_an_interrupt_while_the_server_warms_up_leaves_no_orphan(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from bisector.launch.local import LocalLauncher; from bisector.testing.runs import *\n"
        "l = LocalLauncher(slots=1, preload=['probe_slow_import'], in_process=[JOB_MODULE])\n"
        "print(flush=True); submit(l, job(Path(sys.argv[1]), 'wait', '600'))"
    )
    env = {**os.environ, "PYTHONPATH": LIGHT}
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as p:
        p.stdout.readline()
        until(lambda: psutil.Process(p.pid).children())
        (server,) = psutil.Process(p.pid).children()
        p.send_signal(signal.SIGINT)
    until(lambda: gone(server.pid))
    assert end_of(tmp_path)["reason"] == "cancelled"
    assert not (tmp_path / "started").exists()


def test_cores_are_shared_out_unless_the_job_says_otherwise(tmp_path):
    launcher = LocalLauncher(slots=1000, warm=False)
    for name, env in (("shared", {}), ("own", {"OMP_NUM_THREADS": "3"})):
        asked = Job((sys.executable, "-m", JOB_MODULE, "tell"), tmp_path / name, env)
        wait(launcher, submit(launcher, asked))
    told = [json.loads((tmp_path / n / "told.json").read_text())["env"] for n in ("shared", "own")]
    assert [env["OMP_NUM_THREADS"] for env in told] == ["1", "3"]


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (lambda tmp: LocalLauncher(slots=0), "lets no job run"),
        (lambda tmp: LocalLauncher(warm=False).poll(["4711"]), "not a job of the local launcher"),
        (lambda tmp: LocalLauncher(gpus="7"), "names a GPU that is not here"),
        (
            lambda tmp: submit(
                LocalLauncher(gpus="none"), job(tmp, "finish", "0", limits=Limits(gpus=1))
            ),
            "needs 1 GPUs",
        ),
        (
            lambda tmp: submit(LocalLauncher(warm=False), job(tmp / "file" / "run", "finish", "0")),
            "No job can be started",
        ),
    ],
    ids=["slots", "handle", "gpus", "limits", "folder"],
)
def test_what_cannot_work_is_refused_with_a_hint(tmp_path, start, said):
    (tmp_path / "file").touch()
    with pytest.raises(BisectError, match=said) as refusal:
        start(tmp_path)
    assert refusal.value.hint
