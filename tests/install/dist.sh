#!/usr/bin/env bash
# A release archive: unpacked elsewhere it works, and making it again gives the same bytes.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
build=$1 source=$2 version=$3 tree=$4
command -v xz >/dev/null || { echo "SKIPPED: no xz here"; exit 77; }
name=samara-$version-linux-$(uname -m)

SAMARA_XZ=-1 bash "$source/packaging/dist.sh" "$build" "$scratch/a" >"$scratch/list"
(umask 077 && cd / && SAMARA_XZ=-1 bash "$source/packaging/dist.sh" "$build" "$scratch/b" >/dev/null)
diff -r "$scratch/a" "$scratch/b" || bad "made again, the archives differ"
grep -q "$(sha256sum <"$scratch/a/$name.tar.xz" | cut -d' ' -f1)  $name.tar.xz" "$scratch/list" || bad "no hash printed"

mkdir "$scratch/there"
tar -xf "$scratch/a/$name.tar.xz" -C "$scratch/there"
[[ $(ls "$scratch/there") == "$name" ]] || bad "the archive is not one folder $name"
there=$scratch/there/$name
[[ $(clean "$there/bin/samara-chat" --version) == "samara-chat $version" ]] || bad "samara-chat does not run"
tar -tvf "$scratch/a/$name.tar.xz" | awk '$2 != "0/0" { print; bad = 1 } END { exit bad }' || bad "owners above"
if readelf -S "$there/bin/samara-bench" | grep -E 'symtab|debug'; then bad "samara-bench is not stripped"; fi
model "$there"
lib=$(libdir "$there")
"$CC" "$there/share/doc/samara/examples/reply.c" -I"$there/include" -L"$lib" -lsamara -Wl,-rpath,"$lib" \
  -o "$scratch/reply"
run_reply "$scratch/reply"

# The sources, where they come from a repository.
if [[ -e $source/.git ]]; then
  tar -xf "$scratch/a/samara-$version.tar.xz" -C "$scratch/there"
  for file in CMakeLists.txt dev runtime/include/samara/samara.h LICENSE; do
    [[ -s $scratch/there/samara-$version/$file ]] || bad "the source archive has no $file"
  done
fi
exit "$fail"
