#!/usr/bin/env bash
# The story, told twice. First with what FunctionGemma answered to twenty questions, as Google's
# tuning guide prints it: red before tuning, green after. Then for real on mini, the stand-in:
# gate, tune, gate, report. What mini comes to is not asked; that the gate agrees with it is.
# Arguments go to callgate-tune: `docs/demo.sh --max-epochs 2` trains two rounds at most.
set -euo pipefail
cd "$(dirname "$0")/.."
spec=specs/search_policy.spec.yaml
out=runs/demo
rm -rf "$out"

gate() { pytest -q "$spec" "$@"; }
told() { printf '\n== %s\n' "$1"; }
stop() { echo "$1" >&2; exit 1; }

told "1. The guide's replies before tuning: the gate is red"
code=0
gate --gate-model replay:docs/replies/guide-before.jsonl --gate-run-log "$out/guide/before.jsonl" || code=$?
[[ $code == 1 ]] || stop "expected a red gate (exit 1), got exit $code"

told "2. … and after it: the gate is green, and nothing that passed was lost"
gate --gate-model replay:docs/replies/guide-after.jsonl --gate-run-log "$out/guide/after.jsonl" \
    --gate-baseline "$out/guide/before.jsonl"

told "3. What the guide's tuning changed, and whether to believe it"
callgate-report "$out/guide/after.jsonl" --against "$out/guide/before.jsonl"
callgate-report "$out/guide/after.jsonl" --against "$out/guide/before.jsonl" \
    --format html -o "$out/guide/report.html"

told "4. The same policy on mini, untuned"
code=0
gate --gate-model mini || code=$?
[[ $code == [01] ]] || stop "expected a gate that is met or not (exit 0 or 1), got exit $code"

told "5. mini is tuned until the policy holds on dev, or the budget ends"
tuned=0
callgate-tune "$spec" --out "$out/mini" --model mini --settings trainers/settings/mini.yaml "$@" || tuned=$?
[[ $tuned == [01] ]] || stop "expected a training that meets the gate or not (exit 0 or 1), got exit $tuned"

told "6. The gate on the tuned model: green exactly when the tuning met it"
code=0
gate --gate-model "$out/mini/model" || code=$?
[[ $code == "$tuned" ]] || stop "the tuning ended with $tuned, the gate with $code"

told "The reports: open them in a browser"
echo "$out/guide/report.html   the guide's model before and after"
echo "$out/mini/report.html    mini before and after, with its training"
