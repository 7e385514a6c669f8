"""The only module that names concrete parts: from configuration to `Parts`."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, cast

from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from bisector.cli.checking import diagnostician, terms_of
from bisector.collect.readers import collector_for
from bisector.config.compose import Composer
from bisector.config.parse import early_of, typed
from bisector.errors import ConfigError
from bisector.judge.oracle import SymptomOracle
from bisector.judge.several import SeveralOracle
from bisector.model.experiment import Experiment
from bisector.orchestrator import Parts
from bisector.plan.baseline import mend_baseline
from bisector.plan.looks import explain, inspect, look_closer, try_remedy
from bisector.plan.phases import Phase, conclude, confirm, isolate, reproduce, sweep_lr
from bisector.ports import Collector, Launcher, Limits, Oracle, Planner, Reporter, Workload
from bisector.train.preflight import nearest, reason
from bisector.workload.command import CommandWorkload
from bisector.workload.function import FunctionWorkload, modules_of

MOST_FALSE_ALARMS = 0.05
"""Share of healthy runs that may be called broken, however little confidence is asked for:
planners begin by expecting no more."""

_EXTRAS = {"submitit": "slurm", "ray": "ray"}
"""Package to the extra that brings it."""

# Hydra logs what it raises as well, which would be said twice.
logging.getLogger("hydra.utils").disabled = True


def search_phases(planner: Planner, blind: str, unseen: str) -> tuple[Phase, ...]:
    """The search, in the order in which its questions depend on each other.

    `blind` is why the workload's parts cannot be looked at (`Workload.blind`), empty if they can;
    `unseen` why its runs cannot be watched.
    """
    return (
        partial(inspect, blind=blind),
        partial(mend_baseline, blind=blind, unseen=unseen),
        reproduce,
        isolate(planner),
        confirm,
        sweep_lr,
        partial(look_closer, blind=blind, unseen=unseen),
        try_remedy,
        explain,
        conclude(planner),
    )


def assemble(
    composer: Composer,
    experiment: Experiment,
    phases: Sequence[Phase],
    collector: Collector,
    reporters: Sequence[Reporter],
) -> Parts:
    """One choice for every seam, as the configuration says.

    Raises:
        ConfigError: a part cannot be built from what the configuration says of it.
    """
    workload = workload_of(composer)
    return Parts(
        phases=phases,
        workload=workload,
        launcher=launcher_of(composer, workload),
        collector=collector,
        oracle=oracle_of(composer, experiment),
        diagnose=diagnostician(terms_of(typed(composer).checks)),
        reporters=reporters,
    )


def oracle_of(composer: Composer, experiment: Experiment) -> Oracle:
    """The judge: one measurement, or several by a rule."""
    alpha = min(MOST_FALSE_ALARMS, 1 - experiment.budget.confidence)
    patience, early = typed(composer).judge.patience, early_of(composer)
    metrics = (experiment.metric, *experiment.also)
    oracles = [SymptomOracle(m, alpha, patience, early) for m in metrics]
    return SeveralOracle.of(oracles, experiment.rule) if experiment.also else oracles[0]


def collector_of(config: Mapping[str, Any]) -> Collector:
    """Reads run directories with the metric names of a configuration, or a journal's copy of it."""
    names = {theirs: canonical for canonical, theirs in config["metrics"].items()}
    return collector_for(config, names)


def planner_of(config: Any) -> Planner:
    """The planner that a configuration (or a journal's copy of one) names."""
    return cast(Planner, _part("planner", config))


def workload_of(composer: Composer) -> Workload:
    """The kind of user code that the configuration names."""
    limits = typed(composer).limits
    given = Limits(
        gpus=limits.gpus,
        processes=limits.processes,
        seconds=limits.seconds,
        memory_mb=limits.memory_mb,
    )
    node = composer.base.workload
    workload = cast(Workload, _part("workload", node, resolve=composer.recipe, limits=given))
    read = typed(composer).read
    if isinstance(workload, CommandWorkload) and read:
        # What is read must be what the run itself has written, and not an earlier one's.
        heads = [Path(p).parts[0] for p in (*read.files, *read.tensorboard)]
        return replace(workload, apart=[*workload.apart, *heads])
    return workload


def launcher_of(composer: Composer, workload: Workload) -> Launcher:
    """Where the configuration says that jobs run."""
    node = composer.base.launcher
    given: dict[str, object] = {}
    # Before it knows a job it must know how many it has room for.
    need = typed(composer).limits.gpus
    if isinstance(asked := node.get("gpus_per_job"), int) and need > asked:
        given["gpus_per_job"] = need
    # A launcher that can warm up says so by having the key `preload`.
    if "preload" in node and not node.preload and isinstance(workload, FunctionWorkload):
        given["preload"] = modules_of(composer.recipe(()), workload.target)
    return cast(Launcher, _part("launcher", node, **given))


def _part(key: str, config: Any, **given: object) -> object:
    node: object = config if isinstance(config, DictConfig) else OmegaConf.create(config or {})
    if not isinstance(node, DictConfig) or not node.get("_target_"):
        raise ConfigError(
            f"`{key}` names no `_target_`, so there is no {key} to use.",
            hint=f"Add `{key}: ...` to the defaults list, or write {key}._target_.",
        )
    target = str(node._target_)
    try:
        make = get_object(target)
    except (ImportError, ValueError) as e:
        raise _not_there(key, target, e) from None
    try:
        # Given apart, since Hydra would turn the dataclasses among these into plain dicts.
        return instantiate(node, _convert_="all", _partial_=True)(**given)
    except (HydraException, TypeError) as e:
        raise ConfigError(
            f"`{key}` cannot be made from {target}: {' '.join(str(e).split())}.",
            hint=f"It takes: {', '.join(_settings(make, given)) or 'nothing'}.",
        ) from None


def _not_there(key: str, target: str, error: ImportError | ValueError) -> ConfigError:
    near = nearest(target)
    cause = error.__cause__ or error
    if isinstance(cause, ModuleNotFoundError) and cause.name in _EXTRAS:
        return ConfigError(
            f"{key}._target_ = {target} needs {cause.name}, which is not installed.",
            hint=f'pip install "bisector[{_EXTRAS[cause.name]}]"',
        )
    return ConfigError(
        f"{key}._target_ = {target} cannot be imported: {reason(error)}.",
        hint=f"Did you mean {near}?" if near else "Is the module on the path, and installed here?",
    )


def _settings(make: Any, given: Mapping[str, object]) -> list[str]:
    return [name for name in signature(make).parameters if name not in given]
