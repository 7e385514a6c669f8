import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from bisector.errors import ConfigError
from bisector.model.experiment import Addition, Experiment, LearningRate
from bisector.model.session import Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.rundir import CONFIG, PREFLIGHT
from bisector.workload.command import CommandWorkload
from bisector.workload.function import FunctionWorkload, modules_of
from bisector.workload.recipe import RecipeWorkload

EXPERIMENT = Experiment(
    name="t",
    additions=(
        Addition(name="slow", overrides=("recipe.optimizer.lr=0.01",)),
        Addition(name="ugly", overrides=("recipe.note=\"a b; $(x) 'y'\"",)),
    ),
    lr=LearningRate(key="recipe.optimizer.lr", value=0.1),
)


def resolve(overrides: Sequence[str]) -> dict:
    recipe = {
        "model": {"_target_": "lab.Net", "layers": [{"_target_": "lab.parts.Layer"}]},
        "optimizer": {"lr": 0.1},
    }
    for override in overrides:
        key, _, value = override.partition("=")
        if key == "recipe.optimizer.lr":
            recipe["optimizer"]["lr"] = float(value)
    return recipe


def trial(*additions: str, scale: float = 1.0) -> Trial:
    return Trial(3, Arm(frozenset(additions), lr_scale=scale), 7, Purpose.ISOLATE)


def test_a_function_gets_its_resolved_recipe_and_its_seed(tmp_path: Path) -> None:
    job = FunctionWorkload("lab:train", resolve).prepare(Session(EXPERIMENT), trial(), tmp_path)
    assert job.argv == (sys.executable, "-m", "bisector.train.worker", "lab:train", "7")
    assert yaml.safe_load((tmp_path / CONFIG).read_text())["optimizer"] == {"lr": 0.1}
    assert job.env["BISECT_RUN_DIR"] == str(tmp_path)


def test_the_learning_rate_is_scaled_from_what_the_additions_leave(tmp_path: Path) -> None:
    workload = RecipeWorkload(resolve)
    workload.prepare(Session(EXPERIMENT), trial("slow", scale=0.1), tmp_path)
    lr = yaml.safe_load((tmp_path / CONFIG).read_text())["optimizer"]["lr"]
    assert lr == pytest.approx(0.001)


def test_a_change_that_is_none_is_refused_since_its_run_would_deny_nothing(tmp_path: Path) -> None:
    same = Arm(frozenset({"slow"}), ("recipe.optimizer.lr=0.01",))
    other = Arm(frozenset({"slow"}), ("recipe.optimizer.lr=0.02",))
    workload = RecipeWorkload(resolve)
    with pytest.raises(ConfigError, match="changes nothing of slow"):
        workload.prepare(Session(EXPERIMENT), Trial(3, same, 7, Purpose.TRY_REMEDY), tmp_path)
    workload.prepare(Session(EXPERIMENT), Trial(3, other, 7, Purpose.TRY_REMEDY), tmp_path)
    workload.prepare(Session(EXPERIMENT), Trial(3, same, 7, Purpose.SWEEP), tmp_path)


def test_preflight_names_every_target_once_with_its_key(tmp_path: Path) -> None:
    FunctionWorkload("lab:train", resolve).preflight(Session(EXPERIMENT), tmp_path)
    wanted = yaml.safe_load((tmp_path / PREFLIGHT).read_text())
    assert wanted["function"] == "lab:train"
    assert wanted["targets"] == [
        {"target": "lab.Net", "key": "recipe.model._target_"},
        {"target": "lab.parts.Layer", "key": "recipe.model.layers[0]._target_"},
    ]
    assert modules_of(resolve(()), "lab:train") == ("lab", "lab.parts")


def test_a_command_gets_its_overrides_as_words_and_never_through_a_shell(tmp_path: Path) -> None:
    workload = CommandWorkload(("{python}", "t.py", "{overrides}", "--out={rundir}", "s={seed}"))
    session = Session(EXPERIMENT)
    workload.preflight(session, tmp_path)
    job = workload.prepare(session, trial("ugly", scale=10.0), tmp_path)
    assert job.argv == (
        sys.executable,
        "t.py",
        "recipe.note=\"a b; $(x) 'y'\"",
        "recipe.optimizer.lr=1.0",
        f"--out={tmp_path}",
        "s=7",
    )


@pytest.mark.parametrize(
    ("command", "says"),
    [(("{python}", "t.py"), "overrides"), (("no-such-program", "{overrides}"), "no-such-program")],
)
def test_a_command_that_cannot_work_is_told_before_any_run(
    tmp_path: Path, command: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        CommandWorkload(command).preflight(Session(EXPERIMENT), tmp_path)
