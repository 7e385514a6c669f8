"""A search that is typed whole, with no file and no edit."""

import sys
from pathlib import Path

import psutil
import pytest
import yaml
from shell_project import ARGPARSE, SEARCH, SETTINGS, Shell

from bisector.cli.main import main


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "train.py").write_text(ARGPARSE)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


def test_a_nan_that_exits_with_0_is_found_and_the_same_command_finds_its_search_again(
    shell: Shell,
) -> None:
    done = shell.bisect("run", *SEARCH, *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert shell.concluded() == ("culprit", [["ema"]])
    assert "loss is not finite at step 3" in done.stdout
    assert not (shell.folder / "progress.txt").exists(), "each run has a folder of its own"
    (journal,) = shell.folder.glob("out/*/journal.jsonl")
    before = journal.read_text()
    again = shell.bisect("run", *SEARCH, *SETTINGS)
    assert again.returncode == 0
    assert journal.read_text() == before, "nothing was run again"
    named = shell.bisect("status", f"conf={journal.parent.name}")
    assert "`ema` breaks training" in named.stdout


def test_a_metric_that_is_never_printed_is_told_with_the_pattern_and_the_last_lines(
    shell: Shell,
) -> None:
    words = [w.replace("val_acc (", "val_accuracy (") for w in SEARCH]
    done = shell.bisect("run", *words, *SETTINGS)
    assert done.returncode == 2
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("bisect:")]
    assert "`val_accuracy ([0-9.]+)`" in line
    assert "epoch 8: train_loss 0.1250, val_acc" in line
    assert "`metrics: {val_accuracy: val_acc}`" in done.stderr
    mended = shell.bisect("run", *SEARCH, *SETTINGS, "budget.trials=3")
    assert mended.returncode == 1, mended.stderr
    (journal,) = shell.folder.glob("out/*/journal.jsonl")
    assert journal.read_text().count('"Opened"') == 2, "the first runs were kept and judged again"


def test_what_a_command_without_a_seed_or_a_metric_loses_is_told_before_the_first_run(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*SETTINGS[:3], "budget.trials=3"]
    assert main(["plan", *SEARCH, *settings]) == 0
    assert "{seed}" not in capsys.readouterr().out
    words = [w.replace(" --seed {seed}", "") for w in SEARCH]
    assert main(["plan", *words, *settings]) == 0
    assert "Note       The command has no {seed}." in capsys.readouterr().out
    at = SEARCH.index("--metric")
    assert main(["plan", *SEARCH[:at], *SEARCH[at + 2 :], *settings]) == 0
    assert "Note       Exit codes alone decide" in capsys.readouterr().out
    psutil.wait_procs(psutil.Process().children(), 5)


def test_init_writes_the_experiment_out(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "mine", *SEARCH]) == 0
    assert "bisect plan conf=mine" in capsys.readouterr().out
    conf = yaml.safe_load((shell.folder / "conf" / "mine.yaml").read_text())
    assert conf["workload"]["command"][:3] == [sys.executable, "train.py", "--lr"]
    assert conf["workload"]["command"][-1] == "{overrides}"
    assert conf["lr"] == {"key": "--lr", "value": 0.1}
    assert conf["judge"] == {"metric": "val_acc", "direction": "maximize"}
    assert conf["additions"]["mixup"] == {"overrides": ["--mixup", "0.8"]}
    assert list(conf["additions"]) == ["mixup", "ema", "note"]


def test_with_no_metric_the_exit_code_decides(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    without = [w for w in SEARCH if w not in ("--metric", "val_acc ([0-9.]+)", "--higher")]
    assert main(["init", "mine", *without]) == 0
    conf = yaml.safe_load((shell.folder / "conf" / "mine.yaml").read_text())
    assert conf["read"] == {"exit_code": True}
    assert conf["judge"]["metric"] == "passed"


BAD = {
    "nothing added": (["--baseline", "true"], "without an --add", "--add 'mixup"),
    "empty": (["--baseline", " "], "--baseline is empty", "python train.py"),
    "a quote": (["--baseline", "a 'b", "--add", "--x"], "No closing quotation", "quote"),
    "nothing in it": (["--baseline", "true", "--add", "ema:"], "nothing to add", "--mixup 0.8"),
    "twice": (["--baseline", "true", "--add", "--x 1", "--add", "--x 2"], "`x` twice", "own"),
    "no such rate": (
        ["--baseline", "true --wd 1", "--add", "--x", "--lr-key", "--lr"],
        "not in --baseline",
        "--lr 0.1",
    ),
    "pattern": (["--baseline", "true", "--add", "--x", "--metric", "acc (x"], "acc (x", "\\("),
    "two experiments": (["conf=digits", "--baseline", "true", "--add", "--x"], "Both conf=", ""),
    "module": (
        ["--baseline", f"{sys.executable} other.py", "--add", "--x"],
        "other.py",
        "installed here?",
    ),
}


@pytest.mark.parametrize("which", BAD)
def test_what_cannot_be_used_is_told_before_any_run(
    shell: Shell, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    (shell.folder / "other.py").write_text("import nowhere_to_be_found\n")
    words, says, hint = BAD[which]
    assert main(["run", *words, *SETTINGS]) == 2
    line, mend = capsys.readouterr().err.splitlines()
    assert says in line
    assert hint in mend
    assert not list(shell.folder.glob("out/*/runs"))
    # A wrapper whose job has ended takes a moment to be gone.
    psutil.wait_procs(psutil.Process().children(), 5)


def test_a_command_that_prints_nothing_can_be_judged_by_its_observed_loss(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--baseline", "python train.py", "--add", "a: --a", "--metric", "observed/loss"]
    assert main(["init", "seen", *words]) == 0
    written = yaml.safe_load((shell.folder / "conf/seen.yaml").read_text())
    assert written["observe"] is True
    assert written["judge"] == {"metric": "observed/loss", "direction": "minimize", "last": 20}
    assert main(["init", "other", *words[:4], "--observe"]) == 0
    assert yaml.safe_load((shell.folder / "conf/other.yaml").read_text())["observe"] is True
