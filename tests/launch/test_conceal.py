"""Secrets of the environment do not come into journals and job files."""

import html
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bisector import conceal
from bisector.journal import Journal
from bisector.launch.handle import Handle
from bisector.launch.inline import InlineLauncher
from bisector.launch.job_file import read_job, write_job
from bisector.launch.local import LocalLauncher
from bisector.model.experiment import Experiment
from bisector.model.session import Opened
from bisector.ports import Job, JobState
from bisector.testing.runs import JOB_MODULE, end_of, submit

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
    handle = submit(launcher, asked)
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
    handle = submit(launcher, Job((sys.executable, "-c", code), tmp_path))
    until_ended(launcher, handle)
    assert (tmp_path / "log.txt").read_text() == "before\nkey (concealed LAB_TOKEN) after\n"


PRINT_AND_WAIT = (
    "import os, time; print('key', os.environ['LAB_TOKEN'], 'after', flush=True); time.sleep(600)"
)


@pytest.mark.parametrize("adopted", [False, True], ids=["launched", "adopted"])
@pytest.mark.parametrize("ends", ["is lost", "is cancelled"])
def test_nor_does_the_log_of_a_job_whose_wrapper_was_killed_hold_it(
    tmp_path, monkeypatch, adopted, ends
):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    launcher = LocalLauncher(slots=1, warm=False)
    handle = submit(launcher, Job((sys.executable, "-c", PRINT_AND_WAIT), tmp_path))
    log = tmp_path / "log.txt"
    deadline = time.monotonic() + 30
    while not log.exists() or "after" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(Handle.parse(handle).pid, signal.SIGKILL)
    heir = LocalLauncher(slots=1, warm=False) if adopted else launcher
    if ends == "is lost":
        until_ended(heir, handle)
    else:
        heir.cancel([handle])
    assert log.read_text() == "key (concealed LAB_TOKEN) after\n"


def test_nor_does_the_log_of_a_job_in_this_process_hold_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    asked = Job((sys.executable, "-m", JOB_MODULE, "crash", SECRET), tmp_path)
    submit(InlineLauncher(in_process=[JOB_MODULE]), asked)
    said = (tmp_path / "log.txt").read_text()
    assert said.endswith("ValueError: (concealed LAB_TOKEN)\n")


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
