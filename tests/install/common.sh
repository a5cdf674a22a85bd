# Sourced by the tests of this folder.
set -euo pipefail
export LC_ALL=C
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail=0
bad() { echo "$*"; fail=1; }
programs=(convert chat inspect bench eval)
warnings=(-Wall -Wextra -Werror)
clean() { env -u LD_LIBRARY_PATH "$@"; }  # as a shell of somebody else
# finds the libraries of a tree: TREE/lib or the like
libdir() { dirname "$(find "$1" -name libsamara.a)"; }
model() {  # TREE
  "$1/bin/samara-bench" --make-random tiny --type q8_0 -o "$scratch/tiny.samara" >/dev/null
}
# EXAMPLE MODEL PROMPT BEGIN: its output begins with BEGIN and goes on, is the same for the same MODEL, and a file that is
# not there is an error that names it.
run_example() {
  local want=$scratch/want.$(basename "$2")
  clean "$1" "$2" "$3" >"$scratch/out" || { bad "$1 failed"; return; }
  [[ $(head -c ${#4} "$scratch/out") == "$4" ]] || bad "$1: the output does not begin with $4"
  [[ $(wc -c <"$scratch/out") -gt $((${#4} + 2)) ]] || bad "$1: the model wrote nothing"
  [[ ! -e $want ]] || cmp "$scratch/out" "$want" || bad "$1: another text than before"
  cp "$scratch/out" "$want"
  if clean "$1" "$scratch/none.samara" x >/dev/null 2>"$scratch/error"; then bad "$1: no error without a model"; fi
  grep -q none.samara "$scratch/error" || bad "$1: the error does not name the file: $(cat "$scratch/error")"
}
run_reply() { run_example "$1" "$scratch/tiny.samara" "Once upon" "Once upon"; }
run_chat() { run_example "$1" "$chat_package" '[{"role":"user","content":"Who \"are\" you?"}]' ""; }
