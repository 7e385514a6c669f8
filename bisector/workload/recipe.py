"""A recipe of Hydra `_target_`s, trained by our own loop: a function workload we supply."""

from collections.abc import Mapping

from bisector.errors import ConfigError
from bisector.model.variant import Variant
from bisector.ports import Limits
from bisector.workload.function import FunctionWorkload, Resolve

_ALTER = "++recipe.trainer.alter."

VARIANTS: Mapping[str, tuple[str, ...]] = {
    Variant.SHUFFLE: ("++recipe.trainer.shuffle=true",),
    Variant.CLIP_GRADIENTS: ("++recipe.trainer.clip_norm=1.0",),
    Variant.FULL_PRECISION: ("++recipe.trainer.precision=fp32",),
    Variant.STANDARDISE: (f"{_ALTER}standardise=true",),
    Variant.INITIALISE: (f"{_ALTER}initialise=true",),
    Variant.UNFREEZE: (f"{_ALTER}unfreeze=true",),
    Variant.STANDARD_LOSS: (f"{_ALTER}loss=true",),
    Variant.BARE_SCORES: (f"{_ALTER}scores=true",),
    Variant.BALANCE: (f"{_ALTER}balance=true",),
    Variant.HALF_AUGMENTATION: (f"{_ALTER}augment=0.5",),
    Variant.NO_AUGMENTATION: (f"{_ALTER}augment=0",),
    Variant.LESS_REGULARISATION: (f"{_ALTER}regularise=0.1",),
    Variant.NO_REGULARISATION: (f"{_ALTER}regularise=0",),
    Variant.STRIPPED: (
        f"{_ALTER}augment=0",
        f"{_ALTER}regularise=0",
        "++recipe.trainer.ema.decay=null",
        "++recipe.trainer.clip_norm=null",
    ),
    Variant.SMALLER_BATCH: (f"{_ALTER}batch=0.25",),
    Variant.ADAMW: (f"{_ALTER}optimizer=adamw",),
    Variant.QUICK_ADAMW: (f"{_ALTER}optimizer=quick_adamw",),
    Variant.SGD: (f"{_ALTER}optimizer=sgd",),
    Variant.LONGER: (f"{_ALTER}time=2",),
    Variant.AS_LONG: (f"{_ALTER}updates={{n}}",),
    Variant.WIDER: (f"{_ALTER}width=2",),
    Variant.WARM_UP: (f"{_ALTER}warmup=0.1",),
    Variant.STANDARD_DATA: (f"{_ALTER}standard=true", f"{_ALTER}augment=0"),
    Variant.PLAIN_SGD: (f"{_ALTER}optimizer=plain", f"{_ALTER}time=0.25"),
    Variant.REFERENCE_MODEL: (f"{_ALTER}reference=true",),
    Variant.TWO_CLASSES: (f"{_ALTER}classes=2",),
    Variant.RANDOM_INPUT: (f"{_ALTER}noise=true",),
    Variant.PERMUTED_LABELS: (f"{_ALTER}permute=true",),
    Variant.TINY_SET: (f"{_ALTER}tiny={{n}}",),
    Variant.SHARE: (f"{_ALTER}share={{n}}",),
}
"""How our loop spells the changes that need no knowledge of the recipe; see `train.settings`."""


class RecipeWorkload(FunctionWorkload):
    """Runs `bisector.train.loop:train` on the recipe."""

    def __init__(self, resolve: Resolve, limits: Limits | None = None, revision: str = "") -> None:
        limits = limits or Limits()
        if limits.processes > 1:
            raise ConfigError(
                f"limits.processes={limits.processes}, but a recipe is trained by one process.",
                hint="Leave it at 1, or train by a function or a command of your own.",
            )
        super().__init__("bisector.train.loop:train", resolve, limits, revision)

    def blind(self) -> str:
        """Never: our loop builds all parts from the recipe."""
        return ""

    def variants(self) -> Mapping[str, tuple[str, ...]]:
        """What our loop can change of any recipe."""
        return VARIANTS
