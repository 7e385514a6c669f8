"""docs/extending.md, as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/extending.md"

CONF = """\
defaults: [bisect_schema, launcher: inline, _self_]
planner: {_target_: mine.LeaveOneOut}
metrics: {score: acc}
judge: {min_effect: 0.05}
budget: {repeats: 2, confirm: 1}
recipe: {wide: 0, focal: 0, ema: 0}
workload: {_target_: bisector.workload.function.FunctionWorkload, target: "lab:train"}
mlflow: {enabled: false}
additions:
  wide: {kind: model, overrides: [recipe.wide=1]}
  focal: {kind: loss, overrides: [recipe.focal=1]}
  ema: {kind: other, overrides: [recipe.ema=1]}
"""

LAB = """\
from pathlib import Path
import threadpoolctl
def train(cfg, run):
    pools = threadpoolctl.threadpool_info()
    Path("threads").write_text(str({p["num_threads"] for p in pools if p["user_api"] == "blas"}))
    run.log(1, acc=0.9 - 0.8 * cfg.focal + 0.001 * run.seed)
"""


def test_a_planner_of_the_users_own_finds_the_culprit(tmp_path: Path) -> None:
    source = next(
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        if block.startswith("# mine.py")
    )
    (tmp_path / "mine.py").write_text(source)
    (tmp_path / "lab.py").write_text(LAB)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "x.yaml").write_text(CONF)
    command = [sys.executable, "-m", "bisector", "run", "conf=x", "--plain"]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert "`focal` breaks training" in done.stdout
    said = next(tmp_path.rglob("threads")).read_text()
    assert said == "{1}", "the search's own arithmetic leaves the cores to the trials"
