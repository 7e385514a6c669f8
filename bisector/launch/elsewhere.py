"""How launchers that hand jobs to another system read their own handles back."""

import json

from bisector.errors import LaunchError


def read_handle(text: str, key: str, system: str) -> tuple[str, str]:
    """A job's name in another system, and its run directory.

    Args:
        text: the handle: a JSON object with `key` and `rundir`.
        key: under which the name stands; it tells one system's handles from another's.
        system: as messages call it, e.g. `Slurm`.

    Raises:
        LaunchError: it is no handle of this system's launcher.
    """
    try:
        value = json.loads(text)
        return str(value[key]), str(value["rundir"])
    except (ValueError, KeyError, TypeError):
        raise LaunchError(
            f"`{text}` is not a job of the {system} launcher.",
            hint="Go on with the launcher that started the search, or give it a new name.",
        ) from None
