"""What can be done to the data of a recipe that trains; `data_faults` says what each is to be called."""

from collections.abc import Callable

import torch
from check_gallery import Split
from sklearn.datasets import load_breast_cancer

Change = Callable[[Split], None]


def rows(split: Split, share: float) -> torch.Tensor:
    """So many of the training samples, always the same."""
    count = max(1, round(share * len(split.x)))
    return torch.randperm(len(split.x), generator=torch.Generator().manual_seed(1))[:count]


def missing(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share)] = float("nan")

    return change


def blank(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share)] = 0

    return change


def empty_features(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[:, : round(share * s.x.shape[1])] = 0.0
        s.vx[:, : round(share * s.x.shape[1])] = 0.0

    return change


def over_and_over(kept: int) -> Change:
    def change(s: Split) -> None:
        again = torch.arange(len(s.x)) % kept
        s.x, s.y = s.x[again], s.y[again]

    return change


def coded(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share), ..., 0] = -999.0

    return change


def under_another_name(one: int, other: int, share: float) -> Change:
    """A part of one class, labelled as another."""

    def change(s: Split) -> None:
        there = (s.y == one).nonzero().flatten()
        s.y[there[: round(share * len(there))]] = other

    return change


def far_targets(share: float, value: float) -> Change:
    def change(s: Split) -> None:
        s.y[rows(s, share)] = value

    return change


def other_targets(scale: float, shift: float = 0.0) -> Change:
    def change(s: Split) -> None:
        s.y, s.vy = s.y * scale + shift, s.vy * scale + shift

    return change


def in_bytes(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share)] *= 255

    return change


def validation_as(function: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    def change(s: Split) -> None:
        s.vx = function(s.vx)

    return change


def own_vocabulary(s: Split) -> None:
    """As when the validation split numbers its characters in order of appearance."""
    seen = list(dict.fromkeys(s.vx.flatten().tolist()))
    s.vx = torch.tensor([seen.index(t) for t in s.vx.flatten().tolist()]).view(s.vx.shape)


def by_frequency(s: Split) -> None:
    """As when the validation split numbers its characters by frequency."""
    order = s.vx.flatten().bincount(minlength=128).argsort(descending=True)
    s.vx = order.argsort()[s.vx]


def trained_on(share: float) -> Change:
    def change(s: Split) -> None:
        n = round(share * len(s.vx))
        s.vx[:n], s.vy[:n] = s.x[:n], s.y[:n]

    return change


def scaled(scale: float, offset: float = 0.0) -> Change:
    def change(s: Split) -> None:
        s.x, s.vx = (scale * part + offset for part in (s.x, s.vx))

    return change


def one_feature(scale: float) -> Change:
    def change(s: Split) -> None:
        s.x[:, 3] *= scale
        s.vx[:, 3] *= scale

    return change


def raw(s: Split) -> None:
    data = load_breast_cancer()
    order = torch.randperm(len(data.data), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(data.data, dtype=torch.float32)[order]
    y = torch.tensor(data.target)[order]
    s.x, s.vx = x[: len(s.x)], x[len(s.x) :]
    s.y, s.vy = y[: len(s.y)], y[len(s.y) :]


def rare(kept: int) -> Change:
    def change(s: Split) -> None:
        keep = (s.y != 0) | ((s.y == 0).cumsum(0) <= kept)
        s.x, s.y = s.x[keep], s.y[keep]

    return change


def rolled(offset: int) -> Change:
    def change(s: Split) -> None:
        s.y = s.y.roll(offset, 0)

    return change


def reordered(s: Split) -> None:
    s.y = s.y[rows(s, 1.0)]


def reordered_mostly(s: Split) -> None:
    some = rows(s, 0.95)
    s.y[some] = s.y[some.roll(1)]


def mislabelled(share: float) -> Change:
    def change(s: Split) -> None:
        some, classes = rows(s, share), int(s.y.max()) + 1
        steps = torch.arange(len(some)) % (classes - 1) + 1
        s.y[some] = (s.y[some] + steps) % classes

    return change


def conflicting(share: float) -> Change:
    """As when one picture was filed under several classes."""

    def change(s: Split) -> None:
        for place in rows(s, share).tolist():
            others = (s.y != s.y[place]).nonzero().flatten()
            s.x[place] = s.x[others[place % len(others)]]

    return change


def unshifted(s: Split) -> None:
    s.y = s.x.clone()


def near_copies(share: float) -> Change:
    def change(s: Split) -> None:
        n = round(share * len(s.vx))
        rng = torch.Generator().manual_seed(2)
        s.vx[:n] = s.x[:n] + 1e-4 * torch.randn(s.x[:n].shape, generator=rng)
        s.vy[:n] = s.y[:n]

    return change


def without(label: int, *, in_train: bool = False) -> Change:
    def change(s: Split) -> None:
        if in_train:
            s.x, s.y = s.x[s.y != label], s.y[s.y != label]
        else:
            s.vx, s.vy = s.vx[s.vy != label], s.vy[s.vy != label]

    return change


def renumbered(by: int) -> Change:
    """As when validation numbers its classes by its own list."""

    def change(s: Split) -> None:
        s.vy = (s.vy + by) % (int(s.y.max()) + 1)

    return change


def few(kept: int) -> Change:
    def change(s: Split) -> None:
        some = torch.cat([(s.y == c).nonzero().flatten()[:kept] for c in s.y.unique()])
        some = some[torch.randperm(len(some), generator=torch.Generator().manual_seed(0))]
        s.x, s.y = s.x[some], s.y[some]

    return change


def answer_inside(scale: float) -> Change:
    def change(s: Split) -> None:
        s.x[:, 5], s.vx[:, 5] = (scale * (part.float() - 0.5) for part in (s.y, s.vy))

    return change


def one_class(s: Split) -> None:
    s.y, s.vy = torch.zeros_like(s.y), torch.zeros_like(s.vy)


def standardised(*, together: bool) -> Change:
    """By column, or by channel, over both splits or over each by itself."""

    def change(s: Split) -> None:
        axes = {2: (0,), 3: (0, 1), 4: (0, 2, 3)}[s.x.ndim]
        both = torch.cat([s.x, s.vx])
        one, two = (both, both) if together else (s.x, s.vx)
        s.x, s.vx = (
            (x - of.mean(axes, keepdim=True)) / of.std(axes, keepdim=True)
            for x, of in ((s.x, one), (s.vx, two))
        )

    return change


def moved(places: int) -> Change:
    """Targets so many places further on, or back."""

    def change(s: Split) -> None:
        for x, y in (("x", "y"), ("vx", "vy")):
            given, target = getattr(s, x), getattr(s, y)
            cut = abs(places)
            setattr(s, x, given[:, :-cut] if places > 0 else given[:, cut:])
            setattr(s, y, target[:, cut:] if places > 0 else target[:, :-cut])

    return change


def drowned(share: float, *, measured: int = 1) -> Change:
    """Inputs of which so much is left beside noise of their own size; of tokens, so many.

    In a small table little is beyond luck, so there each row is measured several times.
    """

    def change(s: Split) -> None:
        rng = torch.Generator().manual_seed(0)
        s.x, s.y = s.x.repeat(measured, *[1] * (s.x.ndim - 1)), s.y.repeat(measured)
        for name in ("x", "vx"):
            x = getattr(s, name)
            if x.is_floating_point():
                noise = torch.randn(x.shape, generator=rng)
                setattr(s, name, share * x + (1 - share**2) ** 0.5 * noise)
            else:
                other = torch.randint(int(x.max()) + 1, x.shape, generator=rng)
                setattr(s, name, torch.where(torch.rand(x.shape, generator=rng) < share, x, other))

    return change


def blurred_answer(noise: float, left: float = 1.0) -> Change:
    """A column that is the target with noise; what is left of the others is less than they were."""

    def change(s: Split) -> None:
        if left < 1:
            drowned(left)(s)
        rng = torch.Generator().manual_seed(6)
        for x, y in ((s.x, s.y), (s.vx, s.vy)):
            x[:, 5] = (y.float() - s.y.float().mean()) / s.y.float().std()
            x[:, 5] += noise * torch.randn(len(x), generator=rng)

    return change


def answer_in_a_pixel(scale: float) -> Change:
    def change(s: Split) -> None:
        s.x[:, 0, 0, 7], s.vx[:, 0, 0, 7] = (scale * part.float() - 1 for part in (s.y, s.vy))

    return change


def empty_channels(left: int) -> Change:
    def change(s: Split) -> None:
        s.x[..., left:], s.vx[..., left:] = 0.0, 0.0

    return change


def scattered(label: int, share: float) -> Change:
    """A part of one class, labelled as any other, in both splits."""

    def change(s: Split) -> None:
        classes = int(s.y.max()) + 1
        for y in (s.y, s.vy):
            there = (y == label).nonzero().flatten()
            some = there[: round(share * len(there))]
            steps = torch.arange(len(some)) % (classes - 1) + 1
            y[some] = (label + steps) % classes

    return change


def late_from(start: float) -> Change:
    """As when a row is read twice: from there on each target is the one of the sample before."""

    def change(s: Split) -> None:
        k = round(start * len(s.y))
        s.y = torch.cat([s.y[:k], s.y[k - 1 : -1]])

    return change


def padded(steps: int) -> Change:
    """So much behind each text that nothing is left of it in the last state that is read."""

    def change(s: Split) -> None:
        s.x, s.vx = (torch.nn.functional.pad(part, (0, steps)) for part in (s.x, s.vx))

    return change
