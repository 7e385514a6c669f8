"""The whole search as a list of events; everything else is derived from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from bisector.model.experiment import Experiment
from bisector.model.finding import Diagnosis, Reason, Unlooked
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict


class Ruling(StrEnum):
    """What a search ends with."""

    CULPRIT = "culprit"
    """One addition breaks training at every learning rate tried."""
    INTERACTION = "interaction"
    """Several additions break it together, and no smaller set of them does."""
    SEVERAL = "several"
    """More than one culprit, each sufficient."""
    NEEDS_LR = "needs-lr"
    """The culprit trains at another learning rate."""
    CUMULATIVE = "cumulative"
    """No culprit: many additions do a little harm each."""
    BASELINE_BROKEN = "baseline-broken"
    BASELINE_FLAKY = "baseline-flaky"
    """The baseline's own runs disagree too much to judge anything against them."""
    NOTHING_BREAKS = "nothing-breaks"
    INCONCLUSIVE = "inconclusive"
    """The budget was spent first; `ranked` says what is likeliest."""
    SWEPT = "swept"
    """A plain hyperparameter sweep ended; nothing was accused."""

    CLIMBED = "climbed"
    """A ladder of ever more samples ended; nothing was accused."""

    @property
    def decided(self) -> bool:
        """Whether the question was answered."""
        return self not in (Ruling.INCONCLUSIVE, Ruling.BASELINE_FLAKY)


NOTHING_LEFT = "nothing more can be learned"
"""How the reason of an `INCONCLUSIVE` end begins where it was not the budget that ended it."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One explanation: the minimal failing sets it claims, and how probable it is."""

    culprits: tuple[frozenset[str], ...]
    """Minimal failing sets, sorted by size then name; empty: nothing breaks."""
    probability: float
    cumulative: bool = False
    """Harm that adds up: `culprits` are then not minimal sets but what weighs most."""


class LrEffect(StrEnum):
    """What another learning rate does to a culprit."""

    BROKEN_AT_EVERY_LR = "broken-at-every-lr"
    NEEDS_LR = "needs-lr"
    """It trains at some that were tried, and breaks at others on either side of them."""
    BREAKS_ABOVE = "breaks-above"
    """It trains at all that were tried up to one below x1, and breaks at all above it."""
    BREAKS_BELOW = "breaks-below"
    """It breaks at all that were tried up to x1 or beyond, and trains at all above them."""
    NOT_SWEPT = "not-swept"


@dataclass(frozen=True, slots=True)
class LrVerdict:
    """The outcome of a culprit's learning-rate sweep."""

    culprit: frozenset[str]
    effect: LrEffect
    trains_at: tuple[float, ...] = ()
    """Multipliers at which it trained, best first."""
    tried: tuple[float, ...] = ()
    """Multipliers at which it could be judged, x1 among them, in ascending order."""
    because: str = ""

    @property
    def mended(self) -> bool:
        """Whether another learning rate is all that the culprit needs."""
        return bool(self.trains_at)


@dataclass(frozen=True, slots=True)
class Dormant:
    """A set that breaks training by itself, and that another addition rescues in the full recipe."""

    culprit: frozenset[str]
    rescuers: frozenset[str]
    """The likeliest rescuer: taken out, the set would break what is left."""
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much worse an arm is than the baseline, in units of the metric; negative if better."""

    arm: frozenset[str]
    harm: float
    """Of the means."""
    low: float
    high: float
    """Ends of the two-sided interval at `confidence`."""
    confidence: float
    sd: float
    """Of single runs of either arm."""
    worth: float
    """The smallest harm worth a verdict."""
    correlation: float = 0.0
    """Of an arm's run with the baseline's on the same seed, as estimated; 0: not paired."""

    @property
    def negligible(self) -> bool:
        """Whether a harm worth a verdict is ruled out."""
        return self.high <= self.worth


@dataclass(frozen=True, slots=True)
class Opened:
    """A search began, or went on under other terms; all that is needed to read it."""

    experiment: Experiment
    config: Mapping[str, object]
    """The composed configuration as plain JSON, secrets left out."""
    fingerprint: str
    """Hash of what makes two searches the same: recipe, additions, metric, workload, seed."""
    version: str
    at: float = 0.0
    """Seconds since the epoch, as in all events; stamped by the orchestrator."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it was begun in: versions, machine, commit; for people, decides nothing."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A trial was handed to the launcher; `handle` is JSON and survives restarts."""

    trial: Trial
    handle: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A trial ended, or was stopped early, and was judged."""

    trial: Trial
    verdict: Verdict
    seconds: float
    """Wall time of the training process."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Accused:
    """The planner is sure enough of an explanation to put it to the proof.

    A later accusation takes the place of an earlier one.
    """

    suspect: Suspect
    because: str
    trials: int
    """The first trial, by number, that counts as confirmation: the next one when it was made."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The checks have looked at an arm; a later diagnosis of the same arm takes its place."""

    additions: frozenset[str]
    """The arm; empty: the baseline."""
    diagnosis: Diagnosis
    trials: tuple[int, ...] = ()
    """The trials whose facts they went by: a look, and runs of the arm."""
    beside: tuple[int, ...] = ()
    """The same of the healthy neighbour."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Explained:
    """Why an arm does not train, as far as that is known: what the verdict has to say of it."""

    additions: frozenset[str]
    """The culprit; empty: the baseline."""
    reasons: tuple[Reason, ...]
    """Proved ones first, then suspected ones, likeliest first; refuted ones last."""
    unlooked: tuple[Unlooked, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Concluded:
    """The search ended."""

    ruling: Ruling
    culprits: tuple[frozenset[str], ...]
    """Minimal breaking sets; if harm adds up, what weighs most; if nothing was decided, what was
    likeliest when the search ended (see `blamed`)."""
    confidence: float
    because: str
    at: float = 0.0
    ranked: tuple[Suspect, ...] = ()
    lr: tuple[LrVerdict, ...] = ()
    dormant: tuple[Dormant, ...] = ()
    """What else breaks training, and does not show while everything is on."""
    effect: Effect | None = None
    """Of the accused, else of everything on; None: too few of its runs left a score."""

    upcoming: tuple[frozenset[str], ...] = ()
    """What would have been trained next, had the budget allowed it."""

    @property
    def blamed(self) -> tuple[frozenset[str], ...]:
        """The culprits, if the search has decided: what was merely likeliest blames nobody."""
        return self.culprits if self.ruling.decided else ()


Event = Opened | Launched | Judged | Accused | Diagnosed | Explained | Concluded


@dataclass(frozen=True)
class Session:
    """One search, from first trial to conclusion. All properties are derived from `events`, once."""

    experiment: Experiment
    events: tuple[Event, ...] = field(default=())

    def add(self, event: Event) -> "Session":
        """A session with one more event."""
        return replace(self, events=(*self.events, event))

    @cached_property
    def launched(self) -> tuple[Launched, ...]:
        """All launches so far, in order; a trial's number is its place among them."""
        return tuple(e for e in self.events if isinstance(e, Launched))

    @cached_property
    def started(self) -> tuple[Launched, ...]:
        """The launches of runs that train, in order: what a search costs."""
        return tuple(e for e in self.launched if e.trial.arm.trained)

    @cached_property
    def ended(self) -> tuple[Judged, ...]:
        """All trials that have ended, looks included, in order."""
        return tuple(e for e in self.events if isinstance(e, Judged))

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """All judgements of runs so far, in order; a look is none and says nothing of breaking."""
        return tuple(e for e in self.ended if e.trial.arm.trained)

    @cached_property
    def running(self) -> tuple[Launched, ...]:
        """Launched trials that have no judgement yet."""
        done = {e.trial.number for e in self.ended}
        return tuple(e for e in self.launched if e.trial.number not in done)

    @cached_property
    def accusation(self) -> Accused | None:
        """The accusation that stands, if there is one."""
        return next((e for e in reversed(self.events) if isinstance(e, Accused)), None)

    @cached_property
    def conclusion(self) -> Concluded | None:
        """The conclusion under the present terms, once there is one."""
        ends = (e for e in reversed(self.events) if isinstance(e, Concluded | Opened))
        last = next(ends, None)
        return last if isinstance(last, Concluded) else None

    @cached_property
    def spent(self) -> int:
        """Runs that count against the budget: all but those that the user interrupted."""
        return len(self.started) - sum(e.verdict.interrupted for e in self.judged)

    def diagnosed(self, additions: frozenset[str]) -> Diagnosed | None:
        """The last diagnosis of an arm, if there is one."""
        found = (e for e in reversed(self.events) if isinstance(e, Diagnosed))
        return next((e for e in found if e.additions == additions), None)

    @cached_property
    def explained(self) -> tuple[Explained, ...]:
        """The explanations under the present terms, in order."""
        terms = max((i for i, e in enumerate(self.events) if isinstance(e, Opened)), default=0)
        return tuple(e for e in self.events[terms:] if isinstance(e, Explained))

    def runs(self, arm: Arm) -> tuple[Judged, ...]:
        """The judged trials of an arm that could be judged, in order."""
        return tuple(
            e
            for e in self.ended
            if e.trial.arm == arm and e.verdict.outcome is not Outcome.UNRESOLVED
        )

    def of(self, purpose: Purpose) -> tuple[Judged, ...]:
        """The judged trials of a purpose, in order."""
        return tuple(e for e in self.judged if e.trial.purpose is purpose)
