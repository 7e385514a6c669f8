"""Where a session is shown beside its own folder, as its configuration says."""

from dataclasses import dataclass

from bisector.model.session import Opened


@dataclass(frozen=True, slots=True)
class Viewed:
    """Where a session is shown beside its own folder."""

    mlflow: bool
    optuna: str
    """The address of an Optuna storage; empty: in none."""

    @property
    def anywhere(self) -> bool:
        """Whether there is any view to keep up to date."""
        return self.mlflow or bool(self.optuna)


def viewed(opened: Opened) -> Viewed:
    """What the configuration says of views; MLflow unless it says otherwise."""
    mlflow, optuna = opened.config.get("mlflow"), opened.config.get("optuna")
    enabled = not isinstance(mlflow, dict) or bool(mlflow.get("enabled", True))
    storage = optuna.get("storage") if isinstance(optuna, dict) else None
    return Viewed(enabled, str(storage or ""))
