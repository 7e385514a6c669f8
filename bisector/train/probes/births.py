"""Where among the operations of a step a value that is not finite was born, and of what cause."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bisector.train.probes.tracer import Operation, Range

SHOWN = 12
"""Operations of a path that are told, about."""
HALF = 65504.0
"""The largest number in half precision."""
LARGE = 1e15
"""Beyond, squares and products of single precision overflow before long."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an operation gave a value that is not finite."""

    born: str
    """`operation`, `half`, `mask`, `input`, `weight`, or `grown` where no operation is to blame."""
    cause: str
    mend: str


def path_to(operations: Sequence[Operation], last: int) -> list[Operation]:
    """The way from where it was born to operation `last`, through what fed it."""
    way = [operations[last]]
    while True:
        feeding = [operations[p] for p in way[-1].parents if not operations[p].constant]
        if not feeding:
            return way[::-1]
        # A NaN tells more than an infinity, which may be meant.
        way.append(min(feeding, key=lambda op: not op.output.nans))


def cause_of(born: Operation) -> Cause:
    """What the operation that a value was born in did wrong."""
    named = [leaf for leaf in born.leaves if leaf != "a constant"]
    if any(leaf.startswith("input") for leaf in named):
        return Cause("input", "a sample that is not finite", "Mend or leave out the sample.")
    if named:
        return Cause("weight", f"{named[0]} was not finite before the step", "See the step before.")
    name = (born.forward if born.phase == "backward" else born.name).strip("_")
    rule = SLOPES.get(name) if born.phase == "backward" else VALUES.get(name)
    found = rule(born) if rule is not None else None
    return found or divided(born) or half(born) or grown(born)


Rule = Callable[[Operation], Cause | None]


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


def at_zero(what: str, mend: str) -> Rule:
    """The slope of an operation that is infinite at 0."""

    def rule(born: Operation) -> Cause | None:
        zero = any(r.smallest == 0 for r in born.inputs)
        return Cause("operation", f"the slope of {what} at 0", mend) if zero else None

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
    exponent = born.numbers[0] if born.numbers else 1.0
    base = born.inputs[0]
    if base.smallest == 0 and exponent < 0:
        return Cause("operation", f"0 to the power of {exponent:g}", "Add a small epsilon first.")
    if base.least < 0 and exponent != int(exponent):
        words = f"{base.least:.3g} to the power of {exponent:g}"
        return Cause("operation", words, "Clamp to 0 and above first.")
    return None


def masked(born: Operation) -> Cause | None:
    """A softmax over a row of which everything is masked."""
    if not any(r.infinities for r in born.inputs):
        return None
    mend = "Leave something unmasked in every row, or replace the row's result afterwards."
    return Cause("mask", "a row in which everything is masked", mend)


CLAMP = "Clamp what goes in, e.g. x.clamp_min(1e-8)."
INSIDE = "Add the epsilon inside: sqrt(x + 1e-12)."
NARROW = "Clamp to just inside of -1 and 1."
VALUES: Mapping[str, Rule] = {
    "log": below(0.0, "the logarithm of", CLAMP),
    "log2": below(0.0, "the logarithm of", CLAMP),
    "log10": below(0.0, "the logarithm of", CLAMP),
    "log1p": below(-1.0, "log(1 + x) of", CLAMP),
    "xlogy": below(0.0, "the logarithm of", CLAMP),
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
    "pow": power,
    "_softmax": masked,
    "softmax": masked,
    "log_softmax": masked,
}
"""Operator to what may be wrong with what it is given."""
SLOPES: Mapping[str, Rule] = {
    "sqrt": at_zero("sqrt", INSIDE),
    "log": at_zero("log", CLAMP),
    "log2": at_zero("log", CLAMP),
    "log10": at_zero("log", CLAMP),
    "rsqrt": at_zero("1/sqrt", INSIDE),
    "pow": at_zero("this power", "Add a small epsilon to the base."),
    "linalg_vector_norm": at_zero("the norm", "Add a small epsilon to the square before the root."),
    "atan2": at_zero("atan2", "Keep both arguments from being 0 at once."),
}
"""Operator to what may be wrong in its backward pass."""


def divided(born: Operation) -> Cause | None:
    """A division by 0, whatever it is the gradient of."""
    if "div" not in born.name and born.name.strip("_") != "reciprocal":
        return None
    denominators = born.inputs[1:] or born.inputs
    if not any(r.smallest == 0 for r in denominators) and 0.0 not in born.numbers:
        return None
    return Cause("operation", "a division by 0", "Add a small epsilon to the denominator.")


def half(born: Operation) -> Cause | None:
    """More than half precision can hold."""
    if born.output.dtype != "float16":
        return None
    words = f"a value beyond {HALF:,.0f}, the largest in half precision"
    return Cause("half", words, "Use bfloat16 or single precision here, or scale down.")


def grown(born: Operation) -> Cause:
    """Nothing wrong with the operation: what it is given is too large already."""
    most = max((abs(v) for r in born.inputs for v in (r.least, r.greatest) if v == v), default=0.0)
    mend = "Lower the learning rate, warm up, or clip the gradient's norm."
    words = (
        f"values of {most:.3g} overflow" if most > LARGE else f"an overflow of values of {most:.3g}"
    )
    return Cause("grown", words, mend)


def birth(way: Sequence[Operation]) -> dict[str, Any]:
    """What is told of a value that was born at the beginning of a path: where, and of what cause."""
    born = way[0]
    cause = cause_of(born)
    places = (f"in {born.module}" if born.module else "", f"({born.place})" if born.place else "")
    return {
        "operator": f"{born.name}, the gradient of {born.forward}" if born.forward else born.name,
        "phase": born.phase,
        "module": born.module,
        "where": " ".join(filter(None, places)),
        "born": cause.born,
        "cause": cause.cause,
        "mend": cause.mend,
        "inputs": ranges_told(born.inputs),
        "path": way_told(way),
    }


def way_told(way: Sequence[Operation]) -> list[str]:
    """A path in lines: how it begins, and how it ends."""
    lines = [told(operation) for operation in way]
    if len(lines) <= SHOWN:
        return lines
    left_out = len(lines) - SHOWN
    return [*lines[: SHOWN - 3], f"... {left_out} more ...", *lines[-3:]]


def told(operation: Operation) -> str:
    """One operation of a path, in a few words."""
    of = f" of {operation.forward}" if operation.forward else ""
    where = f" in {operation.module}" if operation.module else ""
    return f"{operation.phase} {operation.name}{of}{where}: {operation.output.told()}"


def ranges_told(ranges: Sequence[Range]) -> list[str]:
    """What an operation was given."""
    return [r.told() for r in ranges[:6]]
