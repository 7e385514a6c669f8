"""It worked at that revision: which change of the code is to blame, and who made it?"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from code_project import git, make
from shell_project import SETTINGS, Shell

from bisector.cli.between_code import code_of, told_of
from bisector.cli.main import main

COMMAND = ("--command", f"{sys.executable} train.py --lr 0.1 --seed {{seed}}")
METRIC = ("--metric", "acc ([0-9.]+)")
WORDS = ("between", "GOOD=git:worked", *COMMAND, *METRIC, *SETTINGS)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


def trained(folder: Path) -> int:
    """Runs of all levels of a search."""
    journals = folder.glob("out/*/journal.jsonl")
    return sum('"Launched"' in line for j in journals for line in j.read_text().splitlines())


def test_a_dry_run_shows_the_pieces_what_they_need_and_who_brought_them(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "--dry-run", "--json"]) == 0
    groups = {g["addition"]: g for g in json.loads(capsys.readouterr().out)}
    assert "lab/optim.py" in groups
    assert groups["lab/data.py"]["requires"] == ["lab/mixing.py"]
    (pair,) = (name for name in groups if "train.py" in name)
    assert set(pair.split(" & ")) == {"lab/loss.py", "train.py"}
    assert main([*WORDS, "--dry-run"]) == 0
    table = capsys.readouterr().out
    assert "Ann: Say it with more digits (+2)" in table
    assert not (shell.folder / "out").exists()


@pytest.mark.slow
def test_the_guilty_hunk_and_its_commit_are_found_and_the_repository_stays_as_it_was(
    shell: Shell,
) -> None:
    before = [git(shell.folder, *w) for w in (("status", "--porcelain"), ("for-each-ref",))]
    done = shell.bisect(*WORDS)
    assert done.returncode == 0, done.stderr
    assert "`lab/optim.py:15` breaks training" in done.stdout, done.stdout
    brought = done.stdout.partition("lab/optim.py:15, brought by")[2]
    assert "Ann: Simplify the step" in brought
    assert "Ann: Less decay" not in brought
    assert "+    return weight - lr * 0.001 * (" in brought
    after = [git(shell.folder, *w) for w in (("status", "--porcelain"), ("for-each-ref",))]
    assert before == after
    assert len(git(shell.folder, "worktree", "list").splitlines()) == 1
    print(f"{trained(shell.folder)} runs")


@pytest.mark.slow
def test_code_and_settings_are_searched_together_and_a_killed_search_goes_on(shell: Shell) -> None:
    (shell.folder / "good.json").write_text('{"lr": 0.1, "wobble": 0.0}')
    (shell.folder / "bad.json").write_text('{"lr": 0.11, "wobble": 0.4}')
    git(shell.folder, "checkout", "-q", "main~2", "--", "lab/optim.py")
    script = (shell.folder / "train.py").read_text()
    words = ["between", "good.json", "bad.json", "GOOD=git:worked", *METRIC, *SETTINGS, "--json"]
    words += ["--spelling", "argparse", "--command", f"{sys.executable} train.py --seed {{seed}}"]
    with subprocess.Popen(
        [sys.executable, "-m", "bisector", *words], cwd=shell.folder, start_new_session=True
    ) as killed:
        until = time.monotonic() + 60
        while trained(shell.folder) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(killed.pid, signal.SIGKILL)
    # What is compared is the folder as it was when the search began.
    assert (shell.folder / "train.py").read_text() == script
    done = shell.bisect(*words)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["culprits"] == [["wobble"]]
    assert verdict["code"] == {}


def test_what_cannot_be_compared_of_code_is_told(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, says in (
        (["GOOD=git:worked", "BAD=git:worked"], "The two sides do not differ"),
        (["GOOD=git:nowhere"], "git:nowhere is no revision"),
    ):
        assert main(["between", *words, *COMMAND]) == 2
        assert says in capsys.readouterr().err.splitlines()[0]
    monkeypatch.chdir(shell.folder.parent)
    assert main(["between", "GOOD=git:worked", *COMMAND]) == 2
    assert "not a git repository" in capsys.readouterr().err.splitlines()[0]


def test_a_renamed_file_is_told_with_what_changed_in_it(shell: Shell) -> None:
    git(shell.folder, "mv", "lab/paths.py", "lab/places.py")
    (shell.folder / "lab/places.py").write_text("OUT = 'results'\nROOT = '.'\n")
    git(shell.folder, "tag", "named", git(shell.folder, "stash", "create"))
    code = code_of("main", "named")
    (new,) = (p for p in code.pieces if p.name.endswith("places.py"))
    assert told_of(code, new)[1:] == ["  it was lab/paths.py", "    +ROOT = '.'"]


def test_a_revision_that_cannot_be_imported_is_told_before_any_run(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    script = (shell.folder / "train.py").read_text()
    (shell.folder / "train.py").write_text(f"import nowhere_to_be_found\n{script}")
    git(shell.folder, "commit", "-q", "-a", "-m", "Faster")
    assert main([*WORDS, "BAD=git:main"]) == 2
    told = capsys.readouterr().err
    assert "cannot be imported: ModuleNotFoundError: No module named 'nowhere_to" in told
    assert not trained(shell.folder)
    psutil.wait_procs(psutil.Process().children(), 5)
