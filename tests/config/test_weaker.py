"""A tenth of what an addition changes: fractions are weakened, whole numbers and words are not."""

import pytest
from omegaconf import OmegaConf

from bisector.config.weaker import weaker

BASE = OmegaConf.create(
    {"recipe": {"optimizer": {"momentum": 0.9, "lr": 1}, "model": {"width": 8, "dropout": "${recipe.p}"}, "p": 0.5}}
)  # fmt: skip


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("recipe.optimizer.weight_decay=0.05", ["++recipe.optimizer.weight_decay=0.005"]),
        ("recipe.optimizer.momentum=0.99", ["++recipe.optimizer.momentum=0.909"]),
        ("recipe.optimizer.lr=3.0", ["++recipe.optimizer.lr=1.2"]),
        ("recipe.model.dropout=0.6", ["++recipe.model.dropout=0.51"]),
        ("+recipe.noise=1e-3", ["++recipe.noise=0.0001"]),
        (
            "+recipe.mixup={_target_: lab.Mixup, alpha: 0.2, deep: {p: 0.5, n: 3}}",
            ["++recipe.mixup.alpha=0.02", "++recipe.mixup.deep.p=0.05"],
        ),
        ("--mixup 0.8", ["--mixup 0.08"]),
        ("--decay=1e-2", ["--decay=0.001"]),
        ("clip=0.5", ["clip=0.05"]),
        ("recipe.model.width=64", []),
        ("recipe.model.norm=true", []),
        ("recipe/loss=focal", []),
        ("recipe.model.act=gelu", []),
        ("recipe.model.weights=[0.1, 0.9]", []),
        ("--epochs 20", []),
        ("--flag", []),
        ("~recipe.p", []),
        ("recipe.text='{'", []),
        ("recipe.text={a: [", []),
    ],
)
def test_a_tenth_of_the_way_from_where_the_baseline_stands(override, expected):
    assert list(weaker(BASE, [override])) == expected
