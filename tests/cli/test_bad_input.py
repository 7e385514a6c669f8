"""Whatever is wrong with what the user wrote: one line, a mend, exit code 2, nothing run."""

import socket
import subprocess
from collections.abc import Callable

import pytest
from cli_project import CONF, Project, until

from bisector.cli.main import main
from bisector.journal import Journal

Refused = Callable[..., tuple[str, str]]


@pytest.fixture
def refused(project: Project, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run `bisect WORDS` (`run` if no verb is given), see it refused; its line and its hint."""

    def run(*words: str, verb: str = "run") -> tuple[str, str]:
        capsys.readouterr()
        code = main([verb, *words])
        return checked(code, capsys.readouterr().err, project)

    return run


def checked(code: int, err: str, project: Project) -> tuple[str, str]:
    lines = err.splitlines()
    assert code == 2, err
    assert len(lines) == 2, err
    assert lines[0].startswith("bisect: ")
    assert lines[1].startswith("  hint: ")
    assert not (project.home / "runs").exists()
    return lines[0].removeprefix("bisect: "), lines[1].removeprefix("  hint: ")


COMMAND_LINES = {
    "no conf": ([], "which experiment", "conf=digits"),
    "two confs": (["conf=x", "conf=y"], "given 2 times", ""),
    "unknown conf": (["conf=xy"], "conf/xy.yaml", "conf=x?"),
    "conf that is far off": (["conf=qqqq"], "conf/qqqq.yaml", "There are: "),
    "conf as a path": (["conf=conf/x.yaml"], "no conf/conf/x.yaml", "conf=x?"),
    "a bare name": (["x"], "`x` is neither", "conf=x?"),
    "unknown flag": (["conf=x", "--frseh"], "no flag `--frseh`", "--help"),
    "short for a flag": (["conf=x", "--fre"], "no flag `--fre`", "--help"),
    "flag without its value": (["conf=x", "--out"], "expected one argument", "--help"),
    "name that is no folder": (["conf=x", "name=a/b"], "`a/b`", "letters"),
    "key": (["conf=x", "budgt.trials=3"], "no key `budgt`", "`budget`"),
    "key further down": (["conf=x", "budget.trail=3"], "`budget.trail`", "`budget.trials`"),
    "recipe's key": (["conf=x", "recipe.bb=3"], "`recipe.bb`", "+recipe.bb=..."),
    "addition": (["conf=x", "additions.tow.prior=0.1"], "additions.tow", "`additions.two`"),
    "group": (["conf=x", "lancher=local"], "`lancher`", "`launcher`"),
    "group's option": (["conf=x", "launcher=locl"], "no `locl`", "`local`"),
    "word for a number": (["conf=x", "budget.trials=many"], "a whole number", "budget.trials"),
    "fraction": (["conf=x", "budget.trials=1.5"], "a whole number", "budget.trials"),
    "word for a bool": (["conf=x", "mlflow.enabled=perhaps"], "true or false", "mlflow.enabled"),
    "null": (["conf=x", "additions=null"], "`additions` cannot be null", "conf/x.yaml"),
    "confidence": (["conf=x", "budget.confidence=2"], "budget.confidence = 2.0", "Mend"),
    "no runs": (["conf=x", "budget.trials=0"], "at least 1", "budget.trials"),
    "prior": (["conf=x", "additions.one.prior=1.5"], "between 0 and 1", "additions.one.prior"),
    "time limit": (["conf=x", "limits.seconds=-1"], "above 0", "limits.seconds"),
    "slots": (["conf=x", "launcher.slots=0"], "launcher.slots=0", "1 or more"),
    "scales": (["conf=x", "lr.scales=[0]"], "all above 0", "lr.scales"),
    "kind": (["conf=x", "additions.one.kind=los"], "augmentation, regularisation", "`loss`"),
    "direction": (["conf=x", "judge.direction=maximise"], "maximize", "`maximize`"),
    "unseen loss": (["conf=x", "judge.metric=observed/loss"], "observe = false", "observe: true"),
    "where the rate is": (["conf=x", "lr.key=recipe.lrr"], "has nothing", "`lr`"),
    "bracket": (["conf=x", "recipe.a=[1"], "cannot be read", "quoted"),
    "several values": (["conf=x", "recipe.a=1,2"], "several values", "bisect sweep"),
    "reference": (["conf=x", "recipe.a=${nope}"], "refers to `nope`", "recipe.a"),
    "planner's class": (
        ["conf=x", "planner._target_=bisector.plan.adaptive.Adaptive"],
        "has no Adaptive",
        "AdaptivePlanner?",
    ),
    "planner's setting": (["conf=x", "+planner.bonus=1"], "`planner` cannot be made", "false_fail"),
    "port without protocol": (
        ["conf=x", "mlflow.enabled=true", "mlflow.tracking_uri=localhost:5000"],
        "localhost:5000",
        "http://localhost:5000?",
    ),
}


@pytest.mark.parametrize(("words", "said", "mend"), COMMAND_LINES.values(), ids=COMMAND_LINES)
def test_a_mistake_on_the_command_line_is_named_with_its_mend(
    refused: Refused, words: list[str], said: str, mend: str
) -> None:
    line, hint = refused(*words)
    assert said in line
    assert mend in hint


WORKLOAD = '{_target_: bisector.workload.function.FunctionWorkload, target: "lab:train"}'
ADDITION = "one: {kind: loss, overrides: [recipe.a=1]}"
FILES = {
    "bracket": (ADDITION, "one: {kind: loss", "conf/x.yaml, line", "bracket"),
    "key twice": ("metrics:", "judge: {}\nmetrics:", "duplicate key judge", "twice"),
    "not an experiment": ("bisect_schema, ", "", "not an experiment", "bisect_schema"),
    "misspelt schema": ("bisect_schema", "bisect_shema", "`bisect_shema`", "`bisect_schema`"),
    "misspelt recipe": ("recipe: small", "recipe: smal", "no `smal`", "`small`"),
    "key": ("budget:", "budgte:", "no key `budgte`", "`budget`"),
    "addition's key": ("kind: loss", "knd: loss", "additions.one.knd", "`additions.one.kind`"),
    "signal": ("score: acc", "scor: acc", "metrics.scor", "`metrics.score`"),
    "text for a list": ("[recipe.a=1]", "recipe.a=1", "line 10: additions.one.overrides", "[one,"),
    "mapping for a text": ("[recipe.a=1]", "[recipe.a: 1]", "overrides[0] is a mapping", "quotes"),
    "text for a mapping": ("{loss: train_loss, score: acc}", "acc", "a mapping", "{name: value}"),
    "list for a mapping": (ADDITION, "one: [recipe.a=1]", "additions.one is a list", "{name"),
    "text for a recipe": ("recipe: small, _self_]", "_self_]\nrecipe: small", "line 2", "{name"),
    "empty": ("[recipe.a=1]", "[]", "additions.one.overrides is empty", "overrides: ["),
    "override that is none": ("recipe.a=1", "recipe.a", "overrides[0] = `recipe.a`", "key=value"),
    "recipe's key": ("recipe.a=1", "recipe.aa=1", "addition `one`", "`recipe.a`"),
    "recipe's group": ("recipe/extra=some", "recipe/extr=some", "`recipe/extr`", "`recipe/extra`"),
    "group's option": ("extra=some", "extra=sme", "no `sme`", "`some`"),
    "reaches beyond": ("recipe.a=1", "budget.trials=1", "not part of the recipe", "recipe.budget"),
    "the same key": ("recipe.b=1", "recipe.a=2", "both set `recipe.a`", "excludes: [two]"),
    "requires nobody": ("kind: loss", "requires: [tow]", "`tow`", "`two`"),
    "requires itself": ("kind: loss", "requires: [one]", "at once", "requires"),
    "requires a rival": (
        "kind: loss",
        "requires: [two], excludes: [two]",
        "requires and rules out `two`",
        "not in both",
    ),
    "ruled out by what it requires": (
        "kind: loss, overrides: [recipe.a=1]}\n  two: {",
        "requires: [two], overrides: [recipe.a=1]}\n  two: {excludes: [one], ",
        "`one` can never be on",
        "excludes",
    ),
    "in a circle": (
        "kind: loss, overrides: [recipe.a=1]}\n  two: {",
        "requires: [two], overrides: [recipe.a=1]}\n  two: {requires: [one], ",
        "require each other",
        "one addition",
    ),
    "no workload": (f"workload: {WORKLOAD}\n", "", "`workload` names no", "workload._target_"),
    "function without module": ("lab:train", "train", "not module:function", "lab:train"),
    "missing value": ("[recipe.a=1]", '["recipe.a=???"]', "recipe.a is `???`", "recipe.a"),
}


@pytest.mark.parametrize(("good", "bad", "said", "mend"), FILES.values(), ids=FILES)
def test_a_mistake_in_the_file_is_named_with_its_mend(
    project: Project, refused: Refused, good: str, bad: str, said: str, mend: str
) -> None:
    assert CONF.count(good) == 1
    project.conf.write_text(CONF.replace(good, bad))
    line, hint = refused("conf=x")
    assert said in line
    assert mend in hint


def test_a_search_without_additions_is_none(project: Project, refused: Refused) -> None:
    project.conf.write_text(CONF.partition("additions:")[0])
    line, hint = refused("conf=x")
    assert "`additions` is empty" in line
    assert "bisect init" in hint


COMMAND = "{_target_: bisector.workload.command.CommandWorkload, command: %s}"


@pytest.mark.parametrize(
    ("command", "said", "mend"),
    [
        ("[python, train.py]", "no `{overrides}`", '"{overrides}"'),
        ('"python train.py {overrides}"', "one text", "[python"),
        ('[no-such-python, "{overrides}"]', "`no-such-python`", "{python}"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused(
    project: Project, refused: Refused, command: str, said: str, mend: str
) -> None:
    project.conf.write_text(CONF.replace(WORKLOAD, COMMAND % command))
    line, hint = refused("conf=x")
    assert said in line
    assert mend in hint


def test_what_cannot_be_imported_is_found_before_any_run_and_the_nearest_name_offered(
    project: Project,
) -> None:
    part = '"+recipe.new={_target_: collections.OrderedDct}"'
    project.conf.write_text(CONF.replace("recipe/extra=some", part))
    done = project.bisect("run", "conf=x", "+launcher.warm=false")
    line, hint = checked(done.returncode, done.stderr, project)
    assert "recipe.new._target_ = collections.OrderedDct" in line
    assert "collections.OrderedDict?" in hint
    assert not project.events("Launched")

    project.conf.write_text(CONF.replace("lab:train", "lab:trian"))
    done = project.bisect("plan", "conf=x")
    line, hint = checked(done.returncode, done.stderr, project)
    assert "workload.target = lab:trian" in line
    assert "lab.train?" in hint


def test_an_output_folder_that_cannot_be_made_is_refused(refused: Refused) -> None:
    line, hint = refused("conf=x", "--out", "lab.py")
    assert "lab.py/x cannot be made" in line
    assert "--out" in hint


def test_a_tracking_server_that_does_not_answer_is_refused(refused: Refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        line, hint = refused("conf=x", "mlflow.enabled=true", f"mlflow.tracking_uri={uri}")
    assert uri in line
    assert "mlflow.enabled=false" in hint


def test_plan_refuses_what_run_would_refuse(refused: Refused) -> None:
    for words in (["conf=x", "budgt=1"], ["conf=x", "--out", "lab.py"]):
        assert refused(*words, verb="plan") == refused(*words, verb="run")


def test_an_unknown_verb_and_a_search_that_never_was_are_refused(refused: Refused) -> None:
    assert "invalid choice: 'serch'" in refused("conf=x", verb="serch")[0]
    line, hint = refused("conf=x", verb="status")
    assert line == "There is no search in out/x."
    assert "bisect run conf=x" in hint
    assert refused("conf=x", verb="log") == (line, hint)


def test_a_metric_that_no_run_reports_is_named_and_once_mended_the_runs_are_judged(
    project: Project,
) -> None:
    project.conf.write_text(CONF.replace("score: acc", "score: accuracy"))
    done = project.bisect("run", "conf=x", "--plain")
    assert done.returncode == 2
    *_, line, hint = done.stderr.splitlines()
    assert "judge.metric is `score`" in line
    assert "reported acc, loss, never score" in line
    assert "metrics: {score: acc}" in hint
    assert "Traceback" not in done.stderr
    assert not project.judged()
    until(lambda: all((project.home / f"runs/{n:03d}/exit.json").exists() for n in project.began()))
    before = project.launched()
    assert before

    project.conf.write_text(CONF)
    done = project.bisect("run", "conf=x", "--plain")
    assert done.returncode == 0, done.stderr
    assert project.concluded() == ("culprit", [["two"]])
    assert {project.judged()[n]["outcome"] for n in before} == {"healthy"}
    # `began` sees to it that no run was begun twice; a run in vain would be a number more.
    baseline = [e for e in project.events("Launched") if e["trial"]["purpose"] == "baseline"]
    assert len(baseline) == 2
    assert set(project.began()) == set(project.launched())


def test_a_torn_last_line_is_cut_and_said_and_nothing_else_is_lost(finished: Project) -> None:
    journal = finished.home / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"event": "Judged", "trial": {"num')
    assert finished.bisect("status", "conf=x").returncode == 0
    assert journal.read_bytes() != whole, "reading repairs nothing"
    done = finished.bisect("run", "conf=x", "--plain")
    assert done.returncode == 0
    assert (
        done.stderr
        == f"bisect: cut 34 bytes of a half-written last line from {journal.relative_to(finished.folder)}\n"
    )
    assert journal.read_bytes() == whole


def test_damage_elsewhere_names_the_line_and_a_mend_that_works(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = finished.home / "journal.jsonl"
    lines = journal.read_text().splitlines()
    damaged = len(lines) - 4
    lines[damaged - 1] = lines[damaged - 1][:40] + lines[damaged - 1][45:]
    journal.write_text("\n".join(lines) + "\n")
    before = journal.read_bytes()
    for verb in ("run", "plan", "status", "log"):
        assert main([verb, "conf=x"]) == 2
        line, hint = capsys.readouterr().err.splitlines()
        assert f"out/x/journal.jsonl:{damaged} " in line
        assert journal.read_bytes() == before, "left as it is"
    mend = hint.partition("`")[2].partition("`")[0]
    subprocess.run(mend, shell=True, check=True, cwd=finished.folder)
    assert len(finished.events()) == damaged - 1
    done = finished.bisect("run", "conf=x", "--plain")
    assert done.returncode == 0, done.stderr
    assert finished.concluded() == ("culprit", [["two"]])


def test_a_second_search_of_the_same_thing_is_refused(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Journal(finished.home / "journal.jsonl")
    other.acquire()
    try:
        assert main(["run", "conf=x"]) == 2
    finally:
        other.release()
    line, hint = capsys.readouterr().err.splitlines()
    assert "out/x is being searched by process" in line
    assert "bisect status" in hint


@pytest.mark.parametrize("change", ["recipe.a=2", "seed=1", "judge.min_effect=0.1", "lr.value=1"])
def test_a_search_of_something_else_is_not_gone_on_with(
    finished: Project, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    before = finished.events()
    assert main(["run", "conf=x", change]) == 2
    line, hint = capsys.readouterr().err.splitlines()
    assert f"something else: {change.partition('=')[0].partition('.')[0]} changed" in line
    assert "--fresh" in hint
    assert finished.events() == before
