"""What a search can do without, and what it loses by it: told once, before the first run."""

from collections.abc import Iterator

from bisector.collect.readers import PASSED
from bisector.model.experiment import Experiment
from bisector.ports import Workload
from bisector.workload.command import CommandWorkload
from bisector.workload.template import mentions


def remarks(workload: Workload, experiment: Experiment) -> list[str]:
    """One sentence each; none where nothing is lost."""
    return [*_of_seed(workload), *_of_metric(experiment)]


def _of_seed(workload: Workload) -> Iterator[str]:
    if not isinstance(workload, CommandWorkload):
        return
    if not mentions([*workload.command, *workload.env.values()], "seed"):
        yield (
            "The command has no {seed}. If it always uses the same one, repeats show no noise and a "
            "verdict holds for that seed only; if it uses none, runs cannot be paired or done again. "
            "Write {seed} where its seed goes, e.g. --seed {seed}."
        )


def _of_metric(experiment: Experiment) -> Iterator[str]:
    if experiment.metric.name == PASSED and not experiment.also:
        yield (
            "Exit codes alone decide: a run that trains badly and ends well counts as healthy. "
            "Name what it prints or logs to be judged by that, e.g. --metric val_acc."
        )
