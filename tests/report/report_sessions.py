"""Sessions written by hand, event by event, as an orchestrator would record them."""

import math
from dataclasses import dataclass, field

from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Addition, Budget, Experiment, Kind, LearningRate, Metric
from bisector.model.finding import Finding, Reason, Remedy, Severity, Stage, Status
from bisector.model.session import (
    Accused,
    Concluded,
    Event,
    Explained,
    Judged,
    Launched,
    LrEffect,
    LrVerdict,
    Opened,
    Ruling,
    Session,
    Suspect,
)
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict

NAMES = (
    "shift",
    "mixup",
    "cutout",
    "dropout",
    "decay",
    "smoothing",
    "focal",
    "norm",
    "deep",
    "wide",
)


def some(*names: str) -> frozenset[str]:
    return frozenset(names)


def experiment(names: tuple[str, ...] = NAMES, **changes: object) -> Experiment:
    kinds = [Kind.AUGMENTATION, Kind.REGULARISATION, Kind.LOSS, Kind.MODEL]
    additions = tuple(
        Addition(name=n, overrides=(f"recipe.{n}=on",), kind=kinds[4 * i // len(names)])
        for i, n in enumerate(names)
    )
    given: dict[str, object] = {
        "name": "digits",
        "additions": additions,
        "budget": Budget(),
        "metric": Metric(),
        "lr": LearningRate(key="recipe.optimizer.lr", value=0.01),
    }
    return Experiment(**(given | changes))  # type: ignore[arg-type]


@dataclass
class Script:
    """Builds a session; every run takes `pace` seconds, one after the other."""

    experiment: Experiment = field(default_factory=experiment)
    pace: float = 4.0
    events: list[Event] = field(default_factory=list)
    now: float = 1000.0
    number: int = 0

    def __post_init__(self) -> None:
        config = {"name": self.experiment.name, "seed": self.experiment.seed}
        self.events.append(Opened(self.experiment, config, "f00d", "0.1.0", self.now))

    def launch(self, arm: Arm, purpose: Purpose, seed: int = 0) -> Trial:
        trial = Trial(self.number, arm, seed, purpose)
        self.number += 1
        self.events.append(Launched(trial, f"h{trial.number}", self.now))
        return trial

    def judge(self, trial: Trial, verdict: Verdict) -> None:
        self.now += self.pace
        self.events.append(Judged(trial, verdict, self.pace, self.now))

    def run(self, arm: Arm, purpose: Purpose, verdict: Verdict, seed: int = 0) -> None:
        self.judge(self.launch(arm, purpose, seed), verdict)

    def accuse(self, suspect: Suspect) -> None:
        self.events.append(Accused(suspect, "sure enough", self.number, self.now))

    def conclude(self, ruling: Ruling, *culprits: frozenset[str], **more: object) -> None:
        given = {"confidence": 0.994, "because": "", "at": self.now} | more
        self.events.append(Concluded(ruling, culprits, **given))  # type: ignore[arg-type]

    @property
    def session(self) -> Session:
        return Session(self.experiment, tuple(self.events))


def trained(score: float = 0.975) -> Verdict:
    return Verdict(Outcome.HEALTHY, 0.01, score=score, because="it trained", steps=450, planned=450)


def broke(
    score: float | None = 0.1, symptom: Symptom = Symptom.DIVERGED, detail: str = ""
) -> Verdict:
    return Verdict(
        Outcome.BROKEN,
        0.99,
        Signature(symptom, detail),
        score,
        because="loss 41.2 at step 120, baseline below 0.9",
        steps=120,
        planned=450,
        early=True,
    )


def lost(because: str = "the run was not finished: killed") -> Verdict:
    return Verdict(Outcome.UNRESOLVED, 0.5, because=because, steps=10, planned=450, retry=True)


def opening(script: Script, full: Verdict | None = None) -> None:
    """The baseline on three seeds, and everything on."""
    for seed, score in enumerate((0.973, 0.981, 0.975)):
        script.run(Arm(), Purpose.BASELINE, trained(score), seed)
    script.run(Arm(script.experiment.full), Purpose.REPRODUCE, full or broke(), 0)


def isolating(script: Script, culprit: frozenset[str], queries: int = 5) -> None:
    """Sets of half the additions, broken when they hold the culprit."""
    names = [a.name for a in script.experiment.additions]
    for k in range(queries):
        on = frozenset(n for i, n in enumerate(names) if (i >> (k % 4)) & 1 or i % (k + 2) == 0)
        verdict = broke(0.1 + k / 100) if culprit <= on else trained(0.97 - k / 200)
        script.run(Arm(on), Purpose.ISOLATE, verdict)


def proving(script: Script, culprit: frozenset[str], rescued_at: tuple[float, ...] = ()) -> None:
    """The proof on fresh seeds, and the learning-rate sweep."""
    script.accuse(Suspect((culprit,), 0.994))
    rest = script.experiment.full - {min(culprit)}
    for seed in (1, 2):
        script.run(Arm(culprit), Purpose.CONFIRM, broke(0.11), seed)
        script.run(Arm(rest), Purpose.CONFIRM, trained(0.968), seed)
    for scale in (0.1, 10.0):
        verdict = trained(0.961) if scale in rescued_at else broke(0.09, Symptom.NOT_FINITE)
        script.run(Arm(culprit, lr_scale=scale), Purpose.SWEEP_LR, verdict)


RANKED = (
    Suspect((some("focal"),), 0.994),
    Suspect((some("focal", "mixup"),), 0.003),
    Suspect((), 0.001),
)


def one_culprit() -> Script:
    """The usual story: `focal` breaks training at every learning rate; one worker was killed."""
    script = Script()
    opening(script)
    script.run(Arm(some("mixup", "wide")), Purpose.ISOLATE, lost())
    isolating(script, some("focal"))
    script.run(
        Arm(some("deep", "norm")),
        Purpose.ISOLATE,
        broke(None, Symptom.CRASH, "ValueError in deep.py:forward"),
    )
    proving(script, some("focal"))
    held = LrVerdict(some("focal"), LrEffect.BROKEN_AT_EVERY_LR, tried=(0.1, 1.0, 10.0))
    script.conclude(Ruling.CULPRIT, some("focal"), ranked=RANKED, lr=(held,))
    return script


FINDING = Finding(
    check="R18a",
    reason="R18",
    title="a loss that does not prefer better predictions",
    severity=Severity.FATAL,
    stage=Stage.MODEL,
    summary="The loss rises.",
    evidence={"losses": [0.1, math.nan], "layer": "head"},
    crossing=None,
    remedy=Remedy("Put the standard loss in its place."),
)


def explained() -> Script:
    """`one_culprit`, and why."""
    script = one_culprit()
    reason = Reason(finding=FINDING, status=Status.PROVED, mend=("recipe/loss=cross_entropy",))
    script.events.append(Explained(some("focal"), (reason,)))
    return script


def needs_lr() -> Script:
    script = Script()
    opening(script)
    isolating(script, some("focal"))
    proving(script, some("focal"), rescued_at=(0.1,))
    mend = LrVerdict(
        some("focal"), LrEffect.NEEDS_LR, (0.1,), (0.1, 1.0), because="score 0.961 at x0.1"
    )
    script.conclude(Ruling.NEEDS_LR, some("focal"), ranked=RANKED, lr=(mend,))
    return script


def pair() -> Script:
    script = Script()
    both = some("mixup", "focal")
    opening(script)
    isolating(script, both)
    proving(script, both)
    held = LrVerdict(both, LrEffect.BROKEN_AT_EVERY_LR, tried=(0.1, 1.0, 10.0))
    script.conclude(Ruling.INTERACTION, both, ranked=(Suspect((both,), 0.99),), lr=(held,))
    return script


def spent() -> Script:
    """The budget ran out between two explanations."""
    script = Script()
    opening(script)
    isolating(script, some("focal"), 3)
    ranked = (
        Suspect((some("focal"),), 0.62),
        Suspect((some("mixup", "wide"),), 0.34),
        Suspect((), 0.02),
    )
    script.conclude(
        Ruling.INCONCLUSIVE, confidence=0.62, because="the budget is spent", ranked=ranked
    )
    return script


def curves(session: Session, number: int) -> Evidence:
    """What a run of a written session would have logged: falling, or rising and not finite."""
    verdict = next(e.verdict for e in session.judged if e.trial.number == number)
    broken = verdict.outcome is Outcome.BROKEN
    steps = tuple(range(10, verdict.steps + 1, 10))
    wobble = (number % 5) / 40
    loss = tuple(2.3 * math.exp(s / 90 if broken else -s / 90) + wobble for s in steps)
    if verdict.signature and verdict.signature.symptom is Symptom.NOT_FINITE:
        loss = (*loss[:-2], math.inf, math.nan)
    score = tuple(0.1 if broken else 0.98 - 0.8 * math.exp(-s / 60) - wobble / 4 for s in steps)
    return Evidence(Exit.CLEAN, {"loss": Curve(steps, loss), "score": Curve(steps, score)})
