#!/usr/bin/env bash
# Release archives: dist.sh BUILD OUT writes OUT/samara-VERSION-linux-MACHINE.tar.xz from a finished Release build and,
# in a repository, OUT/samara-VERSION.tar.xz from its last commit, and prints their SHA-256. The same commit and build
# give the same bytes: names sorted, times of the commit, owner 0, fixed modes. SAMARA_XZ: flags for xz (-9e).
set -euo pipefail
export LC_ALL=C TZ=UTC
source=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
build=$(readlink -f "$1")
mkdir -p "$2"
out=$(readlink -f "$2")
xz=(xz -T1 ${SAMARA_XZ:--9e})
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

number() { sed -nE "s/^#define SAMARA_VERSION_$1 ([0-9]+)$/\1/p" "$source/runtime/include/samara/samara.h"; }
version=$(number MAJOR).$(number MINOR).$(number PATCH)
machine=$(uname -m)
git=(git -C "$source" -c safe.directory="$source")
top=$("${git[@]}" rev-parse --show-toplevel 2>/dev/null || true)
repository=0
[[ -z $top || ! $top -ef $source ]] || repository=1
time=${SOURCE_DATE_EPOCH:-}
if ((repository)); then time=${time:-$("${git[@]}" log -1 --format=%ct)}; fi
time=${time:-$(stat -c %Y "$source/CHANGELOG.md")}

name=samara-$version-linux-$machine
cmake --install "$build" --prefix "$scratch/$name" --strip >"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
tar -C "$scratch" --sort=name --format=gnu --mtime="@$time" --owner=0 --group=0 --numeric-owner \
  --mode=u=rwX,go=rX -cf - "$name" | "${xz[@]}" >"$out/$name.tar.xz"
archives=("$name.tar.xz")
if ((repository)); then
  "${git[@]}" archive --format=tar --prefix="samara-$version/" HEAD | "${xz[@]}" >"$out/samara-$version.tar.xz"
  archives+=("samara-$version.tar.xz")
else
  echo "dist: this is no repository: no source archive" >&2
fi
cd "$out" && sha256sum "${archives[@]}"
