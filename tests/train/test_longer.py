"""A training that is extended goes on from where the shorter one ended, bit for bit where it can."""

import json
from dataclasses import replace

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from bisector.model.experiment import Addition, Budget, Experiment
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.variant import Variant
from bisector.model.verdict import Outcome, Verdict
from bisector.rundir import BEGIN, FACTS, KEPT
from bisector.train.loop import Training, train
from bisector.train.parts import build
from bisector.train.run import Run
from bisector.workload.continuing import forget
from bisector.workload.recipe import VARIANTS, RecipeWorkload

TABULAR = "bisector.recipes.tabular"
RECIPE = {
    "data": {
        "source": {"_target_": f"{TABULAR}.BreastCancer"},
        "augment": {"noise": {"_target_": f"{TABULAR}.FeatureNoise"}},
    },
    "model": {"_target_": f"{TABULAR}.MLP", "width": 8, "dropout": 0.2},
    "loss": {"_target_": f"{TABULAR}.CrossEntropy"},
    "metric": {"_target_": f"{TABULAR}.scores", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.01},
    "trainer": {"steps": 30, "batch_size": 32, "log_every": 7, "ema": {"decay": 0.9}},
}
COSINE = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": "planned"}
WARM = {"_target_": "bisector.train.schedule.WarmupCosine", "steps": "planned", "warmup": 0.2}
BROKEN, HEALTHY = Verdict(Outcome.BROKEN, 1.0), Verdict(Outcome.HEALTHY, 0.0)
LONGER = Arm(tweaks=VARIANTS[Variant.LONGER])
BUDGET = Budget(confirm=2)
EXPERIMENT = Experiment(
    name="t",
    additions=(Addition(name="a", overrides=("recipe.model.width=4",)),),
    variants=VARIANTS,
    budget=BUDGET,
)


class Search:
    """A search whose runs are really trained, one after the other, in this process."""

    def __init__(self, home, experiment=EXPERIMENT, **changed):
        self.home, self.session = home, Session(experiment)
        self.recipe = OmegaConf.merge(OmegaConf.create(RECIPE), OmegaConf.create(changed))
        self.workload = RecipeWorkload(self.resolve)

    def resolve(self, overrides):
        dotted = [o.removeprefix("++").removeprefix("recipe.") for o in overrides]
        changed = OmegaConf.merge(self.recipe, OmegaConf.from_dotlist(dotted))
        return OmegaConf.to_container(changed)

    def train(self, arm, verdict=BROKEN, seed=0, until=None):
        """The folder of the run, and what was trained; `until`: it is told to stop there."""
        trial = Trial(len(self.session.launched), arm, seed, Purpose.EXPERIMENT)
        folder = self.home / "runs" / f"{trial.number:03d}"
        self.workload.prepare(self.session, trial, folder)
        config = OmegaConf.create(yaml.safe_load((folder / "config.yaml").read_text()))
        torch.manual_seed(5)
        run = Run(folder, seed)
        training = Training(build(config, run), run)
        training.restore()
        run.should_stop = lambda: until is not None and training.step >= until
        training.go_on()
        judged = Judged(trial, verdict, 1.0)
        self.session = self.session.add(Launched(trial, "-")).add(judged)
        return folder, training


def weights(training):
    return [*training.parts.model.state_dict().values(), *training.parts.ema.model.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("until", [None, 11], ids=["to its end", "stopped early"])
def test_it_has_the_bits_of_a_training_of_that_length_that_was_never_interrupted(tmp_path, until):
    search = Search(tmp_path)
    search.train(Arm(), until=until)
    folder, extended = search.train(LONGER)
    assert json.loads((folder / FACTS).read_text())["continues"] == 0
    alone = Search(tmp_path / "alone")
    _, whole = alone.train(LONGER)
    assert extended.step == whole.step == 60
    assert same(extended, whole)
    seen = [row["step"] for row in rows(folder) if row["name"] == "loss"]
    assert seen == sorted(set(seen)), "one curve, from the first step to the last"
    assert (seen[0], seen[-1]) == (1, 60)


def test_it_makes_only_the_steps_that_are_missing(tmp_path):
    search = Search(tmp_path)
    first, _ = search.train(Arm())
    before = rows(first)
    folder, _ = search.train(LONGER)
    assert rows(folder)[: len(before)] == before, "the times at which they were logged included"


@pytest.mark.parametrize("schedule", [WARM, COSINE], ids=["closed form", "step by step"])
def test_a_schedule_made_for_the_whole_length_is_stretched_to_the_new_one(tmp_path, schedule):
    search = Search(tmp_path, scheduler=schedule)
    search.train(Arm())
    folder, _ = search.train(LONGER)
    alone, _ = Search(tmp_path / "alone", scheduler=schedule).train(LONGER)

    def rates(of):
        return {r["step"]: r["value"] for r in rows(of) if r["name"] == "lr" and r["step"] > 30}

    assert rates(folder) == pytest.approx(rates(alone))
    assert rates(folder)[35] > 0.003, "the shorter training had come down to nothing"


def test_another_seed_another_arm_and_what_was_trained_otherwise_are_no_beginning(tmp_path):
    search = Search(tmp_path)
    search.train(Arm(), seed=1)
    search.train(Arm(frozenset({"a"})))
    search.train(Arm(tweaks=VARIANTS[Variant.ADAMW]))
    folder, _ = search.train(LONGER)
    assert "continues" not in json.loads((folder / FACTS).read_text())
    assert not (folder / BEGIN).exists()


def test_a_watched_run_is_as_good_a_beginning(tmp_path):
    search = Search(tmp_path)
    search.train(Arm(watched=True))
    folder, _ = search.train(LONGER)
    assert json.loads((folder / FACTS).read_text())["continues"] == 0


def test_what_was_prepared_before_a_kill_is_prepared_again(tmp_path):
    search = Search(tmp_path)
    search.train(Arm())
    trial = Trial(1, LONGER, 0, Purpose.EXPERIMENT)
    folder = search.home / "runs" / "001"
    for _ in range(2):
        search.workload.prepare(search.session, trial, folder)
    assert (folder / BEGIN).samefile(search.home / "runs" / "000" / KEPT)


def kept(home):
    return sorted(int(path.parent.name) for path in home.glob(f"runs/*/{KEPT}"))


def test_states_are_kept_only_where_they_may_be_asked_for_and_go_with_the_search(tmp_path):
    search = Search(tmp_path)
    search.train(Arm(), HEALTHY)
    search.train(Arm(frozenset({"a"})))
    search.train(Arm(frozenset({"a"})), seed=2)
    search.train(Arm(tweaks=VARIANTS[Variant.ADAMW]))
    search.train(LONGER)
    assert kept(tmp_path) == [1], "not of what trained, of no seed that proves, of no changed arm"
    forget(tmp_path)
    assert kept(tmp_path) == []
    assert not list(tmp_path.glob(f"runs/*/{BEGIN}"))


def test_together_they_are_no_larger_than_is_allowed(tmp_path):
    search = Search(tmp_path)
    first, _ = search.train(Arm())
    size = (first / KEPT).stat().st_size / 2**20
    none = replace(EXPERIMENT, budget=replace(BUDGET, states_mb=size * 2))
    small = Search(tmp_path / "small", none)
    small.train(Arm())
    assert kept(tmp_path / "small") == [], "one may take a quarter"
    folder, training = small.train(LONGER)
    assert training.step == 60
    assert "continues" not in json.loads((folder / FACTS).read_text())


def test_a_training_that_became_nan_is_no_beginning(tmp_path):
    search = Search(tmp_path, optimizer={"lr": 1e30})
    search.train(Arm())
    assert kept(tmp_path) == []


def test_a_function_that_saves_by_itself_goes_on_from_what_it_saved(tmp_path):
    search = Search(tmp_path, trainer={"checkpoint_every": 10})
    search.train(Arm(), HEALTHY)
    folder, _ = search.train(LONGER)
    assert json.loads((folder / FACTS).read_text())["continues"] == 0


def test_without_a_wish_nothing_is_kept(tmp_path):
    train(OmegaConf.create(RECIPE), Run(tmp_path, 0))
    assert not (tmp_path / KEPT).exists()
