// Every family against transformers in float32: tests/families/data has checkpoints of a few
// thousand random weights, 64 token ids each and the logits (of every position, or of every fourth)
// and last hidden states that transformers computes (make_goldens.py). Here the same directory is
// converted to an F32 package and run through the C API.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "runtime/goldens.h"
#include "runtime/include/samara/samara.h"
#include "tests/tolerances.h"

namespace samara {
namespace {

const char* const kCases[] = {
    "falcon_grouped",    "falcon_heads",       "falcon_multi_query",  "falcon_one_norm",
    "gpt2_plain",        "gpt2_scaled",        "gpt_neox_parallel",   "gpt_neox_serial",
    "stablelm_parallel", "stablelm_plain",     "gemma2_caps",         "gemma2_plain",
    "gemma3_layers",     "gemma3_pattern",     "gemma3_vision",       "gemma4_key_is_value",
    "gemma4_shared",     "granite_bias",       "granite_tied",        "llama_dynamic",
    "llama_mqa_linear",  "llama_tied_llama3",  "llama_untied_bias",   "llama_yarn",
    "ministral3_growth", "ministral3_window",  "ministral_full",      "ministral_layers",
    "mistral3_vision",   "mistral_full",       "mistral_window",      "olmo2_bias",
    "olmo2_untied",      "phi3_longrope_long", "phi3_longrope_short", "phi3_plain",
    "qwen2_tied",        "qwen2_window",       "qwen2_yarn",          "qwen3_tied",
    "qwen3_untied_bias", "smollm3_nope",       "smollm3_window",
};

template <typename T>
std::vector<T> ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  REQUIRE_MESSAGE(!bytes.empty(), path);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

struct Logits {
  std::vector<float> values;  // [n, vocab]
  std::vector<float> hidden;  // [n, hidden_size]
  uint32_t vocab = 0;
};

// All logits of `ids`, fed as one prompt and computed in chunks.
Logits Run(const std::string& package, const std::vector<int32_t>& ids, uint32_t chunk,
           bool decompose) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.n_ctx = 128;
  options.n_chunk = chunk;
  options.max_outputs = chunk;
  options.decompose = decompose;
  samara_model* model = nullptr;
  REQUIRE_MESSAGE(samara_model_open(package.c_str(), &options, &model) == SAMARA_OK,
                  samara_last_error());
  samara_session_options session_options = SAMARA_SESSION_OPTIONS_INIT;
  session_options.all_logits = 1;
  samara_session* session = nullptr;
  REQUIRE_MESSAGE(samara_session_create(model, &session_options, &session) == SAMARA_OK,
                  samara_last_error());
  REQUIRE(samara_feed(session, ids.data(), ids.size()) == SAMARA_OK);
  Logits all;
  while (samara_pending(session) > 0) {
    REQUIRE_MESSAGE(samara_step(&session, 1) == SAMARA_OK, samara_last_error());
    for (size_t row = 0; row < samara_logits_rows(session); ++row) {
      const float* logits = nullptr;
      size_t n = 0;
      REQUIRE(samara_logits(session, static_cast<int64_t>(row), &logits, &n) == SAMARA_OK);
      all.vocab = static_cast<uint32_t>(n);
      all.values.insert(all.values.end(), logits, logits + n);
      REQUIRE_MESSAGE(samara_hidden(session, static_cast<int64_t>(row), &logits, &n) == SAMARA_OK,
                      samara_last_error());
      all.hidden.insert(all.hidden.end(), logits, logits + n);
    }
  }
  samara_session_close(session);
  REQUIRE(samara_model_close(model) == SAMARA_OK);
  return all;
}

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

// Largest |difference| over the largest |wanted|.
double Difference(const std::vector<float>& got, const std::vector<float>& want) {
  double largest = 0, difference = 0;
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    largest = std::fmax(largest, std::fabs(want[i]));
    difference = std::fmax(difference, std::fabs(static_cast<double>(got[i]) - want[i]));
  }
  REQUIRE(largest > 0);
  return difference / largest;
}

void CheckCase(const std::string& name) {
  const std::string data = SAMARA_SOURCE_DIR "/tests/families/data/" + name;
  const std::string package = "/tmp/samara_" + name + "_" + std::to_string(getpid()) + ".samara";
  ConvertOptions convert;
  convert.source = data;
  convert.output = package;
  convert.quant = DType::kF32;
  convert.goldens = MakeGoldens;
  StatusOr<ConvertSummary> summary = Convert(convert);
  REQUIRE_MESSAGE(summary.ok(), summary.status().message());

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
