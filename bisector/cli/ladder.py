"""`bisect ladder conf=X`: 2, 4, 8, 16 and 20 samples, then 1, 10 and 100 % of them.

The first rung that does not train tells where to look, with nothing to accuse.
"""

import argparse
from dataclasses import replace
from functools import partial

from bisector.cli.assemble import workload_of
from bisector.cli.check import additions
from bisector.cli.given import Given
from bisector.cli.search import Search, search
from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
from bisector.config.variants import check_variants
from bisector.errors import ConfigError
from bisector.model.session import Session, Suspect
from bisector.model.variant import Variant
from bisector.plan.ladder import climb


def main(args: argparse.Namespace) -> int:
    """Exit code 0 when the ladder was climbed, as far as it goes."""
    given = Given.of(args)
    composer = Composer(given.conf, given.overrides, given.folder)
    plain = parse_experiment(composer)
    on = frozenset(filter(None, (args.on or "").split(",")))
    additions(plain, sorted(on))
    if composer.base.recipe is not None:
        check_variants(composer, plain.variants)
    variants = {**workload_of(composer).variants(), **plain.variants}
    if Variant.TINY_SET not in variants:
        raise ConfigError(
            f"{composer.shown}: variants.{Variant.TINY_SET} is missing, so nobody knows how to take a few samples.",
            hint=f'Say how your code does, e.g. variants: {{{Variant.TINY_SET}: ["recipe.samples={{n}}"]}}; below 1, {{n}} is a share.',
        )
    name = "-".join([plain.name, *sorted(on), "ladder"])
    ladder = replace(plain, name=name, variants=variants)
    return search(args, Search(given, composer, ladder, (partial(climb, additions=on),), _nobody))


def _nobody(session: Session) -> tuple[Suspect, ...]:
    return ()
