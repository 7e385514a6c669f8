"""scripts/setup.sh for real: real Pythons, environments and pip, on a toy project with toy wheels."""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
TORCH = "class cuda:\n    is_available = staticmethod(lambda: False)\n"
BACKEND = """\
import pathlib, shutil, time
def build_editable(folder, config_settings=None, metadata_directory=None):
    pathlib.Path("building").touch()
    while pathlib.Path("hold").exists():
        time.sleep(0.05)
    return shutil.copy("toy-1.0-py3-none-any.whl", folder).rsplit("/", 1)[-1]
"""


def write_wheel(folder: Path, name: str, version: str, code: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


class Machine:
    """A folder with the project in it, and a PATH and a package index of its own."""

    def __init__(self, folder: Path, *torches: str) -> None:
        self.project = folder / "a project"
        self.bin = folder / "bin"
        wheels = folder / "wheels"
        for new in (self.project / "scripts", self.bin, wheels):
            new.mkdir(parents=True)
        for script in ("setup.sh", "setup_venv.py"):
            shutil.copy(SCRIPTS / script, self.project / "scripts")
        for tool in ("bash", "dirname"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        for version in torches:
            write_wheel(wheels, "torch", version, TORCH)
        write_wheel(wheels, "setuptools", "80.0")
        write_wheel(self.project, "toy", "1.0")
        (self.project / "constraints.txt").write_text("torch==2.13.0\n")
        (self.project / "toy_backend.py").write_text(BACKEND)
        (self.project / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "toy_backend"\nbackend-path = ["."]\n'
        )
        self.env = {
            "PATH": str(self.bin),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": wheels.as_uri(),
        }

    def add_program(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def add_python(self) -> "Machine":
        (self.bin / "python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
        return self

    def start(self) -> "subprocess.Popen[str]":
        script = str(self.project / "scripts" / "setup.sh")
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [script], env=self.env, text=True, stdout=pipe, stderr=pipe, start_new_session=True
        )

    def set_up(self) -> tuple[int, str, str]:
        process = self.start()
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def torch_version(self) -> str:
        ask = "from importlib.metadata import version; print(version('torch'))"
        python = self.project / ".venv" / "bin" / "python"
        return subprocess.check_output([python, "-c", ask], text=True).strip()


def test_without_any_python_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    code, out, err = Machine(tmp_path).set_up()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "no Python 3.11 or later" in err


def test_an_old_python_is_passed_over(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_program("python3", "exit 3  # as the probe does on 3.10")
    assert "no Python 3.11 or later" in machine.set_up()[2]


def test_a_python_without_venv_is_named_with_the_package_that_mends_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_program("python3", "exit 4  # as the probe does on a bare Debian")
    code, _, err = machine.set_up()
    assert (code, err.count("\n")) == (1, 1)
    assert "python3 has no venv module" in err
    assert "python3-venv" in err


def test_somebody_elses_environment_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "2.13.0+cpu").add_python()
    theirs = machine.project / ".venv" / "precious"
    theirs.parent.mkdir()
    theirs.touch()
    code, _, err = machine.set_up()
    assert code == 1
    assert "not made by this script" in err
    assert theirs.exists()


def test_another_checkout_s_environment_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "2.13.0+cpu").add_python()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    stamp = theirs / "set-up.json"
    stamp.write_text('{"root": "elsewhere", "torch": "cpu"}')
    (machine.project / ".venv").symlink_to(theirs)
    code, _, err = machine.set_up()
    assert code == 1
    assert "is a link to" in err
    assert stamp.read_text(), "they are not told that theirs is unfinished"


def test_a_killed_set_up_is_made_good_by_the_next_which_leaves_nothing_to_do(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path, "2.13.0", "2.13.0+cpu").add_python()
    hold = machine.project / "hold"
    hold.touch()
    killed = machine.start()
    deadline = time.monotonic() + 120
    while not (machine.project / "building").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=10)
    hold.unlink()
    assert (machine.project / "building").exists()
    half_made = machine.project / ".venv" / "half made"
    half_made.touch()

    code, out, err = machine.set_up()
    assert (code, err) == (0, "")
    assert "virtual environment" in out
    assert not half_made.exists()
    assert machine.torch_version() == "2.13.0+cpu"

    began = time.monotonic()
    assert [machine.set_up() for _ in range(3)] == [(0, "", "")] * 3
    assert (time.monotonic() - began) / 3 < 1

    (machine.project / "pyproject.toml").open("a").write("# a change\n")
    _, out, _ = machine.set_up()
    assert "is ready" in out
    assert "virtual environment" not in out, "a change of requirements is no reason to start anew"


@pytest.mark.slow
def test_a_machine_with_a_gpu_gets_the_default_build(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "2.13.0").add_python()
    machine.add_program("nvidia-smi", "echo 'GPU 0: a card (UUID: GPU-0)'")
    code, out, _ = machine.set_up()
    assert code == 0
    assert "CPU build" not in out
    assert "PyTorch sees no GPU here" in out, "the toy torch has no CUDA, and that is told"


@pytest.mark.slow
def test_two_at_once_make_one_environment_and_no_cpu_build_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "2.13.0").add_python()
    both = [machine.start(), machine.start()]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("is ready" in out for out in outputs) == [False, True]
    assert any("waiting for it" in out for out in outputs)
    assert any("no CPU build of PyTorch can be had here" in out for out in outputs)
    assert machine.torch_version() == "2.13.0"


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk ran full"),
        ("NewConnectionError(...): [Errno -3] Temporary failure in name resolution", "network"),
        ("ERROR: No matching distribution found for torch==9", "No matching distribution"),
    ],
)
def test_what_pip_says_becomes_a_sentence(printed: str, sentence: str) -> None:
    spec = spec_from_file_location("setup_venv", SCRIPTS / "setup_venv.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert sentence in module.explain(printed)
