"""From differences to an experiment: each group of them is an addition to the first configuration."""

import argparse
import re
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from bisector.cli.between_sides import Sides
from bisector.cli.from_shell import LR_NAMES, Conf, of_command, split_words, unreferenced
from bisector.config.difference import Change, Difference, Group, as_hydra
from bisector.errors import ConfigError
from bisector.workload.spelling import Spelling, spell, written

_IDLE = re.compile(
    r"(^|/)(docs?|tests?|\.github|\.gitlab)/|(^|/)(LICENSE|\.gitignore)|\.(md|rst|png|svg|ipynb)$"
)
"""Files that no training reads, as a rule."""
IDLE = 0.001
"""The chance that a change of only such files breaks one."""


def experiment_of(args: argparse.Namespace, sides: Sides, groups: Sequence[Group]) -> Conf:
    """The experiment's configuration, as its file would say it.

    Raises:
        ConfigError: it is not said how a configuration is trained.
    """
    if sides.experiment is not None:
        conf = _of_experiment(sides)
    elif args.target:
        conf = _of_function(args, sides)
    elif args.command:
        conf = _of_command(args, sides)
    else:
        raise ConfigError(
            "It is not said how to train with these configurations.",
            hint="Give --command 'python train.py --config {config}' or --target module:function.",
        )
    if sides.code:
        conf["workload"]["revision"] = sides.code.good
    conf["additions"] = {g.name: _addition(conf, sides, groups, g) for g in groups}
    return conf


def _of_experiment(sides: Sides) -> Conf:
    """The good experiment, composed, so that it stands by itself."""
    assert sides.experiment is not None
    plain = OmegaConf.to_container(sides.experiment.base, resolve=False, enum_to_str=True)
    assert isinstance(plain, dict)
    kept = {str(k): v for k, v in plain.items() if v is not None and k not in ("additions", "name")}
    return {"defaults": ["bisect_schema", "_self_"], **kept}


def _of_function(args: argparse.Namespace, sides: Sides) -> Conf:
    conf = of_command(args, ["true"])
    conf["workload"] = {
        "_target_": "bisector.workload.function.FunctionWorkload",
        "target": args.target,
    }
    conf.pop("lr", None)
    conf["recipe"] = sides.good
    if key := rate_in(sides.good):
        conf["lr"] = {"key": f"recipe.{key[0]}"}
    return conf


def _of_command(args: argparse.Namespace, sides: Sides) -> Conf:
    argv = split_words("--command", args.command)
    if any("{config}" in word for word in argv):
        args.spelling = "file"
    elif sides.hydra:
        args.spelling = args.spelling or "hydra"
        assert sides.path is not None
        if not any(w.split("=")[0] in ("--config-name", "-cn") for w in argv):
            folder = str(sides.path.parent.absolute())
            # Hydra wants its own flags before the overrides, and those all together.
            at = max(i for i, w in enumerate(argv) if "=" not in w) + 1
            argv[at:at] = ["--config-dir", folder, "--config-name", sides.path.stem]
    elif sides.found:
        args.spelling = args.spelling or "argparse"
        argv += _said(sides.found, args.spelling)
    conf = of_command(args, argv)
    if args.spelling == "file":
        conf["workload"]["config"] = str(sides.path)
    if args.spelling in ("file", "hydra") and (found := rate_in(sides.good)):
        conf["lr"] = {"key": found[0], "value": found[1]}
    return conf


def _said(found: Sequence[Difference], spelling: str) -> list[str]:
    """The good values of what differs, so that the baseline does not go by the program's defaults."""
    from_good = [d for d in found if d.change is not Change.ADDED]
    words = spell([written(d.name, d.good) for d in from_good], Spelling(spelling))
    return list(words.words)


def _addition(conf: Conf, sides: Sides, groups: Sequence[Group], group: Group) -> Conf:
    spelling = conf["workload"].get("spelling", "")
    options = [option_above(sides, m) for m in group.members]
    overrides = [
        o
        for member, option in zip(group.members, options, strict=True)
        for o in _overrides(member, spelling, force=option is not None)
    ]
    # What a Hydra override may refer to is meant; a text for another program is not.
    texts = overrides if spelling in ("", "hydra") else map(unreferenced, overrides)
    above = {g.name for g in groups for option in options if option in g.members}
    requires = sorted((above | group.requires) - {group.name})
    idle = all(m.overrides and _IDLE.search(m.name) for m in group.members)
    return {
        "overrides": list(texts),
        **({"requires": requires} if requires else {}),
        **({"prior": IDLE} if idle else {}),
    }


def _overrides(difference: Difference, spelling: str, *, force: bool) -> list[str]:
    if difference.overrides:
        return list(difference.overrides)
    if spelling in ("", "hydra"):
        return as_hydra(difference, "" if spelling else "recipe.", force=force)
    if difference.change is Change.REMOVED:
        return [f"~{difference.name}"]
    return [written(difference.name, difference.bad)]


def option_above(sides: Sides, difference: Difference) -> Difference | None:
    """The option of a group without which the place may not be there."""
    options = (d for d in sides.found if d.change is Change.OPTION and d is not difference)
    return next((o for o in options if o.name.split("/")[0] == difference.path[0]), None)


def rate_in(document: dict[str, Any]) -> tuple[str, float] | None:
    """The dotted key of the learning rate, if one of its usual names holds a number; and that."""
    for key, value in document.items():
        if key in LR_NAMES and isinstance(value, int | float) and value > 0:
            return key, float(value)
        if isinstance(value, dict) and (found := rate_in(value)):
            return f"{key}.{found[0]}", found[1]
    return None
