#!/usr/bin/env bash
# The installed header, alone, in every language it is for and by every compiler here.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
tree=$1
cat >"$scratch/use.c" <<'END'
#include <samara/samara.h>
int use(const char* path);
int use(const char* path) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  samara_session_options session = SAMARA_SESSION_OPTIONS_INIT;
  samara_model* model;
  (void)session;
  return samara_model_open(path, &options, &model) == SAMARA_OK;
}
END
cp "$scratch/use.c" "$scratch/use.cc"
strict=("${warnings[@]}" -pedantic -Wshadow -Wconversion -Wundef)
compile() {  # COMPILER STANDARD SOURCE FLAG...
  clean "$1" "-std=$2" "${strict[@]}" "${@:4}" -I"$tree/include" -c "$3" -o "$scratch/use.o" ||
    bad "$1 does not take the header as $2 ${*:4}"
}
for cc in "$CC" gcc clang; do
  command -v "$cc" >/dev/null || continue
  for standard in c99 c11 c17; do compile "$cc" "$standard" "$scratch/use.c" -Wstrict-prototypes; done
  compile "$cc" c99 "$scratch/use.c" -DSAMARA_STATIC
done
for cxx in "$CXX" g++ clang++; do
  command -v "$cxx" >/dev/null || continue
  for standard in c++11 c++14 c++17 c++20; do compile "$cxx" "$standard" "$scratch/use.cc" -Wold-style-cast; done
done
exit "$fail"
