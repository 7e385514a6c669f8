"""What will be asked of the leading explanation if it holds, for slots that would stand idle.

While the last runs of the isolation are awaited, its likely sequel is trained beside them: the
learning rates, which the search would want anyway, so that all they can be wasted on is a wrong
leader; then the leader's proofs on one more seed.
"""

from bisector.model.session import Accused, Session, Suspect
from bisector.model.trial import Purpose, Trial
from bisector.plan.asks import missing, numbered
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
    accused = Accused(leader, "", len(session.launched))
    return missing(session, lr_wants(session, accused)) or _once_more(session, accused)


def _once_more(session: Session, accused: Accused) -> tuple[Trial, ...]:
    """What would prove the leader, as one more run of each is evidence.

    Less what is training, and what could not be judged: that would be met again.
    """
    seen = observe(session)
    sets = [c.want.arm.additions for c in clauses(session, accused)]
    asked = [s for s in sets if s not in (*seen.pending, *seen.unresolved)]
    return numbered(session, asked, Purpose.ISOLATE)
