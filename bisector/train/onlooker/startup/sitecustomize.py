"""What Python runs at its start where this folder is the first on PYTHONPATH.

Child processes inherit the variable, so a launcher's workers come by here too. Nothing is imported:
only when the program has imported torch does the observation begin. A `sitecustomize` of the
user's own, which this one hides, is run as if it were not hidden.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
"""As in `typing`, which takes longer to import than all of the rest."""
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(FOLDER)))
"""bisector's own folder: the program's Python may know nothing of it."""
RUNDIR = os.environ.get("BISECT_RUN_DIR", "")
LEAST = (3, 11)
"""The oldest Python in which bisector can run."""
RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
"""Where launchers say which of a run's processes this is; only the first one observes."""


def note(line: str) -> None:
    """Add a line to what is known of the observation; see `bisector.rundir.ONLOOKER`."""
    try:
        with open(os.path.join(RUNDIR, "onlooker.jsonl"), "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError:
        return  # A full disk, or a folder that is gone: the program has worries of its own.


def asked() -> bool:
    """Whether this process is to observe."""
    if next((os.environ[n] for n in RANKS if n in os.environ), "0") != "0":
        return False
    return bool(RUNDIR) and os.path.exists(os.path.join(RUNDIR, "observe.json"))


class Awaiting:
    """Waits at the head of the import path for torch; any other module costs one comparison."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """Nothing is found here; torch's own loader is told to call when it is done."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            tell_when_loaded(spec.loader)
        return spec


def tell_when_loaded(loader: Any) -> None:
    """Have the observation begin when a loader has run its module."""
    execute: Callable[[ModuleType], None] = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        execute(module)
        begin()

    loader.exec_module = exec_module


def begin() -> None:
    """Observe from now on; whatever goes wrong with that is noted, and the program goes on."""
    try:
        if "bisector" not in sys.modules:
            load_bisector()
        from bisector.train.onlooker.onlooker import observe

        observe(RUNDIR)
    except Exception as fault:  # noqa: BLE001  whatever it is, the program has nothing to do with it
        import json

        note(json.dumps({"remark": f"{type(fault).__name__}: {fault}"}))


def load_bisector() -> None:
    """Make this very bisector importable, and nothing else that lies beside it."""
    from importlib.util import module_from_spec, spec_from_file_location

    init = os.path.join(PACKAGE, "__init__.py")
    spec = spec_from_file_location("bisector", init, submodule_search_locations=[PACKAGE])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["bisector"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


def start() -> None:
    """Wait for torch, if this process is to observe."""
    if not asked():
        return
    if sys.version_info < LEAST:
        found = f"{sys.version_info[0]}.{sys.version_info[1]}"
        note(f'{{"remark": "its Python is {found}; 3.11 or later can be observed"}}')
        return
    note('{"stage": "python"}')
    sys.meta_path.insert(0, Awaiting())


def run_hidden() -> None:
    """Run the `sitecustomize` that Python would have found without this one, if there is one."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != FOLDER]
    this = sys.modules.pop("sitecustomize")
    from importlib import import_module

    try:
        import_module("sitecustomize")
    except ModuleNotFoundError as missing:
        if missing.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = this


start()
run_hidden()
