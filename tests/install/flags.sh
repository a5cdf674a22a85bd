#!/usr/bin/env bash
# What --help lists is in the man page and in the completions of each shell, with a value or without; nothing else is.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
tree=$1

# differ NAME FOUND: a line a flag, "--flag" or "--flag =" where it takes a value.
differ() {
  if ! diff <(sort -u "$scratch/help") <(sort -u "$2") >"$scratch/diff"; then
    bad "$1 has other flags than --help (<):"
    cat "$scratch/diff"
  fi
}
for name in "${programs[@]}"; do
  program=samara-$name
  # "  -p,--prompt TEXT   help": a value's name comes after a single space.
  "$tree/bin/$program" --help | awk '/^  -/ {
    value = $0 ~ /^  -[^ ]* [^ ]/ && $2 !~ /^(Excludes|Needs):/ ? " =" : ""
    n = split($1, names, ",")
    for (i = 1; i <= n; ++i) print names[i] value
  }' >"$scratch/help"
  [[ $(grep -c '=' "$scratch/help") -ge 3 && $(grep -vc '=' "$scratch/help") -ge 3 ]] || bad "$program --help: not read"

  page=$tree/share/man/man1/$program.1
  sed 's/\\-/-/g' "$page" | awk '/^\.TP/ { getline; if ($0 !~ /^\\fB-/) next
    value = $0 ~ /\\fI/ ? " =" : ""
    while (match($0, /\\fB-[^\\]*/)) {
      print substr($0, RSTART + 3, RLENGTH - 3) value
      $0 = substr($0, RSTART + RLENGTH)
    }
  }' >"$scratch/man"
  differ "the man page of $program" "$scratch/man"
  if grep '@' "$page"; then bad "$page has a place that was not filled"; fi
  if command -v man >/dev/null && command -v groff >/dev/null; then
    man --warnings=all -l "$page" 2>"$scratch/warnings" >/dev/null || true
    if grep . "$scratch/warnings"; then bad "$page: the above"; fi
  fi

  # bash: what is offered after "-", by the function itself; its cases are the flags with a value.
  bash_file=$tree/share/bash-completion/completions/$program
  sed -nE 's/^    (-[^)]*)\).*/\1/p' "$bash_file" | sed 's/ | /\n/g' | sort -u >"$scratch/cases"
  (
    source "$bash_file"
    COMP_WORDS=("$program" -) COMP_CWORD=1
    "_samara_$name"
    for flag in "${COMPREPLY[@]}"; do
      if grep -qxF -e "$flag" "$scratch/cases"; then echo "$flag ="; else echo "$flag"; fi
    done >"$scratch/bash"
    if grep -q -e '--kv-type' "$scratch/help"; then
      COMP_WORDS=("$program" --kv-type f) COMP_CWORD=2
      "_samara_$name"
      [[ ${COMPREPLY[*]} == "f32 f16" ]] || { echo "--kv-type f: offers ${COMPREPLY[*]}"; exit 1; }
      COMP_WORDS=("$program" --kv-type = q) COMP_CWORD=3
      "_samara_$name"
      [[ ${COMPREPLY[*]} == "q8_0 q4_0" ]] || { echo "--kv-type=q: offers ${COMPREPLY[*]}"; exit 1; }
    fi
    COMP_WORDS=("$program" x) COMP_CWORD=1
    "_samara_$name"
    [[ ${#COMPREPLY[@]} -eq 0 ]] || { echo "x: offers ${COMPREPLY[*]}"; exit 1; }
  ) || bad "bash completion of $program"
  differ "bash completion of $program" "$scratch/bash"
  complete=$(bash -c 'source "$1"; complete -p "$2"' - "$bash_file" "$program")
  [[ $complete == *"-F _samara_$name $program" ]] || bad "bash completes $program by: $complete"

  zsh_file=$tree/share/zsh/site-functions/_$program
  sed -nE "s/^  '(\*|\([^)]*\))?(--?[a-z][-a-z0-9]*)([=+]?).*/\2 \3/p" "$zsh_file" |
    sed 's/ +$/ =/; s/ $//' >"$scratch/zsh"
  differ "zsh completion of $program" "$scratch/zsh"
  if command -v zsh >/dev/null; then zsh -n "$zsh_file" || bad "$zsh_file: syntax"; fi

  fish_file=$tree/share/fish/vendor_completions.d/$program.fish
  sed -nE "s/ -d '.*//p" "$fish_file" | awk '{
    value = $0 ~ / -[xr]( |$)/ ? " =" : ""
    for (i = 4; i <= NF; ++i) if ($i == "-l") print "--" $(i + 1) value; else if ($i == "-s") print "-" $(i + 1) value
  }' >"$scratch/fish"
  differ "fish completion of $program" "$scratch/fish"
  if command -v fish >/dev/null; then fish -n "$fish_file" || bad "$fish_file: syntax"; fi
done
if grep -q '@' "$tree/share/man/man3/samara.3"; then bad "samara.3 has a place that was not filled"; fi
# The overview names no function that is not there.
for function in $(grep -oE 'samara_[a-z_]+' "$tree/share/man/man3/samara.3" | sort -u); do
  grep -qw "$function" "$tree/include/samara/samara.h" || [[ $function == samara_static ]] ||
    bad "samara.3 names $function, which samara.h does not have"
done
exit "$fail"
