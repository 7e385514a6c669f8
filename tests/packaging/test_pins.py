"""pyproject.toml says what is needed, constraints.txt which versions of it are tested."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = {Requirement(text) for text in PROJECT["dependencies"]}
EXTRAS = {
    Requirement(text)
    for extra, texts in PROJECT["optional-dependencies"].items()
    for text in texts
    if extra != "dev"
}
DEV = {Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]}


def names(requirements: set[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(pin) for name, pin in found}


def needed(requirement: Requirement, seen: set[tuple[str, str]]) -> set[str]:
    """The requirement and all that it needs on this platform, by canonical name."""
    for extra in ("", *sorted(requirement.extras)):
        key = (canonicalize_name(requirement.name), extra)
        if key in seen:
            continue
        seen.add(key)
        for text in requires(requirement.name) or ():
            below = Requirement(text)
            if below.marker is None or below.marker.evaluate({"extra": extra}):
                needed(below, seen)
    return {name for name, _ in seen}


def test_every_package_that_is_needed_has_a_pin_and_is_installed_as_pinned() -> None:
    seen: set[tuple[str, str]] = set()
    everything = {name for r in RUNTIME | DEV for name in needed(r, seen)}
    installed = {name: Version(Version(version(name)).public) for name in everything}
    pinned = pins()
    assert installed == {name: pinned.get(name) for name in everything}


def test_the_ranges_admit_the_pins() -> None:
    pinned = pins()
    outside = {
        r.name for r in RUNTIME | DEV if not r.specifier.contains(pinned[canonicalize_name(r.name)])
    }
    assert not outside


def test_every_package_that_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    files = [*(ROOT / "bisector").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
    imported = {name for file in files for name in imports_of(file)}
    foreign = imported - sys.stdlib_module_names - {"bisector", "pytest"}
    declared = names(RUNTIME | EXTRAS)
    undeclared = {
        n for n in foreign if not declared & set(map(canonicalize_name, distributions.get(n, [n])))
    }
    assert not undeclared


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
