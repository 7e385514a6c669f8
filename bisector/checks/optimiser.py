"""R30, R36, the parts that can be seen before any step: rates and decays of no use."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

ADAPTIVE = ("Adam", "RMSprop", "Adagrad", "Lion")
"""What the names of optimizers hold whose steps are as long as the rate, whatever the gradient."""

ANOTHER_RATE = Remedy(
    "Begin with 1e-3 (Adam and its kind) or 0.1 (SGD), and sweep: `bisect sweep`."
)


@check(
    "R36d",
    "a learning rate that no training can use",
    needs=("handed",),
    severity=Severity.FATAL,
    remedy=ANOTHER_RATE,
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


@check(
    "R36e",
    "a first step that is no use",
    needs=("first_step",),
    severity=Severity.FATAL,
    remedy=ANOTHER_RATE,
    limits={
        "ratio": Limit(3.0, "our choice: healthy steps change weights by 1e-3 of their size"),
        "moved": Limit(0.5, "our choice: the other weights lie below the rounding of their type"),
    },
)
def step_of_no_use(case: Case) -> Clue | None:
    """The first step replaces the weights by something else, or leaves them as they are.

    Why it breaks training: after a step that is longer than the weights themselves nothing is left
    of their initialisation; steps below the spacing of floating-point numbers are lost one by one,
    however many are taken. In bfloat16 that is a change of 1 part in 256.

    How it is seen: one step on copies of model and optimizer. Too long: in half of the weight
    matrices the change is longer than the weights. Too short: in none of them do half of the
    weights that have a gradient change at all.

    How to mend it: another learning rate; weights kept in single precision.

    Before:
        SGD(model.parameters(), lr=1e-12)
    After:
        SGD(model.parameters(), lr=1e-1)

    Source: reason 36; Karpathy's rule of updates at 1e-3 of the weights; Goldberg (1991), What
    every computer scientist should know about floating-point arithmetic.
    """
    ratios, moved = ([float(v) for v in case.each("first_step", n)] for n in ("ratios", "moved"))
    layers, name = case.each("first_step", "layers"), case.text("first_step", "optimizer")
    evidence = {"layers": layers[:8], "ratios": ratios[:8], "moved": moved[:8]}
    middle, most = sorted(ratios)[(len(ratios) - 1) // 2], max(moved)
    if middle > case.limits["ratio"]:
        words = f"The first step of {name} is {middle:.3g} times as long as the weights."
        return Clue(words, evidence, Crossed("ratio", middle))
    if most >= case.limits["moved"]:
        return None
    words = f"The first step of {name} changes {most:.0%} of the weights at most; the rest rounds."
    return Clue(words, evidence, Crossed("moved", most))


@check(
    "R30b",
    "a weight decay that leaves no weights",
    needs=("handed",),
    remedy=Remedy("Take 1e-2 (AdamW) or 5e-4 (SGD) to begin with."),
    limits={"share": Limit(0.01, "our choice: recipes take 1e-6 to 1e-3 per step")},
)
def decay_leaves_nothing(case: Case) -> Clue | None:
    """Weight decay takes so much from every weight at each step that none can grow.

    Why it breaks training: whatever the gradient builds up is gone some steps later; the network
    stays near zero and says the same of every sample.

    How it is seen: learning rate times decay, which is the share of each weight that a step takes;
    at 1 % half of it is gone after 69 steps.

    How to mend it: a smaller decay, or look for a rate that was raised without it.

    Before:
        AdamW(model.parameters(), lr=1e-3, weight_decay=100)
    After:
        AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

    Source: reason 30, "reduce regularization"; Loshchilov and Hutter (2019), arXiv:1711.05101.
    """
    rates, decays = case.each("handed", "rates"), case.each("handed", "decays")
    shares = [float(r) * float(d) for r, d in zip(rates, decays, strict=False)]
    if not shares or max(shares) <= case.limits["share"]:
        return None
    name, most = case.text("handed", "optimizer"), max(shares)
    words = f"Each step of {name} takes {most:.1%} of every weight."
    return Clue(words, {"rates": rates, "decays": decays}, Crossed("share", most))


@check(
    "R34b",
    "steps that do not go down",
    needs=("first_step",),
    severity=Severity.FATAL,
    remedy=Remedy("An optimizer of torch's own; of one's own: check the sign, and its state by parameter."),
    limits={
        "descent": Limit(0.02, "Adam's first step has 0.2 to 0.8; chance, in 10,000 weights, 0.01")
    },
)  # fmt: skip
def steps_uphill(case: Case) -> Clue | None:
    """The optimizer's step has nothing to do with the gradient, or goes up it.

    Why it breaks training: only a step against the gradient lowers the loss.

    How it is seen: one step on copies of model and optimizer; the cosine between the change of the
    weights and the way straight down.

    How to mend it: weights become smaller where the gradient is positive; means and moments are kept
    for each parameter by itself.

    Before:
        p.add_(lr * mean.sign())
    After:
        p.sub_(lr * mean.sign())

    Source: reason 34, "try a different optimizer".
    """
    descent = float(str(case.facts["first_step"].get("descent", 1.0)))
    if not descent < case.limits["descent"]:
        return None
    name = case.text("first_step", "optimizer")
    words = f"The cosine between the first step of {name} and the way down is {descent:.2g}."
    return Clue(words, {"descent": descent}, Crossed("descent", descent))
