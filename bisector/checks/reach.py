"""R02, R22, R24, R30, R35: do the outputs hear of all of a sample, of nothing else, and in more than a number?"""

import math

from bisector.checks.check import check
from bisector.model.finding import Case, Clue, Crossed, Limit, Remedy, Severity, Stage


@check(
    "R22i",
    "a pass that leaves something behind",
    needs=("chance",),
    remedy=Remedy("Begin each pass from nothing, or from what the caller hands over."),
    limits={"carried": Limit(1e-3, "rounding in single precision is about 1e-6 of the output")},
)
def pass_leaves_behind(case: Case) -> Clue | None:
    """What a model says of samples depends on which it was shown before.

    Why it breaks training: a state of other samples is noise to these ones; with shuffled batches it
    means nothing, and in validation it is that of the last training batch.

    How it is seen: in evaluation mode, one batch before and after another pass, with the same random
    draws.

    How to mend it: make the state in `forward`; where a sequence is cut into pieces that follow each
    other, hand it from piece to piece and drop it where a new one begins.

    Before:
        out, self.state = self.rnn(x, self.state)
    After:
        out, _ = self.rnn(x)

    Source: reason 22, "check custom layers".
    """
    carried = case.number("chance", "carried")
    if not carried > case.limits["carried"]:
        return None
    words = (
        f"After another pass the outputs of the same samples differ by {carried:.2g} of their size."
    )
    return Clue(words, {"carried": carried}, Crossed("carried", carried))


@check(
    "R02b",
    "outputs that hear of chance, and not of the samples",
    needs=("chance",),
    severity=Severity.FATAL,
    remedy=Remedy("Look for random numbers in the input's place: `rand_like`, an empty buffer."),
    limits={"told": Limit(1e-6, "the rounding of single precision")},
)
def outputs_of_chance(case: Case) -> Clue | None:
    """What the model says is drawn at random, and the same whatever the samples are.

    Why it breaks training: there is nothing to learn of them but how often each answer comes.

    How it is seen: in evaluation mode, a batch and the same one turned round, with the same random
    draws: the outputs are the same, place by place. In training mode they differ from pass to pass.

    How to mend it: give the model its input.

    Before:
        def forward(self, x): return self.net(torch.rand_like(x))
    After:
        def forward(self, x): return self.net(x)

    Source: reason 2, "try random input": if it makes no difference, the data path destroys the signal.
    """
    told, noise = case.number("chance", "told"), case.number("chance", "noise")
    if not noise > 0 or not told <= case.limits["told"]:
        return None
    words = f"With the same draws other samples change outputs by {told:.2g} of their size."
    return Clue(words, {"noise": noise}, Crossed("told", told))


@check(
    "R02c",
    "places of a sample that all count alike",
    needs=("reach", "inputs"),
    seat=Stage.DATA,
    remedy=Remedy("Look for a mean, a sum or a pooling before the first layer."),
    limits={
        "least": Limit(0.9999, "of the place that counts most: the rounding of single precision"),
        "places": Limit(8, "our choice: of a few places nothing is said"),
    },
)
def places_alike(case: Case) -> Clue | None:
    """All that the outputs hear of a sample's numbers is their sum.

    Why it breaks training: where a value stands is what tells samples apart, and it is lost before the
    first layer.

    How it is seen: the slope of the untrained outputs by each place of the inputs is the same at all
    places, and the weights differ.

    How to mend it: pool behind the layers that look for shapes, and not before them.

    Before:
        logits = net(x.mean((2, 3), keepdim=True).expand_as(x))
    After:
        logits = net(x)

    Source: reason 2, "try random input": if it makes no difference, the data path destroys the signal.
    """
    least, places = case.number("reach", "least"), case.number("reach", "places")
    if case.text("inputs", "kind") != "numbers" or places < case.limits["places"]:
        return None
    if case.number("reach", "nothing") > 0 or least < case.limits["least"]:
        return None
    # Units that are all alike make every place count alike, too.
    if case.facts.get("weights", {}).get("alike"):
        return None
    words = f"Each of a sample's {places:.0f} places counts as much as any other."
    return Clue(words, {"share": case.each("reach", "share")}, Crossed("least", least))


@check(
    "R30d",
    "chance that drowns the samples",
    needs=("chance",),
    remedy=Remedy("Less dropout, fewer dropped paths, less noise; look for `p` taken the other way."),
    limits={"share": Limit(0.95, "our choice: 20 passes would not average it out; dropout of 0.5 leaves 0.8")},
)  # fmt: skip
def chance_drowns_samples(case: Case) -> Clue | None:
    """In training mode outputs depend on what is drawn at random, and hardly on the sample.

    Why it breaks training: the gradient is mostly noise, and what little is learnt is learnt slowly.

    How it is seen: one batch a few times through the untrained model in training mode: the variance
    from pass to pass, as a share of it and the variance from sample to sample. Whatever draws is
    seen, layers of torch's own or not.

    How to mend it: drop a tenth, not nine tenths; scale what is kept by 1 over the share kept.

    Before:
        return x * (torch.rand(len(x), 1) < 0.03)
    After:
        return x * (torch.rand(len(x), 1) < 0.97) / 0.97

    Source: reason 30, "reduce regularization"; Srivastava et al. (2014), Dropout.
    """
    share = case.number("chance", "share")
    if not share > case.limits["share"]:
        return None
    words = f"{share:.1%} of how outputs vary in training mode is chance, and the rest the samples."
    return Clue(words, {"share": share}, Crossed("share", share))


@check(
    "R35g",
    "a sample of which the outputs forget most",
    needs=("reach",),
    remedy=Remedy(
        "A shorter way: fewer steps, gates that begin open, an attention or a mean over all places."
    ),
    limits={
        "faded": Limit(
            0.5, "our choice: of the places; a GRU as torch makes it reaches back 30 steps"
        ),
        "least": Limit(1e-7, "of the place that counts most: the rounding of single precision"),
    },
)
def sample_fades(case: Case) -> Clue | None:
    """Most places of a sample hardly count for the outputs, as what they say fades on the way.

    Why it breaks training: where the way forward fades, so does the gradient on the way back: what
    stands there is never learnt.

    How it is seen: the slope of the untrained outputs by each place of the inputs, as a share of the
    largest, where a sample has one answer. The slope fades by degrees: places that are cut off at
    once are another finding's.

    How to mend it: in a recurrent network fewer, larger steps, forget gates that begin open (a bias
    of 1 or 2), orthogonal weights; an answer from all states and not from the last one.

    Before:
        logits = head(rnn(pixels)[0][:, -1])       # 64 steps
    After:
        logits = head(rnn(rows)[0].mean(1))        # 8 steps

    Source: reason 35, "exploding / vanishing gradients"; Jozefowicz et al. (2015), on forget gates.
    """
    faded, least = case.number("reach", "faded"), case.number("reach", "least")
    if not case.facts["reach"]["one_answer"] or least > case.limits["least"]:
        return None
    if faded < case.limits["faded"]:
        return None
    words = f"{faded:.0%} of a sample's places count less than a {1 / case.limits['least']:,.0f}th of the one that counts most."  # fmt: skip
    return Clue(words, {"share": case.each("reach", "share")}, Crossed("faded", faded))


@check(
    "R24b",
    "a way too narrow for the classes",
    needs=("start",),
    remedy=Remedy("More units in the narrowest layer."),
    limits={"room": Limit(1.0, "so many yes-or-no answers are needed to tell classes apart")},
)
def too_narrow(case: Case) -> Clue | None:
    """All that outputs say of a sample goes through one or two numbers, for many classes.

    Why it breaks training: ten classes on one line can be told apart by nine thresholds at best, and
    no gradient finds them.

    How it is seen: the rank of the untrained outputs over the first batches, less their mean, against
    the logarithm of the number of classes to base 2.

    How to mend it: a wider layer where it is narrowest.

    Before:
        nn.Sequential(nn.Linear(128, 1), nn.ReLU(), nn.Linear(1, 10))
    After:
        nn.Sequential(nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 10))

    Source: reason 24, "increase network size".
    """
    rank, classes = (float(str(case.facts["start"].get(n, 0))) for n in ("rank", "classes"))
    if not rank or not classes or rank >= case.limits["room"] * math.log2(classes):
        return None
    words = (
        f"Outputs for {classes:.0f} classes vary in {rank:.0f} direction{'s' * (rank > 1)} only."
    )
    return Clue(words, {"rank": rank}, Crossed("room", rank / math.log2(classes)))
