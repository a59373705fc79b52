#!/usr/bin/env bash
# For whoever has FunctionGemma's weights: what they answer to the guide's questions beside what the
# guide prints, then both tuning guides, with several seeds, into one folder to share.
#
#   CALLGATE_REAL_MODEL  the model (default: google/functiongemma-270m-it)
#   CALLGATE_REAL_SEEDS  seeds of each training (default: 5)
#   CALLGATE_REAL_SPECS  the folder of both guides' specs (default: docs/real)
#
# Arguments go to both trainings. A gate that is not met ends nothing here; an error does.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${CALLGATE_REAL_MODEL:-google/functiongemma-270m-it}
seeds=${CALLGATE_REAL_SEEDS:-5}
specs=${CALLGATE_REAL_SPECS:-docs/real}
policy=specs/search_policy.spec.yaml
out=runs/real
[[ ! -e $out ]] || { echo "$out is there already: move it away first" >&2; exit 2; }
mkdir -p "$out"

told() { printf '\n== %s\n' "$1"; }
judged() { # run a command that may end with 1, for a gate that is not met, and with nothing worse
    local code=0
    "$@" || code=$?
    [[ $code == [01] ]] || exit "$code"
}

told "1. The checkpoint"
callgate doctor --model "$model" | tee "$out/doctor.txt"

told "2. Its replies to the guide's 20 questions, beside those that the guide prints"
judged callgate run "$policy" --model replay:docs/replies/guide-before.jsonl \
    --run-log "$out/printed.jsonl" >"$out/printed.txt"
judged callgate run "$policy" --model "$model" --run-log "$out/base.jsonl" | tee "$out/base.txt"
callgate-report "$out/base.jsonl" --against "$out/printed.jsonl" -o "$out/base.html"

for guide in google-guide datacamp; do
    told "3. The settings of $guide, $seeds seeds"
    judged callgate-tune "$specs/$guide.spec.yaml" --out "$out/$guide" --model "$model" \
        --settings "trainers/settings/$guide.yaml" --leaks drop --seeds "$seeds" "$@"
done

told "All of it is in $out"
