"""What breaks and what does not: the measurement behind the `TRUTH` line of an experiment.

Trains the baseline, every addition alone, everything together, everything but the culprit (for
an interaction: but each half of it), and the culprit at other learning rates, over several seeds
and to the end of every run; prints the table that stands in the experiment's file.

    python scripts/measure_truth.py digits --seeds 10
    python scripts/measure_truth.py digits --only full --only 'full - focal'
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from statistics import fmean, stdev

from bisector import rundir
from bisector.cli.assemble import collector_of, launcher_of, workload_of
from bisector.cli.opening import opened
from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
from bisector.judge.oracle import SymptomOracle
from bisector.judge.symptoms import value_of
from bisector.model.evidence import Evidence
from bisector.model.experiment import Experiment
from bisector.model.session import Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome
from bisector.ports import JobState

NOTHING = Arm()


def truth_of(conf: Path) -> frozenset[str]:
    """The culprit that an experiment's file claims, in a line such as `# TRUTH: ema + wide`."""
    claim = re.search(r"^# TRUTH: ([\w + ]+)", conf.read_text(encoding="utf-8"), re.MULTILINE)
    if claim is None:
        raise SystemExit(f"{conf} has no line `# TRUTH: ...`.")
    return frozenset(claim[1].replace("+", " ").split())


def arms_of(experiment: Experiment, culprit: frozenset[str]) -> dict[str, Arm]:
    """What to train, by the name it has in the table."""
    arms = {"baseline": NOTHING}
    arms |= {a.name: Arm(frozenset({a.name})) for a in experiment.additions}
    together = " + ".join(sorted(culprit))
    arms[together] = Arm(culprit)
    arms["full"] = Arm(experiment.full)
    arms |= {f"full - {part}": Arm(experiment.full - {part}) for part in sorted(culprit)}
    for scale in experiment.lr.scales if experiment.lr else ():
        arms[f"baseline, lr x{scale:g}"] = Arm(lr_scale=scale)
        arms[f"{together}, lr x{scale:g}"] = Arm(culprit, lr_scale=scale)
        arms[f"full, lr x{scale:g}"] = Arm(experiment.full, lr_scale=scale)
    return arms


class Bench:
    """Trains arms of one experiment, each to its end."""

    def __init__(self, composer: Composer, home: Path) -> None:
        self.experiment = parse_experiment(composer)
        self._workload = workload_of(composer)
        self._launcher = launcher_of(composer, self._workload)
        self._collector = collector_of(opened(composer, self.experiment).config)
        self._home, self._trials = home, 0

    def train(self, arm: Arm, seeds: int) -> tuple[Evidence, ...]:
        """What runs of the arm left, one for each seed."""
        folders, handles = [], []
        for k in range(seeds):
            self._wait_for_a_slot(handles)
            trial = Trial(self._trials, arm, self.experiment.seed + k, Purpose.ISOLATE)
            self._trials += 1
            folders.append(rundir.of(self._home, trial.number))
            job = self._workload.prepare(Session(self.experiment), trial, folders[-1])
            handles += self._launcher.submit([job])
        while JobState.RUNNING in self._launcher.poll(handles).values():
            time.sleep(0.05)
        return tuple(self._collector.collect(folder) for folder in folders)

    def _wait_for_a_slot(self, handles: Sequence[str]) -> None:
        self._launcher.poll(handles)
        while self._launcher.free_slots() == 0:
            time.sleep(0.05)


def table(bench: Bench, arms: Mapping[str, Arm], seeds: int) -> Iterator[str]:
    """The lines of the table, each as soon as it is known."""
    metric = bench.experiment.metric
    oracle = SymptomOracle(metric)
    yield f"{'':34}{'mean':>8}{'sd':>8}{'min':>8}{'max':>8}{'broken':>8}{'not finite':>12}"
    baseline = bench.train(NOTHING, seeds)
    for name, arm in arms.items():
        runs = baseline if arm == NOTHING else bench.train(arm, seeds)
        broken = sum(oracle.judge(run, baseline).outcome is Outcome.BROKEN for run in runs)
        values = [value if (value := value_of(run, metric)) is not None else nan for run in runs]
        sound = [value for value in values if isfinite(value)] or [nan]
        numbers = (fmean(sound), stdev(sound) if len(sound) > 1 else 0.0, min(sound), max(sound))
        cells = "".join(f"{number:8.3f}" for number in numbers)
        lost = sum(not isfinite(run.curves["loss"].last) for run in runs)
        yield f"{name:34}{cells}{broken:>5}/{seeds}{lost:>9}/{seeds}"


def main() -> None:
    """Measure one experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conf", help="the experiment's name, e.g. digits")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--only", action="append", help="a line of the table; may be repeated")
    args = parser.parse_args()
    composer = Composer(args.conf, (f"launcher.slots={args.slots}", "launcher.threads=1"))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(composer, Path(folder))
        arms = arms_of(bench.experiment, truth_of(composer.path))
        chosen = {name: arms[name] for name in args.only or arms}
        for line in table(bench, chosen, args.seeds):
            print(line.rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
