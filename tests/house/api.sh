#!/usr/bin/env bash
# samara.h and libsamara.so have the same functions, and a test written in C calls each of them.
set -euo pipefail
export LC_ALL=C
source=$1 library=$2 nm=$3
header=$source/runtime/include/samara/samara.h
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail=0

tr '\n' ' ' <"$header" | grep -oE 'SAMARA_API [^;]*;' | grep -oE 'samara_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u >"$scratch/declared"
[[ $(wc -l <"$scratch/declared") -ge 40 ]] || { echo "only $(wc -l <"$scratch/declared") functions read"; fail=1; }
"$nm" -D --defined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' | grep '^samara_' | sort -u >"$scratch/exported"
diff "$scratch/declared" "$scratch/exported" || { echo "declared (<) and exported (>) differ"; fail=1; }
while read -r function; do
  if ! grep -qE "\b$function\(" "$source"/tests/c_api/*.c; then
    echo "$function: no program of tests/c_api calls it"
    fail=1
  fi
done <"$scratch/declared"
exit "$fail"
