"""Which run a longer training goes on from: it need not begin anew."""

from dataclasses import replace

from bisector.model.experiment import Experiment
from bisector.model.session import Session
from bisector.model.trial import Arm, Trial
from bisector.model.variant import Variant


def extends(experiment: Experiment, arm: Arm) -> bool:
    """Whether an arm is another one, trained for longer."""
    overrides = experiment.variants.get(Variant.LONGER)
    return bool(overrides) and arm.tweaks == tuple(overrides or ())


def origins(session: Session, trial: Trial) -> tuple[int, ...]:
    """The runs that a trial may go on from, the last first: the same arm and seed, trained shorter.

    A watched run trains the same bits as a plain one, so either will do.
    """
    if not extends(session.experiment, trial.arm):
        return ()
    shorter = replace(trial.arm, tweaks=(), watched=False)
    arms = (shorter, replace(shorter, watched=True))
    ended = (e.trial for e in reversed(session.judged))
    return tuple(t.number for t in ended if t.arm in arms and t.seed == trial.seed)


def may_be_extended(session: Session, trial: Trial) -> bool:
    """Whether a longer training may be asked to go on from a trial: it is on a seed that proves."""
    experiment, arm = session.experiment, trial.arm
    proving = range(experiment.seed, experiment.seed + max(1, experiment.budget.confirm))
    known = Variant.LONGER in experiment.variants
    return known and arm.trained and not arm.tweaks and trial.seed in proving
