"""Makes .venv for setup.sh: standard library only, any Python from 3.11 on.

The stamp in .venv is emptied first and written last, so an environment is either
finished, and then left alone, or it is made anew: a run that was stopped half-way
needs no cleaning up by hand.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "set-up.json"
LOG = VENV / "set-up.log"
CONSTRAINTS = ROOT / "constraints.txt"
INPUTS = (ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__).resolve())

PIP = (str(PYTHON), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input")
INSTALL = (*PIP, "install", "--constraint", str(CONSTRAINTS))

FREE_GB = {"cpu": 4, "default": 4 if sys.platform == "darwin" else 12}
"""Room for the environment and pip's downloads: measured 1.9 GB with the CPU build of torch."""

OFFLINE = re.compile(
    r"name resolution|Name or service not known|NewConnectionError|ConnectTimeoutError"
    r"|Network is unreachable|ProxyError|nodename nor servname"
)
FULL = re.compile(r"No space left on device|Disk quota exceeded")


class CannotSetUpError(Exception):
    """The set-up cannot go on; the message is the one sentence the reader gets."""


class StepError(Exception):
    """A command of the set-up failed; the message is what it printed."""


def main() -> int:
    """Bring .venv up to date; 0 if it is."""
    try:
        if not is_ready():
            with lock() as held:
                if not is_ready():
                    set_up(held)
    except CannotSetUpError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"set-up: {explain(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: stopped; run it again to begin anew.", file=sys.stderr)
        return 130
    return 0


def is_ready() -> bool:
    """Whether .venv was finished by this script from the files as they are now."""
    stamp = read_stamp()
    return bool(stamp) and stamp == wanted_stamp(wanted_torch(stamp))


def read_stamp() -> dict[str, str]:
    """What .venv was made of; empty if it is unfinished or not ours."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def wanted_stamp(torch: str) -> dict[str, str]:
    """What .venv should be made of."""
    inputs = hashlib.sha256(b"\0".join(path.read_bytes() for path in INPUTS))
    return {
        "root": str(ROOT),  # an environment does not survive being moved
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "torch": torch,
        "inputs": inputs.hexdigest(),
    }


def wanted_torch(stamp: dict[str, str]) -> str:
    """`cpu` or `default`: as told, else as it was, else by what the machine has."""
    told = os.environ.get("BISECT_TORCH")
    if told:
        if told not in FREE_GB:
            raise CannotSetUpError(f"BISECT_TORCH is `{told}`; it can be `cpu` or `default`.")
        return told
    return stamp.get("torch") or ("default" if default_build_suits() else "cpu")


def default_build_suits() -> bool:
    """Whether the platform's own build is small already, or its CUDA is of use here."""
    if sys.platform == "darwin":
        return True
    if shutil.which("nvidia-smi") is None:
        return False
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return "GPU " in listing.stdout


@contextmanager
def lock() -> Iterator[int]:
    """Hold the one lock on .venv.

    The installers inherit it: should this process be killed, the next set-up still
    waits for what it left running.
    """
    with (ROOT / ".venv.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("set-up: another one is at work in .venv; waiting for it.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def set_up(held: int) -> None:
    """Make or renew .venv, and stamp it."""
    before = read_stamp()
    wanted = wanted_stamp(wanted_torch(before))
    renewable = ("root", "python", "torch")
    began = time.monotonic()
    try:
        if {key: before.get(key) for key in renewable} != {key: wanted[key] for key in renewable}:
            create_venv(wanted["torch"], held)
        STAMP.write_text("", encoding="utf-8")
        install(wanted["torch"], held)
    except StepError as error:
        raise CannotSetUpError(explain(str(error))) from None
    STAMP.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    print(f"set-up: .venv is ready ({time.monotonic() - began:.0f} s).", flush=True)


def create_venv(torch: str, held: int) -> None:
    """An empty environment in place of whatever unfinished one is there."""
    if VENV.is_symlink():
        raise CannotSetUpError(
            f".venv is a link to {VENV.resolve()}, another checkout's; remove the link and run this again."
        )
    if VENV.exists() and not STAMP.exists():
        raise CannotSetUpError(
            ".venv was not made by this script; move it away and run this again."
        )
    check_disk(torch)
    VENV.mkdir(exist_ok=True)
    STAMP.write_text("", encoding="utf-8")
    for entry in VENV.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != STAMP:
            entry.unlink()
    base = getattr(sys, "_base_executable", sys.executable)
    step("virtual environment", (base, "-I", "-m", "venv", str(VENV)), held)


def check_disk(torch: str) -> None:
    """Refuse to begin what cannot end."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < FREE_GB[torch]:
        raise CannotSetUpError(
            f"not enough disk: {free:.1f} GB are free at {ROOT} and about {FREE_GB[torch]} GB are needed."
        )


def install(torch: str, held: int) -> None:
    """PyTorch in the build that suits, then the rest in the tested versions."""
    step("build tools", (*INSTALL, "setuptools"), held)
    if torch == "cpu":
        install_cpu_torch(held)
    else:
        step("PyTorch", (*INSTALL, "torch"), held)
    # Without isolation the build, too, uses the pinned tools and fetches no others.
    step("bisect and the rest", (*INSTALL, "--no-build-isolation", "-e", f"{ROOT}[dev]"), held)
    step("check of what was installed", (*PIP, "check"), held)
    step("first import of PyTorch", (str(PYTHON), "-I", "-c", "import torch"), held)
    if torch == "default" and sys.platform == "linux":
        blind = "import sys, torch; sys.exit(not torch.cuda.is_available())"
        if subprocess.run((str(PYTHON), "-I", "-c", blind), check=False).returncode:
            print(
                "set-up: PyTorch sees no GPU here; its driver may be too old for this build.",
                flush=True,
            )


def install_cpu_torch(held: int) -> None:
    """The CPU build, a tenth of the size of Linux's default build with its CUDA libraries.

    Where pip has been told of one, its version ends in `+cpu`; asking for that by
    name finds it or fails before anything is downloaded. Else uv knows where
    PyTorch publishes them.
    """
    version = pinned("torch")
    try:
        step("PyTorch, CPU build", (*INSTALL, f"torch=={version}+cpu"), held)
    except StepError as error:
        if FULL.search(str(error)) or OFFLINE.search(str(error)):
            raise
    else:
        return
    try:
        install_with_uv(version, held)
    except StepError as error:
        if FULL.search(str(error)):
            raise
        print(
            "set-up: no CPU build of PyTorch can be had here: taking the default one (several GB).",
            flush=True,
        )
        check_disk("default")
        step("PyTorch, default build", (*INSTALL, "torch"), held)


def install_with_uv(version: str, held: int) -> None:
    """The CPU build from PyTorch's own index; its dependencies are left to pip."""
    with tempfile.TemporaryDirectory() as folder:
        step("uv, to find the CPU build", (*INSTALL, "--target", folder, "uv"), held)
        uv = (f"{folder}/bin/uv", "pip", "install", "--python", str(PYTHON))
        argv = (*uv, "--torch-backend", "cpu", "--no-deps", f"torch=={version}")
        step("PyTorch, CPU build from its own index", argv, held)


def pinned(package: str) -> str:
    """The version of `package` in constraints.txt."""
    found = re.search(rf"^{package}==(\S+)$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise CannotSetUpError(f"constraints.txt has no line `{package}==...`.")
    return found[1]


def step(title: str, argv: tuple[str, ...], held: int) -> None:
    """Run one command into the log, showing that it lives.

    Raises:
        StepError: With all that it printed, if it failed.
    """
    began = time.monotonic()
    environment = os.environ | {"PIP_USER": "0"}
    with LOG.open("a+b") as log:
        start = log.seek(0, os.SEEK_END)
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            pass_fds=(held,),
        ) as process:
            while process.poll() is None:
                time.sleep(0.1)
                show(f"  {title} ... {time.monotonic() - began:.0f} s")
        log.seek(start)
        printed = log.read().decode(errors="replace")
    if process.returncode:
        show("")
        raise StepError(printed)
    show(f"  {title}: {time.monotonic() - began:.0f} s", end="\n")


def show(line: str, end: str = "") -> None:
    """Rewrite the current line of a terminal; elsewhere print finished lines alone."""
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end=end, flush=True)
    elif end:
        print(line, end=end, flush=True)


def explain(printed: str) -> str:
    """The sentence for a failed step."""
    if FULL.search(printed):
        return (
            f"the disk ran full (at {ROOT}, or at {tempfile.gettempdir()}, which TMPDIR can move)."
        )
    if OFFLINE.search(printed):
        return "the package index cannot be reached; connect this machine to the network and run this again."
    tail = "\n  ".join(printed.strip().splitlines()[-5:])
    return f"a step failed (all of it is in {LOG}):\n  {tail}"


if __name__ == "__main__":
    sys.exit(main())
