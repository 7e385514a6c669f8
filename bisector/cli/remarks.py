"""What a search can do without, and what it loses by it: told once, before the first run."""

from bisector.ports import Workload
from bisector.workload.command import CommandWorkload
from bisector.workload.template import mentions


def remarks(workload: Workload) -> list[str]:
    """One sentence each; none where nothing is lost."""
    if not isinstance(workload, CommandWorkload):
        return []
    if mentions([*workload.command, *workload.env.values()], "seed"):
        return []
    return [
        "The command has no {seed}. If it always uses the same one, repeats show no noise and a "
        "verdict holds for that seed only; if it uses none, runs cannot be paired or done again. "
        "Write {seed} where its seed goes, e.g. --seed {seed}."
    ]
