"""`bisect sweep conf=X lr`: a hyperparameter sweep with nothing to accuse.

Axes are written in Hydra's sweep grammar: `key=1,2,4`, `key=range(1,5)`,
`key=interval(0.1,1)`, `key=tag(log,interval(1e-4,1e-1))`. A bare `lr` is the
experiment's learning rate at x0.1, x1 and x10.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from bisector.cli.given import Given
from bisector.cli.search import Search, search
from bisector.config.blame import nearest
from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
from bisector.errors import ConfigError
from bisector.model.experiment import Axis, Experiment, LearningRate, Sweep
from bisector.model.session import Session, Suspect
from bisector.plan.sweep import sweep

SETTINGS_A_RANGE = 20
"""Settings tried where a range is given and --trials is not."""


def main(args: argparse.Namespace) -> int:
    """Exit code 0 when every setting was tried."""
    words = [w for w in args.words if not _is_axis(w)]
    axes = [w for w in args.words if _is_axis(w)]
    args.words = words
    given = Given.of(args)
    composer = Composer(given.conf, given.overrides, given.folder)
    plain = parse_experiment(composer)
    space = _space(args, plain, axes)
    _check(composer, plain, space)
    named = "-".join(a.key.rpartition(".")[2] for a in space.axes)
    budget = replace(plain.budget, trials=max(plain.budget.trials, _most(space) * 2))
    swept = replace(plain, name=f"{plain.name}-sweep-{named}", sweep=space, budget=budget)
    return search(args, Search(given, composer, swept, (sweep,), _nobody))


def _nobody(session: Session) -> tuple[Suspect, ...]:
    return ()


def _is_axis(word: str) -> bool:
    if word == "lr":
        return True
    if "=" not in word or word.startswith("conf="):
        return False
    override = _parsed(word)
    return override.is_sweep_override()


def _parsed(word: str) -> Override:
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as e:
        raise ConfigError(
            f"`{word}` is neither a setting nor a sweep ({' '.join(str(e).split())}).",
            hint="Write key=1,2,4 or key=interval(0.1,1) or key=tag(log,interval(1e-4,1e-1)).",
        ) from None


def _space(args: argparse.Namespace, plain: Experiment, words: Sequence[str]) -> Sweep:
    if not words:
        raise ConfigError(
            "Nothing to sweep was given.",
            hint="Write `lr`, or key=1,2,4, or key=tag(log,interval(1e-4,1e-1)).",
        )
    on = frozenset(filter(None, (args.on or "").split(",")))
    for name in sorted(on - plain.names):
        raise ConfigError(
            f"--on names `{name}`, which is not an addition.", hint=nearest(name, plain.names)
        )
    axes = tuple(_axis(word, plain.lr) for word in words)
    ranged = any(not a.values for a in axes)
    trials = (args.trials or SETTINGS_A_RANGE) if ranged else 0
    return Sweep(axes=axes, additions=on, trials=trials, seeds=max(1, args.seeds))


def _axis(word: str, lr: LearningRate | None) -> Axis:
    if word.partition("=")[0] == "lr":
        if lr is None:
            raise ConfigError(
                "`lr` cannot be swept: the experiment does not say where it is.",
                hint="Set lr.key, e.g. lr.key=recipe.optimizer.lr.",
            )
        if word == "lr":
            rates = [lr.value * s for s in sorted({*lr.scales, 1.0})]
            return Axis(key=lr.key, values=tuple(f"{r:.6g}" for r in rates))
        word = lr.key + word.removeprefix("lr")
    override = _parsed(word)
    value = override.value()
    if isinstance(value, IntervalSweep):
        ends = value.start, value.end
        return Axis(
            key=override.key_or_group,
            low=float(ends[0] or 0),
            high=float(ends[1] or 0),
            log="log" in value.tags,
            integer=all(isinstance(e, int) for e in ends),
        )
    values = tuple(str(v) for v in override.sweep_string_iterator())
    return Axis(key=override.key_or_group, values=values)


def _check(composer: Composer, plain: Experiment, space: Sweep) -> None:
    """Compose the first setting of every axis, so that a misspelt key is found before any run."""
    on = [o for a in plain.additions if a.name in space.additions for o in a.overrides]
    for axis in space.axes:
        first = axis.values[0] if axis.values else f"{axis.low!r}"
        composer.recipe([*on, f"{axis.key}={first}"], what=f"sweep of `{axis.key}`")


def _most(space: Sweep) -> int:
    """The most runs that the sweep can ask for."""
    settings = space.trials
    if space.is_grid:
        settings = 1
        for axis in space.axes:
            settings *= len(axis.values)
    return settings * space.seeds
