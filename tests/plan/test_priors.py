"""How suspect an addition is before any run, by what earlier searches found."""

from dataclasses import replace

import pytest

from bisector.model.experiment import Addition, Experiment, Find, Kind
from bisector.model.session import Concluded, Dormant, Ruling, Session
from bisector.plan.priors import learned
from bisector.plan.space import KIND_PRIOR, Space

ADDITIONS = (
    Addition(name="focal", overrides=("recipe/loss=focal",), kind=Kind.LOSS),
    Addition(name="z_loss", overrides=("recipe.z=1",), kind=Kind.LOSS),
    Addition(name="mixup", overrides=("recipe.mixup=1",), kind=Kind.AUGMENTATION),
)
ASKED = Experiment(name="new", additions=ADDITIONS)


def search(ruling: Ruling, *guilty: str, **more) -> Session:
    culprits = tuple(frozenset({g}) for g in guilty)
    find = more.pop("find", Find.ALL)
    session = Session(replace(ASKED, name="old", find=find))
    return session.add(Concluded(ruling, culprits, 0.99, "", **more))


def priors(*earlier: Session, asked: Experiment = ASKED) -> dict[str, float | None]:
    return {a.name: a.prior for a in learned(asked, earlier).additions}


def test_with_no_earlier_search_the_kind_decides() -> None:
    assert learned(ASKED, ()) == ASKED


def test_who_was_guilty_before_is_more_suspect_and_who_was_cleared_is_less() -> None:
    found = priors(search(Ruling.CULPRIT, "focal"))
    assert found["focal"] > 2 * KIND_PRIOR[Kind.LOSS]
    assert found["z_loss"] < found["focal"] / 2
    assert found["mixup"] < KIND_PRIOR[Kind.AUGMENTATION]
    twice = priors(search(Ruling.CULPRIT, "focal"), search(Ruling.CULPRIT, "focal"))
    assert found["focal"] < twice["focal"] < 1


def test_a_kind_that_is_often_guilty_makes_a_new_name_of_it_suspect() -> None:
    new = Addition(name="dice", overrides=("recipe/loss=dice",), kind=Kind.LOSS)
    asked = replace(ASKED, additions=(*ADDITIONS, new))
    past = [search(Ruling.SEVERAL, "focal", "z_loss") for _ in range(5)]
    assert priors(*past, asked=asked)["dice"] > 1.5 * KIND_PRIOR[Kind.LOSS]


def test_what_the_configuration_says_stands() -> None:
    given = replace(ASKED, additions=(replace(ADDITIONS[0], prior=0.02), *ADDITIONS[1:]))
    found = learned(given, [search(Ruling.CULPRIT, "focal")]).additions
    assert (found[0].prior, found[0].learned_from) == (0.02, 0)
    assert found[1].learned_from == 2


@pytest.mark.parametrize("ruling", [Ruling.INCONCLUSIVE, Ruling.BASELINE_FLAKY, Ruling.CUMULATIVE])
def test_a_search_that_decided_about_nobody_teaches_nothing(ruling: Ruling) -> None:
    assert learned(ASKED, [search(ruling, "focal")]) == ASKED


def test_a_search_that_stopped_at_the_first_culprit_cleared_nobody() -> None:
    found = priors(search(Ruling.CULPRIT, "focal", find=Find.FIRST))
    assert found["mixup"] is None
    assert found["focal"] > KIND_PRIOR[Kind.LOSS]


def test_a_dormant_culprit_counts_as_guilty() -> None:
    hidden = Dormant(frozenset({"mixup"}), frozenset({"z_loss"}), 0.97)
    found = priors(search(Ruling.CULPRIT, "focal", dormant=(hidden,)))
    assert found["mixup"] > KIND_PRIOR[Kind.AUGMENTATION]


def test_the_planner_starts_from_what_was_learned() -> None:
    before = Space(ASKED).log_odds
    after = Space(learned(ASKED, [search(Ruling.CULPRIT, "focal")])).log_odds
    focal = Space(ASKED).index["focal"]
    assert after[focal] > before[focal]
