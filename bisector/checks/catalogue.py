"""Every check, one line each, in the order of cause: what is earlier on a sample's way is first.

A fault upstream explains those downstream of it, so this order decides which finding is named
first among those of one stage (`bisector.diagnose.rank`).
"""

from bisector.checks import (
    augmentation,
    batches,
    classes,
    dimensions,
    gains,
    initialisation,
    inputs,
    losses,
    modes,
    network,
    optimiser,
    pairing,
    pretrained,
    splits,
    targets,
)
from bisector.checks.check import Check
from bisector.checks.run_catalogue import RUN

CATALOGUE: tuple[Check, ...] = (
    # What is read.
    inputs.values_not_finite,
    batches.batches_not_of_the_data_set,
    batches.unchanging_batches,
    inputs.repeated_samples,
    inputs.blank_samples,
    inputs.constant_features,
    inputs.extreme_values,
    splits.splits_of_different_shape,
    # Where one split lacks a class, its inputs differ as well.
    classes.unbalanced_classes,
    splits.splits_of_different_classes,
    # What is changed on purpose changes the inputs' statistics.
    augmentation.label_not_kept,
    augmentation.validation_augmented,
    augmentation.workers_draw_alike,
    pretrained.not_the_declared_preprocessing,
    pretrained.channels_turned_round,
    splits.splits_prepared_differently,
    splits.standardised_by_others,
    splits.shared_samples,
    inputs.inputs_not_standardised,
    # What is to be learnt from it.
    targets.targets_repeat_the_input,
    targets.extreme_targets,
    targets.target_among_the_features,
    targets.targets_shifted,
    targets.targets_not_connected,
    targets.conflicting_labels,
    targets.wrong_labels,
    targets.weak_relation,
    splits.nothing_carries_over,
    classes.few_samples,
    # In which order.
    batches.samples_in_stored_order,
    batches.batches_with_a_single_label,
    batches.labels_in_runs,
    # The model and its loss.
    dimensions.model_refuses,
    network.layers_made_anew,
    network.outputs_not_finite,
    pairing.loss_refuses,
    pairing.broadcast_in_the_loss,
    pairing.softmax_before_cross_entropy,
    pairing.nll_without_log_probabilities,
    pairing.sigmoid_before_logits,
    pairing.probabilities_cut_off,
    pairing.scores_cut_off,
    pairing.targets_out_of_reach,
    losses.loss_prefers_worse,
    losses.classes_not_heeded,
    losses.not_standard_when_neutral,
    losses.loss_not_finite,
    losses.loss_depends_on_the_batch,
    losses.loss_hardly_pulls,
    network.unregistered_layers,
    network.state_not_saved,
    dimensions.broadcast_into_a_square,
    dimensions.samples_mixed,
    dimensions.positions_see_later_ones,
    dimensions.batch_size_built_in,
    modes.layers_stuck_in_a_mode,
    modes.evaluation_is_random,
    modes.norm_does_not_follow,
    modes.dropout_leaves_nothing,
    initialisation.zero_weights,
    initialisation.units_alike,
    network.unreached_parameters,
    network.frozen_parameters,
    network.parameters_not_handed_over,
    optimiser.rate_of_no_use,
    optimiser.decay_leaves_nothing,
    network.wrong_gradients,
    # What does not come through forward gives no gradient on the way back.
    gains.signal_dies_on_the_way,
    initialisation.signal_lost,
    pairing.targets_of_another_size,
    network.still_parameters,
    # The step is held against the weights, which must be right first.
    optimiser.step_of_no_use,
    gains.weights_too_wide,
    losses.first_loss_above_chance,
    # What a run shows.
    *RUN,
)
