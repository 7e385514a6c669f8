"""`bisect run`: search for the culprit, or go on with a search that was stopped."""

import argparse
from dataclasses import replace

from bisector.cli.assemble import planner_of, search_phases, workload_of
from bisector.cli.earlier import earlier_searches
from bisector.cli.given import Given, home_of
from bisector.cli.search import Search, search
from bisector.config.compose import Composer
from bisector.config.parse import check_additions, parse_experiment, typed
from bisector.config.variants import check_variants
from bisector.plan.priors import learned


def main(args: argparse.Namespace) -> int:
    """Exit code 0 when the search is concluded, 1 when its budget ran out first."""
    return search(args, asked(args))


def asked(args: argparse.Namespace) -> Search:
    """The search that a command line asks for, its configuration checked whole.

    Raises:
        ConfigError: something of it cannot be used as written.
    """
    given = Given.of(args)
    composer = Composer(given.conf, given.overrides, given.folder)
    experiment = parse_experiment(composer)
    if composer.base.recipe is not None:
        check_additions(composer, experiment)
        check_variants(composer, experiment.variants)
    planner, workload = planner_of(composer.base.planner), workload_of(composer)
    variants = {**workload.variants(), **experiment.variants}
    experiment = replace(experiment, variants=variants)
    if typed(composer).learn_priors:
        home = home_of(given.out, experiment.name)
        experiment = learned(experiment, earlier_searches(home))
    phases = search_phases(planner, workload.blind(), workload.unseen())
    return Search(given, composer, experiment, phases, planner.rank)
