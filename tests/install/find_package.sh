#!/usr/bin/env bash
# The examples by find_package, shared and static; versions that must be refused are.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
tree=$1 cmake=$2 chat_package=$3
unset PKG_CONFIG_PATH
model "$tree"
"$cmake" -S "$tree/share/doc/samara/examples" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$tree" \
  -DCMAKE_C_FLAGS="${warnings[*]}" -DCMAKE_CXX_FLAGS="${warnings[*]}" >"$scratch/log" &&
  "$cmake" --build "$scratch/build" >>"$scratch/log" || { cat "$scratch/log"; exit 1; }
run_reply "$scratch/build/reply"
run_reply "$scratch/build/reply_static"
run_chat "$scratch/build/chat"
if ldd "$scratch/build/reply_static" | grep libsamara; then bad "reply_static needs the shared library"; fi

# A C project alone, and a version that is not this one.
mkdir "$scratch/c"
cp "$tree/share/doc/samara/examples/reply.c" "$scratch/c/"
project() {  # VERSION
  cat >"$scratch/c/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(c LANGUAGES C)
find_package(Samara $1 REQUIRED)
add_executable(reply reply.c)
target_link_libraries(reply PRIVATE samara::samara)
END
  rm -rf "$scratch/c/build"
  "$cmake" -S "$scratch/c" -B "$scratch/c/build" -DCMAKE_PREFIX_PATH="$tree" >"$scratch/log" 2>&1 &&
    "$cmake" --build "$scratch/c/build" >>"$scratch/log" 2>&1
}
project 0.1.0 || { cat "$scratch/log"; bad "a C project cannot use the package"; }
run_reply "$scratch/c/build/reply"
if project 0.2; then bad "0.2 was asked for and found"; fi
if project 99; then bad "99 was asked for and found"; fi
exit "$fail"
