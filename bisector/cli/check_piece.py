"""`bisect check loss=my.pkg.FocalLoss`, `bisect check module=my.pkg.Block input=[8,16,13,17]`.

Arguments of the constructor follow as `loss.gamma=2` or `module.channels=16`. The piece is looked at in
a child process: nothing of the user's is imported here.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bisector.checks.catalogue import CATALOGUE
from bisector.config.blame import nearest
from bisector.diagnose import Terms, diagnose
from bisector.errors import ConfigError, LaunchError
from bisector.model.finding import Diagnosis
from bisector.report.diagnosis import as_json, lines, suspected
from bisector.rundir import write_json

SECONDS = 300.0
KINDS = ("classes", "tokens", "binary", "numbers")
SETTINGS = {"loss": ("as",), "module": ("input", "tokens")}
"""What may be said beside the piece and its constructor's arguments."""


def is_piece(words: Sequence[str]) -> bool:
    """Whether the words after `check` name a loss or a module, and no experiment."""
    return any(word.startswith(("loss=", "module=")) for word in words)


def check_piece(words: Sequence[str], *, as_json_too: bool) -> int:
    """Look at it and print what was found; exit code 1 when something is suspected.

    Raises:
        ConfigError: the words say no such piece, or it cannot be made or called.
        LaunchError: the child broke.
    """
    diagnosis = diagnosed(specification(words))
    if as_json_too:
        print(json.dumps(as_json(diagnosis), indent=1))
    else:
        print("\n".join(lines(diagnosis)))
    return 1 if suspected(diagnosis) else 0


def specification(words: Sequence[str]) -> dict[str, Any]:
    """What `bisector.train.piece` is to look at.

    Raises:
        ConfigError: a word is not understood.
    """
    given = dict(_pair(word) for word in words)
    kinds = [kind for kind in SETTINGS if kind in given]
    if len(kinds) != 1:
        raise ConfigError(
            "Both loss= and module= were given; one piece was expected.",
            hint="Check them one after the other.",
        )
    kind, path = kinds[0], str(given.pop(kinds[0]))
    arguments = {k.partition(".")[2]: given.pop(k) for k in [*given] if k.startswith(f"{kind}.")}
    for key in given:
        if key not in SETTINGS[kind]:
            known = [*SETTINGS[kind], f"{kind}.{key}"]
            raise ConfigError(
                f"`bisect check {kind}=` has no `{key}`.",
                hint=f"{nearest(key, known)} Arguments of the constructor are {kind}.NAME=VALUE.",
            )
    spec = {"kind": kind, "path": path, "arguments": arguments, **given}
    (_of_module if kind == "module" else _of_loss)(spec)
    return spec


def _pair(word: str) -> tuple[str, Any]:
    import yaml  # noqa: PLC0415  only here; `--help` stays instant

    key, sign, value = word.partition("=")
    if not sign:
        raise ConfigError(f"`{word}` is not key=value.", hint=f"Write `{word}=...`.")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(
            f"{key} = `{value}` cannot be read.", hint="Lists are written [8,16], words plainly."
        ) from None


def _of_module(spec: Mapping[str, Any]) -> None:
    shape, tokens = spec.get("input"), spec.get("tokens")
    sizes = isinstance(shape, list) and all(type(s) is int and s > 0 for s in shape)
    if not sizes or not shape or shape[0] < 4:
        raise ConfigError(
            "A module needs an input."
            if shape is None
            else f"input = `{shape}` is no shape that begins with a batch of 4 or more.",
            hint="Write input=[8,16,13,17]: the batch, then prime sizes, so that mix-ups show.",
        )
    if tokens is not None and not (type(tokens) is int and tokens > 1):
        raise ConfigError(
            f"tokens = `{tokens}` is no number of different tokens.",
            hint="Write tokens=100 for integers from 0 to 99.",
        )


def _of_loss(spec: Mapping[str, Any]) -> None:
    kind = spec.get("as")
    if kind is not None and kind not in KINDS:
        raise ConfigError(
            f"as = `{kind}` is none of {', '.join(KINDS)}.", hint=nearest(str(kind), KINDS)
        )


def diagnosed(spec: Mapping[str, Any]) -> Diagnosis:
    """What the checks say of the piece, looked at in a child.

    Raises:
        ConfigError: it cannot be had, or refuses its input.
        LaunchError: the child broke, or did not end.
    """
    with tempfile.TemporaryDirectory(prefix="bisect-") as folder:
        asked, answered = Path(folder) / "spec.json", Path(folder) / "result.json"
        write_json(asked, spec)
        log = _run(asked, answered)
        if not answered.exists():
            last = next((line for line in reversed(log.splitlines()) if line.strip()), "no log")
            raise LaunchError(
                f"{spec['path']} could not be looked at: {last}",
                hint=f"Does `python -c 'import {spec['path'].rpartition('.')[0]}'` work here?",
            )
        found = json.loads(answered.read_text(encoding="utf-8"))
    if "refused" in found:
        raise ConfigError(found["refused"], hint=found["hint"])
    families = {*found["facts"], *found["absent"]}
    able = [c for c in CATALOGUE if set(c.needs) <= families]
    return diagnose(able, found["facts"], found["absent"], Terms())


def _run(asked: Path, answered: Path) -> str:
    command = [sys.executable, "-m", "bisector.train.piece", str(asked), str(answered)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise LaunchError(
            f"It did not end within {SECONDS:.0f} s.", hint="Give a smaller input."
        ) from None
    return done.stderr
