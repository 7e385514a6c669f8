"""Opens a session for writing: a new one, or one to go on with."""

import shutil
import sys
from pathlib import Path

from omegaconf import OmegaConf

from bisector import __version__
from bisector.config.compose import Composer
from bisector.config.parse import fingerprint
from bisector.errors import JournalError
from bisector.journal import Journal
from bisector.model.experiment import Experiment
from bisector.model.session import Opened, Session
from bisector.orchestrator import now
from bisector.rundir import JOURNAL


def opened(composer: Composer, experiment: Experiment) -> Opened:
    """The event that begins this experiment's session."""
    config = OmegaConf.to_container(composer.base, resolve=False, enum_to_str=True)
    assert isinstance(config, dict)
    plain = {str(k): v for k, v in config.items()}
    return Opened(experiment, plain, fingerprint(composer, experiment), __version__, now())


def open_session(home: Path, event: Opened, *, fresh: bool) -> tuple[Journal, Session]:
    """The session in `home`, locked for us, with what the journal holds.

    Raises:
        JournalError: somebody else holds it, it is damaged, or it is a search of something else.
    """
    journal = Journal(home / JOURNAL)
    journal.acquire()
    if fresh:
        set_aside(home)
    if torn := journal.cut_torn_line():
        sys.stderr.write(
            f"bisect: cut {torn} bytes of a half-written last line from {journal.path}\n"
        )
    session = journal.load()
    if session is None:
        journal.append(event)
        return journal, Session(event.experiment, (event,))
    return journal, _go_on(journal, session, event)


def _go_on(journal: Journal, session: Session, event: Opened) -> Session:
    last = next(e for e in reversed(session.events) if isinstance(e, Opened))
    if last.fingerprint != event.fingerprint and session.judged:
        differs = sorted(
            k for k in event.config if event.config[k] != last.config.get(k) and k != "budget"
        )
        raise JournalError(
            f"{journal.path.parent} holds a search of something else: {', '.join(differs) or 'the learning rate'} changed since.",
            hint="Give this one a name (name=...), or start over with --fresh (the old one is kept).",
        )
    if last.config == event.config:
        return session
    journal.append(event)
    return Session(event.experiment, (*session.events, event))


def set_aside(home: Path) -> None:
    """Move an earlier search into `home/earlier/N`; nothing computed is thrown away."""
    shelf = home / "earlier"
    old = [p for p in home.iterdir() if p.name not in ("earlier", "lock")]
    if old:
        place = shelf / str(1 + sum(1 for _ in shelf.glob("*")))
        place.mkdir(parents=True)
        for path in old:
            shutil.move(path, place / path.name)
