"""What will be asked of the leading explanation if it holds, for slots that would stand idle.

While the last runs of the isolation are awaited, its likely sequel is trained beside them: the
learning rates, the confirmation, and the leader's proofs on one more seed. The first two are runs
that the search would want anyway, so all that they can be wasted on is a wrong leader. What is to
confirm an accusation counts as that only if its hypothesis was as probable as an accusation must
be, and fixed, before the run was launched.
"""

from bisector.model.session import Accused, Session, Suspect
from bisector.model.trial import Purpose, Trial
from bisector.plan.asks import Want, missing, numbered
from bisector.plan.lr_sweep import lr_wants
from bisector.plan.observations import observe
from bisector.plan.proof import clauses

LIKELY = 0.5
"""Probability from which an explanation's learning rates are swept before it is accused."""


def ahead(session: Session, leader: Suspect) -> tuple[Trial, ...]:
    """The trials to start beside those that are awaited; none if too little is known yet.

    With one slot there are none: it is never idle while a run is awaited.
    """
    if leader.probability < LIKELY or not leader.culprits:
        return ()
    accused = Accused(leader, "", confirmed_from(session, leader))
    wants: tuple[Want, ...] = lr_wants(session, accused)
    if leader.probability >= session.experiment.budget.confidence:
        wants = (*(c.want for c in clauses(session, accused)), *wants)
    return missing(session, wants) or _once_more(session, accused)


def _once_more(session: Session, accused: Accused) -> tuple[Trial, ...]:
    """What would prove the leader, as one more run of each is evidence.

    Less what is training, and what could not be judged: that would be met again.
    """
    seen = observe(session)
    sets = [c.want.arm.additions for c in clauses(session, accused)]
    asked = [s for s in sets if s not in (*seen.pending, *seen.unresolved)]
    return numbered(session, asked, Purpose.ISOLATE)


def confirmed_from(session: Session, suspect: Suspect) -> int:
    """The number of the first trial that counts as the confirmation of a suspect.

    The first of those launched ahead for its sake alone, else the next one to be launched.
    """
    last = session.accusation
    begun = last.trials if last else 0
    count = len(session.launched)
    arms = {c.want.arm for c in clauses(session, Accused(suspect, "", count))}
    first = count
    for launched in reversed(session.launched[begun:]):
        trial = launched.trial
        if trial.purpose is Purpose.CONFIRM and trial.arm not in arms:
            break
        if trial.purpose is Purpose.CONFIRM:
            first = trial.number
    return first
