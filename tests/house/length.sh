#!/usr/bin/env bash
# A file is one idea: at most 600 lines.
set -euo pipefail
cd "$1"
find apps backends converter examples formats packaging runtime tests tools third_party CMakeLists.txt dev -type f \
  \( -name '*.h' -o -name '*.cc' -o -name '*.c' -o -name '*.inc' -o -name '*.inl' -o -name '*.fbs' -o -name '*.sh' -o -name '*.py' \
  -o -name 'CMakeLists.txt' -o -name '*.cmake' -o -name dev \) -print0 | sort -z |
  xargs -0 wc -l | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines, at most 600"; bad = 1 } END { exit bad }'
