"""The run directory: the one contract between the tool and every child process.

job.json       what to run, and its limits (written before launch)
config.yaml    the resolved configuration
metrics.jsonl  one {"step", "name", "value", "at"} per line; NaN and Infinity are written as
               such; `at`, in seconds since the epoch, may be missing
log.txt        stdout and stderr
facts.json     single numbers about the run, e.g. {"planned_steps": 450}
process.json   the process that looks after the run, on the machine where it runs
inspected.json what an inspection saw, by family: {"facts": {family: {name: value}},
               "absent": {family: why}}; see `collect.facts`
observe.json   that the run is to be watched while it trains, and how
observations.jsonl  what the probes saw, one {"kind", ...} per line; see `collect.observations`
onlooker.jsonl how far the observation of a command came: {"stage": ...} or {"remark": ...} per line
slurm.json     which task of which Slurm job it is, where Slurm runs it
exit.json      how it ended; present if and only if the job has ended
checkpoint.pt  where the training may go on from
keep.json      that the run is to keep its last state, and how large that may be
kept.pt        that state: where a longer training may go on from
begin.pt       the state of a shorter training, which this one begins with
work/          the folder in which a command works; a link to each of the project's files
readings.jsonl what was read out of a command's own files, in the form of metrics.jsonl
mlruns/        what a command itself has logged to MLflow; a store that its script names by itself,
               `file:./mlruns` or `sqlite:///mlflow.db`, is in `work/`
ranks/         what the further processes of a run print, where it has several
stop           put there by anybody who wants the training to end at its next step
"""

import json
from pathlib import Path

JOURNAL = "journal.jsonl"
"""The events of a session, beside `runs/` in the session's folder."""

REPORT = "report.html"
"""The session's report, beside its journal."""

JOB = "job.json"
CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
LOG = "log.txt"
FACTS = "facts.json"
FACT_OF_CONSTANT = "constant_answer."
"""Begins the fact that says what one answer for all samples scores in a metric; its name follows."""
PROCESS = "process.json"
EXIT = "exit.json"
CHECKPOINT = "checkpoint.pt"
KEEP, KEPT, BEGIN = "keep.json", "kept.pt", "begin.pt"
"""For trainings that are extended: see `workload.continuing`."""
STOP = "stop"
RANKS = "ranks"
WORK = "work"
READINGS = "readings.jsonl"
MLRUNS = "mlruns"
"""MLflow's file store of a command that logs to it."""
PREFLIGHT = "preflight.json"
"""What a preflight job is to import; its findings are in `PREFLIGHT_RESULT`."""
PREFLIGHT_RESULT = "preflight_result.json"
INSPECT = "inspect.json"
"""How much an inspection may look at; the facts it finds are in `INSPECTED`."""
INSPECTED = "inspected.json"
OBSERVE = "observe.json"
"""How a run is to be observed; without it there are no probes. They write to `OBSERVATIONS`."""
OBSERVATIONS = "observations.jsonl"
ONLOOKER = "onlooker.jsonl"
"""What the start-up hook in a command's Python has come to: see `collect.onlooker`."""
PICTURES = "pictures.json"
"""What an inspection drew: {"drawn": {picture: what is in it}, "absent": {picture: why}}."""

ENV_RUNDIR = "BISECT_RUN_DIR"
"""The environment variable by which a child learns its run directory."""

ENV_RANKS = "BISECT_RANKS"
"""The environment variable by which a process learns that its run has so many; see `train.ranks`."""

SKIP = 125
"""The exit code by which a run says `cannot be judged`, as in `git bisect run`."""

EXIT_ENVIRONMENT = 78
"""The worker's exit code when the machine is at fault: a failed import, a full disk."""

EXIT_OOM = 79
"""The worker's exit code when memory ran out, the machine's or the GPU's."""


def of(home: Path, number: int) -> Path:
    """The run directory of trial `number` in the session folder `home`."""
    return home / "runs" / f"{number:03d}"


def metrics_of(folder: Path) -> Path:
    """The file of a run's measurements: its transcript where there is one."""
    transcript = folder / READINGS
    return transcript if transcript.exists() else folder / METRICS


def mlflow_folders(folder: Path) -> list[Path]:
    """The file stores to which a run's command may have logged: ours first, then its script's own."""
    places = [folder / MLRUNS, folder / WORK / MLRUNS]
    return [place for place in places if any(place.glob("*/meta.yaml"))]


def mlflow_databases(folder: Path) -> list[Path]:
    """The SQLite files in a run's working folder, the project's left out, that may be MLflow stores."""
    found = (
        path for end in ("db", "sqlite", "sqlite3") for path in (folder / WORK).glob(f"*.{end}")
    )
    return sorted(path for path in found if not path.is_symlink())


def write_json(path: Path, value: object) -> None:
    """Write whole or not at all, so that a reader never sees half a file."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(json.dumps(value, indent=1), encoding="utf-8")
    draft.replace(path)
