// Converts the checkpoints of tests/families/data and runs them through the C API.
#ifndef SAMARA_TESTS_FAMILIES_RUN_H_
#define SAMARA_TESTS_FAMILIES_RUN_H_

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "runtime/goldens.h"
#include "runtime/include/samara/samara.h"

namespace samara {

inline std::string DataOf(const std::string& name) {
  return SAMARA_SOURCE_DIR "/tests/families/data/" + name;
}

// An F32 package, with its goldens.
inline ConvertSummary ConvertTo(const std::string& source, const std::string& package,
                                bool goldens = true) {
  ConvertOptions convert;
  convert.source = source;
  convert.output = package;
  convert.quant = DType::kF32;
  if (goldens) convert.goldens = MakeGoldens;
  StatusOr<ConvertSummary> summary = Convert(convert);
  REQUIRE_MESSAGE(summary.ok(), std::string(summary.status().message()));
  return *summary;
}

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
inline Logits Run(const std::string& package, const std::vector<int32_t>& ids, uint32_t chunk,
                  bool decompose = false, uint32_t n_ctx = 128, const char* backend = nullptr) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.backend = backend;
  options.n_ctx = n_ctx;
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

// Largest |difference| over the largest |wanted|.
inline double Difference(const std::vector<float>& got, const std::vector<float>& want) {
  double largest = 0, difference = 0;
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    largest = std::fmax(largest, std::fabs(want[i]));
    difference = std::fmax(difference, std::fabs(static_cast<double>(got[i]) - want[i]));
  }
  REQUIRE(largest > 0);
  return difference / largest;
}

}  // namespace samara

#endif  // SAMARA_TESTS_FAMILIES_RUN_H_
