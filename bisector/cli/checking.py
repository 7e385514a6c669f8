"""The checks as the configuration has them: which look, by which thresholds."""

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import FAMILIES
from bisector.config.blame import nearest
from bisector.config.schema import ChecksConf
from bisector.diagnose import Terms, diagnose
from bisector.errors import ConfigError
from bisector.model.finding import Diagnosis, Looked, Stage
from bisector.ports import Diagnostician, Look


def diagnostician(terms: Terms) -> Diagnostician:
    """All checks of the catalogue, under the terms that are configured."""

    def ask(seen: Looked, healthy: Looked, look: Look) -> Diagnosis:
        absent = {**_unlooked(look), **seen.absent}
        return diagnose(
            CATALOGUE, seen.facts, absent, terms, healthy=healthy.facts, stages=look.stages
        )

    return ask


def _unlooked(look: Look) -> dict[str, str]:
    """Family to why it cannot be had of this arm, whatever is tried."""
    because = {name: look.unseen if stage is Stage.RUN else look.blind
               for name, (stage, _) in FAMILIES.items()}  # fmt: skip
    return {name: why for name, why in because.items() if why}


def terms_of(conf: ChecksConf) -> Terms:
    """What the configuration says about checks.

    Raises:
        ConfigError: it names a check or a threshold that there is not.
    """
    limits = {c.id: c.limits for c in CATALOGUE}
    for id_ in (*conf.skip, *conf.thresholds):
        if id_ not in limits:
            raise ConfigError(f"There is no check `{id_}`.", hint=nearest(id_, limits))
    for id_, given in conf.thresholds.items():
        for name in set(given) - set(limits[id_]):
            raise ConfigError(
                f"checks.thresholds.{id_} has no `{name}`.", hint=nearest(name, limits[id_])
            )
    return Terms(conf.alpha, frozenset(conf.skip), conf.thresholds)
