"""Where MLflow keeps the runs, and whether a server that the user named can be reached."""

import re
import socket
from urllib.parse import urlparse

from bisector.config.compose import Composer
from bisector.config.parse import typed
from bisector.errors import ConfigError


def check_tracking(composer: Composer) -> None:
    """Refuse to begin with a tracking server that is not there; a running search would go on.

    Raises:
        ConfigError: `mlflow.tracking_uri` is no address, or names a server that does not answer.
    """
    mlflow = typed(composer).mlflow
    if mlflow.enabled and re.match(r"[\w.-]+:\d", mlflow.tracking_uri or ""):
        raise ConfigError(
            f"mlflow.tracking_uri is {mlflow.tracking_uri}, which says no protocol.",
            hint=f"Did you mean http://{mlflow.tracking_uri}?",
        )
    uri = urlparse(mlflow.tracking_uri or "")
    if not mlflow.enabled or uri.scheme not in ("http", "https"):
        return
    port = uri.port or (443 if uri.scheme == "https" else 80)
    try:
        socket.create_connection((uri.hostname or "", port), timeout=3).close()
    except OSError as e:
        raise ConfigError(
            f"mlflow.tracking_uri is {mlflow.tracking_uri}, where nothing answers ({e}).",
            hint="Start the server, or search without it: mlflow.enabled=false (the view can be completed later with `bisect report --mlflow`).",
        ) from None
