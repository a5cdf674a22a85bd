// Threads through the public interface: sessions of one model used from several threads, models
// side by side, pools of the caller's, affinity. The test that a thread sanitizer is to watch.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/processors.h"
#include "samara/samara.h"
#include "tests/runtime/model_fixture.h"
#include "tests/runtime/temporary_file.h"
#include "tests/support/caller_pools.h"

namespace samara::test {
namespace {

constexpr uint32_t kSessions = 16, kGenerated = 10;

samara_model* OpenModel(const AlignedFile& file, const samara_model_options& options) {
  samara_model* model = nullptr;
  const samara_status status = samara_model_open_memory(file.data(), file.size(), &options, &model);
  REQUIRE_MESSAGE(status == SAMARA_OK, std::string(samara_last_error()));
  return model;
}
samara_model_options SmallOptions(uint32_t n_threads) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.backend = "cpu";
  options.n_threads = n_threads;
  options.n_ctx = 64;
  options.max_sessions = kSessions;
  return options;
}
samara_session* NewSession(samara_model* model, uint32_t number) {
  samara_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 1;
  sampling.seed = number;
  samara_session_options options = SAMARA_SESSION_OPTIONS_INIT;
  options.sampling = &sampling;
  samara_session* session = nullptr;
  return samara_session_create(model, &options, &session) == SAMARA_OK ? session : nullptr;
}
// Long enough that its products are shared among workers.
std::vector<int32_t> Prompt(uint32_t number) { return RandomIds(number, 30 + number % 7); }

// One session's text. Any call may fail because another thread stepped or cancelled: then it goes
// back as far as it must. Nothing here may use doctest, which is not on the test's thread.
class Writer {
 public:
  Writer(samara_model* model, uint32_t number, std::mutex* turn)
      : session_(NewSession(model, number)), prompt_(Prompt(number)), turn_(turn) {
    ok_ = session_ != nullptr;
  }
  ~Writer() { samara_session_close(session_); }

  bool done() const { return !ok_ || text_.size() == kGenerated; }
  const std::vector<int32_t>& text() const { return text_; }
  bool ok() const { return ok_; }

  // One token, or a fresh start.
  void Advance() {
    if (text_.empty() && samara_length(session_) == 0 && samara_pending(session_) == 0) {
      Check(samara_feed(session_, prompt_.data(), prompt_.size()));
    }
    if (samara_pending(session_) > 0 && samara_run(session_) != SAMARA_OK) return StartOver();
    int32_t token = -1;
    if (samara_sample(session_, &token) != SAMARA_OK && !SampleInTurn(&token)) return StartOver();
    text_.push_back(token);
    Check(samara_feed(session_, &token, 1));
  }

 private:
  // Others have stepped since: computes the last token again, with nobody else in between who asks
  // for a turn too.
  bool SampleInTurn(int32_t* token) {
    const std::lock_guard<std::mutex> lock(*turn_);
    const size_t length = samara_length(session_);
    if (length == 0) return false;
    const int32_t last = samara_tokens(session_)[length - 1];
    for (int attempt = 0; attempt < 1000; ++attempt) {
      if (samara_rewind(session_, length - 1) != SAMARA_OK) return false;
      Check(samara_feed(session_, &last, 1));
      if (samara_run(session_) != SAMARA_OK) return false;
      if (samara_sample(session_, token) == SAMARA_OK) return true;
    }
    return false;
  }
  void StartOver() {
    Check(samara_session_reset(session_));
    text_.clear();
  }
  void Check(samara_status status) { ok_ = ok_ && status == SAMARA_OK; }

  samara_session* session_;
  const std::vector<int32_t> prompt_;
  std::mutex* turn_;
  std::vector<int32_t> text_;
  bool ok_ = false;
};

std::vector<std::vector<int32_t>> AloneTexts(const AlignedFile& file) {
  samara_model* model = OpenModel(file, SmallOptions(1));
  std::mutex turn;
  std::vector<std::vector<int32_t>> texts;
  for (uint32_t i = 0; i < kSessions; ++i) {
    Writer writer(model, i, &turn);
    while (!writer.done()) writer.Advance();
    REQUIRE(writer.ok());
    texts.push_back(writer.text());
  }
  REQUIRE(samara_model_close(model) == SAMARA_OK);
  return texts;
}

// Sessions [begin, end) in turns on one thread.
void WriteSome(samara_model* model, uint32_t begin, uint32_t end, std::mutex* turn,
               std::vector<std::vector<int32_t>>* texts) {
  std::vector<std::unique_ptr<Writer>> writers;
  for (uint32_t i = begin; i < end; ++i) {
    writers.push_back(std::make_unique<Writer>(model, i, turn));
  }
  for (bool busy = true; busy;) {
    busy = false;
    for (const auto& writer : writers) {
      if (writer->done()) continue;
      writer->Advance();
      busy = true;
    }
  }
  for (uint32_t i = begin; i < end; ++i) {
    if (writers[i - begin]->ok()) (*texts)[i] = writers[i - begin]->text();
  }
}

TEST_CASE("threads: 16 sessions on four threads, cancelled now and then") {
  const AlignedFile file = MakeFile({});
  const std::vector<std::vector<int32_t>> want = AloneTexts(file);
  for (uint32_t n_threads : {1u, 3u}) {
    CAPTURE(n_threads);
    samara_model* model = OpenModel(file, SmallOptions(n_threads));
    std::vector<std::vector<int32_t>> got(kSessions);
    std::mutex turn;
    std::atomic<bool> done{false};
    uint64_t most = 0, steps = 0;
    bool went_back = false;
    std::thread other([&] {
      for (int i = 0; !done.load(); ++i) {
        samara_statistics statistics = {};
        statistics.struct_size = sizeof statistics;
        if (samara_model_statistics(model, &statistics) != SAMARA_OK || statistics.steps < steps) {
          went_back = true;
        }
        steps = statistics.steps;
        most = std::max(most, samara_model_allocated(model));
        if (i < 20) {
          samara_cancel(model);
          std::this_thread::sleep_for(std::chrono::microseconds(50 * i));
          samara_cancel_clear(model);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      }
    });
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kSessions; i += 4) {
      threads.emplace_back(WriteSome, model, i, i + 4, &turn, &got);
    }
    for (std::thread& thread : threads) thread.join();
    done.store(true);
    other.join();
    CHECK(got == want);
    CHECK(most > 0);
    CHECK_FALSE(went_back);
    CHECK(samara_model_close(model) == SAMARA_OK);
  }
}

TEST_CASE("threads: models side by side, with workers of their own and with one pool of ours") {
  const AlignedFile file = MakeFile({});
  const std::vector<std::vector<int32_t>> want = AloneTexts(file);
  for (const bool own : {true, false}) {
    CAPTURE(own);
    CallerPool calls;
    samara_model_options options = SmallOptions(3);
    if (!own) {
      options.parallel = RunOnThreads;
      options.parallel_user = &calls;
    }
    std::vector<std::vector<int32_t>> got(kSessions);
    std::vector<std::thread> threads;
    std::vector<samara_model*> models;
    std::mutex turns[4];
    for (uint32_t i = 0; i < 4; ++i) {
      models.push_back(OpenModel(file, options));
      threads.emplace_back(WriteSome, models[i], 4 * i, 4 * i + 4, &turns[i], &got);
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(got == want);
    for (samara_model* model : models) CHECK(samara_model_close(model) == SAMARA_OK);
    CHECK((calls.calls.load() > 0) == !own);
  }
}

struct Listed {
  uint64_t stacks = 0, threads = 0;
};
void AddListed(void* user, const samara_memory_item* item) {
  Listed* listed = static_cast<Listed*>(user);
  if (item->kind == SAMARA_MEMORY_STACK) listed->stacks += item->bytes;
  if (std::string(item->name).find("worker") != std::string::npos) listed->threads += item->bytes;
}

size_t ThreadsHere() {
  size_t n = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator i("/proc/self/task", error), end; i != end; ++i) ++n;
  return n;
}

TEST_CASE("threads: on the caller's pool no thread is started and no stack listed") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  const TemporaryFile path(tiny.file);
  for (const NamedCallerPool& pool : kCallerPools) {
    CAPTURE(std::string(pool.name));
    CallerPool calls;
    samara_model_options options = SmallOptions(4);
    Listed own, callers;
    REQUIRE(samara_plan(path.path(), &options, AddListed, &own, nullptr) == SAMARA_OK);
    CHECK(own.stacks == 3 * kThreadStackBytes);
    CHECK(own.threads > 0);
    options.parallel = pool.run;
    options.parallel_user = &calls;
    REQUIRE(samara_plan(path.path(), &options, AddListed, &callers, nullptr) == SAMARA_OK);
    CHECK(callers.stacks == 0);
    CHECK(callers.threads == 0);

    const size_t before = ThreadsHere();
    samara_model* model = nullptr;
    REQUIRE(samara_model_open(path.path(), &options, &model) == SAMARA_OK);
    CHECK(ThreadsHere() == before);
    samara_model_info info = {};
    info.struct_size = sizeof info;
    REQUIRE(samara_model_get_info(model, &info) == SAMARA_OK);
    CHECK(info.n_threads == 4);
    CHECK(std::string(info.device).find("4 workers of the caller") != std::string::npos);
    std::mutex turn;
    {
      Writer writer(model, 3, &turn);
      while (!writer.done()) writer.Advance();
      CHECK(writer.ok());
    }
    CHECK(calls.calls.load() > 0);
    CHECK(calls.most_workers.load() <= 4);
    CHECK(samara_model_close(model) == SAMARA_OK);
  }
}

TEST_CASE("threads: affinity that cannot be is refused, and names the reason") {
  const AlignedFile file = MakeFile({});
  samara_model* model = nullptr;
  for (const char* list : {"x", "0-", "-1", "1,", ",1", "0,0", "0-1,1", "3-2", "0 1", "8192",
                           "4294967296", "0-4294967295"}) {
    CAPTURE(std::string(list));
    samara_model_options options = SmallOptions(0);
    options.affinity = list;
    CHECK(samara_model_open_memory(file.data(), file.size(), &options, &model) ==
          SAMARA_INVALID_ARGUMENT);
    CHECK(std::string(samara_last_error()).find("affinity") != std::string::npos);
  }
  CallerPool calls;
  samara_model_options options = SmallOptions(2);
  options.pin_caller = 1;
  CHECK(samara_model_open_memory(file.data(), file.size(), &options, &model) ==
        SAMARA_INVALID_ARGUMENT);
  options.affinity = "0";
  options.parallel = RunInOrder;
  options.parallel_user = &calls;
  CHECK(samara_model_open_memory(file.data(), file.size(), &options, &model) ==
        SAMARA_INVALID_ARGUMENT);
#if defined(__linux__)
  ProcessorSet usable;
  REQUIRE(GetAffinity(&usable));
  uint32_t missing = 0;
  while (usable.Has(missing)) ++missing;
  const std::string list = std::to_string(missing);
  options = SmallOptions(0);
  options.affinity = list.c_str();
  CHECK(samara_model_open_memory(file.data(), file.size(), &options, &model) ==
        SAMARA_INVALID_ARGUMENT);
  CHECK(std::string(samara_last_error()).find("processor " + list) != std::string::npos);
#endif
}

#if defined(__linux__)
TEST_CASE("threads: affinity gives the number of threads and leaves the caller as it was") {
  const AlignedFile file = MakeFile({});
  const std::vector<std::vector<int32_t>> want = AloneTexts(file);
  ProcessorSet before, after;
  REQUIRE(GetAffinity(&before));
  std::string list;
  for (uint32_t i = 0; i < kMaxProcessors; ++i) {
    if (before.Has(i)) list += (list.empty() ? "" : ",") + std::to_string(i);
  }
  for (uint32_t pin_caller : {0u, 1u}) {
    CAPTURE(pin_caller);
    samara_model_options options = SmallOptions(0);
    options.affinity = list.c_str();
    options.pin_caller = pin_caller;
    samara_model* model = OpenModel(file, options);
    samara_model_info info = {};
    info.struct_size = sizeof info;
    REQUIRE(samara_model_get_info(model, &info) == SAMARA_OK);
    CHECK(info.n_threads == std::min(before.Count(), 1024u));
    std::vector<std::vector<int32_t>> got(kSessions);
    std::mutex turn;
    WriteSome(model, 0, kSessions, &turn, &got);
    CHECK(got == want);
    CHECK(samara_model_close(model) == SAMARA_OK);
    REQUIRE(GetAffinity(&after));
    CHECK(std::memcmp(&before, &after, sizeof before) == 0);
  }
}
#endif

TEST_CASE("threads: lists of processors") {
  std::vector<uint32_t> list;
  REQUIRE_OK(ParseProcessorList("0", &list));
  CHECK(list == std::vector<uint32_t>{0});
  REQUIRE_OK(ParseProcessorList("7,2-4,0", &list));
  CHECK(list == std::vector<uint32_t>{7, 2, 3, 4, 0});
  REQUIRE_OK(ParseProcessorList("8191", &list));
  CHECK(list == std::vector<uint32_t>{8191});
  CHECK(ParseProcessorList("", &list).code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace samara::test
