"""Whose part in harm that adds up is how large, by runs that were made for something else."""

import json
from dataclasses import replace

import numpy as np
import pytest
import report_sessions as rs

from bisector.model.experiment import Metric
from bisector.model.session import Ruling, Session, Suspect
from bisector.model.trial import Arm, Purpose
from bisector.report.as_json import as_json
from bisector.report.effects import heaviest, shares
from bisector.report.lines import summary_lines
from bisector.report.markdown import markdown
from bisector.report.summary import Summary, summarise

NAMES = tuple("abcdefgh")


def script(weights, seed: int = 0, runs: int = 24, sd: float = 0.004, wild: int = 0) -> rs.Script:
    """Runs of the baseline, of everything, and of random sets; `wild` of them went wrong."""
    rng = np.random.default_rng(seed)
    told = rs.Script(rs.experiment(NAMES, metric=Metric(min_effect=0.03)))
    arms = [frozenset[str]()] * 3 + [frozenset(NAMES)]
    arms += [frozenset(n for n in NAMES if rng.random() < 0.5) for _ in range(runs - 4)]
    for number, on in enumerate(arms):
        harm = sum(w for n, w in zip(NAMES, weights, strict=True) if n in on)
        score = 0.9 - harm + sd * rng.normal() - 0.5 * (0 < number - 4 <= wild)
        verdict = rs.broke(score) if harm > 0.03 else rs.trained(score)
        told.run(Arm(on), Purpose.ISOLATE if on else Purpose.BASELINE, verdict, number)
    return told


def ended(told: rs.Script) -> Session:
    told.conclude(Ruling.CUMULATIVE, rs.some("a"), ranked=(Suspect((), 0.99, cumulative=True),))
    return told.session


UNEVEN = (0.02, 0.012, 0.008, 0.006, 0.004, 0.003, 0.002, 0.0)


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = total = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        weights = rng.lognormal(0, 0.6, 8) * 0.007
        for share in shares(script(weights, seed).session):
            held += share.low <= weights[NAMES.index(share.addition)] <= share.high
            total += 1
    assert held / total == pytest.approx(0.95, abs=0.04)


def test_the_heaviest_comes_first_and_what_weighs_nothing_is_not_accused() -> None:
    found = shares(script(UNEVEN, runs=40, sd=0.002).session)
    assert found[0].addition == "a"
    assert heaviest(found)[0] == "a"
    (last,) = (s for s in found if s.addition == "h")
    assert last.low < 0 < last.high
    assert last.runs > 3


def test_a_run_that_went_wrong_for_no_reason_changes_little() -> None:
    calm, wild = shares(script(UNEVEN).session), shares(script(UNEVEN, wild=1).session)
    by_name = {s.addition: s.harm for s in wild}
    assert max(abs(s.harm - by_name[s.addition]) for s in calm) < 0.006


def test_a_lower_loss_is_less_harm() -> None:
    told = script(UNEVEN)
    lower = replace(told.experiment.metric, direction="minimize")
    session = replace(told.session, experiment=replace(told.experiment, metric=lower))
    assert shares(session)[-1].addition == "a"


def test_too_few_scores_share_nothing_out() -> None:
    assert shares(script(UNEVEN, runs=4).session) == ()


def test_every_report_has_the_table_and_what_shapley_values_would_cost() -> None:
    summary = summarise(ended(script(UNEVEN)))
    assert summary.sentence.startswith("No single culprit (99.4 % sure)")
    assert "`a`" in summary.sentence
    text = "\n".join(line.text for line in summary_lines(summary, 80))
    assert "95 % interval" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "Shapley values" in text
    assert "### Shares in the harm" in markdown(summary)
    told = json.loads(json.dumps(as_json(summary)))["attribution"]
    assert told["shares"][0]["addition"] == "a"
    assert told["shapley_runs"] % 7 == 0
    assert told["shapley_seconds"] == told["shapley_runs"] * 4.0


def test_other_verdicts_have_no_such_table_unless_harm_that_adds_up_is_likeliest() -> None:
    told: Summary = summarise(rs.one_culprit().session)
    assert told.attribution is None
    open_ = script(UNEVEN)
    open_.conclude(Ruling.INCONCLUSIVE, ranked=(Suspect((), 0.4, cumulative=True),))
    assert summarise(open_.session).attribution is not None
