"""Why an operation gave a value that is not finite: by its name, and by what it was given."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bisector.train.probes.tracer import Operation

HALF = 65504.0
"""The largest number in half precision."""
LARGE = 1e15
"""Beyond, squares and products of single precision overflow before long."""
ORDINARY = 1e4
"""Sums, products and squares of smaller values do not overflow single precision."""
LEAST = 1e-30
"""An epsilon below is as good as none."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an operation gave a value that is not finite."""

    born: str
    """`operation`, `half`, `mask`, `input`, `weight`, or `grown` where no operation is to blame."""
    cause: str
    mend: str


Rule = Callable[[Operation], Cause | None]


def cause_of(born: Operation) -> Cause:
    """What the operation that a value was born in did wrong."""
    named = [leaf for leaf in born.leaves if leaf != "a constant"]
    if any(leaf.startswith("input") for leaf in named):
        return Cause("input", "a sample that is not finite", "Mend or leave out the sample.")
    if named:
        return Cause("weight", f"{named[0]} was not finite before the step", "See the step before.")
    found = (rule(born) for rule in _rules(born))
    return next((cause for cause in found if cause is not None), None) or undefined(born)


def _rules(born: Operation) -> Iterator[Rule]:
    """What may be wrong with it, the surest first."""
    name = born.name.strip("_")
    if born.phase == "backward" and born.forward.strip("_").lower() in SLOPES:
        yield SLOPES[born.forward.strip("_").lower()]
    # A slope is made of operations too, and one that somebody wrote of any.
    if name in VALUES:
        yield VALUES[name]
    yield from (rule for part, rule in LIKE.items() if part in name)
    yield from (divided, of_nothing, of_infinities, half, grown)


def below(limit: float, what: str, mend: str, *, at: bool = True) -> Rule:
    """An operation that is defined above `limit` only (`at`: nor there)."""

    def rule(born: Operation) -> Cause | None:
        least = min((r.least for r in born.inputs), default=0.0)
        wrong = least <= limit if at else least < limit
        return Cause("operation", f"{what} {least:.3g}", mend) if wrong else None

    return rule


def beyond(limit: float, what: str, mend: str) -> Rule:
    """An operation that overflows, or is undefined, beyond `limit`."""

    def rule(born: Operation) -> Cause | None:
        most = max((max(abs(r.least), abs(r.greatest)) for r in born.inputs), default=0.0)
        return Cause("operation", f"{what} {most:.3g}", mend) if most > limit else None

    return rule


def at_zero(what: str, mend: str, at: str = "0") -> Rule:
    """The slope of an operation that is infinite `at` a value; what it divides by is 0 there."""

    def rule(born: Operation) -> Cause | None:
        zero = any(r.smallest == 0 for r in born.inputs)
        return Cause("operation", f"the slope of {what} at {at}", mend) if zero else None

    return rule


def exploded(born: Operation) -> Cause | None:
    """`exp` of something large."""
    most = max((r.greatest for r in born.inputs), default=0.0)
    limit = 11.0 if born.output.dtype == "float16" else 88.7
    if not most > limit:
        return None
    mend = "Subtract the largest value first, clamp, or use logsumexp, softplus or log_softmax."
    return Cause("operation", f"exp of {most:.3g}, which overflows", mend)


def power(born: Operation) -> Cause | None:
    """A power of 0 or of a negative number."""
    base = born.inputs[0]
    least, whole = _exponent(born)
    if base.smallest == 0 and least < 0:
        return Cause("operation", f"0 to the power of {least:g}", "Add a small epsilon first.")
    if base.least < 0 and not whole:
        words = f"{base.least:.3g} to the power of {least:g}"
        return Cause("operation", words, "Clamp to 0 and above first.")
    return None


def _exponent(born: Operation) -> tuple[float, bool]:
    """The least of a power's exponents, and whether it is a whole number."""
    if born.numbers or len(born.inputs) < 2:
        least = born.numbers[0] if born.numbers else 1.0
    else:
        least = born.inputs[1].least
    return least, least == least // 1


def outside(low: float, high: float, what: str) -> Rule:
    """An operation that is defined between `low` and `high` only, and not at these."""

    def rule(born: Operation) -> Cause | None:
        least = min((r.least for r in born.inputs), default=low)
        most = max((r.greatest for r in born.inputs), default=high)
        wrong = least if least <= low else most
        if low < wrong < high:
            return None
        mend = f"Clamp to just inside of {low:g} and {high:g}."
        return Cause("operation", f"{what} {wrong:.6g}", mend)

    return rule


def masked(born: Operation) -> Cause | None:
    """A softmax over a row of which everything is masked."""
    if not any(r.infinities for r in born.inputs):
        return None
    mend = "Leave something unmasked in every row, or replace the row's result afterwards."
    return Cause("mask", "a row in which everything is masked", mend)


def product(born: Operation) -> Cause | None:
    """A product of many factors."""
    if born.output.finite:
        return None
    most = max((abs(v) for r in born.inputs for v in (r.least, r.greatest)), default=0.0)
    mend = "Add up logarithms in place of multiplying."
    return Cause("operation", f"the product of many values, up to {most:.3g}", mend)


def normed(born: Operation) -> Cause | None:
    """A normalisation by a variance of 0, with an epsilon of 0."""
    if "norm" not in born.name or not 0.0 <= min(born.numbers, default=1.0) < LEAST:
        return None
    words = "a normalisation, with an epsilon of 0, of values that are all the same"
    return Cause("operation", words, "Give the layer an epsilon, e.g. 1e-5.")


def uncounted(born: Operation) -> Cause | None:
    """A mean loss in which no target counts, or some with an infinite weight."""
    if any(not r.finite for r in born.inputs):
        return None
    words = "a mean over no target: all are ignored, or of classes that weigh 0"
    return Cause("operation", words, "Leave such batches out, or sum and divide by at least 1.")


def unspread(born: Operation) -> Cause | None:
    """The deviation of one value, for which one less is divided by."""
    given, made = math.prod(born.inputs[0].shape), math.prod(born.output.shape)
    if given > made or born.output.finite:
        return None
    words = "the deviation of a single value"
    return Cause("operation", words, "Use correction=0, or leave out batches of one sample.")


def adaptive(born: Operation) -> Cause | None:
    """The step of an optimizer that divides by a mean square which is 0."""
    if not any(r.smallest == 0 for r in born.inputs):
        return None
    words = "a division by a mean squared gradient of 0, with an epsilon that is 0 or rounds to it"
    return Cause(
        "operation", words, "An epsilon of 1e-8; in half precision 1e-4, or single precision."
    )


CLAMP = "Clamp what goes in, e.g. x.clamp_min(1e-8); a torch.where behind it comes too late."
INSIDE = "Add the epsilon inside: sqrt(x + 1e-12); a torch.where behind it comes too late."
NARROW = "Clamp to just inside of -1 and 1, e.g. x.clamp(-1 + 1e-6, 1 - 1e-6)."
VALUES: Mapping[str, Rule] = {
    "log": below(0.0, "the logarithm of", CLAMP),
    "log2": below(0.0, "the logarithm of", CLAMP),
    "log10": below(0.0, "the logarithm of", CLAMP),
    "log1p": below(-1.0, "log(1 + x) of", CLAMP),
    "xlogy": below(0.0, "the logarithm of", CLAMP),
    "lgamma": below(0.0, "the logarithm of the gamma function of", CLAMP),
    "digamma": below(0.0, "the slope of the gamma function's logarithm at", CLAMP),
    "sqrt": below(0.0, "the square root of", "Clamp to 0 and above first.", at=False),
    "rsqrt": below(0.0, "1 over the square root of", "Add a small epsilon inside."),
    "exp": exploded,
    "exp2": exploded,
    "expm1": exploded,
    "sinh": exploded,
    "cosh": exploded,
    "acos": beyond(1.0, "the arc cosine of", NARROW),
    "asin": beyond(1.0, "the arc sine of", NARROW),
    "atanh": beyond(1.0 - 1e-9, "the inverse hyperbolic tangent of", NARROW),
    "erfinv": beyond(1.0 - 1e-9, "the inverse error function of", NARROW),
    "acosh": below(
        1.0, "the inverse hyperbolic cosine of", "Clamp to 1 and above first.", at=False
    ),
    "logit": outside(0.0, 1.0, "the logit of"),
    "logit_backward": outside(0.0, 1.0, "the slope of the logit at"),
    "pow": power,
    "prod": product,
    "cumprod": product,
    "std": unspread,
    "var": unspread,
    "var_mean": unspread,
    "std_mean": unspread,
}
"""Operator to what may be wrong with what it is given."""
LIKE: Mapping[str, Rule] = {
    "softmax": masked,
    "attention": masked,
    "nll_loss": uncounted,
    "_norm": normed,
    "fused_ada": adaptive,
}
"""The same, by a part of the operator's name."""
SLOPES: Mapping[str, Rule] = {
    "sqrt": at_zero("sqrt", INSIDE),
    "log": at_zero("log", CLAMP),
    "log2": at_zero("log", CLAMP),
    "log10": at_zero("log", CLAMP),
    "log1p": at_zero("log(1 + x)", CLAMP, "-1"),
    "rsqrt": at_zero("1/sqrt", INSIDE),
    "pow": at_zero("this power", "Add a small epsilon to the base."),
    "linalg_vector_norm": at_zero("the norm", "Add a small epsilon to the square before the root."),
    "atan2": at_zero("atan2", "Keep both arguments from being 0 at once."),
    "acos": at_zero("the arc cosine", NARROW, "-1 or 1"),
    "asin": at_zero("the arc sine", NARROW, "-1 or 1"),
    "atanh": at_zero("the inverse hyperbolic tangent", NARROW, "-1 or 1"),
    "acosh": at_zero("the inverse hyperbolic cosine", "Clamp to just above 1.", "1"),
    "linalg_eigh": at_zero(
        "eigenvectors", "Add a little noise to the matrix.", "equal eigenvalues"
    ),
    "linalg_svd": at_zero("singular vectors", "Add a little noise to the matrix.", "equal values"),
}
"""Operator to what may be wrong in its backward pass."""


def divided(born: Operation) -> Cause | None:
    """A division by 0, whatever it is the gradient of."""
    name = born.name.strip("_")
    if not ("div" in name or name in ("reciprocal", "remainder", "fmod")):
        return None
    denominators = born.inputs[1:] or born.inputs
    if not any(r.smallest == 0 for r in denominators) and 0.0 not in born.numbers:
        return None
    return Cause("operation", "a division by 0", "Add a small epsilon to the denominator.")


def of_nothing(born: Operation) -> Cause | None:
    """A mean over no value at all."""
    if not any(0 in r.shape for r in born.inputs):
        return None
    mend = "Leave out what a mask empties, or divide its sum by at least 1."
    return Cause("operation", f"the {born.name.strip('_')} of no values at all", mend)


def of_infinities(born: Operation) -> Cause | None:
    """Arithmetic with an infinity, or a NaN, that the code made before the step or wrote down."""
    if any(n != n for n in born.numbers):
        return Cause("operation", "a NaN that the code writes here", "See when it does.")
    if any(r.nans for r in born.inputs):
        words = "a tensor made before the step, which holds NaN"
        return Cause("operation", words, "Look at how it is made.")
    if not any(r.infinities for r in born.inputs):
        return None
    if "mul" in born.name and any(r.smallest == 0 for r in born.inputs):
        mend = "Choose by torch.where or masked_fill; a product with a mask is none."
        return Cause("operation", "0 times infinity", mend)
    words = "arithmetic with an infinity, which was written down or made before the step"
    mend = "See where it is from: a mask, or a weight of 1 / 0 for a class without samples."
    return Cause("operation", words, mend)


def half(born: Operation) -> Cause | None:
    """More than half precision can hold."""
    if born.output.dtype != "float16":
        return None
    words = f"a value beyond {HALF:,.0f}, the largest in half precision"
    return Cause("half", words, "Use bfloat16 or single precision here, or scale down.")


def grown(born: Operation) -> Cause | None:
    """Nothing wrong with the operation: what it is given is too large already."""
    most = max((abs(v) for r in born.inputs for v in (r.least, r.greatest) if v == v), default=0.0)
    written = max((abs(n) for n in born.numbers if abs(n) != math.inf), default=0.0)
    if most < ORDINARY < written:
        words = f"values of up to {most:.3g} and the number {written:.3g}, which overflow together"
        return Cause("operation", words, "A smaller number here.")
    if most < ORDINARY:
        return None
    mend = "Lower the learning rate, warm up, or clip the gradient's norm."
    words = (
        f"values of {most:.3g} overflow" if most > LARGE else f"an overflow of values of {most:.3g}"
    )
    return Cause("grown", words, mend)


def undefined(born: Operation) -> Cause:
    """An operation of which no more is known than what it was given, and gave."""
    what = "NaN" if born.output.nans else "infinity"
    least = min((r.least for r in born.inputs if r.least == r.least), default=math.nan)
    most = max((r.greatest for r in born.inputs if r.greatest == r.greatest), default=math.nan)
    words = f"{what}, made of finite values from {least:.3g} to {most:.3g}"
    return Cause("operation", words, "See where the operation is defined, and clamp to that.")
