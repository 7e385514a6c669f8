"""Secrets of the environment do not come into journals and job files."""

import json
import os
import sys
import time

import pytest

from bisector.journal import Journal
from bisector.launch import conceal
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


def test_a_job_is_given_its_secret_and_no_file_holds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    code = "import os, sys; sys.exit(3 if os.environ['KEY'] == sys.argv[1] == os.environ['LAB_TOKEN'] else 1)"
    asked = Job((sys.executable, "-c", code, SECRET), tmp_path, {"KEY": SECRET})
    launcher = LocalLauncher(slots=1, warm=False)
    handle = launcher.submit(asked)
    deadline = time.monotonic() + 30
    while launcher.poll([handle])[handle] is not JobState.ENDED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
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
