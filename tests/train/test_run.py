"""The handle of a training: what it writes into the run directory, and what it reads there."""

import json
import math
import os
import signal

import pytest
import torch

from bisector.train.run import Run


def lines(rundir):
    found = [json.loads(line) for line in (rundir / "metrics.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in ("step", "name", "value")} for line in found]


def test_metrics_are_on_disk_at_once_one_line_each(tmp_path):
    run = Run(tmp_path, seed=0)
    run.log(3, loss=0.5, lr=torch.tensor(0.25))
    assert lines(tmp_path) == [
        {"step": 3, "name": "loss", "value": 0.5},
        {"step": 3, "name": "lr", "value": 0.25},
    ]


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_loss_that_still_has_its_graph_is_logged_without_a_warning(tmp_path):
    Run(tmp_path, seed=0).log(1, loss=torch.tensor([2.0], requires_grad=True).sum())
    assert lines(tmp_path) == [{"step": 1, "name": "loss", "value": 2.0}]


def test_values_that_are_not_finite_are_written_as_such(tmp_path):
    Run(tmp_path, seed=0).log(1, loss=math.nan, norm=math.inf)
    nan, inf = lines(tmp_path)
    assert math.isnan(nan["value"])
    assert inf["value"] == math.inf


def test_facts_are_kept_beside_earlier_ones(tmp_path):
    run = Run(tmp_path, seed=0)
    run.facts(planned_steps=10, note="a")
    run.facts(note="b")
    assert json.loads((tmp_path / "facts.json").read_text()) == {"planned_steps": 10, "note": "b"}


def test_a_file_called_stop_asks_the_run_to_end(tmp_path):
    run = Run(tmp_path, seed=0)
    assert not run.should_stop()
    (tmp_path / "stop").touch()
    assert run.should_stop()


def test_sigterm_asks_a_run_that_asks_to_end(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    try:
        run = Run(tmp_path, seed=0)
        assert signal.getsignal(signal.SIGTERM) is before
        assert not run.should_stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert run.should_stop()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_restoring_drops_the_metrics_logged_after_the_checkpoint(tmp_path):
    first = Run(tmp_path, seed=0)
    first.log(1, loss=1.0)
    first.checkpoint({"weights": torch.ones(2), "step": 1})
    first.log(2, loss=0.5)
    again = Run(tmp_path, seed=0)
    state = again.restore()
    assert state["step"] == 1
    assert state["weights"].tolist() == [1.0, 1.0]
    again.log(2, loss=0.25)
    assert [(m["step"], m["value"]) for m in lines(tmp_path)] == [(1, 1.0), (2, 0.25)]


def test_without_a_checkpoint_there_is_nothing_to_restore_and_metrics_begin_anew(tmp_path):
    Run(tmp_path, seed=0).log(1, loss=1.0)
    again = Run(tmp_path, seed=0)
    assert again.restore() is None
    again.log(1, loss=2.0)
    assert [m["value"] for m in lines(tmp_path)] == [2.0]


def test_a_checkpoint_that_could_not_be_written_leaves_the_last_one(tmp_path):
    run = Run(tmp_path, seed=0)
    run.checkpoint("good")
    with pytest.raises(AttributeError, match="pickle"):
        run.checkpoint(lambda: "nobody can save this")
    assert run.restore() == "good"
