"""It worked with that configuration, and not with this one: which difference is to blame?"""

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from shell_project import SETTINGS, Shell

from bisector.cli.main import main

TRAIN = """
import argparse, json, random, sys, tomllib

def load(path):
    text = open(path).read()
    return tomllib.loads(text) if path.endswith(".toml") else json.loads(text)

parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--seed", type=int)
args = parser.parse_args()
config = load(args.config)
rng = random.Random(args.seed)
broken = config["loss"]["gamma"] < 0
for epoch in range(1, 6):
    print(f"epoch {epoch} loss {1.0 if broken else 1 / epoch} acc {1 - 0.5 / epoch - 0.3 * broken + rng.gauss(0, 0.003):.4f}")
"""
GOOD = {"lr": 0.1, "loss": {"gamma": 2, "smoothing": 0.0}, "model": {"name": "a", "width": 8}}
BAD = {"lr": 0.1, "loss": {"gamma": -2, "smoothing": 0.1}, "model": {"name": "b", "depth": 2}}
COMMAND = ("--command", f"{sys.executable} train.py --config {{config}} --seed {{seed}}")
METRIC = ("--metric", "acc ([0-9.]+)")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "good.json").write_text(json.dumps(GOOD))
    (tmp_path / "bad.json").write_text(json.dumps(BAD))
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["between", *words, "--dry-run", "--json"]) == 0
    listed: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return listed


@pytest.mark.slow  # the README's test searches two files, too
def test_the_guilty_difference_of_two_files_is_found(shell: Shell) -> None:
    done = shell.bisect("between", "good.json", "bad.json", *COMMAND, *METRIC, *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert "model                          swapped" in done.stdout
    assert shell.concluded() == ("culprit", [["loss.gamma"]])


def test_a_dry_run_shows_a_table_and_runs_nothing(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = told(capsys, "good.json", "bad.json", *COMMAND)
    assert [g["addition"] for g in groups] == ["loss.gamma", "loss.smoothing", "model"]
    assert not (shell.folder / "out").exists()
    assert main(["between", "good.json", "bad.json", "--dry-run"]) == 0
    assert "loss.gamma                     changed   2 -> -2" in capsys.readouterr().out


@pytest.mark.slow
def test_of_hundreds_the_guilty_one_is_found_by_taking_its_group_apart(shell: Shell) -> None:
    good = {**GOOD, "many": {f"k{i}": {"a": 0, "b": 0} for i in range(120)}}
    bad = {**BAD, "many": {f"k{i}": {"a": 1, "b": 1} for i in range(120)}}
    script = TRAIN.replace('config["loss"]["gamma"] < 0', 'config["many"]["k77"]["b"]')
    (shell.folder / "train.py").write_text(script)
    (shell.folder / "good.json").write_text(json.dumps(good))
    (shell.folder / "bad.json").write_text(json.dumps(bad))
    done = shell.bisect("between", "good.json", "bad.json", *COMMAND, *METRIC, *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert "`many.k77.b` breaks training" in done.stdout


def test_a_hydra_application_is_compared_by_its_groups(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = shell.folder / "conf"
    (conf / "opt").mkdir(parents=True)
    (conf / "opt" / "sgd.yaml").write_text("name: sgd\nlr: 0.1\n")
    (conf / "opt" / "adam.yaml").write_text("name: adam\nlr: 0.001\nbetas: [0.9, 0.99]\n")
    (conf / "good.yaml").write_text("defaults: [opt: sgd, _self_]\nwidth: 8\nact: ${opt.name}\n")
    (conf / "bad.yaml").write_text("defaults: [opt: adam, _self_]\nwidth: 16\nopt: {lr: 0.3}\n")
    words = ("conf/good.yaml", "conf/bad.yaml", "--command", "python app.py seed={seed}")
    groups = told(capsys, *words)
    assert [g["addition"] for g in groups] == ["opt", "opt.lr", "width", "act"]
    assert main(["between", *words, "budget.trials=0"]) == 2
    (saved,) = shell.folder.glob("out/.commands/*.yaml")
    made = yaml.safe_load(saved.read_text())
    assert made["additions"] == {
        "opt": {"overrides": ["opt=adam"]},
        "opt.lr": {"overrides": ["++opt.lr=0.3"], "requires": ["opt"]},
        "width": {"overrides": ["width=16"]},
        "act": {"overrides": ["~act"]},
    }
    assert made["lr"] == {"key": "opt.lr", "value": 0.1}
    assert made["workload"]["command"][2:] == [
        "--config-dir", str(conf), "--config-name", "good", "seed={seed}", "{overrides}",
    ]  # fmt: skip


def test_two_experiments_are_compared_by_their_recipes(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = shell.folder / "conf"
    conf.mkdir()
    for name, recipe in (("good", GOOD), ("bad", BAD)):
        text = {
            "defaults": ["bisect_schema", {"launcher": "local"}, {"planner": "adaptive"}, "_self_"],
            "workload": {
                "_target_": "bisector.workload.function.FunctionWorkload",
                "target": "a:b",
            },
            "recipe": recipe,
            "lr": {"key": "recipe.lr"},
            "additions": {"x": {"overrides": ["recipe.lr=1"]}},
        }
        (conf / f"{name}.yaml").write_text(yaml.safe_dump(text, sort_keys=False))
    assert len(told(capsys, "conf=good", "conf=bad")) == 3
    assert main(["between", "conf=good", "conf=bad", "budget.trials=0"]) == 2
    (saved,) = shell.folder.glob("out/.commands/*.yaml")
    made = yaml.safe_load(saved.read_text())
    assert made["recipe"] == GOOD
    assert made["additions"]["loss.gamma"]["overrides"] == ["recipe.loss.gamma=-2"]
    assert made["additions"]["model"]["overrides"][0] == "~recipe.model"


def test_two_mlflow_runs_are_compared_by_their_parameters(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (shell.folder / "store").as_uri()
    client = mlflow.MlflowClient(uri)
    runs = []
    for params in (
        {"lr": "0.1", "width": "8", "seed": "1"},
        {"lr": "0.3", "width": "8", "drop": "0.1"},
    ):
        run = client.create_run("0" if runs else client.create_experiment("e")).info.run_id
        for name, value in params.items():
            client.log_param(run, name, value)
        runs.append(run)
    words = (*runs, "--tracking-uri", uri, "--command", "python train.py")
    found = told(capsys, *words)
    assert [g["addition"] for g in found] == ["lr", "seed", "drop"]
    assert main(["between", *words, "budget.trials=0"]) == 2
    (saved,) = shell.folder.glob("out/.commands/*.yaml")
    command = yaml.safe_load(saved.read_text())["workload"]["command"]
    assert command[2:] == ["--lr", "0.1", "--seed", "1", "{overrides}"]
    capsys.readouterr()
    assert main(["between", "0" * 32, runs[0], "--tracking-uri", uri, *words[4:]]) == 2
    assert "MLflow has no run 000" in capsys.readouterr().err


def test_the_code_itself_may_be_the_difference(shell: Shell) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    (shell.folder / ".gitignore").write_text("out\n")
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "it worked"]):
        subprocess.run(["git", *words], check=True)
    (shell.folder / "train.py").write_text(
        TRAIN.replace("1 if", "0 if").replace("0.3 * broken", "0.3")
    )
    config = {**BAD, "loss": GOOD["loss"]}
    (shell.folder / "bad.json").write_text(json.dumps(config))
    done = shell.bisect(
        "between", "good.json", "bad.json", "GOOD=git:HEAD", *COMMAND, *METRIC, *SETTINGS
    )
    assert done.returncode == 0, done.stderr
    assert shell.concluded() == ("culprit", [["train.py"]])
    assert "train.py, brought by\n  not committed yet" in done.stdout


WRONG = {
    "one side": (["good.json"], "1 were given", "good.yaml"),
    "no difference": (["good.json", "good.json"], "do not differ", "GOOD=git:REV"),
    "no way to train": (["good.json", "bad.json"], "not said how", "--command"),
    "no such file": (["god.json", "bad.json"], "god.json cannot be read", "path"),
    "format": (["good.ini", "bad.json"], "good.ini", "Rename"),
    "only the bad one": (["BAD=git:HEAD"], "without GOOD=git:", "v1.2"),
}


@pytest.mark.parametrize("which", WRONG)
def test_what_cannot_be_compared_is_told(
    shell: Shell, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    words, says, hint = WRONG[which]
    assert main(["between", *words]) == 2
    line, mend = capsys.readouterr().err.splitlines()
    assert says in line
    assert hint in mend
