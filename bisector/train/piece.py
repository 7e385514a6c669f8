"""A loss or a module of the user's, by itself: `python -m bisector.train.piece SPEC RESULT`.

SPEC is JSON: `{"kind": "loss" | "module", "path": "pkg.Name", "arguments": {...}}`, with `as` for a
loss, `input` and `tokens` for a module. RESULT gets `facts` and `absent`, or `refused`.
"""

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from torch import nn

from bisector.rundir import write_json
from bisector.train.facts.made_up import kind_of, made_input, of_loss, of_module
from bisector.train.facts.outputs import Meaning, listened
from bisector.train.facts.scene import Bounds, Scene
from bisector.train.facts.shown import Absent, Shown
from bisector.train.inspection import USERS, Inspected, finite, measured, told
from bisector.train.preflight import nearest, reason
from bisector.train.seeding import global_state, restore_global_state

OF_LOSS = ("range", "loss_calls", "loss_shape", "neutral", "slope")
OF_MODULE = (
    "forward", "modes", "reload", "parameters", "independence", "signal", "weights", "slope",
)  # fmt: skip
"""Families of facts that can be had without data."""
SECONDS = 60.0


class Refused(Exception):  # noqa: N818 - the user's mistake, told in one line
    """The piece cannot be had, or does not take its input; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def main(argv: list[str]) -> int:
    """Look once; the exit code is 0 whenever it could say something."""
    spec = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    try:
        found = looked(spec)
    except Refused as why:
        result: dict[str, Any] = {"refused": str(why), "hint": why.hint}
    else:
        result = {"facts": found.facts, "absent": found.absent}
    write_json(Path(argv[1]), finite(result))
    return 0


def looked(spec: Mapping[str, Any]) -> Inspected:
    """The facts about the piece that a specification names.

    Raises:
        Refused: it cannot be imported, made or called.
    """
    target = imported(spec["path"])
    if spec["kind"] == "loss":
        return look_at_loss(made(spec, target), spec.get("as"))
    x = made_input(spec["input"], spec.get("tokens"))
    return look_at_module(partial(made, spec, target), x, spec["path"])


def imported(path: str) -> Any:
    """What a dotted path names.

    Raises:
        Refused: there is no such thing.
    """
    try:
        return get_object(path)
    except (ImportError, ValueError) as error:
        near = nearest(path)
        hint = f"Did you mean {near}?" if near else "Is its module in this folder, or installed?"
        raise Refused(f"{path} cannot be imported: {reason(error)}.", hint) from None


def made(spec: Mapping[str, Any], target: Any) -> Any:
    """The piece, made with its arguments; of a function, the function with them filled in.

    Raises:
        Refused: it cannot be made so.
    """
    arguments, kind = spec["arguments"], spec["kind"]
    if not isinstance(target, type):
        if callable(target) and (kind == "loss" or isinstance(target, nn.Module)):
            return partial(target, **arguments) if arguments else target
        raise Refused(f"{spec['path']} is no class.", "Name a class of modules.")
    try:
        found = target(**arguments)
    except USERS as error:
        told_ = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise Refused(
            f"{spec['path']}({told_}) cannot be made: {told(error)}.",
            f"Give its arguments as {kind}.NAME=VALUE.",
        ) from None
    if not isinstance(found, nn.Module) and not (kind == "loss" and callable(found)):
        raise Refused(f"{spec['path']} makes a {type(found).__name__}, no torch module.", "")
    return found


def look_at_loss(loss: Callable[..., torch.Tensor], kind: str | None) -> Inspected:
    """What a loss does, as one of `KINDS`; None: the first that it takes.

    Raises:
        Refused: it takes none of them, or not the one named.
    """
    fits, why = kind_of(loss) if kind is None else (kind, "")
    if not fits:
        words = "scores [13, 7] with class numbers, [13, 11, 7] with [13, 11], nor [13] with [13]"
        raise Refused(
            f"The loss takes neither {words} ({why}).", "Wrap it to take (outputs, targets)."
        )
    if fits == "binary" and kind is None and not takes_probabilities(loss):
        fits = "numbers"
    return within(of_loss(loss, fits), OF_LOSS)


def takes_probabilities(loss: Callable[..., torch.Tensor]) -> bool:
    """Whether a loss of one output per target takes it for a score or probability of 0 or 1."""
    scene = Scene(of_loss(loss, "binary"), torch.device("cpu"), Bounds())
    return listened(scene) is not Meaning.NUMBERS


def look_at_module(make: Callable[[], nn.Module], x: torch.Tensor, name: str) -> Inspected:
    """What a module does with inputs like `x` [B, ...].

    Raises:
        Refused: it does not take them.
    """
    before = global_state()
    torch.manual_seed(0)
    module = make()
    torch.manual_seed(1)
    remade = make()
    try:
        shown = of_module(module, x, None if remade is module else lambda: remade)
    except (Absent, *USERS) as error:
        raise Refused(
            f"{name} does not take an input of shape {list(x.shape)}: {told(error)}.",
            "Give input=[BATCH,...] as forward expects it; tokens=N for token numbers below N.",
        ) from None
    finally:
        restore_global_state(before)
    return within(shown, OF_MODULE)


def within(shown: Shown, families: tuple[str, ...]) -> Inspected:
    """Measure some families; all random streams are left as they were found."""
    before = global_state()
    try:
        scene = Scene(shown, torch.device("cpu"), Bounds(seconds=SECONDS))
        return measured(scene, families)
    finally:
        restore_global_state(before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
