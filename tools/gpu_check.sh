#!/bin/bash
# Checks and measures the GPU backends on a machine with an NVIDIA GPU, in one run of under ten minutes, without network
# and without a compiler: it uses a build that was carried there.
#
#   tools/gpu_check.sh [BUILD] [OUT]
#
# BUILD (build) holds bin/ (conformance_test, cuda_test, samara-bench, samara-cuda-limits) and lib/ with libsamara_cuda.so
# (and libsamara_vulkan.so); nothing else of it is needed. OUT (gpu_check) gets the logs and summary.txt, each as soon as
# it is known: a run that is cut off keeps what it had. First what is right (conformance, models), then speeds, then
# what the sanitizers say. Exit code: 0 if the checks passed. Speeds are printed, they fail nothing.
#   SAMARA_GPU_SECONDS   time for everything (560)
#   SAMARA_GPU_WORK      where packages are made (a temporary folder): 40 GB for all of them
#   SAMARA_GPU_SHAPES    shapes that are measured (1B 8B)
#   SAMARA_GPU_TYPES     and their weight types (q4_0 q8_0 q4_k f16)
#   SAMARA_GPU_BENCH     flags of samara-bench (-p 512 -n 128 -r 3 --batch 512 --ctx 2048)
set -u
build=$(cd "${1:-build}" && pwd) || exit 2
out=${2:-gpu_check}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
made=${SAMARA_GPU_WORK:-$(mktemp -d)}
work=$made/gpu_check.$$
mkdir -p "$work" || exit 2
limit=${SAMARA_GPU_SECONDS:-560}
read -ra shapes <<<"${SAMARA_GPU_SHAPES:-1B 8B}"
read -ra types <<<"${SAMARA_GPU_TYPES:-q4_0 q8_0 q4_k f16}"
read -ra bench <<<"${SAMARA_GPU_BENCH:--p 512 -n 128 -r 3 --batch 512 --ctx 2048}"
start=$SECONDS
left() { echo $((limit - (SECONDS - start))); }
say() { printf '%s\n' "$*" | tee -a "$out/summary.txt"; }
: >"$out/summary.txt"
failed=0
maker=

finish() {
  [ -z "$maker" ] || kill -- "-$maker" 2>/dev/null
  rm -rf "$work"
  [ -n "${SAMARA_GPU_WORK:-}" ] || rm -rf "$made"
}
trap finish EXIT

# The plug-ins of the build, not of an installed library, and never the emulated one. Containers often have the driver
# where the loader does not look.
export SAMARA_PLUGIN_PATH="$build/lib" SAMARA_REQUIRE_CUDA=1
for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/wsl/lib; do
  [ ! -d "$folder" ] || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
done

# limited SECONDS COMMAND...: at most that and what is left; 124 or 137 if it took longer.
limited() {
  local seconds=$1
  shift
  [ "$seconds" -lt "$(left)" ] || seconds=$(left)
  [ "$seconds" -gt 0 ] || return 124
  timeout -k 5 "$seconds" "$@"
}

# check NAME SECONDS COMMAND...: its output goes to OUT/NAME.log.
check() {
  local name=$1 seconds=$2 code begin=$SECONDS
  shift 2
  if [ "$(left)" -lt 10 ]; then
    say "not run  $name: no time left"
    return
  fi
  limited "$seconds" "$@" >"$out/$name.log" 2>&1
  code=$?
  if [ $code -eq 0 ]; then
    say "passed   $name, $((SECONDS - begin)) s: $(grep -a 'assertions:' "$out/$name.log" | tail -n 1)"
    return
  fi
  failed=1
  if [ $code -eq 124 ] || [ $code -eq 137 ]; then say "FAILED   $name: still running after $((SECONDS - begin)) s"
  else say "FAILED   $name: exit code $code"; fi
  {
    grep -a -m 4 -A 6 'ERROR' "$out/$name.log" || tail -n 6 "$out/$name.log"
  } | sed 's/^/         /' | tee -a "$out/summary.txt"
}

# --- What machine this is, and whether the plug-in runs on it at all ------------------------------------------------

limited 20 nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader >"$out/device.txt" 2>&1
say "device   $(head -n 1 "$out/device.txt")"
bandwidth=0
limited 60 "$build/bin/samara-cuda-limits" >"$out/limits.json" 2>"$out/limits.err"
code=$?
if [ $code -ne 0 ]; then
  say "FAILED   limits, exit code $code: $(tail -n 2 "$out/limits.err" | tr '\n' ' ')"
  say "         Nothing else can run. Error 35 is a driver older than the CUDA that the plug-in was built with (nvcc 13"
  say "         wants driver 580 or newer), 100 no device, 209 a chip that it was not compiled for."
  exit 1
fi
bandwidth=$(sed 's/.*"read_gb_s":\([0-9]*\).*/\1/' "$out/limits.json")
say "limits   $(cat "$out/limits.json")"

# --- Packages, made beside the checks -------------------------------------------------------------------------------

# Megabytes of weights that a token reads. A package has the embedding table too, and is made from a checkpoint of bf16,
# which goes again.
megabytes() {
  case $1-$2 in
    1B-q4_0 | 1B-q4_k) echo 695 ;;
    1B-q8_0) echo 1313 ;;
    1B-f16) echo 2472 ;;
    8B-q4_0 | 8B-q4_k) echo 4220 ;;
    8B-q8_0) echo 7974 ;;
    8B-f16) echo 15009 ;;
    *) echo 0 ;;
  esac
}
make_packages() {
  local shape type name needed
  for shape in "${shapes[@]}"; do
    for type in "${types[@]}"; do
      name=$shape-$type
      needed=$((($(megabytes "$shape" "$type") + $(megabytes "$shape" f16)) * 12 / 10 + 1000))
      if [ "$(df -Pk "$work" | awk 'NR == 2 {print int($4 / 1000)}')" -lt $needed ]; then
        echo "too little space in $work" >"$work/$name.failed"
      elif [ "$(left)" -gt 0 ] && timeout --foreground -k 5 "$(left)" nice -n 19 "$build/bin/samara-bench" --make-random "$shape" --type "$type" -o "$work/$name.part" >"$out/make-$name.log" 2>&1; then
        mv "$work/$name.part" "$work/$name.samara"
      else
        tail -n 1 "$out/make-$name.log" >"$work/$name.failed"
        rm -f "$work/$name.part"
      fi
    done
  done
}
set -m  # a process group of its own, in which timeout leaves what it starts: all of it can be ended
make_packages &
maker=$!
set +m

# --- Checks ---------------------------------------------------------------------------------------------------------

products='matmul*,linear*,batch_matmul*,a value that*'
check conformance-products 120 env SAMARA_TEST_BACKEND=cuda "$build/bin/conformance_test" -tc="$products"
check conformance-rest 120 env SAMARA_TEST_BACKEND=cuda "$build/bin/conformance_test" -tce="$products"
check models 100 "$build/bin/cuda_test"

# --- Speeds ---------------------------------------------------------------------------------------------------------

# The median of one row of the bench's JSON.
median() { tr -d ' ' <"$2" | tr '{' '\n' | sed -n 's/.*"name":"'"$1"'[^}]*"tok_s_median":\([0-9.e+]*\).*/\1/p' | head -n 1; }

# measure SHAPE TYPE: tokens a second, and the share of the read bandwidth that decoding reaches.
measure() {
  local shape=$1 type=$2 name=$1-$2 file=$work/$1-$2.samara
  while [ ! -e "$file" ] && [ ! -e "$work/$name.failed" ] && [ "$(left)" -ge 30 ]; do sleep 1; done
  if [ ! -e "$file" ]; then
    say "no speed $shape $type: $(grep -s . "$work/$name.failed" || echo "its package was not made in time")"
    return
  fi
  local backend json prompt gen code
  for backend in cuda vulkan; do
    [ -e "$build/lib/libsamara_$backend.so" ] || continue
    json=$out/bench-$name-$backend.json
    if [ "$(left)" -lt 15 ]; then
      say "no speed $shape $type $backend: no time left"
      continue
    fi
    limited 90 "$build/bin/samara-bench" "$file" --backend "$backend" "${bench[@]}" --json >"$json" 2>"$json.err"
    code=$?
    prompt=$(median pp "$json")
    gen=$(median tg "$json")
    if [ $code -ne 0 ] || [ -z "$gen" ]; then
      say "no speed $shape $type $backend: exit code $code: $(tail -n 1 "$json.err" 2>/dev/null)"
      continue
    fi
    say "$(awk -v p="${prompt:-0}" -v g="$gen" -v mb="$(megabytes "$shape" "$type")" -v bw="$bandwidth" -v what="$shape $type $backend" 'BEGIN {
      printf "speed    %s: prefill %.0f tok/s, decode %.1f tok/s", what, p, g
      if (bw > 0 && mb > 0) printf ", %.0f %% of the read bandwidth", g * mb / 10 / bw }')"
  done
  # Where the time of a step goes.
  if [ "$(left)" -ge 40 ]; then
    limited 30 "$build/bin/samara-bench" "$file" --backend cuda "${bench[@]}" --profile >"$out/profile-$name.txt" 2>&1 ||
      say "no profile $shape $type: $(tail -n 1 "$out/profile-$name.txt")"
  fi
  rm -f "$file"
}
for shape in "${shapes[@]}"; do
  for type in "${types[@]}"; do measure "$shape" "$type"; done
done

# --- Sanitizers -----------------------------------------------------------------------------------------------------

# They may be missing, or may not start in a container: both are said, neither fails.
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
for tool in memcheck racecheck; do
  if [ -z "$sanitizer" ]; then
    say "not run  $tool: no compute-sanitizer here"
  elif [ "$(left)" -lt 40 ]; then
    say "not run  $tool: no time left"
  elif ! limited 30 "$sanitizer" --tool "$tool" --error-exitcode 9 "$build/bin/cuda_test" -tc="a cancelled*" >"$out/$tool-start.log" 2>&1; then
    say "not run  $tool: compute-sanitizer does not get through one small case here ($tool-start.log)"
  else
    check "$tool" 90 "$sanitizer" --tool "$tool" --error-exitcode 9 "$build/bin/cuda_test" -tc="several sessions*,draws*"
  fi
done

say "took     $((SECONDS - start)) s"
exit $failed
