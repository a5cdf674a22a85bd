#!/usr/bin/env bash
# The examples by pkg-config and a plain compiler, shared and static.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
tree=$1 chat_package=$2
command -v pkg-config >/dev/null || { echo "SKIPPED: no pkg-config here"; exit 77; }
examples=$tree/share/doc/samara/examples
export PKG_CONFIG_PATH=$(libdir "$tree")/pkgconfig
model "$tree"
flags() { pkg-config "$@" samara; }
[[ $(pkg-config --modversion samara) == $("$tree/bin/samara-chat" --version | cut -d' ' -f2) ]] || bad "another version"

"$CC" -std=c99 -pedantic "${warnings[@]}" "$examples/reply.c" $(flags --cflags --libs) -o "$scratch/reply"
"$CXX" -std=c++17 -pedantic "${warnings[@]}" "$examples/chat.cc" $(flags --cflags --libs) -o "$scratch/chat"
export LD_LIBRARY_PATH=$(libdir "$tree")  # it is in no place that the system knows
clean() { "$@"; }
run_reply "$scratch/reply"
run_chat "$scratch/chat"
unset LD_LIBRARY_PATH

# Without any shared library at all.
"$CC" -static "$examples/reply.c" $(flags --static --cflags --libs) -o "$scratch/reply_static"
run_reply "$scratch/reply_static"
for example in reply.c chat.cc; do
  lines=$(wc -l <"$examples/$example")
  [[ $lines -lt 60 ]] || bad "$example has $lines lines, wanted less than 60"
done
exit "$fail"
