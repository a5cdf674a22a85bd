// The memory contract, against an interposer of malloc and mmap: what is listed is what is
// requested; steps request nothing; every failing allocation is an OUT_OF_MEMORY and leaks nothing.
#include "runtime/memory.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "converter/tokenizer/compile.h"
#include "samara/samara.h"
#include "tests/formats/tiny_package.h"
#include "tests/runtime/interpose.h"
#include "tests/runtime/model_fixture.h"
#include "tests/runtime/temporary_file.h"

namespace samara::test {
namespace {

// A small tokenizer: its tables, and its number of ids.
const std::vector<uint8_t>& TokenizerTables(uint32_t* vocab) {
  static uint32_t ids = 0;
  static const std::vector<uint8_t> tables = [] {
    auto json = JsonDocument::ReadFile(SAMARA_SOURCE_DIR "/tests/tokenizer/data/llama3.json",
                                       "tokenizer.json");
    REQUIRE_OK(json.status());
    TokenizerSummary summary;
    auto compiled = CompileTokenizer(json->root(), nullptr, &summary);
    REQUIRE_OK(compiled.status());
    ids = summary.vocab;
    return std::move(*compiled);
  }();
  *vocab = ids;
  return tables;
}

struct Sums {
  uint64_t open = 0, sessions = 0, mapped = 0, unnamed = 0;
};
void AddUp(void* user, const samara_memory_item* item) {
  Sums* sums = static_cast<Sums*>(user);
  if (item->name == nullptr || *item->name == '\0') ++sums->unnamed;
  (item->kind == SAMARA_MEMORY_MAPPED ? sums->mapped
   : item->per_session != 0           ? sums->sessions
                                      : sums->open) += item->bytes;
}

struct Combination {
  TinySpec spec;
  uint32_t n_ctx, n_chunk, max_sessions, n_threads;
  samara_kv_type kv_type;
  bool no_mmap;
  const char* backend;
};

std::vector<Combination> Combinations() {
  std::vector<Combination> all;
  const DType dtypes[] = {DType::kF32, DType::kQ8_0, DType::kQ4_0, DType::kBF16};
  for (uint32_t i = 0; i < 12; ++i) {
    Combination c = {};
    c.spec.dtype = dtypes[i % 4];
    c.spec.layers = 1 + i % 3;
    c.spec.tied = i % 2 == 0;
    c.spec.hidden_output = i % 5 == 0;
    if (i % 4 == 3) c.spec.window = 100;
    c.spec.trained_context = 2048;
    if (i % 2 == 1) c.spec.tokenizer = TokenizerTables(&c.spec.vocab);
    c.n_ctx = 800 + 100 * i;
    c.n_chunk = i % 3 == 0 ? 0 : 32 * i;
    c.max_sessions = 1 + i % 4;
    c.n_threads = 1 + i % 3;
    c.kv_type = static_cast<samara_kv_type>((i + i / 4) % 5);
    c.no_mmap = i % 4 == 2;
    c.backend = i == 5 ? "reference" : "cpu";
    all.push_back(c);
  }
  return all;
}

samara_model_options Options(const Combination& c) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.n_ctx = c.n_ctx;
  options.n_chunk = c.n_chunk;
  options.max_sessions = c.max_sessions;
  options.n_threads = c.n_threads;
  options.kv_type = c.kv_type;
  options.no_mmap = c.no_mmap;
  options.backend = c.backend;
  return options;
}

#define REQUIRE_API(call) REQUIRE_MESSAGE((call) == SAMARA_OK, samara_last_error())

// Tokenizes and detokenizes in memory of its own.
void UseTokenizer(const samara_model* model) {
  static unsigned char work[1 << 20];
  static int32_t tokens[256];
  const char text[] = "Once upon a time there were 12 caf\xc3\xa9s.";
  const size_t work_bytes = samara_tokenize_work_size(model, sizeof text - 1);
  REQUIRE(work_bytes <= sizeof work);
  size_t n = 0, n_bytes = 0, length = 0;
  REQUIRE_API(samara_tokenize(model, text, sizeof text - 1, SAMARA_TOKENIZE_NO_SPECIAL, work,
                              work_bytes, tokens, 256, &n));
  samara_detokenizer state = {};
  char out[1024];
  for (size_t i = 0; i < n; ++i) {
    REQUIRE_API(samara_detokenize(model, &state, tokens[i], 0, out + length, sizeof out - length,
                                  &n_bytes));
    length += n_bytes;
  }
  REQUIRE_API(samara_detokenize_end(model, &state, out + length, sizeof out - length, &n_bytes));
  CHECK(std::strncmp(out, text, length) == 0);
  CHECK(length + n_bytes == sizeof text - 1);
}

TEST_CASE("memory: the list is what is allocated, and steps allocate nothing") {
  int index = 0;
  for (const Combination& c : Combinations()) {
    CAPTURE(index);
    ++index;
    TinyPackage tiny;
    REQUIRE_OK(MakeTinyPackage(c.spec, &tiny));
    TemporaryFile whole, hole;
    whole.Write(0, tiny.file.data(), tiny.file.size());
    // The same package without a weight byte: header and metadata around a hole.
    FileHeader header;
    REQUIRE_OK(ParseHeader({tiny.file.data(), kHeaderBytes}, tiny.file.size(), &header));
    hole.Resize(tiny.file.size());
    hole.Write(0, tiny.file.data(), kHeaderBytes);
    if (!c.spec.tokenizer.empty()) {
      const Segment& tables =
          tiny.package.segments[static_cast<size_t>(tiny.package.tokenizer_segment)];
      hole.Write(tables.offset, tiny.file.data() + tables.offset, tables.bytes);
    }
    hole.Write(header.metadata_offset, tiny.file.data() + header.metadata_offset,
               header.metadata_bytes);

    const samara_model_options options = Options(c);
    Sums sums;
    uint64_t counted = 0;
    REQUIRE_API(samara_plan(hole.path(), &options, AddUp, &sums, &counted));
    CHECK(sums.unnamed == 0);
    CHECK(counted == sums.open + sums.sessions);
    CHECK(sums.mapped == (c.no_mmap ? 0 : tiny.file.size()));

    std::vector<samara_session*> sessions(c.max_sessions, nullptr);
    const std::vector<int32_t> prompt = RandomIds(1, 512);
    samara_model* model = nullptr;
    StartCounting();
    REQUIRE_API(samara_model_open(whole.path(), &options, &model));
    CHECK(samara_model_allocated(model) == sums.open);
    const AllocationCounts opened = Counts();
    for (samara_session*& session : sessions) {
      REQUIRE_API(samara_session_create(model, nullptr, &session));
    }
    const AllocationCounts created = Counts();
    const uint64_t allocated = samara_model_allocated(model);
    if (!c.spec.tokenizer.empty()) UseTokenizer(model);

    samara_sampling sampling = {};
    sampling.struct_size = sizeof sampling;
    REQUIRE_API(samara_model_sampling(model, &sampling));
    sampling.temperature = 0.9f;
    sampling.top_p = 0.9f;
    sampling.repetition_penalty = 1.1f;
    sampling.penalty_window = 64;
    REQUIRE_API(samara_session_set_sampling(sessions[0], &sampling));
    REQUIRE_API(samara_feed(sessions[0], prompt.data(), prompt.size()));
    REQUIRE_API(samara_run(sessions[0]));
    for (int i = 0; i < 256; ++i) {
      int32_t token = -1;
      REQUIRE_API(samara_sample(sessions[0], &token));
      REQUIRE_API(samara_feed(sessions[0], &token, 1));
      REQUIRE_API(samara_step(&sessions[0], 1));
    }
    const AllocationCounts generated = Counts();
    for (samara_session* session : sessions) samara_session_close(session);
    REQUIRE_API(samara_model_close(model));
    const AllocationCounts closed = StopCounting();

    CHECK(allocated == counted);
    if (!InterposerWorks()) continue;
    CHECK(opened.live_bytes == sums.open);
    CHECK(opened.file_bytes == sums.mapped);
    CHECK(created.live_bytes == counted);
    CHECK(generated.calls == created.calls);
    CHECK(generated.live_bytes == created.live_bytes);
    CHECK(closed.live_bytes == 0);
    CHECK(closed.file_bytes == 0);
    CHECK(closed.libc_bytes == 0);
  }
}

TEST_CASE("memory: a budget refuses before loading") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  const AlignedFile file(tiny.file);
  TemporaryFile whole;
  whole.Write(0, tiny.file.data(), tiny.file.size());
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.n_ctx = 512;
  uint64_t counted = 0;
  REQUIRE_API(samara_plan(whole.path(), &options, nullptr, nullptr, &counted));
  samara_model* model = nullptr;
  options.memory_budget = counted - 1;
  CHECK(samara_model_open(whole.path(), &options, &model) == SAMARA_RESOURCE_EXHAUSTED);
  CHECK(model == nullptr);
  const std::string text = samara_last_error();
  CHECK(text.find(std::to_string(counted) + " bytes needed") != std::string::npos);
  CHECK(text.find("state pool") != std::string::npos);
  options.memory_budget = counted;
  REQUIRE_API(samara_model_open(whole.path(), &options, &model));
  REQUIRE_API(samara_model_close(model));
}

// Loads and generates; the status of the first call that fails. Everything is closed at the end.
samara_status LoadAndGenerate(const char* path, const samara_model_options& options,
                              bool wants_log) {
  samara_model_options o = options;
  if (wants_log) o.log = [](void*, samara_log_level, const char*) {};
  samara_model* model = nullptr;
  samara_session* session = nullptr;
  samara_session* fork = nullptr;
  samara_status status = samara_model_open(path, &o, &model);
  if (status == SAMARA_OK) status = samara_session_create(model, nullptr, &session);
  const int32_t prompt[] = {1, 2, 3, 4};
  if (status == SAMARA_OK) status = samara_feed(session, prompt, 4);
  for (int i = 0; i < 32 && status == SAMARA_OK; ++i) {
    int32_t token = 0;
    status = samara_run(session);
    if (status == SAMARA_OK) status = samara_sample(session, &token);
    if (status == SAMARA_OK) status = samara_feed(session, &token, 1);
  }
  if (status == SAMARA_OK) status = samara_fork(session, &fork);
  samara_session_close(fork);
  samara_session_close(session);
  const samara_status closed = samara_model_close(model);
  return status == SAMARA_OK ? closed : status;
}

TEST_CASE("memory: every allocation fails once") {
  if (!InterposerWorks()) {
    MESSAGE("not run: the sanitizer of this build replaces malloc");
    return;
  }
  TinySpec spec;
  spec.layers = 1;
  spec.vocab = 40;
  spec.hidden = 32;
  spec.inter = 32;
  spec.heads = 2;
  spec.kv_heads = 1;
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage(spec, &tiny));
  TemporaryFile file;
  file.Write(0, tiny.file.data(), tiny.file.size());
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.backend = "cpu";  // "auto" may take another device's failure for its absence
  options.n_ctx = 64;
  options.max_sessions = 2;
  options.n_threads = 3;
  for (uint32_t no_mmap : {0u, 1u}) {
    options.no_mmap = no_mmap;
    REQUIRE(LoadAndGenerate(file.path(), options, true) == SAMARA_OK);
    uint64_t n = 0;
    for (bool more = true; more;) {
      ++n;
      CAPTURE(n);
      StartCounting();
      FailAllocation(n);
      const samara_status status = LoadAndGenerate(file.path(), options, true);
      const bool in_thread = FailedInsideThreadStart();
      more = AllocationFailed();
      FailAllocation(0);
      const AllocationCounts after = StopCounting();
      // A thread that cannot be started is another limit of the system.
      CHECK((more ? status == SAMARA_OUT_OF_MEMORY ||
                        (in_thread && status == SAMARA_RESOURCE_EXHAUSTED)
                  : status == SAMARA_OK));
      CHECK(after.live_bytes == 0);
      CHECK(after.libc_bytes == 0);
      CHECK(after.file_bytes == 0);
    }
    CHECK(n > 100);
  }
}

TEST_CASE("memory: the ledger gives what is listed, once") {
  MemoryList list;
  list.Add("small", 100, 64);
  list.Add("large", 1 << 20, 4096);
  list.Add("stack", 3 << 12, 4096, MemoryClass::kStack);
  list.Add("elsewhere", 12345, 64, MemoryClass::kDevice);
  list.Add("file", 1 << 30, 4096, MemoryClass::kMapped);
  list.Add("later", 10, 64, MemoryClass::kHeap, MemoryLifetime::kSession);
  list.AddLedger();
  CHECK(list.Counted() == 100 + (1 << 20) + (3 << 12) + 12345 + 10 + 4 * 24);
  CHECK(list.Total(MemoryClass::kMapped) == 1 << 30);
  Ledger ledger(list);
  REQUIRE_OK(ledger.InitStatus());
  void* block = nullptr;
  CHECK(ledger.Take("none", 1, &block).code() == StatusCode::kInternal);
  CHECK(ledger.Take("small", 99, &block).code() == StatusCode::kInternal);
  CHECK(ledger.Take("later", 10, &block).code() == StatusCode::kInternal);
  for (const char* name : {"small", "large", "stack"}) {
    CAPTURE(name);
    uint64_t bytes = 0;
    uint32_t alignment = 0;
    for (const MemoryItem& item : list.items) {
      if (item.name == name) bytes = item.bytes, alignment = item.alignment;
    }
    REQUIRE_OK(ledger.Take(name, bytes, &block));
    CHECK(reinterpret_cast<uintptr_t>(block) % alignment == 0);
    const uint8_t* b = static_cast<const uint8_t*>(block);
    bool zero = true;
    for (uint64_t i = 0; i < bytes; ++i) zero = zero && b[i] == 0;
    CHECK(zero);
    CHECK(ledger.Take(name, bytes, &block).code() == StatusCode::kInternal);
  }
  const Status early = ledger.Seal();
  CHECK(early.code() == StatusCode::kInternal);
  CHECK(std::string(early.message()).find("elsewhere") != std::string::npos);
  REQUIRE_OK(ledger.Claim("elsewhere", 12345));
  REQUIRE_OK(ledger.Seal());
  CHECK(ledger.taken_bytes() == list.Counted() - 10);
  Ledger moved(std::move(ledger));
  CHECK(ledger.taken_bytes() == 0);
  CHECK(moved.taken_bytes() == list.Counted() - 10);

  MemoryList twice;
  twice.Add("a", 1);
  twice.Add("a", 2);
  twice.AddLedger();
  CHECK(Ledger(twice).InitStatus().code() == StatusCode::kInternal);
  MemoryList without;
  without.Add("a", 1);
  CHECK(Ledger(without).InitStatus().code() == StatusCode::kInternal);
}

}  // namespace
}  // namespace samara::test
