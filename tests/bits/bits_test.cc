// The same bits (formats/numerics.md): one hash of all logits for each model and weight type,
// whatever the instruction set, threads, chunks, company, compiler and the caller's floating-point
// mode. The hashes stand in bits_golden.h, so that every compiler and processor is held to the same
// ones. Every model and weight type runs for 1,100 positions. What happens further on depends on the
// shape and on the type of keys and values and no more on weights, so 2,048 positions are run for one
// weight type of each of these.
#include <doctest/doctest.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "runtime/include/samara/samara.h"
#include "tests/bits/bits_golden.h"
#include "tests/formats/tiny_package.h"

namespace samara::test {
namespace {

constexpr size_t kShort = 1100, kLong = 2048;  // positions

constexpr const char* kIsas[] = {"scalar",     "avx2", "avxvnni", "avx512",  "avx512vnni",
                                 "avx512bf16", "neon", "neondot", "neoni8mm"};

struct Model {
  const char* name;
  TinySpec spec;
};

// Reductions that end inside a block of 32, rows that end inside a tile, head sizes that are no
// multiple of a vector, every way to share keys among heads.
std::vector<Model> Models() {
  std::vector<Model> models;
  TinySpec odd;  // K = 40, 50 and 72: 8, 18 and 8 past a block; rows 96, 100, 40, 331
  odd.vocab = 331, odd.hidden = 40, odd.heads = 9, odd.kv_heads = 3, odd.head_dim = 8;
  odd.inter = 50, odd.tied = false, odd.qkv_bias = true, odd.trained_context = 2048;
  models.push_back({"odd", odd});
  TinySpec wide = odd;
  wide.hidden = 48, wide.heads = 2, wide.kv_heads = 1, wide.head_dim = 80, wide.inter = 33;
  wide.tied = true, wide.qk_norm = true, wide.layers = 1, wide.vocab = 257;
  models.push_back({"wide", wide});
  TinySpec ring = odd;
  ring.hidden = 64, ring.heads = 2, ring.kv_heads = 2, ring.head_dim = 96, ring.window = 70;
  ring.layers = 1, ring.inter = 64, ring.vocab = 263;
  models.push_back({"ring", ring});
  return models;
}

std::vector<int32_t> Ids(uint32_t vocab, uint64_t seed, size_t n) {
  std::vector<int32_t> ids(n);
  for (size_t i = 0; i < ids.size(); ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    ids[i] = static_cast<int32_t>((seed >> 33) % vocab);
  }
  return ids;
}

// FNV-1a over the bits of the logits.
struct Hash {
  uint64_t value = 1469598103934665603u;
  void Add(const float* logits, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      uint32_t bits;
      std::memcpy(&bits, logits + i, sizeof(bits));
      for (int byte = 0; byte < 4; ++byte) {
        value = (value ^ (bits >> (8 * byte) & 255)) * 1099511628211u;
      }
    }
  }
};

struct AlignedFile {
  explicit AlignedFile(const std::vector<uint8_t>& file)
      : size(file.size()), data(new (std::align_val_t{64}) uint8_t[file.size()]) {
    std::memcpy(data.get(), file.data(), size);
  }
  struct Free {
    void operator()(uint8_t* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  size_t size;
  std::unique_ptr<uint8_t[], Free> data;
};

struct Way {
  const char* isa = nullptr;  // nullptr: the best here
  uint32_t threads = 1, chunk = 64;
  bool company = false;        // three more sessions with other tokens share every step
  bool flush_to_zero = false;  // in the caller's floating-point mode
  const char* backend = "cpu";
};

// Of the logits of the first kShort positions, and of all.
struct Hashes {
  uint64_t first = 0, all = 0;
};

// False where this processor lacks the instruction set.
bool HashOf(const AlignedFile& file, uint32_t vocab, samara_kv_type kv_type, size_t positions,
            const Way& way, Hashes* hashes) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.backend = way.backend;
  options.isa = way.isa;
  options.n_threads = way.threads;
  options.n_ctx = static_cast<uint32_t>((positions + 127) / 128 * 128);
  options.n_chunk = way.chunk;
  options.max_outputs = way.chunk;
  options.max_sessions = 4;
  options.kv_type = kv_type;
  samara_model* model = nullptr;
  const samara_status opened =
      samara_model_open_memory(file.data.get(), file.size, &options, &model);
  if (opened == SAMARA_UNSUPPORTED && way.isa != nullptr) return false;
  REQUIRE_MESSAGE(opened == SAMARA_OK, samara_last_error());
  samara_session_options session_options = SAMARA_SESSION_OPTIONS_INIT;
  session_options.all_logits = 1;
  std::vector<samara_session*> sessions(way.company ? 4 : 1);
  for (size_t i = 0; i < sessions.size(); ++i) {
    REQUIRE(samara_session_create(model, &session_options, &sessions[i]) == SAMARA_OK);
    if (i == 0) continue;
    const std::vector<int32_t> other = Ids(vocab, 77 + i, positions - 100 * i);
    REQUIRE(samara_feed(sessions[i], other.data(), other.size()) == SAMARA_OK);
  }
  // The session under test stands among the others and feeds a few tokens a step, so that every
  // step is shared.
  if (sessions.size() > 1) std::swap(sessions[0], sessions[2]);
  samara_session* session = sessions.size() > 1 ? sessions[2] : sessions[0];
  const std::vector<int32_t> ids = Ids(vocab, 1, positions);
  Hash result;
  size_t row_of_all = 0;
#if defined(__x86_64__)
  const unsigned mode = _mm_getcsr();
  if (way.flush_to_zero) _mm_setcsr(mode | 0x8040);
#endif
  size_t fed = 0;
  while (fed < ids.size() || samara_pending(session) > 0) {
    if (samara_pending(session) == 0) {
      const size_t most = way.company ? 13 : ids.size();
      const size_t n = std::min(most, ids.size() - fed);
      REQUIRE(samara_feed(session, ids.data() + fed, n) == SAMARA_OK);
      fed += n;
    }
    REQUIRE_MESSAGE(samara_step(sessions.data(), sessions.size()) == SAMARA_OK,
                    samara_last_error());
    for (size_t row = 0; row < samara_logits_rows(session); ++row) {
      const float* logits = nullptr;
      size_t n = 0;
      REQUIRE(samara_logits(session, static_cast<int64_t>(row), &logits, &n) == SAMARA_OK);
      result.Add(logits, n);
      if (++row_of_all == kShort) hashes->first = result.value;
    }
  }
  REQUIRE(row_of_all == positions);
#if defined(__x86_64__)
  if (way.flush_to_zero) {
    CHECK((_mm_getcsr() & ~0x3fu) == ((mode | 0x8040) & ~0x3fu));  // flags aside, as it was
    _mm_setcsr(mode);
  }
#endif
  for (samara_session* s : sessions) samara_session_close(s);
  REQUIRE(samara_model_close(model) == SAMARA_OK);
  hashes->all = result.value;
  return true;
}

uint64_t Golden(const std::string& name) {
  for (const BitsGolden& golden : kBitsGoldens) {
    if (name == golden.name) return golden.hash;
  }
  return 0;
}

std::vector<Way> Ways() {
  std::vector<Way> ways;
  for (const char* isa : kIsas) ways.push_back({.isa = isa});
  for (uint32_t threads : {2u, 3u, 8u, 64u}) ways.push_back({.threads = threads});
  for (uint32_t chunk : {1u, 7u, 512u}) ways.push_back({.threads = 2, .chunk = chunk});
  ways.push_back({.threads = 2, .company = true});
  ways.push_back({.flush_to_zero = true});
  return ways;
}

// A model with its name in bits_golden.h, as a file.
struct Subject {
  Subject(const Model& model, DType dtype, samara_kv_type kv) : kv_type(kv) {
    TinySpec spec = model.spec;
    spec.dtype = dtype;
    TinyPackage tiny;
    const Status made = MakeTinyPackage(spec, &tiny);
    REQUIRE_MESSAGE(made.ok(), made.message());
    file.reset(new AlignedFile(tiny.file));
    vocab = spec.vocab;
    name = std::string(model.name) + "_" + DTypeName(dtype);
    if (kv_type == SAMARA_KV_Q8_0) name += "_kv_q8_0";
    if (kv_type == SAMARA_KV_F32) name += "_kv_f32";
  }
  std::string name;
  samara_kv_type kv_type;
  uint32_t vocab = 0;
  std::unique_ptr<AlignedFile> file;
};

void CheckGolden(const std::string& name, uint64_t hash) {
  CAPTURE(name);
  const uint64_t golden = Golden(name);
  if (golden != hash) {
    std::printf("    {\"%s\", 0x%016llxu},\n", name.c_str(), static_cast<unsigned long long>(hash));
  }
  CHECK(hash == golden);
}

// The reference's hashes are the committed ones, and every way gives them. `reference_positions`: how
// far the reference goes, which is slow.
void CheckBits(const Subject& subject, size_t positions, size_t reference_positions) {
  CAPTURE(subject.name);
  CAPTURE(positions);
  Hashes hashes;
  const auto run = [&](size_t n, const Way& way) {
    return HashOf(*subject.file, subject.vocab, subject.kv_type, n, way, &hashes);
  };
  const auto check = [&](size_t n) {
    CheckGolden(subject.name, hashes.first);
    if (n == kLong) CheckGolden(subject.name + "_long", hashes.all);
  };
  // The contract's own words.
  REQUIRE(run(reference_positions, {.backend = "reference"}));
  check(reference_positions);
  for (const Way& way : Ways()) {
    CAPTURE(way.isa);
    CAPTURE(way.threads);
    CAPTURE(way.chunk);
    CAPTURE(way.company);
    CAPTURE(way.flush_to_zero);
    if (run(positions, way)) check(positions);
  }
}

TEST_CASE("the same bits whatever the way") {
  for (const Model& model : Models()) {
    for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_1,
                        DType::kQ5_0, DType::kQ5_1}) {
      CheckBits({model, dtype, SAMARA_KV_F16}, kShort, kShort);
    }
  }
}

TEST_CASE("the same bits with super-blocks and tables") {
  const Model odd = Models()[0];
  for (DType dtype : {DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K,
                      DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4}) {
    CheckBits({odd, dtype, SAMARA_KV_F16}, kShort, kShort);
  }
}

// Q4_0 weights; keys and values of each type. The hashes are the reference's; it is run again to the end
// once for each model and each type.
TEST_CASE("the same bits over a long context") {
  const samara_kv_type types[] = {SAMARA_KV_F16, SAMARA_KV_Q8_0, SAMARA_KV_F32};
  const std::vector<Model> models = Models();
  for (size_t m = 0; m < models.size(); ++m) {
    for (size_t t = 0; t < 3; ++t) {
      CheckBits({models[m], DType::kQ4_0, types[t]}, kLong, m == t ? kLong : kShort);
    }
  }
}

// The instruction sets alone, against the committed hashes: little enough for an emulated processor.
TEST_CASE("the committed bits by each instruction set") {
  const Model odd = Models()[0];
  for (samara_kv_type kv_type : {SAMARA_KV_F16, SAMARA_KV_Q8_0}) {
    const Subject subject(odd, DType::kQ4_0, kv_type);
    std::string ran;
    for (const char* isa : kIsas) {
      Hashes got;
      CAPTURE(isa);
      if (!HashOf(*subject.file, subject.vocab, kv_type, kShort, {.isa = isa}, &got)) continue;
      CheckGolden(subject.name, got.first);
      ran += std::string(" ") + isa;
    }
    CHECK_FALSE(ran.empty());
    std::printf("%s:%s\n", subject.name.c_str(), ran.c_str());
  }
}

}  // namespace
}  // namespace samara::test
