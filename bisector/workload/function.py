"""A user's `def train(cfg, run)`, run by our worker in a child process."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from bisector.conceal import referred
from bisector.errors import ConfigError
from bisector.model.experiment import LearningRate
from bisector.model.session import Session
from bisector.model.surroundings import Surroundings, parted
from bisector.model.trial import Arm, Purpose, Trial
from bisector.ports import Job, Limits
from bisector.rundir import CONFIG, ENV_RUNDIR, INSPECT, OBSERVE, PREFLIGHT, write_json
from bisector.workload import continuing
from bisector.workload.overrides import overrides_of
from bisector.workload.processes import shared_out
from bisector.workload.revisions import around, places

WATCHES = ".watch("
"""What stands in the source of a function that shows its parts."""
TRIED = (Purpose.TRY_REMEDY, Purpose.EXPERIMENT)
"""The purposes of runs whose change is to make a difference."""
BOUNDS = ("max_samples", "seconds")
"""What an inspection is told of how much it may look at."""
START = 120.0
"""Seconds in which a look may import what it needs and build the parts, before it is ended."""

Resolve = Callable[[Sequence[str]], Mapping[str, Any]]
"""From overrides to the resolved recipe: plain dicts, lists, numbers and strings."""


@dataclass(frozen=True, slots=True)
class FunctionWorkload:
    """`target` is `package.module:function`."""

    target: str
    resolve: Resolve
    limits: Limits = field(default_factory=Limits)
    revision: str = ""
    """The commit whose code is run, where an addition does not say another; empty: the folder as it is."""

    def blind(self) -> str:
        """A function shows its parts by `run.watch`: one that never does would be called in vain."""
        module = self.target.partition(":")[0]
        source = source_of(module)
        if source is not None and WATCHES in source.read_text(encoding="utf-8", errors="replace"):
            return ""
        return f"{module} does not call run.watch, which shows its parts; a recipe shows them by itself"

    def unseen(self) -> str:
        """A function that shows its parts can be watched."""
        return self.blind()

    def variants(self) -> Mapping[str, tuple[str, ...]]:
        """None: only the user knows how a function spells them."""
        return {}

    def prepare(self, session: Session, trial: Trial, rundir: Path) -> Job:
        """The worker's command for one trial, with its resolved configuration beside it."""
        if not trial.arm.trained:
            return self._look(session, trial, rundir)
        config = self._config(session, trial.arm)
        if trial.purpose in TRIED:
            self._must_change(session, trial.arm, config)
        rundir.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(referred(config), sort_keys=False)
        (rundir / CONFIG).write_text(text, encoding="utf-8")
        if trial.arm.watched or session.experiment.observe:
            memory = session.experiment.inspect.memory_mb
            write_json(rundir / OBSERVE, {"memory_mb": memory})
        continuing.prepare(session, trial, rundir)
        job = self._job(rundir, "bisector.train.worker", self.target, str(trial.seed))
        surroundings = self._surroundings(session, trial.arm)
        return shared_out(around(job, surroundings, rundir.absolute().parents[1]))

    def preflight(self, session: Session, rundir: Path) -> Job:
        """A job that imports everything the arms name, and trains nothing.

        Raises:
            ConfigError: `target` names no function of a module.
        """
        if not all(self.target.partition(":")):
            raise ConfigError(
                f"workload.target = `{self.target}` is not module:function.",
                hint="For `def train(cfg, run)` in lab.py write lab:train.",
            )
        rundir.mkdir(parents=True, exist_ok=True)
        arms = [Arm(), *(Arm(frozenset({a.name})) for a in session.experiment.additions)]
        targets: dict[str, str] = {}
        for arm in arms:
            for key, target in _targets(self._config(session, arm), "recipe"):
                targets.setdefault(target, key)
        surroundings = {f"additions.{a.name}": a.overrides for a in session.experiment.additions}
        wanted = {
            "function": self.target,
            "targets": [{"target": t, "key": k} for t, k in targets.items()],
            **places(self.target, surroundings, rundir.parent),
        }
        write_json(rundir / PREFLIGHT, wanted)
        job = self._job(rundir, "bisector.train.preflight")
        code = Surroundings(revision=self.revision)
        # Without the limits on time and memory: they are the training's.
        return replace(
            around(job, code, rundir.absolute().parent), limits=Limits(gpus=self.limits.gpus)
        )

    def inspection(
        self, recipe: Mapping[str, Any], seed: int, bounds: Mapping[str, float], rundir: Path
    ) -> Job:
        """A job that looks at a recipe's parts and trains nothing; facts come into `rundir`."""
        rundir.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(referred(recipe), sort_keys=False)
        (rundir / CONFIG).write_text(text, encoding="utf-8")
        write_json(rundir / INSPECT, {name: bounds[name] for name in BOUNDS})
        return self._job(rundir, "bisector.train.inspection", self.target, str(seed))

    def _look(self, session: Session, trial: Trial, rundir: Path) -> Job:
        bounds = session.experiment.inspect
        recipe = self._config(session, trial.arm)
        job = self.inspection(recipe, trial.seed, asdict(bounds), rundir)
        job = around(job, self._surroundings(session, trial.arm), rundir.absolute().parents[1])
        return replace(job, limits=replace(self.limits, seconds=START + 2 * bounds.seconds))

    def _must_change(self, session: Session, arm: Arm, config: Mapping[str, Any]) -> None:
        """Refuse a change that is none here: its run would be the unchanged one's, and deny nothing."""
        plain = replace(arm, tweaks=())
        same = self._surroundings(session, plain) == self._surroundings(session, arm)
        if arm.tweaks and same and self._config(session, plain) == config:
            changed = " + ".join(sorted(arm.additions)) or "the baseline"
            raise ConfigError(
                f"{' '.join(arm.tweaks)} changes nothing of {changed}.",
                hint="Under `variants`, let it change what the additions set.",
            )

    def _surroundings(self, session: Session, arm: Arm) -> Surroundings:
        asked, _ = parted(overrides_of(session.experiment, arm))
        return replace(asked, revision=asked.revision or self.revision)

    def _job(self, rundir: Path, *worker: str) -> Job:
        env = {ENV_RUNDIR: str(rundir)}
        return Job((sys.executable, "-m", *worker), rundir, env, self.limits, Path.cwd())

    def _config(self, session: Session, arm: Arm) -> Mapping[str, Any]:
        overrides = overrides_of(session.experiment, arm)
        config = self.resolve(overrides)
        if arm.lr_scale == 1.0 or session.experiment.lr is None:
            return config
        lr = session.experiment.lr
        return self.resolve([*overrides, f"{lr.key}={_rate(config, lr) * arm.lr_scale!r}"])


def _rate(config: Mapping[str, Any], lr: LearningRate) -> float:
    """The learning rate that an arm's additions leave, before it is scaled."""
    path = lr.key.split(".")[1:]
    try:
        return float(reduce(lambda node, part: node[part], path, config))  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            f"The recipe has no number at lr.key = `{lr.key}`.",
            hint="Point lr.key at the learning rate, e.g. recipe.optimizer.lr.",
        ) from None


def _targets(node: Any, key: str) -> list[tuple[str, str]]:
    """Every (key, `_target_`) below a node."""
    if isinstance(node, Mapping):
        own = [(f"{key}._target_", str(node["_target_"]))] if "_target_" in node else []
        return own + [t for name, child in node.items() for t in _targets(child, f"{key}.{name}")]
    if isinstance(node, list):
        return [t for i, child in enumerate(node) for t in _targets(child, f"{key}[{i}]")]
    return []


def source_of(module: str) -> Path | None:
    """The file that `import MODULE` would read here, found without running anything of it."""
    place = Path(*module.split("."))
    roots = [Path.cwd(), *(Path(entry) for entry in sys.path if entry)]
    files = (r / f for r in roots for f in (place.with_suffix(".py"), place / "__init__.py"))
    return next((f for f in files if f.is_file()), None)


def modules_of(config: Mapping[str, Any], target: str) -> tuple[str, ...]:
    """The modules a run will import, for a warm launcher to import before it forks."""
    named = [t.rpartition(".")[0] for _, t in _targets(config, "recipe")]
    return tuple(dict.fromkeys([target.partition(":")[0], *filter(None, named)]))


def errors_of(result: Path) -> list[dict[str, str]]:
    """What a preflight job found: target, key, message and nearest name of each."""
    errors: list[dict[str, str]] = json.loads(result.read_text(encoding="utf-8"))["errors"]
    return errors
