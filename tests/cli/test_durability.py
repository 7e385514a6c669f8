"""Searches that are stopped and killed in every way, and go on: real processes, really killed."""

import os
import signal
import subprocess
import time

import psutil
from cli_project import Project, until

CULPRIT = ("culprit", [["two"]])


def search_held_from(project: Project, number: int) -> subprocess.Popen[str]:
    """A search whose runs from `number` on have begun and wait, as many as there are slots."""
    project.hold_from(number)
    search = project.start("run", "conf=x", "--plain")
    until(
        lambda: len([n for n in project.began() if n >= number]) == 2 or search.poll() is not None
    )
    assert search.poll() is None, search.communicate()
    until(lambda: len(project.running()) == 2)
    return search


def goes_on(project: Project) -> None:
    """The same command ends the search with the right verdict, and trains nothing twice."""
    settled = {n for n, v in project.judged().items() if v["outcome"] != "unresolved"}
    before = project.events()
    done = project.bisect("run", "conf=x", "--plain")
    assert done.returncode == 0, done.stderr
    assert project.concluded() == CULPRIT
    assert project.events()[: len(before)] == before, "what was recorded stays"
    assert set(project.began()) == set(project.launched())
    resolved = [
        (str(e["trial"]["arm"]), e["trial"]["seed"])
        for e in project.events("Judged")
        if e["verdict"]["outcome"] != "unresolved"
    ]
    assert len(resolved) == len(set(resolved)), "an arm was trained twice on one seed"
    assert settled <= set(project.judged())
    project.is_deserted()


def test_one_ctrl_c_stops_cleanly_and_the_same_command_goes_on(project: Project) -> None:
    search = search_held_from(project, 4)
    judged, running = set(project.judged()), project.running()
    asked = time.monotonic()
    os.killpg(search.pid, signal.SIGINT)  # As a terminal does.
    _, err = search.communicate(timeout=120)
    assert time.monotonic() - asked < 10
    assert search.returncode == 130
    assert err == "bisect: stopped; the same command goes on where it left off\n"
    project.is_deserted()
    assert judged == {0, 1, 2, 3}
    for number in running:
        verdict = project.judged()[number]
        assert (verdict["outcome"], verdict["interrupted"]) == ("unresolved", True)
    project.release()
    goes_on(project)


def test_runs_outlive_a_killed_search_and_the_same_command_adopts_them(project: Project) -> None:
    search = search_held_from(project, 4)
    running = project.running()
    search.kill()
    search.communicate()
    time.sleep(0.5)
    workers = [project.began()[n] for n in running]
    assert all(psutil.pid_exists(pid) for pid in workers), "runs go on"
    assert project.bisect("status", "conf=x", "--json").returncode == 0
    project.release()
    goes_on(project)
    assert {project.judged()[n]["outcome"] for n in running} <= {"healthy", "broken"}


def test_a_killed_worker_is_retried_and_a_killed_warm_server_replaced(project: Project) -> None:
    search = search_held_from(project, 3)
    victim = min(project.running())
    # Its forks have the same command line.
    children = psutil.Process(search.pid).children()
    (server,) = [p for p in children if "bisector.launch.warm" in p.cmdline()]
    server.kill()
    os.kill(project.began()[victim], signal.SIGKILL)
    until(lambda: victim in project.judged())
    assert project.judged()[victim]["outcome"] == "unresolved"
    assert project.judged()[victim]["retry"] is True
    project.release()
    _, err = search.communicate(timeout=120)
    assert search.returncode == 0, err
    assert project.concluded() == CULPRIT
    (lost,) = [e for e in project.events("Launched") if e["trial"]["number"] == victim]
    again = [
        e["trial"]["number"]
        for e in project.events("Launched")
        if (e["trial"]["arm"], e["trial"]["seed"]) == (lost["trial"]["arm"], lost["trial"]["seed"])
    ]
    assert len(again) == 2, "once more, and no more than that"
    assert project.judged()[again[1]]["outcome"] in ("healthy", "broken")
    project.is_deserted()


def test_runs_that_raise_hang_or_eat_memory_get_typed_verdicts_and_end(project: Project) -> None:
    limits = ["limits.seconds=6", "limits.memory_mb=700"]
    done = project.bisect("sweep", "conf=x", "recipe.mode=fine,fail,hang,hog", *limits, "--plain")
    assert done.returncode == 0, done.stderr
    swept = Project(project.folder, "x-sweep-mode")
    found = {
        e["trial"]["arm"]["tweaks"][0].partition("=")[2]: e["verdict"]
        for e in swept.events("Judged")
    }
    symptoms = {mode: (v["signature"] or {}).get("symptom") for mode, v in found.items()}
    assert symptoms == {"fine": None, "fail": "crash", "hang": "timeout", "hog": "out-of-memory"}
    assert "ArithmeticError" in found["fail"]["signature"]["detail"]
    assert found["fine"]["outcome"] == "healthy"
    project.is_deserted()
