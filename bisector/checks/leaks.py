"""R04: inputs that give their target away."""

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity

SHOWN = 8


@check(
    "R04d",
    "features that are the target",
    needs=("leaks",),
    remedy=Remedy("Leave these columns out of the inputs."),
)
def target_among_the_features(case: Case) -> Clue | None:
    """A column of a table, or a pixel, is the target itself, in another unit or coding.

    Why it breaks training: the network learns to read that column; where it is not to be had, in
    use, the model knows nothing.

    How it is seen: a column with one value for each class, or whose correlation with targets that
    are numbers is above 0.9999. Of a copy with noise, see R04e.

    How to mend it: drop the column, and those made of it.

    Before:
        x = table.drop(columns="label")        # and "label_code" stays
    After:
        x = table.drop(columns=["label", "label_code"])

    Source: reason 4; Kaufman et al. (2012), Leakage in data mining.
    """
    features = case.each("leaks", "features")
    if not features:
        return None
    of = case.number("leaks", "of")
    listed = ", ".join(map(str, features[:SHOWN]))
    return Clue(f"Of {of:.0f} features these are the target: {listed}.", {"features": features})


@check(
    "R04e",
    "a feature that says nearly all",
    needs=("alone",),
    severity=Severity.NOTE,
    remedy=Remedy("Find out when this column is known: before the target, or because of it?"),
    limits={
        "alone": Limit(0.9, "kappa or correlation, lower end: next to no doubt is left"),
        "others": Limit(0.8, "the same, upper end: well below, so that no other goes with it"),
    },
)
def feature_says_nearly_all(case: Case) -> Clue | None:
    """One feature tells the target nearly for certain, and all others together far from it.

    Why it breaks training: it may be the target itself, measured anew or filled in afterwards; the
    network learns to read that column, and fails where it is not to be had.

    How it is seen: the held-out skill of nearest neighbours on the strongest feature by itself
    (scikit-learn's F statistic), and that of simple probes on all others. From numbers alone a
    noisy copy of the target cannot be told from an honest cause of it, hence a note; and where the
    other features say as much, or the copy is noisier than that, nothing is said.

    How to mend it: ask when and by whom the column was written.

    Before:
        x = table.drop(columns="sold_for")     # and "tax_paid", a share of it, stays
    After:
        x = table.drop(columns=["sold_for", "tax_paid"])

    Source: reason 4; Kaufman et al. (2012), Leakage in data mining.
    """
    low, high = case.number("alone", "skill_low"), case.number("alone", "rest_skill_high")
    if low <= case.limits["alone"] or high >= case.limits["others"]:
        return None
    feature = int(case.number("alone", "feature"))
    skill, rest = case.number("alone", "skill"), case.number("alone", "rest_skill")
    measure = "correlation" if case.text("alone", "measure") == "correlation" else "kappa"
    return Clue(
        f"Feature {feature} alone tells the target with {measure} {skill:.2f}, all others "
        f"together with {rest:.2f}.",
        {"feature": feature, "skill": skill, "others": rest},
        Crossed("alone", low),
    )
