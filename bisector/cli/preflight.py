"""Before the first run: can everything that the arms name be imported where they will run?"""

from pathlib import Path

from bisector.cli.errand import errand, last_line
from bisector.errors import ConfigError, LaunchError
from bisector.model.session import Session
from bisector.orchestrator import Parts
from bisector.rundir import LOG, PREFLIGHT_RESULT
from bisector.workload.function import errors_of


def preflight(parts: Parts, session: Session, home: Path, limit: float = 300.0) -> None:
    """Run the workload's preflight job through the launcher, as a trial would be.

    Args:
        parts: the workload and the launcher to try.
        session: the session about to begin.
        home: its folder; the job runs in `preflight/` below it.
        limit: seconds to wait, for launchers that queue.

    Raises:
        ConfigError: a `_target_` cannot be imported; the message names it and its key.
        LaunchError: the job itself could not look.
    """
    rundir = home / "preflight"
    result = rundir / PREFLIGHT_RESULT
    result.unlink(missing_ok=True)
    (rundir / "exit.json").unlink(missing_ok=True)
    job = parts.workload.preflight(session, rundir)
    if job is None:
        return
    errand(parts.launcher, job, "The first job", limit)
    if not result.exists():
        raise LaunchError(
            f"The first job, which only imports what the arms name, did not end well: {last_line(rundir)}",
            hint=f"Look at {rundir / LOG}.",
        )
    if errors := errors_of(result):
        raise _cannot_import(errors)


def _cannot_import(errors: list[dict[str, str]]) -> ConfigError:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    near = first.get("nearest")
    return ConfigError(
        f"{first['key']} = {first['target']} cannot be imported: {first['message']}{more}.",
        hint=f"Did you mean {near}?" if near else "Is the module on the path, and installed here?",
    )
