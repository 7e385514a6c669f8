"""Everything any report says about a session, worked out once.

The terminal, the HTML page, Markdown, JSON and MLflow's note all show a `Summary`,
so that they cannot disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bisector.model.experiment import Direction
from bisector.model.session import (
    Concluded,
    Dormant,
    Effect,
    LrVerdict,
    Opened,
    Ruling,
    Session,
    Suspect,
)
from bisector.report.advice import Places, Step, next_steps
from bisector.report.arms import ArmRow, sweep_rows
from bisector.report.attribution import Attribution, attribution
from bisector.report.beliefs import Belief
from bisector.report.cost import Cost, cost
from bisector.report.failures import Failure, Unjudged, other_failures, unjudged
from bisector.report.findings import reasons, sentence
from bisector.report.followed import followed
from bisector.report.reading import read
from bisector.report.runs import RunRow, run_rows
from bisector.report.why import Why, whys
from bisector.report.wording import clean

_BETTER = {Direction.MAXIMIZE: "higher", Direction.MINIMIZE: "lower"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One search in words and numbers."""

    name: str
    end: Concluded | None
    """None: the search has not ended."""
    sentence: str
    """The verdict in one sentence; names in backticks, as in all sentences here."""
    reasons: tuple[str, ...]
    """The observations it rests on."""
    steps: tuple[Step, ...]
    """What to do next."""
    metric: str
    """The measurement that decided."""
    better: str
    """`higher` or `lower`: which way it improves."""
    symptom: str
    """The failure that was followed, e.g. `diverged`; empty when nothing broke."""
    beliefs: tuple[Belief, ...]
    """Likeliest first."""
    cleared: tuple[str, ...]
    """Additions that have next to no part in any explanation."""
    why: tuple[Why, ...]
    """Why what was convicted does not train, as far as that was looked for."""
    arms: tuple[ArmRow, ...]
    """The evidence."""
    lr: tuple[ArmRow, ...]
    """The learning-rate sweep."""
    attribution: Attribution | None
    """Each addition's part in the harm, if harm adds up."""
    cost: Cost
    unjudged: tuple[Unjudged, ...]
    others: tuple[Failure, ...]
    """Failures unlike the one that was followed."""
    runs: tuple[RunRow, ...]
    """Every judged run, by number."""
    environment: Mapping[str, str]
    """What the search was begun in: versions, machine, commit."""
    places: Places
    version: str
    fingerprint: str

    @property
    def ruling(self) -> Ruling | None:
        """None: the search has not ended."""
        return self.end.ruling if self.end else None

    @property
    def culprits(self) -> tuple[frozenset[str], ...]:
        """The sets that are blamed; none while nothing is decided."""
        return self.end.blamed if self.end else ()

    @property
    def confidence(self) -> float | None:
        """Posterior probability of the ruling; None while there is none."""
        return self.end.confidence if self.end else None

    @property
    def dormant(self) -> tuple[Dormant, ...]:
        """What else breaks training, and is rescued by another addition while everything is on."""
        return self.end.dormant if self.end else ()

    @property
    def effect(self) -> Effect | None:
        """How much worse the accused, else everything on, is than the baseline."""
        return self.end.effect if self.end else None

    @property
    def lr_effects(self) -> tuple[LrVerdict, ...]:
        """What the learning-rate sweep says of each culprit."""
        return self.end.lr if self.end else ()

    @property
    def upcoming(self) -> tuple[frozenset[str], ...]:
        """What a spent budget left untrained: the run that would have come next."""
        return self.end.upcoming if self.end else ()

    @property
    def paragraph(self) -> str:
        """The reasons in one paragraph."""
        return " ".join(self.reasons)

    @property
    def decided(self) -> bool:
        """Whether the question was answered."""
        return self.ruling is not None and self.ruling.decided


def summarise(
    session: Session,
    ranked: Sequence[Suspect] = (),
    *,
    places: Places | None = None,
    upcoming: Sequence[frozenset[str]] = (),
) -> Summary:
    """The summary of a session.

    `ranked` are the planner's explanations (a conclusion's own go before), `upcoming` its next sets.
    """
    end, experiment, places = session.conclusion, session.experiment, places or Places()
    reading = read(session, ranked)
    opened = next((e for e in session.events if isinstance(e, Opened)), None)
    return Summary(
        name=clean(experiment.name),
        end=end,
        sentence=sentence(reading),
        reasons=reasons(reading),
        steps=next_steps(reading, places, upcoming),
        metric=clean(experiment.metric.name),
        better=_BETTER[experiment.metric.direction],
        symptom=_symptom(session),
        beliefs=reading.beliefs,
        cleared=reading.cleared,
        why=whys(session),
        arms=reading.rows,
        lr=sweep_rows(session, reading.rows),
        attribution=attribution(session) if reading.shares else None,
        cost=cost(session),
        unjudged=unjudged(session),
        others=other_failures(session),
        runs=run_rows(session, places),
        environment=opened.environment if opened else {},
        places=places,
        version=opened.version if opened else "",
        fingerprint=opened.fingerprint if opened else "",
    )


def _symptom(session: Session) -> str:
    target = followed(session)
    return clean(f"{target.symptom} {target.detail}").strip() if target else ""
