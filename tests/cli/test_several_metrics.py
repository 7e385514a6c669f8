"""A whole search in which a score and a loss decide together, from YAML to the verdict."""

import json
from pathlib import Path

import pytest
from cli_project import Project

from bisector.cli.main import main

LAB = """
def train(cfg, run):
    for step in range(1, 4):
        run.log(step, acc=0.9 - 0.3 * cfg.low + 0.001 * run.seed, cost=0.4 + 0.5 * cfg.dear + 1 / step)
"""

CONF = """\
defaults: [bisect_schema, launcher: inline, planner: adaptive, _self_]
metrics: {{score: acc, val_loss: cost}}
judge:
  min_effect: 0.05
  rule: {rule}
  also: [{{metric: val_loss, direction: minimize, min_effect: 0.1}}]
budget: {{confidence: 0.95, repeats: 2, confirm: 1}}
workload: {{_target_: bisector.workload.function.FunctionWorkload, target: "marks:train"}}
recipe: {{low: 0, dear: 0, idle: 0}}
mlflow: {{enabled: false}}
additions:
  low: {{overrides: [recipe.low=1]}}
  dear: {{overrides: [recipe.dear=1]}}
  idle: {{overrides: [recipe.idle=1]}}
"""


def write(project: Project, rule: str) -> None:
    (project.folder / "marks.py").write_text(LAB)
    Path("conf/two.yaml").write_text(CONF.format(rule=rule))


@pytest.mark.parametrize(
    ("rule", "culprits"),
    [("any", [["dear"], ["low"]]), pytest.param("all", [["dear", "low"]], marks=pytest.mark.slow)],
)
def test_the_rule_decides_who_is_guilty(project: Project, rule: str, culprits) -> None:
    write(project, rule)
    done = project.bisect("run", "conf=two", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["culprits"] == culprits


def test_plan_says_what_decides_and_a_slip_of_the_pen_is_told(project: Project, capsys) -> None:
    write(project, "any")
    assert main(["plan", "conf=two"]) == 0
    assert "any of: score (acc), higher is better" in capsys.readouterr().out
    for words, said in {
        "judge.rule=most": "judge.rule",
        "judge.also=[{metric: score}]": "decides already",
        "judge.also=[{metric: val_loss, last: 0}]": "judge.also[0].last",
    }.items():
        assert main(["plan", "conf=two", words]) == 2
        assert said in capsys.readouterr().err
