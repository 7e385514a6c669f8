"""How the user's code spells the changes that the tool may try: the section `variants`."""

from collections.abc import Mapping

from bisector.config.blame import nearest
from bisector.config.compose import Composer
from bisector.errors import ConfigError
from bisector.model.variant import Variant, spelled


def parse_variants(
    composer: Composer, given: Mapping[str, list[str]]
) -> dict[str, tuple[str, ...]]:
    """The section as it is meant.

    Raises:
        ConfigError: it names a change that there is not, or says nothing about it.
    """
    for name, overrides in given.items():
        if name not in set(Variant):
            raise ConfigError(
                f"{composer.shown}: variants.{name} is no change that bisect tries.",
                hint=nearest(name, Variant, "variants."),
            )
        if not overrides:
            raise ConfigError(
                f"{composer.shown}: variants.{name} is empty, so it would change nothing.",
                hint=f"Write the overrides that make it, or leave variants.{name} out.",
            )
    return {name: tuple(overrides) for name, overrides in given.items()}


def check_variants(composer: Composer, given: Mapping[str, tuple[str, ...]]) -> None:
    """Compose each with the baseline, so that a misspelt key is found before any run.

    Raises:
        ConfigError: one does not compose.
    """
    for name, overrides in given.items():
        composer.recipe(spelled(overrides, 2), what=f"variants.{name}")
