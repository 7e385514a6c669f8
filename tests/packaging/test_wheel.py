"""The wheel, built and installed where no checkout is near: what `pip install bisector` gives."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "bisector", "conf", "recipes")
TINY = ("recipe.trainer.epochs=1", "budget.trials=3", "mlflow.enabled=false", "--plain")


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel, and an environment that has it and, of this one, only the dependencies."""

    wheel: Path
    bin: Path
    empty: Path
    """A folder with nothing in it, to run from."""

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.empty,
            env=env,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(folder)
    env = folder / "env"
    venv.create(env, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # A path named by a .pth file has its own .pth files left unread, so this brings
    # the dependencies but not the editable install of the checkout.
    site = env / "lib" / version / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(env / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    (folder / "empty").mkdir()
    return Installed(wheel, env / "bin", folder / "empty")


def build(folder: Path) -> Path:
    """Build from a copy, so that nothing is left in the checkout and nothing old is picked up."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        folder,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_every_configuration_recipe_and_page_is_in_the_wheel(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        carried = set(wheel.namelist())
    wanted = {f"bisector/{path.relative_to(ROOT)}" for path in ROOT.glob("conf/**/*.yaml")}
    wanted |= {f"bisector/{path.relative_to(ROOT)}" for path in ROOT.glob("recipes/*.py")}
    for data in ("*.py", "*.html", "*.yaml", "py.typed"):
        wanted |= {str(path.relative_to(ROOT)) for path in ROOT.glob(f"bisector/**/{data}")}
    assert wanted <= carried
    assert not {name for name in carried if name.startswith(("tests/", "conf/", "recipes/"))}


def test_what_is_imported_is_the_wheels(installed: Installed) -> None:
    code = (
        "import bisector, bisector.recipes.digits as d; print(bisector.__file__); print(d.__file__)"
    )
    files = installed.run("python", "-c", code).stdout.split("\n")
    assert all(Path(file).is_relative_to(installed.bin.parent) for file in files[:2])


def test_the_command_is_there(installed: Installed) -> None:
    assert "Find which addition broke a training run" in installed.run("bisect", "--help").stdout


def test_the_search_runs_in_an_empty_folder(installed: Installed) -> None:
    done = installed.run("bisect", "run", "conf=digits", *TINY)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the budget was spent after 3 runs" in done.stdout
    files = (installed.empty / "out" / "digits" / "runs").glob("*/metrics.jsonl")
    runs = [file for file in files if file.stat().st_size]
    assert len(runs) == 3, "each run really trained"
