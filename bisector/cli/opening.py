"""Opens a session for writing: a new one, or one to go on with."""

import shlex
import shutil
import sys
from pathlib import Path

from omegaconf import OmegaConf

from bisector import __version__, conceal
from bisector.cli.environment import COMMAND, environment
from bisector.config.compose import Composer
from bisector.config.parse import JUDGED, TRAINED, fingerprint, typed
from bisector.errors import JournalError
from bisector.journal import Journal
from bisector.model.experiment import Experiment
from bisector.model.session import Opened, Session
from bisector.model.verdict import Outcome
from bisector.orchestrator import now
from bisector.rundir import JOURNAL


def opened(composer: Composer, experiment: Experiment) -> Opened:
    """The event that begins this experiment's session."""
    config = OmegaConf.to_container(composer.base, resolve=False, enum_to_str=True)
    assert isinstance(config, dict)
    conceal.also(typed(composer).redact)
    plain = {str(k): conceal.concealed(v) for k, v in config.items()}
    return Opened(
        experiment,
        plain,
        fingerprint(composer, experiment),
        __version__,
        now(),
        {**environment(Path.cwd()), COMMAND: str(conceal.concealed(_typed()))},
    )


def _typed() -> str:
    """The command line that goes on with this search, or does it again elsewhere."""
    return shlex.join(["bisect", *(word for word in sys.argv[1:] if word != "--fresh")])


def open_session(home: Path, event: Opened, *, fresh: bool) -> tuple[Journal, Session]:
    """The session in `home`, locked for us, with what the journal holds.

    Raises:
        JournalError: somebody else holds it, it is damaged, or it is a search of something else.
    """
    journal = Journal(home / JOURNAL, conceal.concealed)
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
    going_on = continued(session, event, home)
    if going_on is not session:
        journal.append(event)
    return journal, going_on


def continued(session: Session, event: Opened, home: Path) -> Session:
    """The session in `home`, gone on with under the terms of `event`, where these are new.

    Raises:
        JournalError: its runs say nothing about the experiment that is asked for now.
    """
    last = next(e for e in reversed(session.events) if isinstance(e, Opened))
    if last.fingerprint != event.fingerprint and session.launched:
        _check_same(session, last, event, home)
    return (
        session
        if last.config == event.config
        else Session(event.experiment, (*session.events, event))
    )


def _check_same(session: Session, last: Opened, event: Opened, home: Path) -> None:
    differs = [k for k in (*TRAINED, *JUDGED) if event.config.get(k) != last.config.get(k)]
    resolved = any(e.verdict.outcome is not Outcome.UNRESOLVED for e in session.judged)
    # Runs that nobody has judged yet can still be judged in another way.
    if differs and set(differs) <= set(JUDGED) and not resolved:
        return
    terms = ("lr", "sweep")
    differs += [t for t in terms if getattr(event.experiment, t) != getattr(last.experiment, t)]
    raise JournalError(
        f"{home} holds a search of something else: {', '.join(differs) or 'bisect itself'} changed since.",
        hint="Give this one a name (name=...), or start over with --fresh (the old one is kept).",
    )


def set_aside(home: Path) -> None:
    """Move an earlier search into `home/earlier/N`; nothing computed is thrown away."""
    shelf = home / "earlier"
    old = [p for p in home.iterdir() if p.name not in ("earlier", "lock")]
    if old:
        place = shelf / str(1 + sum(1 for _ in shelf.glob("*")))
        place.mkdir(parents=True)
        for path in old:
            shutil.move(path, place / path.name)
