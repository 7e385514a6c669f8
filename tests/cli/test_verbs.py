"""plan, status, log and init: what they say, and that they change nothing."""

import json
import os
import re
import signal
import subprocess
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args

import pytest
import yaml
from cli_project import CONF, Project, until

from bisector.cli.example import train
from bisector.cli.init import TEMPLATE
from bisector.cli.main import main
from bisector.config.schema import ExperimentConf


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `bisect WORDS` prints; it must end well and say nothing else."""
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"}


# ---- plan


def test_plan_shows_what_would_run_and_about_how_much_and_leaves_nothing_behind(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(project.folder)
    text = told(capsys, "plan", "conf=x")
    assert "3 additions, from conf/x.yaml, into out/x (nothing there yet)" in text
    assert re.search(r"loss\n +one +0\.12  recipe\.a=1\nmodel\n +two +0\.12  recipe\.b=1", text)
    assert "score (acc), higher is better; broken when worse by 0.05" in text
    assert "baseline seed 0, baseline seed 1, everything (3) seed 0" in text
    assert "not known before a run has been timed; 2 runs at a time" in text
    assert files(project.folder) == before
    assert not project.home.exists()


def test_what_plan_foresees_is_what_run_does(
    project: Project, searched: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = json.loads(told(capsys, "plan", "conf=x", "--json"))
    runs = searched.events("Launched")
    first = [(r["trial"]["arm"]["additions"], r["trial"]["seed"]) for r in runs]
    foreseen = [(t["additions"], t["seed"]) for t in plan["next"]]
    assert foreseen == first[: len(foreseen)]
    assert [a["name"] for a in plan["additions"]] == ["one", "two", "three"]
    low, high = plan["runs"]["one_culprit"]
    assert plan["runs"]["nothing_breaks"] < low <= high <= plan["runs"]["budget"] == 60
    assert low - 2 <= len(runs) <= high + 4, "an estimate, but not a bad one"


def test_plan_goes_by_the_prior_that_is_configured(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("plan", "conf=x", "--json", "additions.one.prior=0.5")
    priors = {a["name"]: a["prior"] for a in json.loads(told(capsys, *asked))["additions"]}
    assert priors == {"one": 0.5, "two": 0.12, "three": 0.12}


def test_plan_tells_what_is_left_and_how_long_a_run_takes_by_an_earlier_search(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(finished.folder)
    plan = json.loads(told(capsys, "plan", "conf=x", "--json"))
    seconds = [e["seconds"] for e in finished.events("Judged")]
    assert plan["seconds_per_run"] == pytest.approx(sum(seconds) / len(seconds))
    assert plan["found"] == {"judged": len(seconds), "concluded": True}
    assert plan["next"] == []
    assert "concluded: culprit" in told(capsys, "plan", "conf=x")
    again = json.loads(told(capsys, "plan", "conf=x", "--fresh", "--json"))
    assert len(again["next"]) == 3
    assert again["seconds_per_run"] == plan["seconds_per_run"]
    assert files(finished.folder) == before


# ---- status and log


def test_status_and_log_follow_a_search_from_another_terminal(project: Project) -> None:
    project.hold_from(4)
    search = project.start("run", "conf=x", "--plain")
    until(lambda: len(project.judged()) == 4 and len(project.began()) == 6)
    before = files(project.home)
    status = json.loads(project.bisect("status", "conf=x", "--json").stdout)
    assert (status["state"], status["phase"]) == ("searching", "isolating")
    assert f"process {search.pid}" in status["holder"]
    assert [r["trial"] for r in status["running"]] == project.running()
    assert status["runs"] | {"left": 0} == {
        "judged": 4, "running": 2, "left": 0, "spent": 6, "budget": 60
    }  # fmt: skip
    assert status["runs"]["left"] >= 2
    assert sum(b["probability"] for b in status["belief"]) <= 1
    log = project.bisect("log", "conf=x").stdout.splitlines()
    assert len(log) == len(project.events())
    assert files(project.home) == before, "whoever looks on writes nothing"

    refused = project.bisect("run", "conf=x")
    assert refused.returncode == 2
    assert f"being searched by process {search.pid}" in refused.stderr

    os.killpg(search.pid, signal.SIGTERM)
    search.communicate(timeout=30)
    assert search.returncode == 130
    text = project.bisect("status", "conf=x").stdout
    assert "4 runs" not in text.splitlines()[0]
    assert "Budget: 4 of 60 runs spent" in text, "what was stopped costs nothing"
    assert "goes on with: bisect run conf=x" in text


def test_status_of_a_search_that_has_ended_says_what_it_found(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    text = told(capsys, "status", "conf=x")
    assert "`two` breaks training" in text
    status = json.loads(told(capsys, "status", "conf=x", "--json"))
    assert status["state"] == status["phase"] == "concluded"
    assert status["runs"]["running"] == status["runs"]["left"] == 0
    assert status["belief"][0]["culprits"] == [["two"]]
    assert len(status["last"]) == 5


def test_log_is_one_line_an_event_and_its_json_is_the_journal(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(capsys, "log", "conf=x").splitlines()
    assert len(lines) == len(finished.events())
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  +\S", line) for line in lines)
    assert "x: 3 additions" in lines[0]
    assert "concluded: culprit" in lines[-1]
    journal = finished.home / "journal.jsonl"
    assert told(capsys, "log", "conf=x", "--json") == journal.read_text()
    journal.write_text(journal.read_text() + '{"event": "Opened"')
    assert told(capsys, "log", "conf=x", "--json").splitlines() == [
        json.dumps(e) for e in finished.events()
    ]


def test_a_search_is_found_by_the_name_that_its_file_gives_it(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    finished.home.rename(finished.home.with_name("other"))
    finished.conf.write_text(CONF + "name: other\n")
    assert "`two` breaks training" in told(capsys, "status", "conf=x")
    assert "`two` breaks training" in told(capsys, "status", "conf=y", "name=other")


# ---- init


def test_what_init_writes_is_an_experiment_that_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(capsys, "init").splitlines()[-1] == "next: bisect plan conf=experiment"
    plan = json.loads(told(capsys, "plan", "conf=experiment", "--json"))
    assert len(plan["additions"]) == 4
    assert plan["notes"] == []


def test_init_takes_a_path_and_names_everything_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = json.loads(told(capsys, "init", "--json", "sub/my-net.yaml"))
    assert made["wrote"] == ["sub/my-net.yaml", "bisect_my_net.py"]
    assert made["next"] == "bisect plan conf=my-net --conf-dir sub"
    assert "target: bisect_my_net:train" in Path("sub/my-net.yaml").read_text()
    told(capsys, *made["next"].split()[1:])
    told(capsys, "init", "other")
    assert Path("conf/other.yaml").exists()


def test_init_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bisect_experiment.py").write_text("mine")
    assert main(["init"]) == 2
    line, hint = capsys.readouterr().err.splitlines()
    assert "bisect_experiment.py is there already" in line
    assert "bisect init NAME" in hint
    assert files(tmp_path) == {str(tmp_path / "bisect_experiment.py"): b"mine"}


def keys(kind: type) -> set[str]:
    found = set()
    for field in fields(kind):
        found.add(field.name)
        for inner in (field.type, *get_args(field.type)):
            found |= keys(inner) if is_dataclass(inner) else set()
    return found


def test_the_template_explains_every_key_there_is() -> None:
    known = keys(ExperimentConf)
    assert all(isinstance(yaml.safe_load(k), str) for k in known), "YAML reads `off` as false"
    written = re.findall(r"^[# -]*(\w+):", TEMPLATE.read_text(), re.MULTILINE)
    assert known <= set(written)


def test_the_templates_command_works_when_it_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = TEMPLATE.read_text()
    block = text[text.index("# workload:") : text.index("#\n# {overrides} becomes")]
    commanded = yaml.safe_load(block.replace("# ", ""))
    whole = yaml.safe_load(text) | commanded
    assert commanded.keys() == {"workload", "recipe", "lr", "additions"}
    whole["workload"]["command"][0] = "{python}"
    Path("train.py").touch()
    Path("conf").mkdir()
    Path("conf/experiment.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    plan = json.loads(told(capsys, "plan", "conf=experiment", "--json"))
    assert plan["additions"][1]["overrides"] == ["--loss=focal", "--gamma=2"]


class Told:
    """Stands where the worker's `run` does, and keeps what it is told."""

    def __init__(self, seed: int) -> None:
        self.seed, self.last = seed, {}

    def facts(self, **values: float) -> None:
        pass

    def log(self, step: int, **values: float) -> None:
        self.last = values


def test_the_example_trains_but_for_the_addition_that_is_to_be_found() -> None:
    whole = yaml.safe_load(TEMPLATE.read_text())

    def score(*on: str) -> float:
        recipe = dict(whole["recipe"])
        for name in on:
            (override,) = whole["additions"][name]["overrides"]
            key, _, value = override.removeprefix("recipe.").partition("=")
            recipe[key] = yaml.safe_load(value)
        run = Told(seed=0)
        train(type("Config", (), recipe), run)
        return run.last["accuracy"]

    harmless = [name for name in whole["additions"] if name != "squared_loss"]
    baseline = score()
    assert baseline > 0.95
    worth_a_verdict = whole["judge"]["min_effect"]
    assert all(score(name) > baseline - worth_a_verdict for name in harmless)
    assert score(*harmless) > baseline - worth_a_verdict
    assert score("squared_loss") < baseline - 2 * worth_a_verdict


def test_log_into_a_pipe_that_is_closed_ends_quietly(searched: Project) -> None:
    log = searched.start("log", "conf=x", "--json", stdout=subprocess.PIPE)
    log.stdout.close()
    assert log.stderr.read() == ""
    assert log.wait(timeout=60) == 0
