"""Every check, one line each, in the order of cause: what is earlier on a sample's way is first.

A fault upstream explains those downstream of it, so this order decides which finding is named
first among those of one stage (`bisector.diagnose.rank`).
"""

from bisector.checks import batches, initialisation, inputs, losses, network, splits, targets
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
    targets.unbalanced_classes,
    splits.splits_prepared_differently,
    splits.shared_samples,
    inputs.inputs_not_standardised,
    # What is to be learnt from it.
    targets.targets_repeat_the_input,
    targets.targets_shifted,
    targets.targets_not_connected,
    targets.wrong_labels,
    targets.weak_relation,
    # In which order.
    batches.samples_in_stored_order,
    batches.batches_with_a_single_label,
    batches.labels_in_runs,
    # The model and its loss.
    network.outputs_not_finite,
    losses.loss_refuses,
    losses.broadcast_in_the_loss,
    losses.softmax_before_cross_entropy,
    losses.nll_without_log_probabilities,
    losses.sigmoid_before_logits,
    losses.loss_prefers_worse,
    losses.loss_not_finite,
    losses.loss_depends_on_the_batch,
    network.unregistered_layers,
    network.samples_mixed,
    network.batch_size_built_in,
    initialisation.zero_weights,
    initialisation.units_alike,
    network.unreached_parameters,
    network.frozen_parameters,
    network.parameters_not_handed_over,
    network.wrong_gradients,
    network.still_parameters,
    initialisation.signal_lost,
    losses.first_loss_above_chance,
    # What a run shows.
    *RUN,
)
