"""The job that the launcher contract runs: `python -m bisector.testing.job VERB [ARGUMENT]`.

A module, so that a launcher may also run it in a process that it already has.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_FOREVER = 600.0


def finish(code: str) -> None:
    """End with an exit code."""
    raise SystemExit(int(code))


def crash(message: str) -> None:
    """End with an exception."""
    raise ValueError(message)


def kill_self(_: str) -> None:
    """End by a signal that cannot be caught, as the kernel ends a process out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait(seconds: str) -> None:
    """Say that it has started, then sleep."""
    Path("started").touch()
    time.sleep(float(seconds))


def litter(_: str) -> None:
    """Start a child and a daemon that has left the group and the session; hang."""
    sleep = [sys.executable, "-c", f"import time; time.sleep({_FOREVER})"]
    pids = [
        subprocess.Popen(sleep).pid,
        subprocess.Popen(sleep, start_new_session=True).pid,
    ]
    Path("pids.json").write_text(json.dumps([os.getpid(), *pids]), encoding="utf-8")
    wait(str(_FOREVER))


def litter_and_finish(_: str) -> None:
    """Leave a daemon behind."""
    sleep = [sys.executable, "-c", f"import time; time.sleep({_FOREVER})"]
    daemon = subprocess.Popen(sleep, start_new_session=True)
    Path("pids.json").write_text(json.dumps([daemon.pid]), encoding="utf-8")
    daemon.returncode = 0  # It is meant to be left: no warning about it.


def ignore_and_wait(_: str) -> None:
    """Hang, deaf to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait(str(_FOREVER))


def swell(megabytes: str) -> None:
    """Take memory, then hang."""
    ballast = bytearray(os.urandom(2**20)) * int(megabytes)
    wait(str(_FOREVER))
    del ballast


def fill(_: str) -> None:
    """Write a mebibyte, and fail where the disk has no room for it."""
    with Path("ballast").open("wb") as file:
        for _block in range(16):
            file.write(bytes(2**16))
            file.flush()


def go_on(steps: str) -> None:
    """Count up to `steps`, a tenth of a second each, going on where an earlier start has saved.

    It saves after every tenth, and at a SIGTERM, as a training does that asks `should_stop`.
    """
    saved = Path("checkpoint.pt")
    first = int(saved.read_text(encoding="utf-8")) if saved.exists() else 0
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    with Path("counted").open("a", encoding="utf-8") as counted:
        for step in range(first, int(steps)):
            counted.write(f"{step}\n")
            counted.flush()
            Path("started").touch()
            time.sleep(0.1)
            if told or step % 10 == 9:
                saved.write_text(str(step + 1), encoding="utf-8")
            if told:
                return


def talk(lines: str) -> None:
    """Print so many lines, every second one to stderr."""
    for number in range(int(lines)):
        os.write(1 + number % 2, f"line {number}\n".encode())


def tell(_: str) -> None:
    """Write what it was given."""
    env = dict(os.environ)  # noqa: TID251 - what the launcher made of it is the question.
    told = {"argv": sys.argv[1:], "cwd": str(Path.cwd()), "env": env}
    Path("told.json").write_text(json.dumps(told), encoding="utf-8")


_VERBS: dict[str, Callable[[str], None]] = {
    f.__name__: f
    for f in (
        finish,
        crash,
        kill_self,
        wait,
        litter,
        litter_and_finish,
        ignore_and_wait,
        swell,
        fill,
        go_on,
        talk,
        tell,
    )
}

if __name__ == "__main__":
    _VERBS[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else "")
