#!/usr/bin/env bash
# The story in two gates: what FunctionGemma answered to twenty questions, as Google's tuning guide
# prints it, before tuning (the gate must be red) and after (it must be green, nothing lost).
set -euo pipefail
cd "$(dirname "$0")/.."

gate() {
    pytest -q specs/search_policy.spec.yaml --gate-model "replay:docs/replies/guide-$1.jsonl" "${@:2}"
}

echo "== before tuning: the gate is red"
code=0
gate before --gate-run-log runs/demo/before.jsonl || code=$?
[[ $code == 1 ]] || { echo "expected a red gate (exit 1), got exit $code"; exit 1; }

echo "== after tuning: the gate is green"
gate after --gate-baseline runs/demo/before.jsonl
