"""A recipe of Hydra `_target_`s, trained by our own loop: a function workload we supply."""

from bisector.ports import Limits
from bisector.workload.function import FunctionWorkload, Resolve


class RecipeWorkload(FunctionWorkload):
    """Runs `bisector.train.loop:train` on the recipe."""

    def __init__(self, resolve: Resolve, limits: Limits | None = None) -> None:
        super().__init__("bisector.train.loop:train", resolve, limits or Limits())

    def blind(self) -> str:
        """Never: our loop builds all parts from the recipe."""
        return ""
