#!/usr/bin/env bash
# Includes go one way: formats <- runtime <- backends <- apps, and formats <- converter <- apps. The chat program uses
# the public C API alone, and the library's folders use nothing but the C++ standard library, FlatBuffers and the system.
set -euo pipefail
cd "$1"
fail=0

# check FOLDER QUOTED ANGLED: which "..." and <...> includes its files may have (extended regular expressions).
check() {
  local folder=$1 quoted=$2 angled=$3 file line bad
  [[ -d $folder ]] || { echo "no folder $folder"; fail=1; return; }
  while IFS= read -r -d '' file; do
    bad=$(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" |
      grep -vE "^[0-9]+:[[:space:]]*#[[:space:]]*include[[:space:]]*(\"($quoted)[^\"]*\"|<($angled)>)" || true)
    if [[ -n $bad ]]; then
      while IFS= read -r line; do echo "$file:$line: $folder must not include this"; done <<<"$bad"
      fail=1
    fi
  done < <(find "$folder" \( -name '*.h' -o -name '*.cc' -o -name '*.c' -o -name '*.inc' -o -name '*.inl' \) -print0)
}

# Standard and system headers: no folder but these.
system='[a-z0-9_]+(\.h)?|(sys|linux|asm)/[a-z0-9_]+\.h'
flatbuffers='flatbuffers/[a-z_]+\.h'
check formats 'formats/' "$system|$flatbuffers"
check runtime 'formats/|runtime/|samara/' "$system|samara/samara\.h"
check backends 'formats/|runtime/|backends/' "$system"
check converter 'formats/|converter/' "$system"
check apps 'formats/|runtime/|backends/|converter/|apps/|samara/' "$system|CLI/[A-Za-z]+\.hpp|samara/samara\.h"
check apps/chat 'apps/common/|apps/chat/|samara/' "$system|CLI/[A-Za-z]+\.hpp|samara/samara\.h"
check apps/common 'apps/common/|samara/' "$system|CLI/[A-Za-z]+\.hpp|samara/samara\.h"

# The public header stands alone.
if grep -nE '#[[:space:]]*include' runtime/include/samara/samara.h | grep -vE '<std(def|int)\.h>'; then
  echo "runtime/include/samara/samara.h may include stddef.h and stdint.h only"
  fail=1
fi
exit "$fail"
