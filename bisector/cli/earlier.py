"""The other searches in the output folder, from which priors are learned."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bisector.errors import JournalError
from bisector.journal import Journal
from bisector.model.session import Session
from bisector.rundir import JOURNAL


def earlier_searches(home: Path) -> Iterator[Session]:
    """The sessions beside `home`, by name; one that cannot be read is passed over.

    Those set aside in `home` itself are none of them: who searches again wants to know whether
    the same comes out, and not to hear what he was told.
    """
    for path in sorted(home.parent.glob(f"*/{JOURNAL}")):
        if path.parent != home:
            with suppress(JournalError, OSError):
                session = Journal(path).load()
                if session is not None:
                    yield session
