#!/usr/bin/env bash
# The fragments of docs/c_api.md, joined, are a C99 program that runs.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
tree=$1 guide=$2 chat_package=$3
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside { print }' "$guide" >"$scratch/guide.c"
[[ $(wc -l <"$scratch/guide.c") -ge 50 ]] || bad "only $(wc -l <"$scratch/guide.c") lines of code in $guide"
lib=$(libdir "$tree")
"$CC" -std=c99 -pedantic "${warnings[@]}" -I"$tree/include" "$scratch/guide.c" -L"$lib" -lsamara -Wl,-rpath,"$lib" \
  -o "$scratch/guide"
(cd "$scratch" && ./guide "$chat_package") >"$scratch/out" || bad "it failed: $(tail -3 "$scratch/out")"
cat "$scratch/out"
exit "$fail"
