#!/usr/bin/env bash
# The finished library: small, few dependencies, exports samara_* only, and every way to abort explained.
set -euo pipefail
export LC_ALL=C
library=$1 strip=$2 nm=$3 readelf=$4
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail=0
bad() { echo "$*"; fail=1; }

# Size.
"$strip" -o "$scratch/stripped.so" "$library"
bytes=$(stat -Lc %s "$scratch/stripped.so")
echo "stripped: $bytes bytes"
[[ $bytes -lt 1200000 ]] || bad "libsamara.so has $bytes bytes stripped, wanted less than 1200000"

# Dependencies, transitive ones included where the library can be loaded here.
allowed='^(libc\.so\.6|libm\.so\.6|libstdc\+\+\.so\.6|libgcc_s\.so\.1|ld-linux[-a-z0-9_]*\.so\.[0-9]+|linux-vdso\.so\.1)$'
"$readelf" -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$scratch/needed"
[[ -s $scratch/needed ]] || bad "no NEEDED entries read from $library"
ldd "$library" 2>/dev/null | sed -E 's/^[[:space:]]*//; s/ .*//; s|.*/||' >>"$scratch/needed" || true
if grep -vE "$allowed" "$scratch/needed"; then bad "libsamara.so depends on the above"; fi

# Exports.
"$nm" -D --defined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' >"$scratch/exports"
[[ $(wc -l <"$scratch/exports") -ge 10 ]] || bad "fewer than 10 exported symbols: was the library built whole?"
if grep -vE '^samara_' "$scratch/exports"; then bad "libsamara.so exports the above"; fi

# Whatever can end the process, or throw, is on the list.
abort_list=$here/abort_symbols.txt
pattern='^(_?_?exit|_Exit|quick_exit|abort|raise|t?kill|pthread_(kill|exit)|__assert.*|__stack_chk_fail|__fortify_fail|__chk_fail|.*_chk|__cxa_(throw|rethrow|bad_cast|bad_typeid|pure_virtual|deleted_virtual|throw_bad_.*|call_unexpected|call_terminate)|_ZSt.*terminate.*|_ZSt.*unexpected.*|_ZSt.*__throw_.*|_ZSt.*rethrow.*|_ZSt.*glibcxx_assert.*|_Unwind_(Resume|RaiseException|Resume_or_Rethrow)|longjmp|siglongjmp)$'
"$nm" -D --undefined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' | grep -E "$pattern" | sort -u \
  >"$scratch/found" || true
sed -E '/^#/d; /^$/d' "$abort_list" | awk 'NF < 3 { print; bad = 1 } END { exit bad }' ||
  bad "entries of abort_symbols.txt need a symbol and a reason"
sed -E '/^#/d; /^$/d; s/ .*//' "$abort_list" | sort -u >"$scratch/listed"
if comm -23 "$scratch/found" "$scratch/listed" | grep .; then
  bad "libsamara.so refers to the above, which abort_symbols.txt does not explain"
fi
exit "$fail"
