"""Heat maps of a watched run: cells in the colour of their value, and nothing drawn of nothing."""

import math
import re
from pathlib import Path

from report_sessions import experiment, some

from bisector.model.evidence import Evidence, Exit
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.report.heat_picture import COLUMNS, ROWS, HeatMap, heat_maps, watched_runs
from bisector.report.html import Further, write_report

WEIGHTS = {
    "parameters": ["stem.weight", "stem.bias", "head.weight"],
    "shapes": [[4, 4], [4], [2, 4]],
    "steps": [1, 2, 4],
    "ratio": [[1e-3, 1e-3, 1e-8], [1e-3, 1e-3, math.nan], [0.5, 1e-3, 5e-3]],
}
NAN = {
    "operator": "log", "phase": "forward", "step": 7, "where": "in <the loss>", "exact": True,
    "cause": "the logarithm of 0", "mend": "Clamp.", "path": ["forward log", "forward mean"],
}  # fmt: skip


def cells(heat: HeatMap) -> dict[str, int]:
    return {level: path.count("M") for level, path in heat.areas}


def test_a_cell_has_the_colour_of_its_value_and_biases_have_no_row() -> None:
    (heat,) = heat_maps({"run_weights": WEIGHTS})
    assert [label.whole for label in heat.labels] == ["stem.weight", "head.weight"]
    assert cells(heat) == {"h0": 1, "h3": 2, "h4": 1, "h6": 1, "odd": 1}
    assert [told for _, told in heat.ticks] == ["1"]


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


def test_without_watched_runs_the_page_has_no_such_part() -> None:
    assert watched_runs(ended(Arm()), lambda _: {}) == ()
