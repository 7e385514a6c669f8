"""The house rules, read from the source itself."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bisector"
FILES = sorted(PACKAGE.rglob("*.py"))
RECIPES = sorted((ROOT / "recipes").glob("*.py"))

SHELL = {"model", "ports", "errors", "rundir", "conceal"}
MAY_IMPORT: dict[str, set[str]] = {
    "model": {"model"},
    "errors": set(),
    "rundir": set(),
    "conceal": set(),
    "ports": {"model"},
    "plan": {"plan", "model", "ports"},
    "judge": {"judge", "model", "ports"},
    "config": {"config"} | SHELL,
    "workload": {"workload"} | SHELL,
    "launch": {"launch"} | SHELL,
    "collect": {"collect"} | SHELL,
    "report": {"report"} | SHELL,
    "journal": {"journal"} | SHELL,
    "checks": {"checks", "model"},
    "diagnose": {"checks", "model"},
    "study": {"plan", "judge", "model"},
    "sampler": {"study", "plan", "model"},
    "orchestrator": {"plan", "journal"} | SHELL,
    "train": {"train", "rundir", "conceal"},
    "testing": {"testing", "checks", "diagnose", "train"} | SHELL,
}
"""Layer -> the layers of ours it may import; `cli` and `notebook`, not listed, may import all."""

PURE = {"model", "ports", "plan", "judge", "checks", "diagnose"}
EFFECTS = {
    "asyncio", "glob", "io", "logging", "multiprocessing", "os", "pathlib", "random", "shutil",
    "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
HARMLESS = {"ports.py": {"pathlib"}}
"""A run directory's path is a value on the seams; nothing there opens it."""

HEAVY_IN = {
    "torch": {"train", "recipes"},
    "sklearn": {"train", "recipes"},
    "cleanlab": {"train"},
    "hydra": {"config", "cli", "train"},
    "omegaconf": {"config", "cli", "train"},
    "optuna": {"plan/lr_sweep.py", "plan/sweep.py", "study", "sampler", "report/optuna_view.py"},
    "mlflow": {
        "report/mlflow.py",
        "report/mlflow_run.py",
        "report/mlflow_store.py",
        "report/mlflow_own.py",
        "report/mlflow_params.py",
    },
    "tensorboard": {"collect/tensorboard.py"},
    "lightning": {"train/lightning_callback.py"},
    "transformers": {"train/transformers_callback.py"},
    "matplotlib": {"report", "notebook"},
    "pandas": {"notebook"},
    "rich": {"report", "cli"},
    "psutil": {"launch", "testing"},
    "pynvml": {"launch"},
    "submitit": {"launch/slurm.py", "launch/slurm_task.py"},
    "ray": {"launch/ray_desk.py"},
}
"""Third-party package -> the only layers or files of ours that may import it."""

SAYS_NOTHING = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager"}
SHADOWS_NOTHING = {"html"}
"""Standard library's names we may use; a child starts with `-m`, so none is truly shadowed."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT if path in RECIPES else PACKAGE).as_posix()


def layer_of(path: Path) -> str:
    return name_of(path).split("/")[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Every dotted name a file imports; `from a import b` counts as `a.b`."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    return {name.removeprefix("bisector.") for name in imports_of(path) if name[:9] == "bisector."}


def packages_of(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_of(path)}


def layers_astray(path: Path) -> set[str]:
    return {name.split(".")[0] for name in ours(path)} - MAY_IMPORT[layer_of(path)]


def packages_astray(path: Path) -> set[str]:
    here = {layer_of(path), name_of(path)}
    return {p for p in packages_of(path) & set(HEAVY_IN) if not here & HEAVY_IN[p]}


def effects_of(path: Path) -> set[str]:
    calls = {
        node.func.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    imported = packages_of(path) & EFFECTS - HARMLESS.get(path.name, set())
    return imported | calls & {"open", "print", "input", "exec", "eval"}


def long_functions(path: Path) -> dict[str, int]:
    return {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 40
    }


def offenders(paths: Iterable[Path], what: Callable[[Path], T]) -> dict[str, T]:
    """File -> what is wrong with it, so that one failure shows all of them."""
    return {name_of(path): wrong for path in paths if (wrong := what(path))}


def test_a_layer_imports_only_what_is_below_it() -> None:
    assert not offenders((p for p in FILES if layer_of(p) in MAY_IMPORT), layers_astray)


def test_every_layer_has_a_rule() -> None:
    assert {layer_of(path) for path in FILES} - set(MAY_IMPORT) == {
        "__init__", "__main__", "cli", "notebook",
    }  # fmt: skip


def test_the_orchestrator_knows_the_search_only_as_phases() -> None:
    plans = {name for name in ours(PACKAGE / "orchestrator.py") if name.startswith("plan.")}
    assert {".".join(name.split(".")[:2]) for name in plans} == {"plan.phases"}


def test_the_core_has_no_effects() -> None:
    assert not offenders((p for p in FILES if layer_of(p) in PURE), effects_of)


def test_a_heavy_package_is_imported_only_in_its_place() -> None:
    assert not offenders([*FILES, *RECIPES], packages_astray)


def test_a_recipe_is_one_file_that_needs_nothing_of_ours() -> None:
    assert not offenders(RECIPES, ours)


def test_a_file_is_short() -> None:
    assert not offenders(
        [*FILES, *RECIPES], lambda p: lines if (lines := p.read_text().count("\n")) >= 400 else 0
    )


def test_a_file_says_what_it_is_for() -> None:
    assert not offenders([*FILES, *RECIPES], lambda p: ast.get_docstring(tree_of(p)) is None)


def test_a_function_fits_on_one_screen() -> None:
    assert not offenders([*FILES, *RECIPES], long_functions)


def test_a_file_is_named_for_one_thing_and_like_nothing_in_the_standard_library() -> None:
    banned = SAYS_NOTHING | sys.stdlib_module_names - SHADOWS_NOTHING
    assert not {name_of(p) for p in FILES if p.stem in banned - {"__main__"}}


def test_every_package_travels_in_the_wheel() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        ".".join(("bisector", *f.relative_to(PACKAGE).parts)) for f in {p.parent for p in FILES}
    }
    assert set(setuptools["packages"]) == folders | {"bisector.recipes", "bisector.conf"}


def test_help_loads_nothing_heavy_and_is_instant() -> None:
    code = (
        "import json, os, sys\n"
        "from bisector.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(); print(json.dumps([sum(os.times()[:2]), sorted(sys.modules)]))"
    )
    command = [sys.executable, "-c", code]
    output = subprocess.check_output(command, text=True, cwd=ROOT)
    seconds, modules = json.loads(output.splitlines()[-1])
    heavy = {*HEAVY_IN, "numpy", "scipy", "pandas", "yaml", "jinja2"}
    assert not {module.split(".")[0] for module in modules} & heavy
    # Processor time, so that a busy machine does not fail it; 0.04 s when this was written.
    assert seconds < 0.2
