"""Heat maps of a watched run: cells in the colour of their value, and nothing drawn of nothing."""

import math
import re
from pathlib import Path

import pytest
from report_sessions import experiment, some

from bisector.model.evidence import Evidence, Exit
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.report.heat_picture import COLUMNS, ROWS, HeatMap, heat_maps, watched_runs
from bisector.report.html import Further, write_report
from bisector.report.spread_picture import marks_of, spread_pictures
from bisector.report.way_picture import way_picture

WEIGHTS = {
    "parameters": ["stem.weight", "stem.bias", "head.weight"],
    "shapes": [[4, 4], [4], [2, 4]],
    "steps": [1, 2, 4],
    "ratio": [[1e-3, 1e-3, 1e-8], [1e-3, 1e-3, math.nan], [0.5, 1e-3, 5e-3]],
}
NAN = {
    "operator": "log", "phase": "forward", "step": 7, "where": "in <the loss>", "exact": True,
    "cause": "the logarithm of 0", "mend": "Clamp.", "inputs": ["float32[4] from 0 to 1"],
    "path": ["forward log in <the loss>: 1 infinite", "... 7 more ...", "backward mul of log: 4 NaN"],
}  # fmt: skip


def cells(heat: HeatMap) -> dict[str, int]:
    return {level: path.count("M") for level, path in heat.areas}


def test_a_cell_has_the_colour_of_its_value_and_biases_have_no_row() -> None:
    (heat,) = heat_maps({"run_weights": WEIGHTS})
    assert [label.whole for label in heat.labels] == ["stem.weight", "head.weight"]
    assert cells(heat) == {"h0": 1, "h3": 2, "h4": 1, "h6": 1, "odd": 1}
    assert [told for _, told in heat.ticks] == ["1", "step 4"]
    assert [level for level, _ in heat.key] == list(range(7))
    assert [end for _, end in heat.key] == ["1e-5", "1e-4", "3e-4", "3e-3", "0.01", "0.1", ""]


def test_what_is_too_much_to_draw_is_left_out_evenly_and_said() -> None:
    names = [f"layer{i}.weight" for i in range(100)]
    wide = {
        "parameters": names,
        "shapes": [[2, 2]] * 100,
        "steps": list(range(200)),
        "ratio": [[1e-3] * 100] * 200,
    }
    (heat,) = heat_maps({"run_weights": wide})
    assert sum(cells(heat).values()) == ROWS * COLUMNS
    assert heat.left_out == 100 - ROWS
    assert (heat.labels[0].whole, heat.labels[-1].whole) == (names[0], names[-1])


def test_a_layer_without_an_activation_has_no_row_among_the_dead() -> None:
    family = {
        "layers": ["stem", "head"],
        "steps": [1],
        "mean": [[0.0, 0.0]],
        "std": [[1.0, 40.0]],
        "dead": [[0.9, "nan"]],
        "saturated": [["nan", "nan"]],
    }
    spread, dead = heat_maps({"run_activations": family})
    assert cells(spread) == {"h3": 1, "h6": 1}
    assert [label.whole for label in dead.labels] == ["stem"]
    assert cells(dead) == {"h6": 1}


def test_what_is_not_finite_is_neither_dead_nor_alive() -> None:
    family = {
        "layers": ["stem"], "steps": [1, 2], "mean": [[0.0], ["nan"]],
        "std": [[1.0], ["nan"]], "dead": [[0.0], [0.0]], "saturated": [["nan"], ["nan"]],
    }  # fmt: skip
    _, dead = heat_maps({"run_activations": family})
    assert cells(dead) == {"h3": 1, "odd": 1}


def ended(*arms: Arm) -> Session:
    session = Session(experiment())
    for number, arm in enumerate(arms):
        trial = Trial(number, arm, 0, Purpose.EXPERIMENT)
        verdict = Verdict(Outcome.BROKEN, 1.0, because="worse")
        session = session.add(Launched(trial, "")).add(Judged(trial, verdict, 1.0))
    return session


def test_watched_runs_are_drawn_what_was_convicted_first(tmp_path: Path) -> None:
    session = ended(Arm(), Arm(watched=True), Arm(some("focal"), watched=True))
    facts = {1: {"run_weights": WEIGHTS}, 2: {"run_weights": WEIGHTS, "nonfinite": NAN}}
    runs = watched_runs(session, lambda number: facts[number])
    assert [(run.name, run.number, len(run.maps)) for run in runs] == [
        ("focal watched", 2, 1),
        ("baseline watched", 1, 1),
    ]
    path = tmp_path / "report.html"
    seen = Further(facts=lambda number: facts[number])
    write_report(session, (), lambda _: Evidence(Exit.CLEAN), path, further=seen)
    page = path.read_text(encoding="utf-8")
    assert "the logarithm of 0 in <code>log</code> in &lt;the loss&gt;" in page
    assert re.search(r'class="heat h6" d="M\d', page)
    assert 'class="op born"' in page
    assert "log in &lt;the loss&gt;" in page


def test_the_way_of_a_nan_begins_with_what_went_in_and_has_a_lane_for_each_pass() -> None:
    way = way_picture(NAN)
    assert way is not None
    assert [name for _, name in way.lanes] == ["forward", "backward"]
    assert [box.kind for box in way.boxes] == ["given", "born", "left", "passed"]
    assert [box.head for box in way.boxes[1:]] == [
        "log in <the loss>",
        "... 7 more ...",
        "mul of log",
    ]
    assert way.boxes[3].x > way.boxes[2].x == way.boxes[0].x
    assert way_picture({"met": True, "because": "no step could be done again"}) is None


def test_without_watched_runs_the_page_has_no_such_part() -> None:
    assert watched_runs(ended(Arm()), lambda _: {}) == ()


def cell(counts: list[float], low: float = -1.0, high: float = 1.0, lost: float = 0.0) -> list:
    return [low, high, lost, *counts]


SOUND = [5, 20, 60, 100, 60, 20, 5]


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("activation", cell(SOUND), []),
        ("activation", cell(SOUND, -100, 100), ["deviation 33"]),
        ("activation", cell(SOUND, 9, 11), ["mean far from 0"]),
        ("activation", cell([100, 5, 5, 5, 100]), ["heaped at both ends"]),
        ("activation", cell([100], 2, 2), ["all the same"]),
        ("weight", cell(SOUND), []),
        ("weight", cell([1000, 1, 0, 1], 0, 90), ["a few far out"]),
        ("weight", cell([100], 0, 0), ["all the same"]),
        ("gradient", cell([100], 0, 0), ["all zero"]),
        ("update", cell([100], 0, 0), ["all zero"]),
        ("gradient", cell([1000, 1, 0, 1], 0, 90), []),
        ("bias", cell([100], 0, 0), []),
        ("bias", cell(SOUND, -3, 30), ["beyond 10"]),
        ("weight", cell([3, 3, 3], lost=3), ["25% not finite"]),
        ("weight", cell([0, 0], math.inf, -math.inf, 9), ["100% not finite"]),
    ],
)
def test_what_is_abnormal_about_a_histogram_is_said(kind, given, said) -> None:
    low, high, lost, *counts = given
    assert list(marks_of(kind, low, high, lost, counts)) == said


HISTOGRAMS = {
    "steps": [1, 4, 16],
    "weight": {"a.very.long.path.of.modules.layer3.0.conv1.weight": [cell(SOUND)] * 3},
    "gradient": {"stem.weight": [cell(SOUND), None, cell([100], 0, 0)]},
}


def test_histograms_stand_in_a_row_for_each_layer_and_a_column_for_each_step(tmp_path) -> None:
    weights, gradients = spread_pictures({"run_histograms": HISTOGRAMS})
    assert [told for _, told in weights.ticks] == ["step 1", "step 4", "step 16"]
    ((_, short, whole),) = weights.names
    assert (short[:6], short[-12:], len(short)) == ("a.very", "conv1.weight", 30)
    assert whole.startswith(short[:14])
    assert (len(weights.cells), weights.marked) == (3, 0)
    assert (len(gradients.cells), gradients.marked) == (2, 1)
    assert spread_pictures({}) == ()
    session = ended(Arm(), Arm(some("focal"), watched=True))
    path = tmp_path / "report.html"
    seen = Further(facts=lambda number: {"run_histograms": HISTOGRAMS})
    write_report(session, (), lambda _: Evidence(Exit.CLEAN), path, further=seen)
    page = path.read_text(encoding="utf-8")
    assert page.count('class="small marked"') == 1
    assert "stem.weight at step 16: 0 to 0; all zero" in page


def test_of_many_steps_the_first_the_last_and_some_between_are_drawn() -> None:
    many = {"steps": list(range(40)), "weight": {"w": [cell(SOUND)] * 40}}
    (picture,) = spread_pictures({"run_histograms": many})
    assert len(picture.ticks) == 6
    assert (picture.ticks[0][1], picture.ticks[-1][1]) == ("step 0", "step 39")
