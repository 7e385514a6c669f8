"""From a composed configuration to a frozen `Experiment`, checked whole before any run."""

import hashlib
import json
import math
from collections.abc import Mapping
from enum import StrEnum
from itertools import combinations
from typing import Any, TypeVar

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bisector.config.blame import blame, nearest
from bisector.config.compose import Composer
from bisector.config.schema import AdditionConf, ExperimentConf, JudgeConf, MetricConf
from bisector.config.variants import parse_variants
from bisector.config.weaker import weaker
from bisector.errors import ConfigError
from bisector.model.evidence import OBSERVED_LOSS, Signal
from bisector.model.experiment import (
    Addition,
    Budget,
    Direction,
    Early,
    Experiment,
    Find,
    Inspection,
    Kind,
    LearningRate,
    Metric,
    Rule,
)
from bisector.model.surroundings import is_surrounding, place_set

E = TypeVar("E", bound=StrEnum)

TRAINED = ("recipe", "workload", "seed", "additions")
"""Keys of the configuration that decide what a run does."""
JUDGED = ("read", "metrics", "judge")
"""Keys that decide what is made of it."""


def parse_experiment(composer: Composer) -> Experiment:
    """The frozen experiment that a configuration describes.

    Raises:
        ConfigError: a value is out of range, a name is unknown, or additions contradict each other.
    """
    cfg = typed(composer)
    _check_signals(composer, cfg)
    _check_limits(composer, cfg)
    _check_observed(composer, cfg)
    additions = tuple(_addition(composer, str(n), a) for n, a in cfg.additions.items())
    _check_names(composer, additions)
    return Experiment(
        name=cfg.name or composer.name.rpartition("/")[2],
        additions=additions,
        budget=_budget(composer, cfg),
        metric=_metric(composer, cfg.judge),
        also=_others(composer, cfg.judge),
        rule=_choice(composer, "judge.rule", Rule, cfg.judge.rule),
        lr=_learning_rate(composer, cfg),
        find=_choice(composer, "find", Find, cfg.find),
        seed=cfg.seed,
        inspect=_inspection(composer, cfg),
        observe=cfg.observe,
        variants=parse_variants(composer, cfg.variants),
    )


def typed(composer: Composer) -> ExperimentConf:
    """The composed configuration as a typed object; `recipe` and parts stay plain."""
    base = composer.base
    if OmegaConf.get_type(base) is not ExperimentConf:
        raise ConfigError(
            f"{composer.shown}: this is not an experiment: its defaults lack `bisect_schema`.",
            hint="Begin the file with `defaults: [bisect_schema, ..., _self_]`, or see `bisect init`.",
        )
    try:
        cfg = OmegaConf.to_object(base)
    except OmegaConfBaseException as e:
        raise blame(e, composer.path, base, what="") from None
    assert isinstance(cfg, ExperimentConf)
    return cfg


def _check_signals(composer: Composer, cfg: ExperimentConf) -> None:
    for canonical in cfg.metrics:
        if canonical not in set(Signal):
            raise ConfigError(
                f"{composer.shown}: metrics.{canonical}: its keys are {', '.join(Signal)}.",
                hint=nearest(canonical, Signal, "metrics."),
            )


def fingerprint(composer: Composer, experiment: Experiment) -> str:
    """Hash of what makes two searches the same one: not the budget, nor where it runs."""
    plain = OmegaConf.to_container(composer.base, resolve=False)
    assert isinstance(plain, dict)
    kept = {k: plain[k] for k in (*TRAINED, *JUDGED)}
    lr = experiment.lr and (experiment.lr.key, experiment.lr.value)
    text = json.dumps(
        [experiment.name, lr, kept, str(experiment.sweep)], sort_keys=True, default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_additions(composer: Composer, experiment: Experiment) -> dict[str, dict[str, Any]]:
    """The resolved recipe of the baseline (key ``), of each addition alone, and of all of them.

    Raises:
        ConfigError: an addition does not compose, reaches beyond the recipe, or two
            additions that may be on together set the same key.
    """
    spelled = {a.name: _spelled(composer, a) for a in experiment.additions}
    for one, other in combinations(experiment.additions, 2):
        apart = other.name in one.excludes or one.name in other.excludes
        if not apart and (same := sorted(spelled[one.name].keys() & spelled[other.name].keys())):
            raise ConfigError(
                f"{composer.shown}: additions `{one.name}` and `{other.name}` both set `{same[0]}`, so only one of them would take effect.",
                hint=f"Write `excludes: [{other.name}]` into `{one.name}`, or let them set different keys.",
            )
    arms = {
        "": frozenset[str](),
        **{a.name: _alone(experiment, a.name) for a in experiment.additions},
    }
    arms["everything on"] = experiment.full
    return {
        label: composer.recipe(
            [o for a in experiment.additions if a.name in on for o in a.overrides],
            what=f"addition `{label}`" if label else "",
        )
        for label, on in arms.items()
    }


def _alone(experiment: Experiment, name: str) -> frozenset[str]:
    """An addition with all that it requires, directly or not."""
    known = {a.name: a for a in experiment.additions}
    on: frozenset[str] = frozenset()
    todo = {name}
    while todo:
        on |= todo
        todo = {r for name in todo for r in known[name].requires} - on
    return on


def _spelled(composer: Composer, addition: Addition) -> dict[str, str]:
    """The keys an addition sets, with the override that sets each."""
    keys: dict[str, str] = {}
    for i, text in enumerate(addition.overrides):
        where = f"additions.{addition.name}.overrides[{i}]"
        if is_surrounding(text):
            keys[place_set(text)] = text
            continue
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as e:
            raise ConfigError(
                f"{composer.shown}: {where} = `{text}` is not a Hydra override ({' '.join(str(e).split())}).",
                hint="Write key=value, +key=value for a new key, or group=option.",
            ) from None
        # An option of a group may be placed elsewhere: model@recipe.model=wide.
        key = override.package or override.key_or_group
        if key.split(".")[0].split("/")[0] != "recipe":
            raise ConfigError(
                f"{composer.shown}: {where} sets `{key}`, which is not part of the recipe.",
                hint=f"An addition changes what is trained: did you mean `recipe.{key}`?",
            )
        keys[key] = text
    return keys


def _addition(composer: Composer, name: str, conf: AdditionConf) -> Addition:
    if not conf.overrides:
        raise ConfigError(
            f"{composer.shown}: additions.{name}.overrides is empty, so the addition would change nothing.",
            hint="Say what it switches on, e.g. `overrides: [recipe.model.dropout=0.1]`.",
        )
    if conf.prior is not None and not 0 < conf.prior < 1:
        raise _range(composer, f"additions.{name}.prior", conf.prior, "between 0 and 1")
    return Addition(
        name=name,
        overrides=tuple(conf.overrides),
        kind=_choice(composer, f"additions.{name}.kind", Kind, conf.kind),
        requires=frozenset(conf.requires),
        excludes=frozenset(conf.excludes),
        prior=conf.prior,
        weaker=weaker(composer.base, conf.overrides),
    )


def _check_names(composer: Composer, additions: tuple[Addition, ...]) -> None:
    if not additions:
        raise ConfigError(
            f"{composer.shown}: `additions` is empty, so there is nothing to search.",
            hint="List what was added to the baseline; `bisect init` writes an example.",
        )
    known = {a.name for a in additions}
    for a in additions:
        for other in sorted((a.requires | a.excludes) - known):
            raise ConfigError(
                f"{composer.shown}: addition `{a.name}` names `{other}`, which is not an addition.",
                hint=nearest(other, known),
            )
        if clash := sorted(a.requires & (a.excludes | {a.name})):
            raise ConfigError(
                f"{composer.shown}: addition `{a.name}` requires and rules out `{clash[0]}` at once.",
                hint="Keep it in `requires` or in `excludes`, not in both.",
            )
    whole = Experiment(name="", additions=additions)
    for a in additions:
        _check_ties(composer, whole, a)


def _check_ties(composer: Composer, whole: Experiment, addition: Addition) -> None:
    """See that an addition can be on at all, with what it requires."""
    name = addition.name
    needs = {other: _alone(whole, other) for other in addition.requires}
    if circle := sorted(other for other in needs if name in needs[other]):
        raise ConfigError(
            f"{composer.shown}: additions `{name}` and `{circle[0]}` require each other, so neither can come first.",
            hint="Make one addition of them, with the overrides of both.",
        )
    if not whole.admits(_alone(whole, name)):
        raise ConfigError(
            f"{composer.shown}: addition `{name}` can never be on: what it requires excludes it or each other.",
            hint=f"It requires {', '.join(sorted(_alone(whole, name) - {name}))}: mend their `excludes`.",
        )


def _budget(composer: Composer, cfg: ExperimentConf) -> Budget:
    b = cfg.budget
    if not 0.5 < b.confidence < 1:
        raise _range(composer, "budget.confidence", b.confidence, "above 0.5 and below 1")
    least = {"trials": 1, "repeats": 2}
    for key in ("trials", "repeats", "confirm", "retries", "remedies", "experiments"):
        low = least.get(key, 0)
        if getattr(b, key) < low:
            raise _range(composer, f"budget.{key}", getattr(b, key), f"at least {low}")
    if not b.states_mb >= 0:
        raise _range(composer, "budget.states_mb", b.states_mb, "at least 0")
    return Budget(
        trials=b.trials,
        confidence=b.confidence,
        repeats=b.repeats,
        confirm=b.confirm,
        retries=b.retries,
        remedies=b.remedies,
        experiments=b.experiments,
        states_mb=b.states_mb,
    )


def _metric(composer: Composer, given: JudgeConf | MetricConf, where: str = "judge") -> Metric:
    if not (math.isfinite(given.min_effect) and given.min_effect >= 0):
        raise _range(composer, f"{where}.min_effect", given.min_effect, "a number of at least 0")
    if given.last < 1:
        raise _range(composer, f"{where}.last", given.last, "at least 1")
    return Metric(
        name=given.metric,
        direction=_choice(composer, f"{where}.direction", Direction, given.direction),
        min_effect=given.min_effect,
        min_effect_sd=given.min_effect_sd,
        last=given.last,
    )


def _others(composer: Composer, judge: JudgeConf) -> tuple[Metric, ...]:
    """The further measurements that decide, each named once."""
    early_of(composer)
    if not judge.patience >= 1:
        raise _range(composer, "judge.patience", judge.patience, "at least 1")
    found = [_metric(composer, m, f"judge.also[{i}]") for i, m in enumerate(judge.also)]
    names = [judge.metric, *(m.name for m in found)]
    for i, name in enumerate(names[1:]):
        if name in names[: i + 1]:
            raise ConfigError(
                f"{composer.shown}: judge.also[{i}].metric = `{name}`, which decides already.",
                hint="Name each measurement once, in judge.metric or in judge.also.",
            )
    return tuple(found)


def early_of(composer: Composer) -> Early:
    """Which runs are to be stopped before their end.

    Raises:
        ConfigError: it is none of the choices.
    """
    return _choice(composer, "judge.early", Early, typed(composer).judge.early)


def _check_observed(composer: Composer, cfg: ExperimentConf) -> None:
    decides = [cfg.judge.metric, *(also.metric for also in cfg.judge.also), *cfg.metrics.values()]
    if OBSERVED_LOSS in decides and not cfg.observe:
        raise ConfigError(
            f"{composer.shown}: {OBSERVED_LOSS} is asked for, but observe = false, so that nobody sees it.",
            hint="Write observe: true.",
        )


def _check_limits(composer: Composer, cfg: ExperimentConf) -> None:
    limits = cfg.limits
    if limits.gpus < 0:
        raise _range(composer, "limits.gpus", limits.gpus, "at least 0")
    if limits.processes < 1:
        raise _range(composer, "limits.processes", limits.processes, "at least 1")
    for key in ("seconds", "memory_mb"):
        given = getattr(limits, key)
        if given is not None and not given > 0:
            raise _range(composer, f"limits.{key}", given, "above 0, or null for no limit")


def _inspection(composer: Composer, cfg: ExperimentConf) -> Inspection:
    given = cfg.inspect
    if given.max_samples < 1:
        raise _range(composer, "inspect.max_samples", given.max_samples, "at least 1")
    if not given.seconds > 0:
        raise _range(composer, "inspect.seconds", given.seconds, "above 0")
    if given.memory_mb < 0:
        raise _range(composer, "inspect.memory_mb", given.memory_mb, "0 or above")
    return Inspection(
        enabled=given.enabled,
        stop=given.stop,
        max_samples=given.max_samples,
        seconds=given.seconds,
        watch=given.watch,
        memory_mb=given.memory_mb,
    )


def _learning_rate(composer: Composer, cfg: ExperimentConf) -> LearningRate | None:
    if cfg.lr is None or not cfg.lr.key:
        return None
    value = cfg.lr.value
    if value is None:
        found = OmegaConf.select(composer.base, cfg.lr.key)
        if not isinstance(found, int | float):
            raise _no_lr(composer, cfg.lr.key, found)
        value = float(found)
    if value <= 0:
        raise _range(composer, "lr.value", value, "above 0")
    if any(s <= 0 for s in cfg.lr.scales):
        raise _range(composer, "lr.scales", cfg.lr.scales, "all above 0")
    if cfg.lr.trials and (cfg.lr.low is None or cfg.lr.high is None):
        raise _range(composer, "lr.trials", cfg.lr.trials, "used with lr.low and lr.high")
    return LearningRate(
        key=cfg.lr.key,
        value=value,
        scales=tuple(cfg.lr.scales),
        low=cfg.lr.low,
        high=cfg.lr.high,
        trials=cfg.lr.trials,
    )


def _no_lr(composer: Composer, key: str, found: object) -> ConfigError:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(composer.base, parent) if parent else composer.base
    known = [str(k) for k in node] if isinstance(node, Mapping | DictConfig) else []
    return ConfigError(
        f"{composer.shown}: lr.key is `{key}`, where the recipe has {'nothing' if found is None else repr(found)}; a number was expected.",
        hint=f"{nearest(name, known)} Or give the baseline's learning rate as lr.value.",
    )


def _choice(composer: Composer, key: str, kind: type[E], found: str) -> E:
    if found not in set(kind):
        raise _wrong(composer, f"{key} = {found}", f"one of {', '.join(kind)}", set(kind))
    return kind(found)


def _wrong(composer: Composer, found: str, expected: str, known: set[Any]) -> ConfigError:
    name = found.rpartition(" = ")[2].rpartition(".")[2]
    return ConfigError(
        f"{composer.shown}: {found}, but {expected} was expected.",
        hint=nearest(name, map(str, known)),
    )


def _range(composer: Composer, key: str, found: object, expected: str) -> ConfigError:
    return ConfigError(
        f"{composer.shown}: {key} = {found}, but it must be {expected}.", hint=f"Mend `{key}`."
    )
