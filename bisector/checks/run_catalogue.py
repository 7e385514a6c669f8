"""The checks of what a run shows, in the order of cause; `catalogue.py` has them after all others.

What makes every step wrong comes before what goes wrong in time, and that before what the curves say.
"""

from bisector.checks import run_beside, run_modes, run_outcome, run_rate, run_signal, run_steps
from bisector.checks.check import Check

RUN: tuple[Check, ...] = (
    run_signal.other_inputs,
    run_steps.no_step,
    run_steps.other_parameters,
    run_steps.made_in_forward,
    run_steps.gradients_not_reset,
    run_modes.trained_in_evaluation_mode,
    run_steps.outside_of_the_model,
    run_steps.gradients_unused,
    run_steps.unchanged_parameters,
    run_steps.begins_anew,
    run_outcome.no_floor,
    run_rate.schedule_too_fast,
    run_rate.grows_to_the_end,
    run_rate.momentum_outlasts,
    run_rate.drowned_term,
    run_rate.weights_decayed,
    run_outcome.operation_gives_nan,
    run_outcome.nan_in_evaluation,
    run_signal.exploding_gradients,
    run_rate.steps_too_long,
    run_signal.jumping_gradients,
    run_signal.dead_units,
    run_signal.saturated_units,
    run_signal.vanishing_gradients,
    run_signal.weights_run_away,
    run_outcome.grown_out_of_range,
    run_rate.steps_too_short,
    run_modes.batch_norm_far_off,
    run_modes.evaluated_in_training_mode,
    run_outcome.metric_stays,
    run_outcome.few_large_steps,
    run_outcome.still_falling,
    run_beside.much_smaller,
    run_beside.fewer_steps,
    run_beside.other_optimizer,
)
