#!/usr/bin/env bash
# Includes go one way: formats <- runtime <- backends <- apps, and formats <- converter <- apps. The chat program uses
# the public C API alone, and the library's folders use nothing but the C++ standard library, FlatBuffers and the system.
set -euo pipefail
cd "$1"
fail=0

# check FOLDER QUOTED ANGLED: which "..." and <...> includes its files may have (extended regular expressions).
check() {
  local folder=$1 quoted=$2 angled=$3 bad
  local include='#[[:space:]]*include[[:space:]]*'
  [[ -d $folder ]] || { echo "no folder $folder"; fail=1; return; }
  bad=$(find "$folder" -type f \( -name '*.h' -o -name '*.cc' -o -name '*.c' -o -name '*.inc' -o -name '*.inl' \) -print0 |
    xargs -0 grep -HnE '^[[:space:]]*#[[:space:]]*include' |
    grep -vE "^[^:]*:[0-9]+:[[:space:]]*$include(\"($quoted)[^\"]*\"|<($angled)>)" || true)
  if [[ -n $bad ]]; then
    printf '%s\n' "$bad" "$folder must not include the above"
    fail=1
  fi
}

# Standard and system headers: no folder but these.
system='[a-z0-9_]+(\.h)?|(sys|linux|asm)/[a-z0-9_]+\.h'
flatbuffers='flatbuffers/[a-z_]+\.h'
check formats 'formats/' "$system|$flatbuffers"
check runtime 'formats/|runtime/|samara/' "$system|samara/samara\.h"
for backend in cpu reference; do check "backends/$backend" 'formats/|runtime/|backends/' "$system"; done
# Made at build time: the shaders.
check backends 'formats/|runtime/|backends/|vulkan_shaders\.inc' "$system|vulkan/vulkan_core\.h"
check converter 'formats/|converter/' "$system"
check apps 'formats/|runtime/|backends/|converter/|apps/|samara/' "$system|CLI/[A-Za-z]+\.hpp|samara/samara\.h"
check apps/chat 'apps/common/|apps/chat/|samara/' "$system|CLI/[A-Za-z]+\.hpp|samara/samara\.h"
check examples 'samara/' "$system|samara/samara\.h"
check apps/common 'apps/common/|samara/' "$system|CLI/[A-Za-z]+\.hpp|samara/samara\.h"

# The public header stands alone.
if grep -nE '#[[:space:]]*include' runtime/include/samara/samara.h | grep -vE '<std(def|int)\.h>'; then
  echo "runtime/include/samara/samara.h may include stddef.h and stdint.h only"
  fail=1
fi
exit "$fail"
