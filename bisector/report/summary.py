"""Everything any report says about a session, worked out once.

The terminal, the HTML page, Markdown, JSON and MLflow's note all show a `Summary`,
so that they cannot disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bisector.model.experiment import Direction
from bisector.model.session import Dormant, Effect, LrVerdict, Opened, Ruling, Session, Suspect
from bisector.report.advice import Places, Step, next_steps
from bisector.report.arms import ArmRow, sweep_rows
from bisector.report.beliefs import Belief
from bisector.report.cost import Cost, cost
from bisector.report.failures import Failure, Unjudged, followed, other_failures, unjudged
from bisector.report.findings import reasons, sentence
from bisector.report.reading import read
from bisector.report.why import Why, whys
from bisector.report.wording import clean

_BETTER = {Direction.MAXIMIZE: "higher", Direction.MINIMIZE: "lower"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One search in words and numbers."""

    name: str
    ruling: Ruling | None
    """None: the search has not ended."""
    culprits: tuple[frozenset[str], ...]
    confidence: float | None
    """Posterior probability of the ruling; None while there is none."""
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
    dormant: tuple[Dormant, ...]
    """What else breaks training, and is rescued by another addition while everything is on."""
    effect: Effect | None
    """How much worse the accused, else everything on, is than the baseline."""
    why: tuple[Why, ...]
    """Why what was convicted does not train, as far as that was looked for."""
    arms: tuple[ArmRow, ...]
    """The evidence."""
    lr: tuple[ArmRow, ...]
    """The learning-rate sweep."""
    lr_effects: tuple[LrVerdict, ...]
    """What it says of each culprit."""
    cost: Cost
    unjudged: tuple[Unjudged, ...]
    others: tuple[Failure, ...]
    """Failures unlike the one that was followed."""
    places: Places
    version: str
    fingerprint: str

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
        ruling=end.ruling if end else None,
        culprits=end.blamed if end else (),
        confidence=end.confidence if end else None,
        sentence=sentence(reading),
        reasons=reasons(reading),
        steps=next_steps(reading, places, upcoming),
        metric=clean(experiment.metric.name),
        better=_BETTER[experiment.metric.direction],
        symptom=_symptom(session),
        beliefs=reading.beliefs,
        cleared=reading.cleared,
        dormant=end.dormant if end else (),
        effect=end.effect if end else None,
        lr_effects=end.lr if end else (),
        why=whys(session),
        arms=reading.rows,
        lr=sweep_rows(session, reading.rows),
        cost=cost(session),
        unjudged=unjudged(session),
        others=other_failures(session),
        places=places,
        version=opened.version if opened else "",
        fingerprint=opened.fingerprint if opened else "",
    )


def _symptom(session: Session) -> str:
    target = followed(session)
    return clean(f"{target.symptom} {target.detail}").strip() if target else ""
