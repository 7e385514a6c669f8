"""`bisector.load`: a search as a notebook sees it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bisector
from bisector.errors import ConfigError
from bisector.notebook import Search

PAGE = Path(__file__).parents[1] / "docs/howto/notebook.md"

CONF = """\
defaults: [bisect_schema, launcher: inline, planner: progressive, _self_]
metrics: {score: acc}
judge: {min_effect: 0.05}
budget: {confidence: 0.9, repeats: 2, confirm: 1}
lr: {key: recipe.lr}
recipe: {lr: 0.1, wide: false, focal: false}
workload: {_target_: bisector.workload.function.FunctionWorkload, target: "lab:train"}
mlflow: {enabled: false}
additions:
  wide: {kind: model, overrides: [recipe.wide=true]}
  focal: {kind: loss, overrides: [recipe.focal=true]}
"""

LAB = """\
def train(cfg, run):
    for step in range(4):
        run.log(step, acc=(0.1 if cfg.focal else 0.9) + 0.01 * step + 0.001 * run.seed, loss=1.0 - 0.1 * step)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a search has been run to its verdict."""
    made = tmp_path_factory.mktemp("notebook")
    (made / "conf").mkdir()
    (made / "conf" / "digits.yaml").write_text(CONF)
    (made / "lab.py").write_text(LAB)
    command = [sys.executable, "-m", "bisector", "run", "conf=digits", "--plain"]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def search(folder: Path) -> Search:
    return bisector.load("digits", out=folder / "out")


def test_the_verdict_is_that_of_the_reports(search: Search, folder: Path) -> None:
    assert search.verdict.culprits == (frozenset({"focal"}),)
    assert "focal breaks training" in repr(search)
    command = [sys.executable, "-m", "bisector", "report", "conf=digits", "--md"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert search._repr_markdown_().splitlines()[0] == told.splitlines()[0]


def test_the_trials_are_a_table_with_a_column_for_each_addition(
    search: Search,
) -> None:
    runs = search.trials()
    assert len(runs) == len(search.session.judged)
    assert list(runs.index) == sorted(runs.index)
    assert set(runs[runs["add.focal"]]["outcome"]) == {"broken"}
    assert set(runs[~runs["add.focal"]]["outcome"]) == {"healthy"}
    assert runs.loc[0, "arm"] == "baseline"


def test_what_a_run_logged_is_a_table_by_step(search: Search) -> None:
    logged = search.curves(0)
    assert list(logged.index) == [0, 1, 2, 3]
    assert logged["score"].iloc[-1] == pytest.approx(0.93)


def test_the_figures_draw_every_run_and_show_themselves_without_pyplot(
    search: Search,
) -> None:
    number = len(search.session.judged)
    assert len(search.plot_curves().axes[0].lines) == number
    assert len(search.plot_arms().axes[0].lines) == number
    assert [p.get_xscale() for p in search.plot_lr().axes] == ["linear", "linear"], (
        "the baseline is swept beside what no learning rate mends"
    )
    assert search.plot_belief()._repr_png_()[:4] == b"\x89PNG"


def test_a_signal_that_no_run_logged_is_answered_with_those_that_were(
    search: Search,
) -> None:
    with pytest.raises(KeyError, match="there are: loss, score"):
        search.plot_curves("accuracy")


def test_a_search_that_is_not_there_is_answered_with_those_that_are(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        bisector.load("digist", out=folder / "out")
    assert "digits" in error.value.hint


def test_the_page_works_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(block, scope)
    assert "search" in scope


def test_a_running_search_is_read_as_far_as_it_is(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "digits"
    shutil.copytree(folder / "out" / "digits", home)
    journal = home / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:6]) + lines[6][:10])
    search = bisector.load("digits", out=tmp_path)
    assert search.verdict.ruling is None
    assert len(search.trials()) == len(search.session.judged) > 0
