#!/usr/bin/env bash
# An old runtime runs new architectures: the programs of the commit `foundation`, which knows the first four families
# and no operator since, run packages of later families that today's converter makes, and give the logits of today's
# runtime. Operators that it does not know run by the decomposition that the package carries.
#
#   foundation.sh SOURCE_DIR PROGRAM_DIR WORK_DIR
#
# WORK_DIR keeps the build of the old programs. Exit code 77: there is no such commit here.
set -euo pipefail
export LC_ALL=C
source=$1 programs=$2 work=$3
cases=(gemma2_caps gemma3_layers gemma4_shared granite_tied phi3_longrope_long smollm3_nope olmo2_untied
  ministral3_growth stablelm_parallel gpt2_plain gpt_neox_parallel falcon_grouped)

# The tag, or the commit that it names where tags were not fetched.
revision=
for name in foundation a2ad72275f5f39bae5d92a29bb9593e4af5f761a; do
  revision=$(git -C "$source" rev-parse -q --verify "$name^{commit}" 2>/dev/null) && break
done
if [[ -z $revision ]]; then
  echo "skipped: no commit 'foundation' here (not a git checkout, or a shallow one)"
  exit 77
fi

old=$work/$revision
if [[ ! -x $old/build/bin/samara-eval ]]; then
  mkdir -p "$old/source"
  git -C "$source" archive "$revision" | tar -x -C "$old/source"
  launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  cmake -S "$old/source" -B "$old/build" -G Ninja -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" >"$old/log" ||
    { cat "$old/log"; exit 1; }
  ninja -C "$old/build" ${JOBS:+-j"$JOBS"} samara-eval >>"$old/log" || { tail -n 50 "$old/log"; exit 1; }
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# {"ids":[..],"logits":[[..],..]} -> one logit a line.
logits() { tr -d '\n' <"$1" | sed 's/.*"logits"://' | tr -c '0-9eE.+\n-' '\n' | grep -E '[0-9]'; }

fail=0
for name in "${cases[@]}"; do
  data=$source/tests/families/data/$name
  "$programs/samara-convert" "$data" -o "$scratch/model.samara" --quant f32 >"$scratch/log"
  ids=$(od -An -v -td4 "$data/ids.bin" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')
  "$programs/samara-eval" "$scratch/model.samara" --ids "$ids" --logits "$scratch/new.json" --ctx 128 >/dev/null
  if ! "$old/build/bin/samara-eval" "$scratch/model.samara" --ids "$ids" --logits "$scratch/old.json" --ctx 128 \
    >/dev/null; then
    echo "$name: the old runtime refuses the package"
    fail=1
    continue
  fi
  logits "$scratch/new.json" >"$scratch/new"
  logits "$scratch/old.json" >"$scratch/old"
  [[ $(wc -l <"$scratch/new") -eq $((64 * 272)) ]] || { echo "$name: $(wc -l <"$scratch/new") logits"; fail=1; }
  paste "$scratch/new" "$scratch/old" | awk -v name="$name" '
    NF != 2 { bad = 1 }
    { a = $1 < 0 ? -$1 : $1; d = $1 < $2 ? $2 - $1 : $1 - $2; if (a > most) most = a; if (d > apart) apart = d }
    END {
      printf("%-20s %d logits, largest difference %.2g of the largest\n", name, NR, apart / (most + (most == 0)))
      exit (bad || most == 0 || apart > 1e-4 * most)
    }' || { echo "$name: not the logits of today"; fail=1; }
done
exit "$fail"
