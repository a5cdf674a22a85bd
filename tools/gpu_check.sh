#!/bin/bash
# Checks and measures the GPU backends on a machine with an NVIDIA GPU, in one run of under ten minutes, without network
# and without a compiler: it uses a build that was carried there.
#
#   tools/gpu_check.sh [BUILD] [OUT]
#
# BUILD (build) holds bin/ and lib/ with libsamara_cuda.so (and libsamara_vulkan.so); OUT (gpu_check) gets the logs and
# summary.txt. Exit code: 0 if the checks passed. Speeds are printed, they fail nothing.
#   SAMARA_GPU_SECONDS   time for everything (560)
#   SAMARA_GPU_WORK      where packages are made (a temporary folder)
set -u
build=$(cd "${1:-build}" && pwd) || exit 2
out=${2:-gpu_check}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
work=${SAMARA_GPU_WORK:-$(mktemp -d)}
limit=${SAMARA_GPU_SECONDS:-560}
start=$SECONDS
left() { echo $((limit - (SECONDS - start))); }
say() { printf '%s\n' "$*" | tee -a "$out/summary.txt"; }
: >"$out/summary.txt"
failed=0

# The plug-ins of the build, not of an installed library, and never the emulated one.
export SAMARA_PLUGIN_PATH="$build/lib" SAMARA_REQUIRE_CUDA=1

# check NAME SECONDS COMMAND...: its output goes to OUT/NAME.log.
check() {
  local name=$1 seconds=$2
  shift 2
  if [ "$(left)" -lt 10 ]; then
    say "not run  $name: no time left"
    return
  fi
  [ "$seconds" -gt "$(left)" ] && seconds=$(left)
  if timeout "$seconds" "$@" >"$out/$name.log" 2>&1; then
    say "passed   $name"
  else
    say "FAILED   $name (exit code $?): $(tail -n 3 "$out/$name.log" | tr '\n' ' ')"
    failed=1
  fi
}

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader 2>/dev/null | tee "$out/device.txt"
check models 120 "$build/bin/cuda_test"
check conformance 120 env SAMARA_TEST_BACKEND=cuda "$build/bin/conformance_test"

# The sanitizer may be missing, or may not start in a container: both are said, neither fails.
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
for tool in memcheck racecheck; do
  if [ -z "$sanitizer" ]; then
    say "not run  $tool: no compute-sanitizer here"
  elif ! timeout 30 "$sanitizer" --tool "$tool" "$build/bin/samara-cuda-limits" >"$out/$tool-start.log" 2>&1; then
    say "not run  $tool: compute-sanitizer does not start here"
  else
    check "$tool" 60 "$sanitizer" --tool "$tool" --error-exitcode 9 "$build/bin/cuda_test" -tc="several sessions*,draws*"
  fi
done

bandwidth=0
if "$build/bin/samara-cuda-limits" >"$out/limits.json" 2>&1; then
  say "limits   $(cat "$out/limits.json")"
  bandwidth=$(sed 's/.*"read_gb_s":\([0-9]*\).*/\1/' "$out/limits.json")
else
  say "FAILED   limits: $(cat "$out/limits.json")"
  failed=1
fi

# measure SHAPE TYPE BYTES_A_TOKEN: tokens a second, and the share of the read bandwidth that decoding reaches.
measure() {
  local shape=$1 type=$2 megabytes=$3 file="$work/$1-$2.samara"
  if [ "$(left)" -lt 40 ]; then
    say "not run  $shape $type: no time left"
    return
  fi
  if ! timeout "$(left)" "$build/bin/samara-bench" --make-random "$shape" --type "$type" -o "$file" >"$out/make-$shape-$type.log" 2>&1; then
    say "not run  $shape $type: making it failed or took too long"
    rm -f "$file"
    return
  fi
  local backend json prompt gen
  for backend in cuda vulkan; do
    [ -e "$build/lib/libsamara_$backend.so" ] || continue
    json="$out/bench-$shape-$type-$backend.json"
    if [ "$(left)" -lt 15 ] || ! timeout "$(left)" "$build/bin/samara-bench" "$file" --backend "$backend" -p 512 -n 128 -r 3 --batch 512 --ctx 2048 --json >"$json" 2>"$json.err"; then
      say "no speed $shape $type $backend: $(tail -n 1 "$json.err" 2>/dev/null)"
      continue
    fi
    prompt=$(tr '{' '\n' <"$json" | sed -n 's/.*"name":"pp[^}]*"tok_s_median":\([0-9.e+]*\).*/\1/p' | head -n 1)
    gen=$(tr '{' '\n' <"$json" | sed -n 's/.*"name":"tg[^}]*"tok_s_median":\([0-9.e+]*\).*/\1/p' | head -n 1)
    say "speed    $shape $type $backend: prefill ${prompt:-?} tok/s, decode ${gen:-?} tok/s$(
      awk -v g="${gen:-0}" -v mb="$megabytes" -v bw="$bandwidth" 'BEGIN { if (bw > 0) printf ", %.0f %% of the read bandwidth", g * mb / 10 / bw }')"
  done
  rm -f "$file"
}
# Megabytes of weights that a token reads.
measure 1B q4_0 695
measure 1B q8_0 1313
measure 1B f16 2472
measure 8B q4_0 4220
measure 8B q8_0 7974
measure 8B f16 15009

rm -rf "$work"
say "took     $((SECONDS - start)) s"
exit $failed
