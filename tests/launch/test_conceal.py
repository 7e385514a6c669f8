"""Secrets of the environment do not come into journals and job files."""

import html
import json
import os
import subprocess
import sys
import time

import pytest

from bisector import conceal
from bisector.journal import Journal
from bisector.launch.job_file import read_job, write_job
from bisector.launch.local import LocalLauncher
from bisector.model.experiment import Experiment
from bisector.model.session import Opened
from bisector.ports import Job, JobState
from bisector.testing.launcher import end_of

SECRET = 'sk-"1234"\\5678'


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("WANDB_API_KEY", True),
        ("HF_TOKEN", True),
        ("DB_PASSWORD", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("my_secret", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", True),
        ("TOKENIZERS_PARALLELISM", False),
        ("KEYBOARD_LAYOUT", False),
        ("MONKEY", False),
        ("LAB_LICENCE_1", True),
    ],
)
def test_a_secret_is_known_by_its_variable_s_name(name, is_secret):
    environment = {name: SECRET, "BISECT_REDACT": "LAB_LICENCE_*,OTHER"}
    assert (name in conceal.secrets(environment)) is is_secret


def until_ended(launcher, handle):
    deadline = time.monotonic() + 30
    while launcher.poll([handle])[handle] is not JobState.ENDED:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_is_given_its_secret_and_no_file_holds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    code = "import os, sys; sys.exit(3 if os.environ['KEY'] == sys.argv[1] == os.environ['LAB_TOKEN'] else 1)"
    asked = Job((sys.executable, "-c", code, SECRET), tmp_path, {"KEY": SECRET})
    launcher = LocalLauncher(slots=1, warm=False)
    handle = launcher.submit(asked)
    until_ended(launcher, handle)
    assert end_of(tmp_path)["code"] == 3
    told = json.dumps(SECRET)[1:-1].encode()
    assert [p for p in tmp_path.iterdir() if told in p.read_bytes()] == []
    assert read_job(tmp_path).argv == asked.argv


def test_a_job_without_secrets_is_written_as_it_is(tmp_path):
    job = Job(("x", "{secret:NO_SUCH_TOKEN}"), tmp_path)
    write_job(job)
    assert read_job(tmp_path).argv == job.argv


def test_the_journal_has_the_name_of_a_secret_only(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    config = {"workload": {"env": {"KEY": SECRET}, "command": ["x", f"--key={SECRET}"]}}
    journal = Journal(tmp_path / "journal.jsonl", conceal.concealed)
    journal.append(Opened(Experiment(name="x", additions=()), config, "", "", 0.0))
    loaded = journal.load()
    assert loaded is not None
    (opened,) = loaded.events
    assert opened.config["workload"] == {
        "env": {"KEY": "(concealed LAB_TOKEN)"},
        "command": ["x", "--key=(concealed LAB_TOKEN)"],
    }
    assert os.environ["LAB_TOKEN"] == SECRET


def test_a_log_names_the_secret_that_a_job_has_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    code = "import os; print('before'); print('key', os.environ['LAB_TOKEN'], 'after')"
    launcher = LocalLauncher(slots=1, warm=False)
    handle = launcher.submit(Job((sys.executable, "-c", code), tmp_path))
    until_ended(launcher, handle)
    assert (tmp_path / "log.txt").read_text() == "before\nkey (concealed LAB_TOKEN) after\n"


LAB = """
def train(cfg, run):
    print("connecting with", cfg.key)
    assert cfg.key == SECRET and cfg.nested == [1e-3, "a " + SECRET]
    for step in range(3):
        run.log(step, loss=1 / (step + 1), score=step / 3 - cfg.harm)
"""
CONF = """
defaults: [bisect_schema, launcher: local, planner: adaptive, _self_]
workload: {_target_: bisector.workload.function.FunctionWorkload, target: "lab:train"}
recipe: {harm: 0.0, key: "${oc.env:LAB_TOKEN}", nested: [1e-3, "a ${oc.env:LAB_TOKEN}"]}
metrics: {loss: loss, score: score}
judge: {min_effect: 0.05, patience: .inf}
budget: {confidence: 0.9, repeats: 2, confirm: 1, remedies: 0}
launcher: {slots: 2, gpus: none}
additions: {bad: {overrides: [recipe.harm=0.5, "+recipe.also='${oc.env:LAB_TOKEN}'"]}}
"""


@pytest.mark.slow
def test_no_file_that_a_search_leaves_holds_a_secret(tmp_path, monkeypatch):
    """Nor does MLflow's store, the report, or what the search says."""
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "x.yaml").write_text(CONF)
    (tmp_path / "lab.py").write_text(f"SECRET = {SECRET!r}\n{LAB}")
    command = [sys.executable, "-m", "bisector", "run", "conf=x", "--plain"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "`bad` breaks training" in done.stdout
    spelled = {text.encode() for text in (SECRET, json.dumps(SECRET)[1:-1], html.escape(SECRET))}
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert len(files) > 20
    assert [p for p in files if any(word in p.read_bytes() for word in spelled)] == []
    assert not any(word in (done.stdout + done.stderr).encode() for word in spelled)
