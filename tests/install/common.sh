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
# Both must print the tree's own model's text.
model() {  # TREE
  "$1/bin/samara-bench" --make-random tiny --type q8_0 -o "$scratch/tiny.samara" >/dev/null
}
# COMMAND... MODEL-less : runs an example, whose output must begin with the prompt and go on.
run_example() {
  clean "$@" "$scratch/tiny.samara" "Once upon" >"$scratch/out" || { bad "$* failed"; return; }
  [[ $(head -c 9 "$scratch/out") == "Once upon" ]] || bad "$*: the output does not begin with the prompt"
  [[ $(wc -c <"$scratch/out") -gt 12 ]] || bad "$*: the model wrote nothing"
  cmp -s "$scratch/out" "$scratch/want" || { [[ ! -e $scratch/want ]] || bad "$*: another text than before"; }
  cp "$scratch/out" "$scratch/want"
  if clean "$@" "$scratch/none.samara" x >/dev/null 2>"$scratch/error"; then bad "$*: no error without a model"; fi
  grep -q none.samara "$scratch/error" || bad "$*: the error does not name the file: $(cat "$scratch/error")"
}
