"""Before anything is trained: can everything that the configuration names be imported?

`python -m bisector.train.preflight` reads `preflight.json` in its run directory and writes
`preflight_result.json`. It exits 0 whenever it could look, whatever it found.
"""

import json
import os
import pkgutil
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.utils import get_object

from bisector.rundir import ENV_RUNDIR, PREFLIGHT, PREFLIGHT_RESULT, write_json
from bisector.train.importable import complaints

Fault = dict[str, str | None]
"""`target`, the `key` that names it, a `message`, and the `nearest` name that does exist."""


def main() -> None:
    """Look at every target and at the function; write down what cannot be had."""
    rundir = Path(os.environ[ENV_RUNDIR])
    wanted = json.loads((rundir / PREFLIGHT).read_text(encoding="utf-8"))
    named = [(t["target"], t["key"]) for t in wanted["targets"]]
    if wanted.get("function"):
        named.append((wanted["function"], "workload.target"))
    errors = [*faults(named), *complaints(wanted)]
    write_json(rundir / PREFLIGHT_RESULT, {"errors": errors})


def faults(named: Iterable[tuple[str, str]]) -> Iterable[Fault]:
    """The targets, among pairs of target and key, that are not there or cannot be called."""
    for target, key in named:
        path = target.replace(":", ".")
        try:
            found = get_object(path)
        except (ImportError, ValueError) as error:
            yield fault(target, key, reason(error), nearest(path))
        else:
            if not callable(found):
                message = f"it is a {type(found).__name__}, which cannot be called"
                yield fault(target, key, message, None)


def fault(target: str, key: str, message: str, near: str | None) -> Fault:
    """One entry of the result."""
    return {"target": target, "key": key, "message": message, "nearest": near}


def reason(error: ImportError | ValueError) -> str:
    """Why an import failed, in one line, without Hydra's words around it."""
    cause = error.__cause__ or error
    match cause:
        case ModuleNotFoundError(name=str(name)) if name.rpartition(".")[0] in sys.modules:
            holder, _, missing = name.rpartition(".")
            return f"{holder} has no {missing}"
        case ImportError() | AttributeError():
            text = str(cause)
        case _:
            text = f"{type(cause).__name__}: {cause}"
    return " ".join(text.split())


def nearest(path: str) -> str | None:
    """The existing dotted path most like `path`: its first wrong part replaced; None: none is."""
    parts = path.split(".")
    holder: Any = None
    for position, part in enumerate(parts):
        try:
            holder = get_object(".".join(parts[: position + 1]))
        except (ImportError, ValueError):
            near = closest(part, names_in(holder))
            if near is None or near == part:  # It is there, and fails by itself.
                return None
            return ".".join([*parts[:position], near, *parts[position + 1 :]])
    return None


def closest(word: str, known: Iterable[str]) -> str | None:
    """The name most like `word`, whatever its case."""
    by_lower = {name.lower(): name for name in known if not name.startswith("_")}
    near = get_close_matches(word.lower(), by_lower, 1)
    return by_lower[near[0]] if near else None


def names_in(holder: Any) -> list[str]:
    """What can follow `holder` in a dotted path; None: what can begin one."""
    if holder is None:
        return [*sys.stdlib_module_names, *(m.name for m in pkgutil.iter_modules())]
    folders = (
        holder.__path__ if isinstance(holder, ModuleType) and hasattr(holder, "__path__") else ()
    )
    return [*dir(holder), *(m.name for m in pkgutil.iter_modules(folders))]


if __name__ == "__main__":
    main()
