"""The ways to start trials that `bench_launch.py` compares: `python launch_ways.py WAY KIND COUNT`.

Each runs COUNT trials with two workers (Hydra's own launcher has one) and nothing else. A way
whose package is not installed exits with 3 and says which it is.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import launch_trial

HERE = Path(__file__).parent
SLOTS = 2
_APP = """
import hydra, launch_trial
from omegaconf import DictConfig

@hydra.main(version_base=None, config_path=None)
def app(cfg: DictConfig) -> None:
    launch_trial.KINDS[cfg.kind]()

app()
"""


def fresh(kind: str, count: int) -> None:
    """A new Python for every trial."""
    waiting = [[sys.executable, str(HERE / "launch_trial.py"), kind] for _ in range(count)]
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        running = [p for p in running if p.poll() is None]
        while waiting and len(running) < SLOTS:
            running.append(subprocess.Popen(waiting.pop()))
        time.sleep(0.01)


def hydra_basic(kind: str, count: int) -> None:
    """Hydra's multirun, which runs one after the other in its own process."""
    _hydra(kind, count)


def hydra_joblib(kind: str, count: int) -> None:
    """Hydra's joblib launcher."""
    import hydra_plugins.hydra_joblib_launcher.joblib_launcher  # noqa: F401, PLC0415

    _hydra(kind, count, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={SLOTS}")


def _hydra(kind: str, count: int, *more: str) -> None:
    app = Path("app.py")
    app.write_text(_APP, encoding="utf-8")
    numbers = ",".join(map(str, range(count)))
    argv = ["--multirun", f"+kind={kind}", f"+number={numbers}", *more]
    subprocess.run([sys.executable, str(app), *argv], check=True, stdout=subprocess.DEVNULL)


def ray_task(kind: str, count: int) -> None:
    """A task of Ray's, on a Ray of this machine."""
    import ray  # noqa: PLC0415

    ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False)
    task = ray.remote(launch_trial.KINDS[kind])
    ray.get([task.remote() for _ in range(count)])


def submitit_local(kind: str, count: int) -> None:
    """Submitit's executor for one machine."""
    import submitit  # noqa: PLC0415

    executor = submitit.AutoExecutor("submitit", cluster="local")
    waiting, running = count, []
    while waiting or running:
        running = [job for job in running if not job.done()]
        while waiting and len(running) < SLOTS:
            running.append(executor.submit(launch_trial.KINDS[kind]))
            waiting -= 1
        time.sleep(0.01)


def ours_cold(kind: str, count: int) -> None:
    """Ours, with a new Python for every trial."""
    _ours(kind, count, warm=False)


def ours_warm(kind: str, count: int) -> None:
    """Ours, forked from a process that has torch."""
    _ours(kind, count, warm=True)


def _ours(kind: str, count: int, *, warm: bool) -> None:
    from bisector.launch.local import LocalLauncher  # noqa: PLC0415
    from bisector.ports import Job, JobState  # noqa: PLC0415
    from bisector.rundir import CONFIG  # noqa: PLC0415

    launcher = LocalLauncher(slots=SLOTS, threads=1, gpus="none", warm=warm)
    handles: list[str] = []
    started = 0
    while True:
        states = launcher.poll(handles)
        handles = [h for h in handles if states[h] is not JobState.ENDED]
        if started == count and not handles:
            break
        for _ in range(min(launcher.free_slots(), count - started)):
            rundir = Path(f"run-{started}").absolute()
            rundir.mkdir()
            (rundir / CONFIG).write_text("{}", encoding="utf-8")
            worker = ("-m", "bisector.train.worker", f"launch_trial:{kind}", "0")
            handles += launcher.submit([Job((sys.executable, *worker), rundir, cwd=HERE)])
            started += 1
        time.sleep(0.01)
    launcher.close()


WAYS: dict[str, Callable[[str, int], None]] = {
    "fresh": fresh,
    "hydra-basic": hydra_basic,
    "hydra-joblib": hydra_joblib,
    "ray-task": ray_task,
    "submitit-local": submitit_local,
    "ours-cold": ours_cold,
    "ours-warm": ours_warm,
}

if __name__ == "__main__":
    try:
        WAYS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed")
        sys.exit(3)
