#!/usr/bin/env bash
# demo_score.sh PYTHON BIN MODEL TYPE: the share of held-out questions that the card of the demo model promises.
set -euo pipefail
python=$1 bin=$2 model=$3 type=$4
least=85
[[ $type == f32 ]] || least=82
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin/samara-convert" "$model/checkpoint" -o "$folder/demo.samara" --quant "$type" --no-goldens
"$python" "$model/eval/score.py" --wrong --least "$least" --least-recall 80 \
  --command "$python $model/eval/reply_samara.py $folder/demo.samara --chat $bin/samara-chat"
