"""The seams: every part that can be swapped, as a Protocol, on one page.

The orchestrator knows these and nothing else. A plug-in is any object with the
right methods; there is no base class to inherit from, and YAML names it by
`_target_`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bisector.model.evidence import Evidence
from bisector.model.finding import Diagnosis, Looked, Stage
from bisector.model.session import Event, Ruling, Session, Suspect
from bisector.model.trial import Trial
from bisector.model.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one job may use; None: no limit."""

    gpus: int = 0
    """Whole GPUs the job needs."""
    processes: int = 1
    """Processes of one run, all on one machine; more than one: torchrun starts them."""
    seconds: float | None = None
    """Wall time, after which the job and all its children are killed."""
    memory_mb: int | None = None
    """Resident memory of the job's processes together, in MiB."""


@dataclass(frozen=True, slots=True)
class Job:
    """A command to run in a run directory: what every workload boils down to."""

    argv: tuple[str, ...]
    rundir: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of the launcher's process."""
    limits: Limits = Limits()
    cwd: Path | None = None
    """Working directory; None: the run directory."""


class JobState(StrEnum):
    """Where a job is, as far as its launcher can tell."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Accusation:
    """A planner's claim that one explanation is sure enough, or that it can get no further."""

    suspect: Suspect
    because: str
    ruling: Ruling | None = None
    """Set when the search must end here without a proof, e.g. `inconclusive`."""


@dataclass(frozen=True, slots=True)
class Look:
    """A question to the checks: what they say of an arm, from facts that trials have left."""

    additions: frozenset[str]
    """The arm; empty: the baseline."""
    trials: tuple[int, ...]
    """Whose facts are put together: a look at the arm, and runs of it."""
    beside: tuple[int, ...] = ()
    """The same of a neighbour that trains."""
    stages: frozenset[Stage] = frozenset(Stage)
    """The checks that are asked."""
    blind: str = ""
    """Why there is nothing to look at; empty where there is."""
    unseen: str = ""
    """Why no run of it was watched; empty where it can be."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now: train these, record this, ask the checks. All empty: wait."""

    ask: tuple[Trial, ...] = ()
    record: Event | None = None
    look: Look | None = None


class Planner(Protocol):
    """Chooses which sets of additions to train. Pure: the same session, the same answer.

    Called by the isolate phase whenever a slot is free. Only arms that are plain
    sets (`Arm.plain`) are its evidence, whatever their purpose.
    """

    def decide(self, session: Session, slots: int) -> "tuple[frozenset[str], ...] | Accusation":
        """Sets to train next, at most `slots`, repeats allowed, empty: wait; or an accusation."""
        ...

    def rank(self, session: Session) -> tuple[Suspect, ...]:
        """The explanations still in play, likeliest first, probabilities summing to at most 1."""
        ...


class Workload(Protocol):
    """Turns a trial into a command; one implementation per kind of user code."""

    def prepare(self, session: Session, trial: Trial, rundir: Path) -> Job:
        """Write what the run needs into `rundir`; the command that trains it, or looks at it."""
        ...

    def blind(self) -> str:
        """Why its parts cannot be looked at before they train; empty: they can be."""
        ...

    def unseen(self) -> str:
        """Why its runs cannot be watched while they train; empty: they can be."""
        ...

    def variants(self) -> Mapping[str, tuple[str, ...]]:
        """By `Variant`, the overrides of the changes that this kind of code can always make."""
        ...

    def preflight(self, session: Session, rundir: Path) -> Job | None:
        """A job, trained nothing, that exits 0 if every arm can start; None: nothing to try."""
        ...


class Launcher(Protocol):
    """Runs jobs somewhere. Handles are strings that outlive this process."""

    def free_slots(self) -> int:
        """How many more jobs may start now."""
        ...

    def submit(self, jobs: Iterable[Job]) -> Iterator[str]:
        """Start jobs, no more than there are free slots; their handles, in the same order.

        Each job is started by the time that its handle is asked for, be it alone or together with
        the others; whoever calls this asks for all. An error is about the next one: those whose
        handles were given out go on.
        """
        ...

    def poll(self, handles: Sequence[str]) -> Mapping[str, JobState]:
        """The state of each job; one question for all of them."""
        ...

    def cancel(self, handles: Sequence[str]) -> None:
        """End jobs with all their children; returns once they are gone or told to go."""
        ...

    def clear(self, rundirs: Sequence[Path]) -> None:
        """End whatever still runs in run directories whose handles were never recorded."""
        ...


class Collector(Protocol):
    """Reads what a run has left in its run directory, ended or not."""

    def collect(self, rundir: Path) -> Evidence: ...

    def look(self, rundir: Path) -> Looked:
        """The facts that checks go by, as far as the run has left any."""
        ...


class Diagnostician(Protocol):
    """Says why an arm does not train, from recorded facts alone. Pure."""

    def __call__(self, seen: Looked, healthy: Looked, look: Look) -> Diagnosis:
        """What the checks say of `seen`, beside what is `healthy`, as far as `look` asks them."""
        ...


class Oracle(Protocol):
    """Judges evidence against the baseline's own runs. Pure."""

    def judge(self, evidence: Evidence, baseline: Sequence[Evidence]) -> Verdict:
        """The verdict on a run that has ended."""
        ...

    def glance(self, evidence: Evidence, baseline: Sequence[Evidence]) -> Verdict | None:
        """The verdict on a run that is still going, if it is already known; else None."""
        ...


class Reporter(Protocol):
    """Shows the session; told of everything, never asked."""

    def update(self, session: Session, event: Event, evidence: Evidence | None) -> None:
        """An event was recorded; `evidence` comes with judgements."""
        ...

    def progress(self, session: Session, running: Mapping[int, Evidence]) -> None:
        """Nothing was decided, but time has passed: partial evidence by trial number."""
        ...

    def close(self, session: Session) -> None:
        """The search has ended or was interrupted; nothing follows."""
        ...
