"""A callback by which the Hugging Face Trainer reports to a search (the extra `bisector[transformers]`)."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bisector.train.trainable import run_here

_TOTALS = ("total_flos", "epoch", "train_runtime")
"""What is logged and says nothing of how the training goes."""


class BisectCallback(TrainerCallback):
    """Reports what the Trainer logs, and ends the training when asked to; else does nothing."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Say how many steps there will be."""
        if (run := run_here()) is not None and state.max_steps > 0:
            run.facts(planned_steps=state.max_steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record every number."""
        run = run_here()
        numbers = {
            name: float(value)
            for name, value in (logs or {}).items()
            if isinstance(value, int | float) and name not in _TOTALS
        }
        if run is not None and numbers:
            run.log(state.global_step, **numbers)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End when the search has seen enough."""
        if (run := run_here()) is not None and run.should_stop():
            control.should_training_stop = True
