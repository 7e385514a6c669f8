"""Can a script's imports be had, under other interpreters and in other revisions?

`python -m bisector.train.importable` in a run directory with `preflight.json`. The script
itself is not run: what it imports at its top level is.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bisector.rundir import ENV_RUNDIR, PREFLIGHT, PREFLIGHT_RESULT, write_json

_LIMIT = 120.0
"""Seconds for the imports of one place."""

_TRY = """
import ast, importlib, importlib.util, os, sys
script, how = sys.argv[1:]
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "src")]
if script.startswith("-m "):
    spec = importlib.util.find_spec(script[3:])
    if spec is None:
        sys.exit("ModuleNotFoundError: No module named %r" % script[3:])
    path = spec.origin
else:
    path = script
    if not os.path.isfile(path):
        sys.exit("there is no such file")
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
with open(path, "rb") as file:
    text = file.read()
tree = ast.parse(text, path)
# It says itself where its modules are, and that is not carried out here.
elsewhere = b"sys.path" in text or b"addsitedir" in text
def had(name):
    if how == "imported":
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as e:
            if elsewhere and e.name == name.partition(".")[0]:
                return None
            raise
    if importlib.util.find_spec(name.partition(".")[0]) is None and not elsewhere:
        sys.exit("ModuleNotFoundError: No module named %r" % name.partition(".")[0])
for node in tree.body:
    if isinstance(node, ast.Import):
        for alias in node.names:
            had(alias.name)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        module = had(node.module)
        if module is None:
            continue
        for alias in node.names:
            if alias.name != "*" and not hasattr(module, alias.name):
                importlib.import_module(node.module + "." + alias.name)
"""


def main() -> int:
    """Try all places; what went wrong is in `preflight_result.json`."""
    rundir = Path(os.environ[ENV_RUNDIR])
    wanted = json.loads((rundir / PREFLIGHT).read_text(encoding="utf-8"))
    write_json(rundir / PREFLIGHT_RESULT, {"errors": complaints(wanted)})
    return 0


def complaints(wanted: dict[str, Any]) -> list[dict[str, str | None]]:
    """What cannot be had, of the `places` in which a script is wanted, if any is."""
    return [
        {"key": place["key"], "target": place["target"], "message": said, "nearest": None}
        for place in wanted.get("places", ())
        if (said := complaint(place))
    ]


def complaint(place: dict[str, str]) -> str:
    """What an interpreter says of what a script imports; empty: nothing.

    `place` has `python`, empty for this one, `cwd`, `script`, and `how`: whether the modules are
    to be `imported`, or only `found`, which takes no time. With `may_crash`, all that counts is
    what is missing: other errors are what is searched for.
    """
    python, folder = place["python"] or sys.executable, place["cwd"]
    code = Path(folder).absolute()
    path = [str(p) for p in (code, code / "src") if p.is_dir()]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*path, os.environ.get("PYTHONPATH", "")])}
    argv = [python, "-c", _TRY, place["script"], place["how"]]
    try:
        done = subprocess.run(
            argv, cwd=folder, env=env, capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"its imports took more than {_LIMIT:.0f} s"
    except OSError as e:
        return f"{python} cannot be started: {e.strerror}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    said = (lines[-1] if lines else "it ended without a word") if done.returncode else ""
    missing = said.startswith(("ModuleNotFoundError", "ImportError"))
    return said if missing or not place.get("may_crash") else ""


if __name__ == "__main__":
    sys.exit(main())
