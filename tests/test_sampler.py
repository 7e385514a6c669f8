"""Behaviour of `BisectSampler` on real studies, storages, threads and processes."""

import random
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from math import nan
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from bisector.model.session import Ruling
from bisector.sampler import BisectSampler, verdict

NAMES = tuple(f"a{i}" for i in range(6))
EXHAUSTIVE = 2 ** len(NAMES)
PAGE = Path(__file__).parents[1] / "docs" / "howto" / "optuna-sampler.md"

Objective = Callable[[Trial], float]


@pytest.fixture(autouse=True)
def quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(before)


def switched_on(trial: Trial) -> frozenset[str]:
    return frozenset(n for n in NAMES if trial.suggest_categorical(n, [False, True]))


def score(on: frozenset[str], seed: int) -> float:
    """About 0.9 with nothing wrong, give or take 0.003; every healthy addition helps a little."""
    noise = random.Random(f"{sorted(on)} {seed}").gauss(0, 0.003)
    return 0.9 + 0.002 * len(on) + noise


def harmed_by(*culprit: str, harm: float = 0.06, sign: int = 1) -> Objective:
    def objective(trial: Trial) -> float:
        on = switched_on(trial)
        broken = bool(culprit) and set(culprit) <= on
        return sign * (score(on, trial.user_attrs["bisect_seed"]) - harm * broken)

    return objective


def failing(*culprit: str, how: Callable[[], float]) -> Objective:
    def objective(trial: Trial) -> float:
        on = switched_on(trial)
        return how() if set(culprit) <= on else score(on, trial.user_attrs["bisect_seed"])

    return objective


def raising() -> float:
    raise RuntimeError("CUDA error")


def study_of(direction: str = "maximize", **terms) -> optuna.Study:
    return optuna.create_study(direction=direction, sampler=BisectSampler(0.02, **terms))


def arms(study: optuna.Study) -> list[tuple[str, ...]]:
    return [tuple(t.user_attrs["bisect_on"]) for t in study.trials]


def named(study: optuna.Study) -> tuple[Ruling, list[list[str]]]:
    found = verdict(study)
    return found.ruling, [sorted(c) for c in found.culprits]


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_a_single_culprit_is_found_in_far_fewer_trials_than_there_are_sets(direction, sign) -> None:
    study = study_of(direction)
    study.optimize(harmed_by("a3", sign=sign), n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.CULPRIT, [["a3"]])
    assert verdict(study).confidence >= 0.99
    assert len(study.trials) < EXHAUSTIVE / 2
    assert study.user_attrs["bisect_verdict"]["culprits"] == [["a3"]]


def test_two_switches_that_break_it_together_are_named_together() -> None:
    study = study_of()
    study.optimize(harmed_by("a1", "a4"), n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.INTERACTION, [["a1", "a4"]])
    assert len(study.trials) < EXHAUSTIVE


def test_where_nothing_breaks_nobody_is_accused() -> None:
    study = study_of()
    study.optimize(harmed_by(), n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.NOTHING_BREAKS, [])
    assert len(study.trials) < 20


def test_the_first_trial_is_the_baseline_and_repeats_share_their_seeds() -> None:
    study = study_of(seed=7)
    study.optimize(harmed_by("a3"), n_trials=4)
    assert arms(study) == [(), (), (), NAMES]
    assert [t.user_attrs["bisect_seed"] for t in study.trials] == [7, 8, 9, 7]
    assert not any(study.trials[0].params.values())


def test_a_value_that_is_not_a_number_is_broken() -> None:
    study = study_of()
    study.optimize(failing("a2", how=lambda: nan), n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.CULPRIT, [["a2"]])


def test_an_objective_that_raises_is_broken() -> None:
    study = study_of()
    study.optimize(failing("a2", how=raising), n_trials=EXHAUSTIVE, catch=(RuntimeError,))
    assert named(study) == (Ruling.CULPRIT, [["a2"]])


def test_a_study_that_an_exception_ended_goes_on_from_there() -> None:
    study = study_of()
    with pytest.raises(RuntimeError, match="CUDA"):
        study.optimize(failing("a2", how=raising), n_trials=EXHAUSTIVE)
    assert study.trials[-1].state is TrialState.FAIL
    study.optimize(failing("a2", how=raising), n_trials=EXHAUSTIVE, catch=(RuntimeError,))
    assert named(study) == (Ruling.CULPRIT, [["a2"]])


def test_a_baseline_that_breaks_by_itself_is_said_to() -> None:
    study = study_of()
    study.optimize(failing(how=raising), n_trials=EXHAUSTIVE, catch=(RuntimeError,))
    assert verdict(study).ruling is Ruling.BASELINE_BROKEN
    assert len(study.trials) < 10


def test_a_baseline_too_noisy_to_judge_by_ends_the_study_without_an_accusation() -> None:
    def objective(trial: Trial) -> float:
        switched_on(trial)
        return random.Random(trial.number).random()

    study = study_of()
    study.optimize(objective, n_trials=EXHAUSTIVE)
    assert not verdict(study).culprits
    assert len(study.trials) < EXHAUSTIVE


def test_a_pruned_trial_is_broken_if_it_was_worse_than_the_baseline_at_that_step() -> None:
    def objective(trial: Trial) -> float:
        on = switched_on(trial)
        trial.report(0.5 - 0.2 * ("a5" in on), step=1)
        if "a5" in on:
            raise optuna.TrialPruned
        return score(on, trial.user_attrs["bisect_seed"])

    study = study_of()
    study.optimize(objective, n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.CULPRIT, [["a5"]])


def test_a_pruned_trial_that_was_as_good_as_the_baseline_is_not_held_against_anything() -> None:
    def objective(trial: Trial) -> float:
        on = switched_on(trial)
        trial.report(0.5, step=1)
        if trial.number == 3:
            raise optuna.TrialPruned
        return score(on, trial.user_attrs["bisect_seed"])

    study = study_of()
    study.optimize(objective, n_trials=EXHAUSTIVE)
    assert verdict(study).ruling is not Ruling.CULPRIT


@pytest.mark.parametrize("culprit", ["adam", "lion"])
def test_any_value_of_a_parameter_may_be_the_culprit(culprit: str) -> None:
    def objective(trial: Trial) -> float:
        on = switched_on(trial)
        optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", "lion"])
        broken = optimizer == culprit
        return score(on, trial.user_attrs["bisect_seed"]) - 0.06 * broken

    study = study_of()
    study.optimize(objective, n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.CULPRIT, [[f"optimizer={culprit}"]])
    assert len(study.trials) < EXHAUSTIVE


def test_a_conditional_parameter_is_held_at_its_first_value_and_said_to_be() -> None:
    def objective(trial: Trial) -> float:
        on = switched_on(trial)
        if "a0" in on and trial.suggest_categorical("kind", ["mild", "wild"]) == "wild":
            return 0.0
        return score(on, trial.user_attrs["bisect_seed"]) - 0.06 * ("a0" in on)

    study = study_of()
    with pytest.warns(UserWarning, match="`kind` is not suggested by every trial"):
        study.optimize(objective, n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.CULPRIT, [["a0"]])


def test_numbers_are_held_in_the_middle_or_left_to_another_sampler() -> None:
    def objective(trial: Trial) -> float:
        trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        trial.suggest_int("layers", 1, 5)
        return harmed_by("a3")(trial)

    study = study_of()
    study.optimize(objective, n_trials=5)
    assert {t.params["lr"] for t in study.trials} == {1e-3}
    assert {t.params["layers"] for t in study.trials} == {3}
    free = study_of(independent_sampler=optuna.samplers.RandomSampler(seed=1))
    free.optimize(objective, n_trials=5)
    assert len({t.params["lr"] for t in free.trials}) == 5


def test_workers_that_ask_at_once_are_given_different_work() -> None:
    study = study_of()
    study.optimize(harmed_by("a3"), n_trials=4)
    asked = [study.ask() for _ in range(4)]
    work = {(tuple(t.user_attrs["bisect_on"]), t.user_attrs["bisect_seed"]) for t in asked}
    assert len(work) == 4
    for trial in asked:
        study.tell(trial, harmed_by("a3")(trial))
    assert verdict(study).ruling is Ruling.INCONCLUSIVE


def test_four_workers_are_kept_busy_and_need_not_many_more_trials() -> None:
    study = study_of()
    running = [study.ask() for _ in range(4)]
    while study.user_attrs.get("bisect_verdict", {}).get("ruling") != "interaction":
        trial = running.pop(0)
        study.tell(trial, harmed_by("a1", "a4")(trial))
        running.append(study.ask())
        assert len(study.trials) < 48
    assert named(study) == (Ruling.INTERACTION, [["a1", "a4"]])


def test_a_trial_whose_worker_died_says_nothing_of_its_arm() -> None:
    study = study_of()
    study.optimize(harmed_by(), n_trials=3)
    lost = study.ask()
    # What `optuna.storages.fail_stale_trials` does once the heartbeat has stopped.
    study._storage.set_trial_state_values(lost._trial_id, TrialState.FAIL)
    study.optimize(harmed_by(), n_trials=EXHAUSTIVE)
    assert arms(study)[3:5] == [NAMES, NAMES]
    assert study.trials[4].user_attrs["bisect_seed"] == lost.user_attrs["bisect_seed"]
    assert verdict(study).ruling is Ruling.NOTHING_BREAKS


def test_a_trial_that_runs_by_name_only_is_given_up_and_asked_for_again() -> None:
    killed = study_of()
    killed.optimize(harmed_by(), n_trials=3)
    killed.ask()
    study = study_of()
    for trial in killed.trials:
        trial.datetime_start -= timedelta(days=1)
        if trial.datetime_complete:
            trial.datetime_complete -= timedelta(days=1)
        study.add_trial(trial)
    study.optimize(harmed_by(), n_trials=EXHAUSTIVE)
    assert study.trials[3].state is TrialState.RUNNING
    assert arms(study)[3:5] == [NAMES, NAMES]
    assert verdict(study).ruling is Ruling.NOTHING_BREAKS


def test_a_running_trial_is_waited_for() -> None:
    study = study_of()
    study.optimize(harmed_by("a3"), n_trials=3)
    study.ask()
    study.optimize(harmed_by("a3"), n_trials=1)
    assert (arms(study)[4], study.trials[4].user_attrs["bisect_seed"]) != (NAMES, 0)


def test_a_pruner_that_shows_samplers_a_part_of_the_study_hides_nothing() -> None:
    study = optuna.create_study(
        direction="maximize",
        sampler=BisectSampler(0.02),
        pruner=optuna.pruners.HyperbandPruner(max_resource=9),
    )
    study.optimize(harmed_by("a3"), n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.CULPRIT, [["a3"]])
    assert len(study.trials) < EXHAUSTIVE / 2


def test_trials_made_under_another_sampler_are_evidence() -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=3))
    random_seeds = iter(range(1000))

    def objective(trial: Trial) -> float:
        seed = trial.user_attrs.get("bisect_seed", next(random_seeds))
        on = switched_on(trial)
        return score(on, seed) - 0.06 * ("a3" in on)

    study.optimize(objective, n_trials=20)
    with pytest.raises(ValueError, match="BisectSampler"):
        verdict(study)
    study.sampler = BisectSampler(0.02)
    study.optimize(objective, n_trials=EXHAUSTIVE)
    assert named(study) == (Ruling.CULPRIT, [["a3"]])
    alone = study_of()
    alone.optimize(harmed_by("a3"), n_trials=EXHAUSTIVE)
    assert len(study.trials) - 20 < len(alone.trials)


def test_a_trial_that_the_user_enqueued_is_taken_for_what_it_is() -> None:
    study = study_of()
    study.enqueue_trial(dict.fromkeys(NAMES, False) | {"a3": True})
    study.optimize(harmed_by("a3"), n_trials=EXHAUSTIVE)
    assert study.trials[0].params["a3"] is True
    assert named(study) == (Ruling.CULPRIT, [["a3"]])


def test_after_the_verdict_further_trials_confirm_it() -> None:
    study = study_of(stop=False)
    study.optimize(harmed_by("a3"), n_trials=EXHAUSTIVE // 2)
    assert len(study.trials) == EXHAUSTIVE // 2
    assert named(study) == (Ruling.CULPRIT, [["a3"]])
    rest = tuple(n for n in NAMES if n != "a3")
    assert set(arms(study)[-4:]) == {("a3",), rest}


def test_a_study_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = study_of()
    whole.optimize(harmed_by("a3"), n_trials=EXHAUSTIVE)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    optuna.create_study(study_name="s", storage=storage, direction="maximize")
    for _ in whole.trials:
        study = optuna.load_study(study_name="s", storage=storage, sampler=BisectSampler(0.02))
        study.optimize(harmed_by("a3"), n_trials=1)
    assert arms(study) == arms(whole)
    seen = optuna.load_study(study_name="s", storage=storage)
    assert verdict(seen) == verdict(whole)


def test_two_threads_on_sqlite_find_it_together(tmp_path: Path) -> None:
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path / 'study.db'}",
        direction="maximize",
        sampler=BisectSampler(0.02),
    )
    study.optimize(harmed_by("a3"), n_trials=EXHAUSTIVE, n_jobs=2)
    assert named(study) == (Ruling.CULPRIT, [["a3"]])
    assert len(study.trials) < EXHAUSTIVE / 2


WORKER = """
import sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
sys.path.insert(0, sys.argv[1])
from test_sampler import BisectSampler, harmed_by
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = JournalStorage(JournalFileBackend(sys.argv[2]))
study = optuna.create_study(study_name="s", storage=storage, direction="maximize",
                            sampler=BisectSampler(0.02), load_if_exists=True)
study.optimize(harmed_by("a1", "a4"), n_trials=60)
"""


def test_two_processes_on_one_journal_find_it_together(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    here = str(Path(__file__).parent)
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, here, journal]) for _ in range(2)]
    assert [w.wait(timeout=120) for w in workers] == [0, 0]
    storage = JournalStorage(JournalFileBackend(journal))
    study = optuna.load_study(study_name="s", storage=storage)
    assert named(study) == (Ruling.INTERACTION, [["a1", "a4"]])
    assert len(study.trials) < EXHAUSTIVE


def test_the_page_says_what_its_example_does() -> None:
    page = PAGE.read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert sum(bool(line.strip()) for line in code.splitlines()) < 20
    space: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, space)
    study = space["study"]
    assert isinstance(study, optuna.Study)
    assert named(study) == (Ruling.CULPRIT, [["whitened"]])
    assert len(study.trials) < 60
