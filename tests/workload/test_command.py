"""A command that nobody edited: what each arm runs, where, and what is refused before any run."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bisector.errors import ConfigError
from bisector.launch.in_process import WORKERS, fits
from bisector.model.experiment import Addition, Experiment, LearningRate
from bisector.model.session import Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.ports import Job
from bisector.train import importable
from bisector.workload.command import CommandWorkload
from bisector.workload.function import FunctionWorkload


def experiment(lr: LearningRate | None = None, **additions: list[str]) -> Experiment:
    made = tuple(Addition(name=n, overrides=tuple(o)) for n, o in additions.items())
    return Experiment(name="t", additions=made, lr=lr)


def prepared(workload: CommandWorkload, asked: Experiment, *on: str, scale: float = 1.0) -> Job:
    trial = Trial(3, Arm(frozenset(on), lr_scale=scale), 7, Purpose.ISOLATE)
    workload.preflight(Session(asked), Path("home/preflight").absolute())
    return workload.prepare(Session(asked), trial, Path("home/runs/003").absolute())


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my project"
    (folder / "data").mkdir(parents=True)
    (folder / "train.py").write_text("import sys; print(sys.argv)\n")
    monkeypatch.chdir(folder)
    return folder


def test_each_run_works_in_a_folder_of_its_own_in_which_the_project_shows(project: Path) -> None:
    for name in ("mlruns", "cache"):
        (project / name).mkdir()
    workload = CommandWorkload(("{python}", "train.py", "{overrides}"), apart=["cache"])
    job = prepared(workload, experiment(a=["--a"]), "a")
    assert job.cwd == project / "home/runs/003/work"
    assert sorted(p.name for p in job.cwd.iterdir()) == ["data", "train.py"]
    (job.cwd / "log.csv").write_text("mine")
    assert not (project / "log.csv").exists()
    assert subprocess.check_output(job.argv, cwd=job.cwd, text=True) == "['train.py', '--a']\n"
    here = CommandWorkload(("{python}", "train.py", "{overrides}"), folder="here")
    assert prepared(here, experiment(a=["--a"])).cwd == project


@pytest.mark.parametrize(
    ("command", "key", "ends"),
    [
        (["--lr", "3e-4", "{overrides}"], "--lr", ["--lr", "3e-05"]),
        (["--lr=3e-4", "{overrides}"], "lr", ["--lr=3e-05"]),
        (["{overrides}"], "--lr", ["--lr=0.1"]),
    ],
)
def test_the_learning_rate_is_scaled_where_it_stands_or_else_added(
    command: list[str], key: str, ends: list[str]
) -> None:
    workload = CommandWorkload(("{python}", "train.py", *command))
    asked = experiment(LearningRate(key=key, value=1.0), a=["--a"])
    assert list(prepared(workload, asked, scale=0.1).argv[2:]) == ends


def test_the_learning_rate_that_an_addition_sets_is_the_one_that_is_scaled() -> None:
    workload = CommandWorkload(("{python}", "train.py", "--lr", "1", "{overrides}"))
    asked = experiment(LearningRate(key="lr", value=1.0), a=["--lr", "0.5"])
    assert prepared(workload, asked, "a", scale=10).argv[2:] == ("--lr", "1", "--lr", "5.0")


def test_settings_go_into_a_copy_of_the_configuration_file(project: Path) -> None:
    (project / "base.json").write_text('{"opt": {"lr": 0.1}, "ema": false}')
    workload = CommandWorkload(
        ("{python}", "train.py", "--config", "{config}"), spelling="file", config="base.json"
    )
    asked = experiment(LearningRate(key="opt.lr", value=0.1), a=["ema=true"], b=["opt.lr=0.2"])
    job = prepared(workload, asked, "a", "b", scale=0.1)
    assert job.argv[-1].endswith("home/runs/003/settings.json")
    told = json.loads(Path(job.argv[-1]).read_text())
    assert told == {"opt": {"lr": pytest.approx(0.02)}, "ema": True}


def test_settings_may_be_variables(project: Path) -> None:
    workload = CommandWorkload(("{python}", "train.py"), spelling="env", env={"A": "0"})
    asked = experiment(LearningRate(key="LR", value=0.1), a=["LR=0.2"], b=["env:B=x y"])
    job = prepared(workload, asked, "a", "b", scale=10)
    assert {k: job.env[k] for k in "AB"} | {"LR": job.env["LR"]} == {
        "A": "0",
        "B": "x y",
        "LR": "2.0",
    }
    noted = yaml.safe_load((project / "home/runs/003/config.yaml").read_text())
    assert noted["env"] == {"LR": "2.0", "B": "x y"}


def test_an_addition_may_take_an_option_away() -> None:
    workload = CommandWorkload(("{python}", "train.py", "--clip", "1.0", "{overrides}"))
    assert prepared(workload, experiment(a=["~--clip"]), "a").argv[2:] == ()
    with pytest.raises(ConfigError, match="takes away `--clp`"):
        prepared(workload, experiment(a=["~--clp"]))


@pytest.mark.parametrize(
    ("settings", "additions", "says"),
    [
        ({"spelling": "argprase"}, {"a": ["x=1"]}, "argprase"),
        ({"folder": "there"}, {"a": ["x=1"]}, "workload.folder"),
        ({"spelling": "file"}, {"a": ["x=1"]}, "needs both"),
        ({}, {"a": ["--x=1"], "b": ["--no-x"]}, "both set `--x`"),
        ({"spelling": "argparse"}, {"a": ["x=1"], "b": ["x=2"]}, "both set `--x`"),
        ({"spelling": "argparse"}, {"a": ["x"]}, "neither key=value"),
        ({}, {"a": ["git:no-such-thing"]}, "git"),
        ({}, {"a": ["python:no/such/thing"]}, "names no interpreter"),
    ],
)
def test_what_cannot_be_spelled_is_refused_before_any_run(
    settings: dict[str, str], additions: dict[str, list[str]], says: str
) -> None:
    workload = CommandWorkload(("{python}", "train.py", "{overrides}"), **settings)
    with pytest.raises(ConfigError, match=says):
        prepared(workload, experiment(**additions))


def git(*words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


@pytest.fixture
def revised(project: Path) -> Path:
    """A repository with two revisions before the present one: `good`, and `bad`, which cannot be imported."""
    (project / ".gitignore").write_text("home\ndata\n")
    (project / "train.py").write_text("from lab import WORD\nprint(WORD)\n")
    git("init", "-q")
    for tag, text in (("good", "WORD = 'old'\n"), ("bad", "import nowhere_to_be_found\n")):
        (project / "lab.py").write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", tag)
        git("tag", tag)
    (project / "lab.py").write_text("WORD = 'new'\n")
    return project


def printed(job: Job) -> str:
    return subprocess.check_output(job.argv, cwd=job.cwd, env=os.environ | job.env, text=True)


def test_an_addition_may_run_the_code_of_another_revision(revised: Path) -> None:
    workload = CommandWorkload(("{python}", "train.py", "{overrides}"))
    asked = experiment(old=["git:good"])
    assert printed(prepared(workload, asked)) == "new\n"
    job = prepared(workload, asked, "old")
    assert printed(job) == "old\n"
    assert (job.cwd / "data").is_dir(), "what git does not know is shared"
    assert (revised / "lab.py").read_text() == "WORD = 'new'\n"


def test_a_revision_that_does_not_import_is_told_before_any_run(
    revised: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = CommandWorkload(("{python}", "train.py", "{overrides}"))
    asked = experiment(worse=["git:bad"], x=["--x"])
    job = workload.preflight(Session(asked), (revised / "home/preflight").absolute())
    assert job is not None
    for name, value in job.env.items():
        monkeypatch.setenv(name, value)
    importable.main()
    (error,) = json.loads((job.rundir / "preflight_result.json").read_text())["errors"]
    assert error["key"] == "additions.worse"
    assert error["target"] == "git:bad"
    assert "nowhere_to_be_found" in error["message"]


def test_a_script_that_says_itself_where_its_modules_are_is_believed(project: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "far_away.py").write_text("")
    text = "import far_away\n"
    place = {"python": "", "cwd": str(project), "script": "moved.py"}
    for how in ("found", "imported"):
        (project / "moved.py").write_text(text)
        assert "far_away" in importable.complaint({**place, "how": how})
        (project / "moved.py").write_text(f"import sys\nsys.path.insert(0, 'elsewhere')\n{text}")
        assert importable.complaint({**place, "how": how}) == ""


def test_an_addition_may_swap_the_interpreter(project: Path) -> None:
    venv = project / "other"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    workload = CommandWorkload(("python3", "train.py", "{overrides}"))
    job = prepared(workload, experiment(venv=[f"python:{venv}"]), "venv")
    assert job.argv == (str(venv / "bin" / "python"), "train.py")


def test_a_function_of_another_revision_is_trained_in_a_process_of_its_own(
    revised: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (revised / "lab.py").write_text("def train(cfg, run): run.log(0, new=1)\n")
    git("commit", "-q", "-a", "-m", "a function")
    git("tag", "function")
    (revised / "lab.py").write_text("def train(cfg, run): run.log(0, newer=1)\n")
    asked = experiment(old=["git:function", "env:A=1"], worse=["git:bad", "recipe.x=1"])
    workload = FunctionWorkload("lab:train", lambda overrides: {})
    trial = Trial(3, Arm(frozenset({"old"})), 7, Purpose.ISOLATE)
    rundir = (revised / "home/runs/003").absolute()
    job = workload.prepare(Session(asked), trial, rundir)
    assert not fits(job, WORKERS)
    assert job.env["A"] == "1"
    subprocess.run(job.argv, cwd=job.cwd, env=os.environ | job.env, check=True)
    assert '"new"' in (rundir / "metrics.jsonl").read_text()
    job = workload.preflight(Session(asked), (revised / "home/preflight").absolute())
    wanted = json.loads((job.rundir / "preflight.json").read_text())
    (error,) = importable.complaints(wanted)
    assert (error["key"], error["target"]) == ("additions.worse", "git:bad")


def watched(workload: CommandWorkload, project: Path, *, observe: bool = False) -> Job:
    asked = replace(experiment(a=["--a"]), observe=observe)
    trial = Trial(3, Arm(frozenset("a"), watched=not observe), 7, Purpose.EXPERIMENT)
    return workload.prepare(Session(asked), trial, project / "home/runs/003")


@pytest.mark.parametrize("observe", [True, False])
def test_a_run_is_observed_by_a_hook_before_the_pythonpath_there_was(
    project: Path, monkeypatch: pytest.MonkeyPatch, observe: bool
) -> None:
    monkeypatch.setenv("PYTHONPATH", "theirs")
    job = watched(CommandWorkload(("{python}", "{overrides}")), project, observe=observe)
    hook, theirs = job.env["PYTHONPATH"].split(os.pathsep)
    assert (Path(hook) / "sitecustomize.py").is_file()
    assert theirs == "theirs"
    assert (project / "home/runs/003/observe.json").exists()
    plain = CommandWorkload(("{python}", "{overrides}"), env={"PYTHONPATH": "own"})
    assert prepared(plain, experiment(a=["--a"]), "a").env["PYTHONPATH"] == "own"


def test_what_an_earlier_attempt_has_seen_is_taken_away(project: Path) -> None:
    seen = project / "home/runs/003/observations.jsonl"
    seen.parent.mkdir(parents=True)
    seen.write_text("of an earlier attempt")
    watched(CommandWorkload(("{python}", "{overrides}")), project)
    assert not seen.exists()


@pytest.mark.parametrize(
    ("command", "because"),
    [
        (["{python}", "train.py", "{overrides}"], "no Python file here names torch"),
        (["true", "{overrides}"], "`true` is no Python, and names none"),
        (["docker", "run", "python", "{overrides}"], "`docker` starts it where"),
        (["{python}", "-I", "torchy.py", "{overrides}"], "-I` reads no PYTHONPATH"),
        (["{python}", "torchy.py", "{overrides}"], ""),
        (["torchrun", "torchy.py", "{overrides}"], ""),
        (["sh", "-c", "python torchy.py {overrides}"], ""),
        (["sh", "run.sh", "{overrides}"], ""),
    ],
)
def test_why_a_command_cannot_be_observed_is_known_before_it_is_run(
    project: Path, command: list[str], because: str
) -> None:
    if not because:
        (project / "torchy.py").write_text("import torch\n")
        (project / "run.sh").write_text("exec python torchy.py $@\n")
    unseen = CommandWorkload(command).unseen()
    assert because in unseen
    assert bool(because) == bool(unseen)
