#!/usr/bin/env bash
# From nothing to a verdict: sets up .venv, then finds the addition that breaks
# conf/digits.yaml. Arguments go to the search: `scripts/demo.sh planner=progressive`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh

status=0
.venv/bin/bisect run conf=digits "$@" || status=$?
if [ "$status" -le 1 ]; then
  echo
  echo "Here \`bisect\` is .venv/bin/bisect. See every run in MLflow: .venv/bin/bisect ui conf=digits"
fi
exit "$status"
