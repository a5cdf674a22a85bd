// Every family against transformers in float32: tests/families/data has checkpoints of a few
// thousand random weights, 64 token ids each and the logits (of every position, or of every fourth)
// and last hidden states that transformers computes (make_goldens.py). Here the same directory is
// converted to an F32 package and run through the C API.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "runtime/goldens.h"
#include "tests/families/run.h"
#include "tests/tolerances.h"

namespace samara {
namespace {

const char* const kCases[] = {
    "falcon_grouped",      "falcon_heads",     "falcon_multi_query", "falcon_one_norm",
    "gpt2_plain",          "gpt2_scaled",      "gpt_neox_parallel",  "gpt_neox_serial",
    "stablelm_parallel",   "stablelm_plain",   "gemma2_caps",        "gemma2_plain",
    "gemma3_layers",       "gemma3_pattern",   "gemma3_vision",      "gemma4_key_is_value",
    "gemma4_shared",       "granite_bias",     "granite_hybrid",     "granite_hybrid_nope",
    "granite_tied",        "llama_dynamic",    "llama_mqa_linear",   "llama_tied_llama3",
    "llama_untied_bias",   "llama_yarn",       "ministral3_growth",  "ministral3_window",
    "ministral_full",      "ministral_layers", "mistral3_vision",    "mistral_full",
    "mistral_window",      "olmo2_bias",       "olmo2_untied",       "phi3_longrope_long",
    "phi3_longrope_short", "phi3_plain",       "qwen2_tied",         "qwen2_window",
    "qwen2_yarn",          "qwen3_tied",       "qwen3_untied_bias",  "smollm3_nope",
    "smollm3_window",
};

// The rows that were kept: all, or every fourth, from row 3 on.
std::vector<float> Kept(const Logits& all, size_t wanted) {
  if (all.values.size() == wanted) return all.values;
  std::vector<float> kept;
  for (size_t row = 3; row * all.vocab < all.values.size(); row += 4) {
    const auto at = all.values.begin() + static_cast<ptrdiff_t>(row * all.vocab);
    kept.insert(kept.end(), at, at + all.vocab);
  }
  return kept;
}

void CheckCase(const std::string& name) {
  const std::string data = DataOf(name);
  const std::string package = "/tmp/samara_" + name + "_" + std::to_string(getpid()) + ".samara";
  ConvertTo(data, package);

  const auto ids = ReadAll<int32_t>(data + "/ids.bin");
  const auto want = ReadAll<float>(data + "/logits.bin");
  const Logits one = Run(package, ids, 64, false);
  const double difference = Difference(Kept(one, want.size()), want);
  MESSAGE(name << ": largest difference " << difference << " of the largest logit");
  CHECK(difference <= tolerance::kFamilyLogits);
  const auto hidden = ReadAll<float>(data + "/hidden.bin");
  CHECK(Difference(one.hidden, hidden) <= tolerance::kFamilyLogits);
  // A token at a time gives the same bits; so does every chunking between.
  for (uint32_t chunk : {1u, 7u}) {
    const Logits again = Run(package, ids, chunk, false);
    CHECK(std::memcmp(again.values.data(), one.values.data(), one.values.size() * sizeof(float)) ==
          0);
    CHECK(std::memcmp(again.hidden.data(), one.hidden.data(), one.hidden.size() * sizeof(float)) ==
          0);
  }
  // Composites by their decomposition: other roundings, same meaning.
  const Logits decomposed = Run(package, ids, 16, true);
  CHECK(Difference(Kept(decomposed, want.size()), want) <= tolerance::kFamilyLogits);
  // What the package says of itself, on both backends.
  const BackendList backends = BuiltinBackends();
  for (int i = 0; i < backends.count; ++i) {
    const Status verified =
        VerifyGoldens(package, *backends.backends[i], {}, [](const std::string&) {});
    CHECK_MESSAGE(verified.ok(), std::string(verified.message()));
  }
  unlink(package.c_str());
}

TEST_CASE("every family equals transformers in float32") {
  for (const char* name : kCases) {
    CAPTURE(std::string(name));
    CheckCase(name);
  }
}

}  // namespace
}  // namespace samara
