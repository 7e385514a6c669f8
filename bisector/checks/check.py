"""What a check is: a card, and a function from recorded facts to a clue.

The card says which reason it serves, what it needs to look and what it may cross; the
function's docstring is its manual page. Nothing registers itself: `catalogue.py` lists them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import ascii_lowercase

from bisector.model.finding import Case, Clue, Limit, Remedy, Severity, Stage

FAMILIES: Mapping[str, tuple[Stage, str]] = {
    "inputs": (Stage.DATA, "the samples' inputs"),
    "numbers": (Stage.DATA, "inputs that are measurements or pixels, not token numbers"),
    "labels": (Stage.DATA, "targets that are class numbers"),
    "splits": (Stage.DATA, "a training and a validation split"),
    "conflicts": (Stage.DATA, "targets that are class numbers"),
    "targets": (Stage.DATA, "targets that are numbers"),
    "leaks": (Stage.DATA, "tables or images, with a class or a number as target"),
    "alone": (Stage.DATA, "tables of some features, with a class or a number as target"),
    "shares": (Stage.DATA, "class numbers as targets in both splits"),
    "standards": (Stage.DATA, "numbers, few enough to be read as a whole, in both splits"),
    "readings": (Stage.DATA, "validation samples that can be read by number"),
    "workers": (
        Stage.DATA,
        "a loader with processes of its own, and samples that change at random",
    ),
    "augmented": (Stage.DATA, "augmentation of numbers with one class number each"),
    "transfer": (Stage.DATA, "targets that are one number in both splits"),
    "declared": (Stage.DATA, "images, and pretrained weights that declare their preprocessing"),
    "loader": (Stage.DATA, "the batches that the loader emits"),
    "order": (Stage.DATA, "batches in which the samples of the data set can be recognised"),
    "visits": (Stage.DATA, "a loader that draws samples by number, epoch by epoch"),
    "batch_labels": (Stage.DATA, "batches with class numbers as targets"),
    "relation": (Stage.DATA, "inputs and targets on which a simple probe can be trained"),
    "noise": (Stage.DATA, "class numbers as targets, and classes of 10 samples or more"),
    "given": (Stage.DATA, "batches of samples that are more than one number each"),
    "forward": (Stage.MODEL, "a batch and a model"),
    "modes": (Stage.MODEL, "a batch and a model with one tensor as output"),
    "chance": (Stage.MODEL, "a model that gives a row for each of several samples"),
    "range": (Stage.MODEL, "a batch and a model with one tensor as output"),
    "start": (Stage.MODEL, "outputs and losses of the untrained model"),
    "loss_calls": (Stage.MODEL, "the calls of torch's functions that the loss makes"),
    "loss_shape": (Stage.MODEL, "a loss of class scores or of numbers"),
    "neutral": (Stage.MODEL, "a loss that has a setting at which it is the standard one"),
    "reload": (Stage.MODEL, "a model that can be made a second time: a recipe's, or module=..."),
    "parameters": (Stage.MODEL, "the gradient of the loss in every parameter"),
    "handed": (Stage.MODEL, "the optimizer and the parameters that it was given"),
    "first_step": (Stage.MODEL, "an optimizer that can take one step on a copy of the model"),
    "independence": (Stage.MODEL, "outputs that can be compared between batches"),
    "causality": (Stage.MODEL, "a model that predicts the next token of each position"),
    "signal": (Stage.MODEL, "the activations of the untrained model, layer by layer"),
    "reach": (Stage.MODEL, "a model whose outputs have a slope by its inputs"),
    "weights": (Stage.MODEL, "the initial weights"),
    "attention": (Stage.MODEL, "attention over a sequence, by a softmax of torch"),
    "gains": (Stage.MODEL, "weight matrices"),
    "slope": (Stage.MODEL, "a model that computes in double precision"),
    "passes": (Stage.RUN, "a run that was watched"),
    "held": (Stage.RUN, "a watched run, and its optimizer"),
    "left_over": (Stage.RUN, "a watched run"),
    "made": (Stage.RUN, "a watched run"),
    "entering": (Stage.RUN, "a watched run of a model that is called with a batch of samples"),
    "rate": (Stage.RUN, "a watched run"),
    "run_weights": (Stage.RUN, "a watched run"),
    "run_gradients": (Stage.RUN, "a watched run of layers that give one tensor"),
    "run_activations": (Stage.RUN, "a watched run of layers that give one tensor"),
    "run_norms": (Stage.RUN, "a watched run with batch norm"),
    "run_terms": (Stage.RUN, "a watched run whose loss is a sum"),
    "run_loss": (Stage.RUN, "a watched run whose loss was not compiled"),
    "run_targets": (Stage.RUN, "a watched run whose loss is a module, or torch's own"),
    "nonfinite": (Stage.RUN, "a watched run"),
    "course": (Stage.RUN, "a run that logs its loss"),
}
"""Families of facts: where they sit, and what they are, for `could not look: needs ...`."""

PARTS_OF_A_PAGE = (
    "Why it breaks training:",
    "How it is seen:",
    "How to mend it:",
    "Before:",
    "After:",
    "Source:",
)
"""What the manual page of a check must say, in this order, after the line that says what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A card and a function."""

    id: str
    """The reason's id, with a letter where several checks serve one reason."""
    title: str
    """The ill, in a few words."""
    severity: Severity
    needs: tuple[str, ...]
    """Families of facts without which it cannot look."""
    remedy: Remedy
    limits: Mapping[str, Limit] = field(default_factory=dict)
    look: Callable[[Case], Clue | None]
    seat: Stage | None = None
    """Where the reason sits, if not where it is seen: inputs that are spoilt in the loop are data."""

    @property
    def reason(self) -> str:
        """The id of the reason it serves, e.g. `R08` of the check `R08b`."""
        return self.id.rstrip(ascii_lowercase)

    @property
    def stage(self) -> Stage:
        """Where it can be seen: at the last of the stages whose facts it needs."""
        order = list(Stage)
        return max((FAMILIES[n][0] for n in self.needs), key=order.index)

    @property
    def page(self) -> str:
        """The manual page."""
        return self.look.__doc__ or ""


def check(  # noqa: PLR0913 - one argument for each line of the card
    id: str,
    title: str,
    *,
    needs: tuple[str, ...],
    remedy: Remedy,
    limits: Mapping[str, Limit] | None = None,
    severity: Severity = Severity.WARNING,
    seat: Stage | None = None,
) -> Callable[[Callable[[Case], Clue | None]], Check]:
    """Make a check of the function below."""

    def made(look: Callable[[Case], Clue | None]) -> Check:
        return Check(
            id=id,
            title=title,
            severity=severity,
            needs=needs,
            remedy=remedy,
            limits=limits or {},
            look=look,
            seat=seat,
        )

    return made
