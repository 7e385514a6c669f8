"""A search in a notebook: `bisector.load("digits")`."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bisector import rundir
from bisector.cli.assemble import collector_of, planner_of
from bisector.cli.given import home_of
from bisector.errors import ConfigError
from bisector.journal import Journal
from bisector.model.evidence import Evidence
from bisector.model.session import Judged, Opened, Session, Suspect
from bisector.ports import Planner
from bisector.report.advice import Places
from bisector.report.arms import arm_name
from bisector.report.belief_picture import history
from bisector.report.markdown import markdown
from bisector.report.summary import Summary, summarise

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Search:
    """One search as its journal tells it; read when it was loaded, and never written."""

    def __init__(self, home: Path, session: Session) -> None:
        self.home, self.session = home, session

    @cached_property
    def verdict(self) -> Summary:
        """What every report says: `.sentence`, `.ruling`, `.culprits`, `.confidence`, `.arms` ..."""
        places = Places(home=str(self.home), report=str(self.home / rundir.REPORT))
        return summarise(self.session, self._ranked, places=places)

    def trials(self) -> "pd.DataFrame":
        """One row for each judged run, indexed by its number.

        Columns: `purpose`, `arm`, `seed`, `lr_scale`, `outcome`, `symptom`, `score`, `p_broken`,
        `steps`, `seconds`, `early`, and `add.NAME` (bool) for each addition.
        """
        import pandas as pd  # noqa: PLC0415  half a second, for tables only

        rows = [self._row(e) for e in self.session.judged]
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()

    def curves(self, number: int) -> "pd.DataFrame":
        """What one run logged: a column for each signal, indexed by step."""
        import pandas as pd  # noqa: PLC0415  see `trials`

        logged = self._evidence(number).curves
        columns = {
            name: pd.Series(c.values, index=c.steps).groupby(level=0).last()
            for name, c in logged.items()
        }
        return pd.DataFrame(columns).rename_axis("step")

    def plot_curves(self, signal: str | None = None) -> "Figure":
        """Every run's curve of a signal; of the deciding metric, if none is named.

        Raises:
            KeyError: no run logged it.
        """
        from bisector.report.plots import curves_plot  # noqa: PLC0415  loads matplotlib

        return curves_plot(
            self.session, self._evidence, signal or self.session.experiment.metric.name
        )

    def plot_belief(self) -> "Figure":
        """How probable each explanation was after every run."""
        from bisector.report.plots import belief_plot  # noqa: PLC0415  loads matplotlib

        return belief_plot(history(self.session, self._planner.rank), self._ranked)

    def plot_arms(self) -> "Figure":
        """The deciding metric of every run, an arm a row."""
        from bisector.report.plots import arms_plot  # noqa: PLC0415  loads matplotlib

        return arms_plot(self.session, self._evidence)

    def plot_lr(self) -> "Figure":
        """The deciding metric against the learning rate's multiplier.

        Raises:
            ValueError: the learning rate was not swept.
        """
        from bisector.report.plots import lr_plot  # noqa: PLC0415  loads matplotlib

        return lr_plot(self.session, self._evidence)

    def __repr__(self) -> str:
        return f"<search {self.verdict.name}: {self.verdict.sentence.replace('`', '')}>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows: the whole verdict."""
        return markdown(self.verdict)

    @cached_property
    def _config(self) -> dict[str, object]:
        opened = (e for e in reversed(self.session.events) if isinstance(e, Opened))
        return dict(next(opened).config)

    @cached_property
    def _planner(self) -> Planner:
        return planner_of(self._config["planner"])

    @cached_property
    def _ranked(self) -> tuple[Suspect, ...]:
        return tuple(self._planner.rank(self.session))

    def _evidence(self, number: int) -> Evidence:
        return collector_of(self._config).collect(rundir.of(self.home, number))

    def _row(self, event: Judged) -> dict[str, object]:
        trial, verdict = event.trial, event.verdict
        told: dict[str, object] = {
            "trial": trial.number,
            "purpose": trial.purpose.value,
            "arm": arm_name(self.session.experiment, trial.arm),
            "seed": trial.seed,
            "lr_scale": trial.arm.lr_scale,
            "outcome": verdict.outcome.value,
            "symptom": verdict.signature.symptom.value if verdict.signature else "",
            "score": verdict.score,
            "p_broken": verdict.p_broken,
            "steps": verdict.steps,
            "seconds": event.seconds,
            "early": verdict.early,
        }
        for addition in self.session.experiment.additions:
            told[f"add.{addition.name}"] = addition.name in trial.arm.additions
        return told


def load(name: str, out: Path | str = "out") -> Search:
    """The search `name` under the folder `out`, running or ended.

    Raises:
        ConfigError: there is no such search; the message names those that there are.
        JournalError: its journal is damaged.
    """
    home = home_of(Path(out), name)
    session = Journal(home / rundir.JOURNAL).load()
    if session is None:
        known = sorted(p.parent.name for p in Path(out).glob(f"*/{rundir.JOURNAL}"))
        raise ConfigError(
            f"There is no search in {home}.",
            hint=f"There are: {', '.join(known)}." if known else "Begin with `bisect run`.",
        )
    return Search(home, session)
