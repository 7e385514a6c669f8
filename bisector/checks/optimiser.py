"""R36, the part that can be seen before any step: a learning rate that no training can use."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

ADAPTIVE = ("Adam", "RMSprop", "Adagrad", "Lion")
"""What the names of optimizers hold whose steps are as long as the rate, whatever the gradient."""


@check(
    "R36d",
    "a learning rate that no training can use",
    needs=("handed",),
    severity=Severity.FATAL,
    remedy=Remedy("Begin with 1e-3 (Adam and its kind) or 0.1 (SGD), and sweep: `bisect sweep`."),
    limits={
        "adaptive": Limit(0.3, "each weight moves by so much per step; weights are about 0.1"),
        "any": Limit(100.0, "our choice: rates of SGD are 0.001 to 10"),
    },
)
def rate_of_no_use(case: Case) -> Clue | None:
    """The learning rate is zero, or so large that one step undoes the initial weights.

    Why it breaks training: at zero nothing moves; a step of Adam is as long as the rate whatever
    the gradient, so that a rate above the weights' own size throws them about.

    How it is seen: the rates in the optimizer's groups; where a schedule begins lower, the rate it
    rises to.

    How to mend it: look for a rate that was passed in place of another number, a schedule that
    multiplies by zero, a power of ten with the wrong sign.

    Before:
        Adam(model.parameters(), lr=1e3)
    After:
        Adam(model.parameters(), lr=1e-3)

    Source: reason 36, "increase or decrease the learning rate".
    """
    rates = [float(r) for r in case.each("handed", "rates")]
    if not rates:
        return None
    name = case.text("handed", "optimizer")
    if not max(rates) > 0:
        return Clue(f"{name} has the learning rate 0.", {"rates": rates})
    key = "adaptive" if any(word in name for word in ADAPTIVE) else "any"
    if max(rates) <= case.limits[key]:
        return None
    words = f"{name} has the learning rate {max(rates):.3g}."
    return Clue(words, {"rates": rates}, Crossed(key, max(rates)))
