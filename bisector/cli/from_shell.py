"""From a command and its additions, as they were typed, to an experiment's configuration file.

The file is kept with the searches, under a name that the command alone decides. So the same
command finds its search again, and `conf=NAME` stands for all of it from then on.
"""

import argparse
import hashlib
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from bisector.collect.pattern import STEP, Pattern
from bisector.collect.readers import PASSED
from bisector.errors import ConfigError
from bisector.model.evidence import OBSERVED_LOSS
from bisector.workload.options import number_of
from bisector.workload.template import OVERRIDES

SAVED = ".commands"
"""The folder, below that of the sessions, for experiments that were typed; no session has such a name."""

STEPS = 20
"""Steps over which an observed loss is averaged: that of one batch says little."""
LR_NAMES = ("lr", "learning_rate", "learning-rate", "base_lr", "learning_rate_init")
_LOWER = re.compile(r"loss|err|ppl|perplex|mse|mae|wer|cer|nll|bpb|bpc|fid", re.IGNORECASE)
_NAMED = re.compile(r"\s*([\w.-]+)\s*:(?:\s+(.*)|\s*)", re.DOTALL)

Conf = dict[str, Any]


def save(args: argparse.Namespace) -> str:
    """Write the experiment that was typed; its name.

    Raises:
        ConfigError: something of it cannot be used as written.
    """
    name = derived(args.baseline, args.add)
    save_as(args.out, name, configured(args))
    return name


def save_as(out: Path, name: str, conf: Mapping[str, Any]) -> None:
    """Keep an experiment that no file of the user's describes.

    Raises:
        ConfigError: it cannot be written.
    """
    path = out / SAVED / f"{name}.yaml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(conf), encoding="utf-8")
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be written ({e.strerror}).", hint="Name another folder with --out DIR."
        ) from None


def configured(args: argparse.Namespace) -> Conf:
    """The experiment that was typed, as its file would say it.

    Raises:
        ConfigError: something of it cannot be used as written.
    """
    argv = split_words("--baseline", args.baseline)
    conf = of_command(args, argv)
    if not args.add:
        raise ConfigError(
            "--baseline was given without an --add, so there is nothing to search.",
            hint="Name what was added to it: --add 'mixup: --mixup 0.8' --add 'ema: --model-ema'.",
        )
    conf["additions"] = _additions(args.add)
    return conf


def of_command(args: argparse.Namespace, argv: Sequence[str]) -> Conf:
    """All of an experiment but its additions: the command, what decides, the learning rate."""
    placed = any(OVERRIDES in word for word in argv)
    spelling = args.spelling or "words"
    if not placed and spelling not in ("file", "env"):
        argv = [*argv, OVERRIDES]
    workload: Conf = {"_target_": "bisector.workload.command.CommandWorkload"}
    workload["command"] = [unreferenced(word) for word in argv]
    if args.spelling:
        workload["spelling"] = args.spelling
    conf: Conf = {
        "defaults": ["bisect_schema", {"launcher": "local"}, {"planner": "adaptive"}, "_self_"],
        "workload": workload,
        **_judged(args),
    }
    if lr := _learning_rate(args, argv):
        conf["lr"] = lr
    if args.observe or conf["judge"]["metric"] == OBSERVED_LOSS:
        conf["observe"] = True
    return conf


def derived(baseline: str, additions: Sequence[str]) -> str:
    """A name for a command: that of its script, and what tells it from others of that script."""
    argv = split_words("--baseline", baseline)
    scripts = [w for w in argv if re.search(r"\.(py|sh)$", w)]
    modules = [after for word, after in pairwise(argv) if word == "-m"]
    stem = Path((scripts or modules or argv)[0]).name.removesuffix(".py").removesuffix(".sh")
    told = json.dumps([argv, list(additions)]).encode()
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', stem)}-{hashlib.sha256(told).hexdigest()[:6]}"


def text_of(conf: Mapping[str, Any]) -> str:
    """The file."""
    typed = shlex.join(["bisect", *sys.argv[1:]]).replace("\n", " ")
    body = yaml.dump(dict(conf), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"# {typed}\n{body}"


class _Dumper(yaml.SafeDumper):
    """Puts words that look like numbers into quotes, also those that only OmegaConf takes for such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    numeric = re.fullmatch(r"[-+\d._eE]+", text) is not None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if numeric else None)


_Dumper.add_representer(str, _text)


def _additions(typed: Sequence[str]) -> Conf:
    additions: Conf = {}
    for text in typed:
        found = _NAMED.fullmatch(text)
        words = split_words("--add", (found[2] or "") if found else text)
        name = found[1] if found else words[0].lstrip("-~+").partition("=")[0] if words else ""
        if not words or not name:
            raise ConfigError(
                f"--add '{text}' has nothing to add.",
                hint="Write a name and what switches it on: --add 'mixup: --mixup 0.8'.",
            )
        if name in additions:
            raise ConfigError(
                f"--add names `{name}` twice.", hint="Give each addition a name of its own."
            )
        additions[name] = {"overrides": [unreferenced(word) for word in words]}
    return additions


def _judged(args: argparse.Namespace) -> Conf:
    """What decides, and where it is read."""
    if not args.metric:
        return {
            "read": {"exit_code": True},
            "judge": {"metric": PASSED, "min_effect": 0.5},
        }
    name, stdout = args.metric, ["auto"]
    if "(" in args.metric:
        names = [n for n in Pattern.of(args.metric).names if n != STEP]
        name, stdout = (names or [STEP])[0], [args.metric, "auto"]
    lower = args.lower or (not args.higher and _LOWER.search(name) is not None)
    judge: Conf = {"metric": name, "direction": "minimize" if lower else "maximize"}
    if args.min_effect is not None:
        judge["min_effect"] = args.min_effect
    if name == OBSERVED_LOSS:
        judge["last"] = STEPS
    return {"read": {"stdout": [unreferenced(text) for text in stdout]}, "judge": judge}


def _learning_rate(args: argparse.Namespace, argv: Sequence[str]) -> Conf | None:
    """Where the learning rate is: as told, or under one of its usual names."""
    for key in [args.lr_key] if args.lr_key else LR_NAMES:
        value = number_of(argv, key)
        if value is not None and value > 0:
            # As it is typed, so that a mend can be pasted.
            typed = (w.partition("=")[0] for w in argv if w.startswith("-"))
            named = next((w for w in typed if w.lstrip("-") == key.lstrip("-")), key)
            return {"key": named, "value": value}
    if args.lr_key:
        raise ConfigError(
            f"--lr-key {args.lr_key} is not in --baseline with a number behind it.",
            hint=f"Write the learning rate out: --baseline '... {args.lr_key} 0.1'.",
        )
    return None


def split_words(flag: str, text: str) -> list[str]:
    """The words of a command line, as a shell would part them.

    Raises:
        ConfigError: it ends within quotes, or there are none.
    """
    try:
        words = shlex.split(text)
    except ValueError as e:
        raise ConfigError(
            f"{flag} '{text}' cannot be read: {e}.", hint="Close every quote that is opened."
        ) from None
    if not words and flag == "--baseline":
        raise ConfigError(
            "--baseline is empty.", hint="For instance: --baseline 'python train.py'."
        )
    return words


def unreferenced(text: str) -> str:
    """A text that OmegaConf is to leave as it is, though it looks like a reference."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)
