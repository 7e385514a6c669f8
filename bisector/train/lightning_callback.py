"""A callback by which Lightning reports to a search (the extra `bisector[lightning]`)."""

from typing import Any

import lightning
import torch

from bisector.train.trainable import run_here


class BisectCallback(lightning.Callback):
    """Reports the loss of every step and all that is logged; ends the training when asked to.

    Outside of a search it does nothing.
    """

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Say how many steps there will be."""
        planned = trainer.estimated_stepping_batches
        if (run := run_here()) is not None and planned not in (-1, float("inf")):
            run.facts(planned_steps=int(planned))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record the loss."""
        run = run_here()
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if run is None or loss is None:
            return
        run.log(trainer.global_step, loss=loss)
        if run.should_stop():
            trainer.should_stop = True

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Record what the module has logged, validation included."""
        run = run_here()
        if run is None:
            return
        told = {k: v for k, v in trainer.callback_metrics.items() if k != "loss"}
        scalars = {k: v for k, v in told.items() if torch.as_tensor(v).numel() == 1}
        run.log(trainer.global_step, **scalars)
