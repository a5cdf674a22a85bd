#!/usr/bin/env bash
# A finished plug-in exports its one function, and needs nothing that every machine does not have.
set -euo pipefail
export LC_ALL=C
plugin=$1 nm=$2 readelf=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail=0

"$nm" -D --defined-only "$plugin" | awk '{ print $NF }' | sed 's/@.*//' >"$scratch/exports"
[[ $(cat "$scratch/exports") == samara_backend_plugin ]] || { cat "$scratch/exports"; echo "$plugin exports the above"; fail=1; }
allowed='libc\.so\.6|libm\.so\.6|libstdc\+\+\.so\.6|libgcc_s\.so\.1|ld-linux[-a-z0-9_]*\.so\.[0-9]+'
"$readelf" -d "$plugin" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$scratch/needed"
[[ -s $scratch/needed ]] || { echo "no NEEDED entries read from $plugin"; fail=1; }
if grep -vxE "$allowed" "$scratch/needed"; then echo "$plugin depends on the above"; fail=1; fi
exit "$fail"
