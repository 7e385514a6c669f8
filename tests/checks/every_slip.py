"""Slips as people make them in a training script, each put alone into a training that works.

Written before anybody looked whether a check sees them. The table says into which trainings each goes,
and which reason is the true one.
"""

from dataclasses import dataclass

import slips_of_steps as steps
import slips_of_values as values
import torch
from slips_of_steps import Slip
from strangers import KINDS, Job


@dataclass(frozen=True)
class Planted:
    """A training with one slip in it."""

    name: str
    kind: str
    reasons: tuple[str, ...]
    """The true reason; two where the list of reasons names the same ill twice."""
    slip: Slip

    def job(self) -> Job:
        """The training, ready to start."""
        torch.manual_seed(0)
        job = KINDS[self.kind]()
        self.slip(job)
        return job


TABLE: tuple[tuple[str, str, Slip], ...] = (
    ("R23", "table char", steps.no_step),
    ("R23", "char", steps.steps_too_rarely),
    ("R23", "cnn", steps.head_replaced_afterwards),
    ("R23", "cnn rnn", steps.model_copied_afterwards),
    ("R23", "cnn rnn", steps.model_made_twice),
    ("R23", "table numbers", steps.weights_made_anew),
    ("R23", "cnn char", steps.body_frozen),
    ("R23", "rnn", steps.through_numpy),
    ("R23", "char", steps.body_without_gradient),
    ("R23", "table numbers", steps.data_of_a_tensor),
    ("R23", "cnn", steps.body_at_rate_zero),
    ("R23", "char table", steps.zeroed_before_the_step),
    ("R23", "rnn", steps.loss_made_anew),
    ("R33", "cnn char table numbers rnn", steps.never_zeroed),
    ("R33", "table rnn", steps.zeroed_once_an_epoch),
    ("R33", "numbers", steps.zeroed_in_another_model),
    ("R33", "cnn char", steps.zeroed_now_and_then),
    ("R32", "cnn char", steps.train_mode_once),
    ("R32", "cnn", steps.never_evaluates),
    ("R32", "cnn char", steps.always_evaluates),
    ("R32", "table", steps.dropout_for_ever),
    ("R32", "cnn", steps.norm_does_not_learn),
    ("R36", "cnn char table numbers rnn", steps.rate(300.0)),
    ("R36", "cnn char table numbers rnn", steps.rate(1e-4)),
    ("R36", "cnn", steps.cosine_by_batch),
    ("R36", "table cnn", steps.decay_by_batch),
    ("R36", "rnn numbers", steps.steps_by_batch),
    ("R36", "char", steps.warm_up_without_end),
    ("R36", "table", steps.plateau_the_wrong_way),
    ("R36", "rnn", steps.clipped_to_nothing),
    ("R20", "cnn char", values.penalty(10.0, 2)),
    ("R20", "table numbers", values.penalty(1.0, 1)),
    ("R20", "cnn rnn", values.outputs_held_down),
    ("R30", "cnn numbers", values.decay(5.0)),
    ("R30", "char", values.decay(100.0)),
    ("R30", "table", values.dropout_of_nearly_all),
    ("R21", "table", values.counted_along_the_batch),
    ("R35", "table", values.deep_sigmoid),
    ("R35 R28", "table", values.deep_tanh_small),
    ("R28 R35", "rnn char numbers", values.weights_too_wide),
    ("R35 R28", "cnn table", values.biases_far_below),
    ("R35", "rnn", values.long_way_back(values.plain_rectified, 1.6)),
    ("R35", "rnn", values.long_way_back(values.nn.RNN, 0.2)),
    ("R37", "cnn char", values.log_of_a_softmax),
    ("R37", "cnn", values.divided_by_its_deviation),
    ("R37", "table rnn", values.exponential_by_hand),
    ("R37", "numbers", values.root_of_a_distance),
    ("R37", "table", values.mean_over_a_mask),
    ("R37", "char", values.in_half),
    ("R22", "rnn char table", values.made_in_forward),
    ("R22", "rnn char", values.listed_layers),
    ("R31", "cnn char rnn", values.one_epoch),
    ("R11", "table cnn", values.whole_set_as_batch),
)
"""The true reasons, the trainings, and the slip."""


def planted() -> list[Planted]:
    """Every slip in every training that it goes into."""
    return [
        Planted(f"{_called(slip)}, {kind}", kind, tuple(reasons.split()), slip)
        for reasons, kinds, slip in TABLE
        for kind in kinds.split()
    ]


def _called(slip: Slip) -> str:
    return slip.__name__.replace("_", " ")
