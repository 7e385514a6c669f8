"""Every exception this tool raises on purpose.

A failed training run is not an error here: it is a `Verdict`. These classes are
for the moments when the tool itself cannot go on, and each carries a hint that
tells the reader what to do next.
"""


class BisectError(Exception):
    """Base of all expected errors; `exit_code` is what the command line returns."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint
        self.add_note(hint)  # For a notebook, which shows no more of an error than Python does.


class ConfigError(BisectError):
    """The command line or the experiment's configuration cannot be used as written."""

    exit_code = 2


class JournalError(BisectError):
    """The session's journal is damaged, held by another process, or of another experiment."""

    exit_code = 2


class LaunchError(BisectError):
    """The machine or the scheduler cannot be reached, or cannot run any job at all."""
