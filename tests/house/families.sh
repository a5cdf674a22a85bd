#!/usr/bin/env bash
# Model families exist in the converter only: no family is named in the library or in what it is made of.
set -euo pipefail
export LC_ALL=C
cd "$1"
library=$2 strip=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail=0

long='llama|mistral|mixtral|qwen|gemma|deepseek|granite|olmo|falcon|stablelm|starcoder|smollm|cohere|command-r|internlm'
long+='|minicpm|baichuan|chatglm|glm4|gpt-2|gpt2|gpt-oss|gpt_oss|gpt-neox|gptneox|nemotron|exaone|ernie|hunyuan|kimi|mamba|rwkv|lfm2|phi-3|phi3'
word='phi|glm|gpt|mpt|yi|bloom'

"$strip" -o "$scratch/stripped.so" "$library"
strings -n 4 "$scratch/stripped.so" >"$scratch/strings"
[[ $(wc -l <"$scratch/strings") -ge 100 ]] || { echo "no strings read from $library"; fail=1; }
if grep -inE "$long" "$scratch/strings"; then echo "the above is in libsamara.so"; fail=1; fi
# Short names only where the text is prose: a space beside them; machine code looks like words.
if grep -inE "(^| )($word)( |$)" "$scratch/strings" | grep -E '[a-z]{3,} |: '; then
  echo "the above is in libsamara.so"
  fail=1
fi
# A matrix product (Gemm...) is none, nor is coherent memory.
if grep -rinwE "$word|($long)[a-z0-9.]*" runtime backends --include='*.h' --include='*.cc' --include='*.c' |
   sed -E 's/Gemm[A-Z][A-Za-z0-9]*|coherent//g' | grep -iwE "$word|($long)[a-z0-9.]*"; then
  echo "the above names a family outside the converter"
  fail=1
fi
exit "$fail"
