// Opens tiny models from memory on any backend, and drives their sessions.
#ifndef SAMARA_TESTS_RUNTIME_MODEL_FIXTURE_H_
#define SAMARA_TESTS_RUNTIME_MODEL_FIXTURE_H_

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "runtime/results.h"
#include "runtime/session.h"
#include "runtime/registry.h"
#include "tests/formats/tiny_package.h"
#include "tests/support/random.h"
#include "tests/support/status.h"

namespace samara::test {

// A package's bytes where a model can be opened from them.
class AlignedFile {
 public:
  explicit AlignedFile(const std::vector<uint8_t>& bytes)
      : bytes_(bytes.size()), data_(new (std::align_val_t{64}) uint8_t[bytes.size()]) {
    std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  const uint8_t* data() const { return data_.get(); }
  uint8_t* data() { return data_.get(); }
  uint64_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  uint64_t bytes_;
  std::unique_ptr<uint8_t[], Free> data_;
};

inline AlignedFile MakeFile(const TinySpec& spec) {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage(spec, &tiny));
  return AlignedFile(tiny.file);
}

inline const Backend& BackendNamed(const char* name) {
  const Backend* backend = nullptr;
  REQUIRE_OK(FindBackend(name, &backend));
  return *backend;
}

struct ModelDestroyer {
  void operator()(Model* model) const { DestroyModel(model); }
};
using ModelPtr = std::unique_ptr<Model, ModelDestroyer>;
struct SessionCloser {
  void operator()(Session* session) const { CloseSession(session); }
};
using SessionPtr = std::unique_ptr<Session, SessionCloser>;

inline ModelPtr OpenTiny(const AlignedFile& file, const Backend& backend,
                         LoadOptions options = {}) {
  if (options.n_threads == 0) options.n_threads = options.threading.n_processors = 2;
  PackageFile memory;
  REQUIRE_OK(PackageFile::OpenMemory(file.data(), file.size(), &memory));
  Model* model = nullptr;
  REQUIRE_OK(LoadModel(std::move(memory), backend, options, {}, &model));
  return ModelPtr(model);
}

inline SessionPtr NewSession(const ModelPtr& model, bool all_logits = false,
                             SamplingParams sampling = {}) {
  Session* session = nullptr;
  REQUIRE_OK(CreateSession(model.get(), sampling, all_logits, &session));
  return SessionPtr(session);
}

inline void Feed(const SessionPtr& session, const std::vector<int32_t>& ids) {
  REQUIRE_OK(FeedSession(session.get(), ids.data(), ids.size()));
}
inline void RunAll(const SessionPtr& session) {
  Session* s = session.get();
  while (s->n_computed < s->n_tokens) REQUIRE_OK(StepSessions(&s, 1));
}
inline std::vector<float> Row(const SessionPtr& session, int64_t row = -1) {
  const float* values = nullptr;
  const Model& model = *session->model;
  REQUIRE_OK(SessionLogits(session.get(), row, &values));
  return std::vector<float>(values, values + model.limits.vocab);
}
inline std::vector<float> Logits(const SessionPtr& session, const std::vector<int32_t>& ids) {
  Feed(session, ids);
  RunAll(session);
  return Row(session);
}

inline std::vector<int32_t> RandomIds(uint64_t seed, size_t n, uint32_t vocab = 320) {
  Random random(seed);
  std::vector<int32_t> ids(n);
  for (int32_t& id : ids) id = static_cast<int32_t>(random.Below(vocab));
  return ids;
}

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace samara::test

#endif  // SAMARA_TESTS_RUNTIME_MODEL_FIXTURE_H_
