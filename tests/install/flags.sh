#!/usr/bin/env bash
# What --help lists is in the man page and in the completions of each shell, and nothing else is.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
tree=$1

# differ NAME FOUND: the flags of --help must be those found.
differ() {
  if ! diff <(sort -u "$scratch/help") <(sort -u "$2") >"$scratch/diff"; then
    bad "$1 has other flags than --help (<):"
    cat "$scratch/diff"
  fi
}
for name in "${programs[@]}"; do
  program=samara-$name
  # Lines of options: "  -p,--prompt TEXT   help".
  "$tree/bin/$program" --help | sed -nE 's/^  (-[^ ]*).*/\1/p' | tr , '\n' >"$scratch/help"
  [[ $(wc -l <"$scratch/help") -ge 8 ]] || bad "$program --help: only $(wc -l <"$scratch/help") flags read"

  page=$tree/share/man/man1/$program.1
  sed -nE '/^\.TP/{n;p}' "$page" | sed 's/\\-/-/g' | grep -oE '\\fB-[-a-z0-9]+' | sed 's/^\\fB//' >"$scratch/man"
  differ "the man page of $program" "$scratch/man"
  grep -q '@' "$page" && bad "$page has a place that was not filled"
  if command -v man >/dev/null && command -v groff >/dev/null; then
    man --warnings=all -l "$page" 2>"$scratch/warnings" >/dev/null || true
    if grep . "$scratch/warnings"; then bad "$page: the above"; fi
  fi

  # bash: what is offered after "-", by the function itself.
  (
    source "$tree/share/bash-completion/completions/$program"
    COMP_WORDS=("$program" -) COMP_CWORD=1
    "_samara_$name"
    printf '%s\n' "${COMPREPLY[@]}" >"$scratch/bash"
    if grep -qx -e --kv-type "$scratch/help"; then
      COMP_WORDS=("$program" --kv-type f) COMP_CWORD=2
      "_samara_$name"
      [[ ${COMPREPLY[*]} == "f32 f16" ]] || { echo "--kv-type f: offers ${COMPREPLY[*]}"; exit 1; }
      COMP_WORDS=("$program" --kv-type = q) COMP_CWORD=3
      "_samara_$name"
      [[ ${COMPREPLY[*]} == q8_0 ]] || { echo "--kv-type=q: offers ${COMPREPLY[*]}"; exit 1; }
    fi
    COMP_WORDS=("$program" x) COMP_CWORD=1
    "_samara_$name"
    [[ ${#COMPREPLY[@]} -eq 0 ]] || { echo "x: offers ${COMPREPLY[*]}"; exit 1; }
  ) || bad "bash completion of $program"
  differ "bash completion of $program" "$scratch/bash"
  complete=$(bash -c 'source "$1"; complete -p "$2"' - "$tree/share/bash-completion/completions/$program" "$program")
  [[ $complete == *"-F _samara_$name $program" ]] || bad "bash completes $program by: $complete"

  zsh_file=$tree/share/zsh/site-functions/_$program
  sed -nE "s/^  '(\*|\([^)]*\))?(--?[a-z][-a-z0-9]*).*/\2/p" "$zsh_file" >"$scratch/zsh"
  differ "zsh completion of $program" "$scratch/zsh"
  if command -v zsh >/dev/null; then zsh -n "$zsh_file" || bad "$zsh_file: syntax"; fi

  fish_file=$tree/share/fish/vendor_completions.d/$program.fish
  sed -E "s/ -d '.*//" "$fish_file" | grep -oE -- ' -[ls] [-a-z0-9]+' | sed -E 's/ -l /--/; s/ -s /-/' >"$scratch/fish"
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
