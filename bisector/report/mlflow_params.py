"""The parameters of a run that MLflow has, by its id."""

from mlflow.tracking import MlflowClient

from bisector.errors import ConfigError
from bisector.report.mlflow_store import AWAY


def params_of(run_id: str, uri: str | None) -> dict[str, str]:
    """What a run was logged with.

    Args:
        run_id: 32 hexadecimal digits.
        uri: where runs are kept; None: where MLflow's own settings say.

    Raises:
        ConfigError: there is no such run, or nothing answers.
    """
    try:
        run = MlflowClient(tracking_uri=uri).get_run(run_id)
    except AWAY as e:
        raise ConfigError(
            f"MLflow has no run {run_id}: {' '.join(str(e).split())}",
            hint="Say where runs are kept: --tracking-uri URI, or MLFLOW_TRACKING_URI.",
        ) from None
    return dict(sorted(run.data.params.items()))
