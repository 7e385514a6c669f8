"""Why a network may not work: all reasons, whether a check looks for them or further runs do.

The list, and its order, is that of the essay "37 reasons why your neural network is not working"
(Slav Ivanov, 2017): its basic measures B1 to B6, one standard S1, and 37 reasons.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One row."""

    id: str
    title: str
    scope: str
    """What must be looked at: `data`, `model`, the `run`, or an `experiment` with further runs."""
    elsewhere: str = ""
    """What else decides it: another reason's checks, or a verb and the variants that it trains."""


REASONS: tuple[Reason, ...] = (
    Reason(
        "B1",
        "start from a simple known model and a standard loss",
        "experiment",
        "`bisect run` (reference-model)",
    ),
    Reason("B2", "turn off the tricks", "experiment", "`bisect run` (stripped)"),
    Reason("B3", "fine-tuning: same preprocessing as the original", "data", "R14"),
    Reason("B4", "verify the input", "data", "R01"),
    Reason("B5", "begin with 2-20 samples, then grow", "experiment", "`bisect ladder` (tiny-set)"),
    Reason(
        "B6",
        "add the omitted parts back one by one: augmentation, regularisation, custom loss, model complexity",
        "experiment",
        "`bisect run`",
    ),
    Reason("R01", "input makes sense", "data"),
    Reason("R02", "try random input", "experiment", "`bisect ladder` (random-input)"),
    Reason("R03", "check the data loader", "data"),
    Reason("R04", "input connected to output", "data + experiment"),
    Reason("R05", "relation between input and output too random", "data"),
    Reason("R06", "too much label noise", "data"),
    Reason("R07", "shuffle", "data"),
    Reason("R08", "class imbalance", "data"),
    Reason("R09", "enough samples", "data + experiment"),
    Reason("R10", "no batch with a single label", "data"),
    Reason("R11", "reduce the batch size", "experiment", "`bisect run` (smaller-batch)"),
    Reason("S1", "use a standard dataset", "experiment", "`bisect run` (standard-data)"),
    Reason("R12", "standardise the features", "data"),
    Reason("R13", "too much augmentation", "data + experiment"),
    Reason("R14", "preprocessing of the pretrained model", "data"),
    Reason("R15", "preprocessing of train / val / test", "data"),
    Reason("R16", "a simpler version of the problem", "experiment", "`bisect run` (two-classes)"),
    Reason("R17", "loss at chance", "model"),
    Reason("R18", "check the loss function", "model"),
    Reason("R19", "loss inputs", "model"),
    Reason("R20", "loss weights", "run"),
    Reason("R21", "other metrics", "run"),
    Reason("R22", "custom layers", "model"),
    Reason("R23", "frozen layers or variables", "model + run"),
    Reason("R24", "network too small", "experiment", "`bisect run` (wider)"),
    Reason("R25", "hidden dimension errors", "model"),
    Reason("R26", "gradient checking", "model"),
    Reason("R27", "solve a tiny set", "experiment", "`bisect ladder` (tiny-set)"),
    Reason("R28", "weight initialisation", "model"),
    Reason("R29", "hyperparameters", "experiment", "`bisect sweep`"),
    Reason("R30", "reduce regularisation", "experiment"),
    Reason("R31", "give it time", "run"),
    Reason("R32", "train and test mode", "run"),
    Reason("R33", "visualise the training", "run"),
    Reason("R34", "another optimizer", "experiment", "`bisect run` (adamw, sgd)"),
    Reason("R35", "exploding or vanishing gradients", "run"),
    Reason("R36", "learning rate", "experiment", "`bisect run`, `bisect sweep`"),
    Reason("R37", "NaN", "run"),
)
