// Sessions on disk: the same bits after restoring, whatever the two models are opened with; every
// damaged file is a named error; a file is whole or not there.
#include "runtime/session_file.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "formats/little_endian.h"
#include "formats/session_format.h"
#include "tests/runtime/file_faults.h"
#include "tests/runtime/model_fixture.h"
#include "tests/support/mirror_backend.h"

namespace samara::test {
namespace {

// A folder that goes away with what is in it.
class Folder {
 public:
  Folder() {
    const char* root = std::getenv("TMPDIR");
    path_ = std::string(root != nullptr ? root : "/tmp") + "/samara_test_XXXXXX";
    REQUIRE(mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() {
    for (const std::string& name : Names()) unlink((path_ + "/" + name).c_str());
    rmdir(path_.c_str());
  }
  Folder(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    DIR* folder = opendir(path_.c_str());
    REQUIRE(folder != nullptr);
    while (const dirent* entry = readdir(folder)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    closedir(folder);
    return names;
  }

 private:
  std::string path_;
};

std::vector<uint8_t> Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Status SaveTo(const SessionPtr& session, const std::string& path,
              std::span<const uint8_t> attachment = {}) {
  NewFile file;
  SAMARA_RETURN_IF_ERROR(file.Create(path.c_str()));
  SAMARA_RETURN_IF_ERROR(WriteSession(*session, attachment, &file));
  return file.Commit();
}

std::vector<uint8_t> Saved(const SessionPtr& session) {
  const Folder folder;
  REQUIRE_OK(SaveTo(session, folder.file("s")));
  return Bytes(folder.file("s"));
}

Status RestoreFrom(const std::vector<uint8_t>& bytes, const SessionPtr& session) {
  const AlignedFile aligned(bytes);
  PackageFile file;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenMemory(aligned.data(), aligned.size(), &file));
  uint64_t n = 0;
  return ReadSession(file, session.get(), {}, &n);
}

// After a change of header, tokens or states: their hashes again.
void Rehash(std::vector<uint8_t>* bytes) {
  const auto u32 = [&](size_t at) { return LoadLittleEndian<uint32_t>(&(*bytes)[at]); };
  const uint64_t attachment = LoadLittleEndian<uint64_t>(&(*bytes)[160]);
  const uint64_t states =
      std::min<uint64_t>(kSessionHeaderBytes + uint64_t{u32(80)} * 4 + attachment, bytes->size());
  Sha256 hash;
  hash.Update(bytes->data() + states, bytes->size() - states);
  hash.Finish(&(*bytes)[192]);
  Sha256 content;
  content.Update(bytes->data(), kSessionHashedBytes);
  content.Update(bytes->data() + kSessionHeaderBytes, states - kSessionHeaderBytes);
  content.Finish(&(*bytes)[224]);
}

struct Case {
  const char* name;
  const Backend* backend;
  TinySpec spec;
  DType kv_type;
};

std::vector<Case> Cases() {
  static const MirrorBackend mirror(&BackendNamed("cpu"));
  const Backend &cpu = BackendNamed("cpu"), &reference = BackendNamed("reference");
  TinySpec plain;
  TinySpec odd;  // heads of other sizes: keys and values end inside a run of 32
  odd.dtype = DType::kQ8_0;
  odd.kv_heads = 1;
  odd.head_dim = 48;
  TinySpec window;
  window.window = 40;
  window.rewind_limit = 8;
  TinySpec narrow;  // no room to rewind
  narrow.window = 70;
  narrow.rewind_limit = 0;
  return {{"f32", &cpu, plain, DType::kF32},
          {"f16", &cpu, plain, DType::kF16},
          {"q8_0", &cpu, plain, DType::kQ8_0},
          {"odd, f16", &cpu, odd, DType::kF16},
          {"odd, q8_0", &cpu, odd, DType::kQ8_0},
          {"q4_0", &cpu, plain, DType::kQ4_0},
          {"odd, q4_0", &cpu, odd, DType::kQ4_0},
          {"window, q4_0", &cpu, window, DType::kQ4_0},
          {"window, f32", &cpu, window, DType::kF32},
          {"window, f16", &cpu, window, DType::kF16},
          {"window, q8_0", &cpu, window, DType::kQ8_0},
          {"narrow, f16", &cpu, narrow, DType::kF16},
          {"reference, f16", &reference, odd, DType::kF16},
          {"mirror, q8_0", &mirror, odd, DType::kQ8_0},
          {"mirror, window", &mirror, window, DType::kF16}};
}

LoadOptions Options(uint32_t n_ctx, uint32_t chunk, DType kv_type, uint32_t sessions = 1) {
  LoadOptions options;
  options.n_ctx = n_ctx;
  options.n_chunk = chunk;
  options.kv_type = kv_type;
  options.max_sessions = sessions;
  return options;
}

// Logits of the last token and after each of `ids`, one at a time.
std::vector<std::vector<float>> Continue(const SessionPtr& session,
                                         const std::vector<int32_t>& ids) {
  std::vector<std::vector<float>> rows;
  RunAll(session);
  if (session->n_tokens != 0) rows.push_back(Row(session));
  for (const int32_t id : ids) rows.push_back(Logits(session, {id}));
  return rows;
}

TEST_CASE("session file: the same bits after restoring, in this model and in others") {
  for (const Case& c : Cases()) {
    CAPTURE(std::string(c.name));
    const AlignedFile file = MakeFile(c.spec);
    const ModelPtr model = OpenTiny(file, *c.backend, Options(400, 24, c.kv_type));
    // Other contexts, chunks, threads and numbers of sessions: rings where there were none, rings of other sizes,
    // and none where there were rings.
    std::vector<ModelPtr> others;
    others.push_back(OpenTiny(file, *c.backend, Options(400, 24, c.kv_type)));
    LoadOptions options = Options(301, 100, c.kv_type, 2);
    options.n_threads = 1;
    others.push_back(OpenTiny(file, *c.backend, options));
    PermuteFreeBlocks(others.back().get(), 3);
    others.push_back(OpenTiny(file, *c.backend, Options(700, 1, c.kv_type, 3)));
    PermuteFreeBlocks(others.back().get(), 4);
    others.push_back(OpenTiny(file, *c.backend, Options(290, 290, c.kv_type)));
    for (const size_t length : {0u, 1u, 63u, 64u, 65u, 100u, 230u}) {
      CAPTURE(length);
      const std::vector<int32_t> ids = RandomIds(length + 1, length), more = RandomIds(9, 45);
      const SessionPtr session = NewSession(model);
      Feed(session, ids);
      RunAll(session);
      const std::vector<uint8_t> bytes = Saved(session);
      const std::vector<std::vector<float>> want = Continue(session, more);
      for (const ModelPtr& other : others) {
        CAPTURE(other->limits.n_ctx);
        const SessionPtr restored = NewSession(other);
        Logits(restored, RandomIds(77, 90));  // what it held before does not matter
        REQUIRE_OK(RestoreFrom(bytes, restored));
        CHECK(restored->n_tokens == length);
        CHECK(restored->n_computed == length - (length != 0 ? 1 : 0));
        // Saved again, restored again: nothing is lost on the way.
        const std::vector<uint8_t> again = Saved(restored);
        const std::vector<std::vector<float>> got = Continue(restored, more);
        REQUIRE(got.size() == want.size());
        for (size_t i = 0; i < got.size(); ++i) CHECK(SameBits(got[i], want[i]));
        REQUIRE_OK(RestoreFrom(again, restored));
        CHECK(SameBits(Continue(restored, more).back(), want.back()));
      }
    }
  }
}

TEST_CASE("session file: only what is filled is written") {
  for (const Case& c : Cases()) {
    CAPTURE(std::string(c.name));
    const AlignedFile file = MakeFile(c.spec);
    const ModelPtr model = OpenTiny(file, *c.backend, Options(400, 24, c.kv_type));
    const SessionPtr session = NewSession(model);
    const uint64_t dim = c.spec.head_dim;
    const uint64_t element = c.kv_type == DType::kF32 ? 4 : c.kv_type == DType::kF16 ? 2 : 1;
    const uint64_t runs = (dim + 31) / 32;
    const uint64_t head = c.kv_type == DType::kQ4_0   ? runs * 18
                          : c.kv_type == DType::kQ8_0 ? dim + runs * 2
                                                      : dim * element;
    for (const uint32_t length : {1u, 50u, 64u, 150u}) {
      const std::vector<int32_t> ids = RandomIds(5, length);
      Feed(session, std::vector<int32_t>(ids.begin() + session->n_tokens, ids.end()));
      RunAll(session);
      const uint64_t keep = c.spec.window + c.spec.rewind_limit;
      const uint64_t slots = c.spec.window == 0 ? length : std::min<uint64_t>(length, keep);
      CHECK(Saved(session).size() ==
            kSessionHeaderBytes + 4 * length + slots * c.spec.layers * 2 * c.spec.kv_heads * head);
    }
  }
}

TEST_CASE("session file: pending tokens, forks and rewound sessions") {
  for (const Case& c : Cases()) {
    CAPTURE(std::string(c.name));
    const AlignedFile file = MakeFile(c.spec);
    const ModelPtr model = OpenTiny(file, *c.backend, Options(400, 24, c.kv_type, 3));
    const std::vector<int32_t> head = RandomIds(4, 150), tail = RandomIds(5, 40);
    const SessionPtr session = NewSession(model), restored = NewSession(model);
    Feed(session, head);
    Feed(session, tail);
    Session* s = session.get();
    for (int i = 0; i < 3; ++i) REQUIRE_OK(StepSessions(&s, 1));
    REQUIRE(s->n_computed == 72);
    const std::vector<uint8_t> bytes = Saved(session);
    RunAll(session);
    const std::vector<float> want = Row(session);
    REQUIRE_OK(RestoreFrom(bytes, restored));
    CHECK(restored->n_computed == 72);
    CHECK(restored->n_tokens == 190);
    RunAll(restored);
    CHECK(SameBits(Row(restored), want));

    // A fork shares its blocks; saving reads them, restoring leaves the other one alone.
    Session* forked = nullptr;
    REQUIRE_OK(ForkSession(s, &forked));
    const SessionPtr fork(forked);
    const std::vector<uint8_t> of_fork = Saved(fork);
    CHECK(of_fork == Saved(session));
    REQUIRE_OK(RestoreFrom(bytes, fork));
    Logits(fork, RandomIds(8, 20));
    CHECK(SameBits(Logits(session, tail), Logits(restored, tail)));

    if (c.spec.rewind_limit < 8 && c.spec.window != 0) continue;
    const std::vector<float> at_end = Row(session);
    REQUIRE_OK(RewindSession(s, 225));
    REQUIRE_OK(RestoreFrom(Saved(session), restored));
    CHECK(restored->n_tokens == 225);
    CHECK(SameBits(Logits(restored, std::vector<int32_t>(tail.begin() + 35, tail.end())), at_end));
    if (c.spec.window == 0) continue;
    // The limit of rewinding holds as before.
    CHECK(RewindSession(restored.get(), 220).code() == StatusCode::kUnsupported);
    REQUIRE_OK(RewindSession(restored.get(), 222));
    CHECK(SameBits(Logits(restored, std::vector<int32_t>(tail.begin() + 32, tail.end())), at_end));
  }
}

TEST_CASE("session file: a window that was saved short is not rewound beyond") {
  TinySpec spec;
  spec.window = 40;
  const AlignedFile file = MakeFile(spec);
  const ModelPtr ring = OpenTiny(file, BackendNamed("cpu"), Options(1000, 16, DType::kF16));
  const ModelPtr whole = OpenTiny(file, BackendNamed("cpu"), Options(250, 250, DType::kF16, 2));
  const std::vector<int32_t> ids = RandomIds(6, 200);
  const SessionPtr session = NewSession(ring), restored = NewSession(whole);
  const std::vector<float> want = Logits(session, ids);
  REQUIRE_OK(RestoreFrom(Saved(session), restored));
  // 200 - 40 - 8 is the first slot.
  const Status status = RewindSession(restored.get(), 191);
  CHECK(status.code() == StatusCode::kUnsupported);
  CHECK(std::string(status.message()).find("from 192 on") != std::string::npos);
  Session* forked = nullptr;
  REQUIRE_OK(ForkSession(restored.get(), &forked));
  const SessionPtr fork(forked);
  CHECK(RewindSession(fork.get(), 191).code() == StatusCode::kUnsupported);
  REQUIRE_OK(RewindSession(restored.get(), 192));
  CHECK(SameBits(Logits(restored, std::vector<int32_t>(ids.begin() + 192, ids.end())), want));
  // And at the edge it can be saved again.
  REQUIRE_OK(RewindSession(restored.get(), 192));
  REQUIRE_OK(RestoreFrom(Saved(restored), session));
  CHECK(SameBits(Logits(session, std::vector<int32_t>(ids.begin() + 192, ids.end())), want));
  REQUIRE_OK(RewindSession(restored.get(), 0));
  CHECK(SameBits(Logits(restored, ids), want));
  REQUIRE_OK(RewindSession(restored.get(), 100));
}

TEST_CASE("session file: the sampler goes on where it was") {
  const AlignedFile file = MakeFile({});
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(256, 16, DType::kF16, 2));
  SamplingParams sampling;
  sampling.temperature = 1.3f;
  sampling.top_k = 100;
  sampling.top_p = 0.97f;
  sampling.min_p = 0.01f;
  sampling.repetition_penalty = 1.2f;
  sampling.frequency_penalty = 0.1f;
  sampling.presence_penalty = 0.2f;
  sampling.penalty_window = 30;
  sampling.seed = 99;
  const SessionPtr session = NewSession(model, false, sampling), restored = NewSession(model);
  const auto draw = [](const SessionPtr& s, int n) {
    std::vector<int32_t> drawn;
    for (int i = 0; i < n; ++i) {
      int32_t token = 0;
      RunAll(s);
      REQUIRE_OK(SampleSession(s.get(), {}, &token));
      drawn.push_back(token);
      Feed(s, {token});
    }
    return drawn;
  };
  Feed(session, {1, 2, 3});
  draw(session, 50);
  const std::vector<uint8_t> bytes = Saved(session);
  REQUIRE_OK(RestoreFrom(bytes, restored));
  const std::vector<int32_t> want = draw(session, 50);
  CHECK(draw(restored, 50) == want);
  CHECK(restored->sampling.seed == 99);
}

TEST_CASE("session file: what does not fit is named") {
  const AlignedFile file = MakeFile({});
  TinySpec other_spec;
  other_spec.seed = 2;
  const AlignedFile other_file = MakeFile(other_spec);
  const Backend& cpu = BackendNamed("cpu");
  const ModelPtr model = OpenTiny(file, cpu, Options(256, 16, DType::kF16));
  const SessionPtr session = NewSession(model);
  const std::vector<float> want = Logits(session, RandomIds(1, 100));
  const std::vector<uint8_t> bytes = Saved(session);
  const auto refused = [&](const AlignedFile& f, const Backend& backend, const LoadOptions& options,
                           StatusCode code, const char* text) {
    const ModelPtr m = OpenTiny(f, backend, options);
    const SessionPtr s = NewSession(m);
    const std::vector<float> before = Logits(s, {1, 2, 3});
    const Status status = RestoreFrom(bytes, s);
    CHECK(status.code() == code);
    CHECK(std::string(status.message()).find(text) != std::string::npos);
    CHECK(s->n_tokens == 3);
    CHECK(SameBits(Row(s), before));  // as it was
  };
  refused(other_file, cpu, Options(256, 16, DType::kF16), StatusCode::kFailedPrecondition,
          "another package");
  refused(file, cpu, Options(256, 16, DType::kF32), StatusCode::kFailedPrecondition,
          "was saved with kv type f16, this model has f32");
  refused(file, cpu, Options(256, 16, DType::kQ8_0), StatusCode::kFailedPrecondition, "q8_0");
  refused(file, cpu, Options(99, 16, DType::kF16), StatusCode::kResourceExhausted,
          "has 100 tokens, this model's context 99 positions");
  const MirrorBackend mirror(&cpu);
  refused(file, mirror, Options(256, 16, DType::kF16), StatusCode::kFailedPrecondition,
          "was saved with numerics \"exact\"");
  // The float64 reference keeps doubles.
  const ModelPtr truth = OpenTiny(file, BackendNamed("float64"), Options(256, 16, DType::kF16));
  const SessionPtr precise = NewSession(truth);
  Logits(precise, {1});
  const Folder folder;
  CHECK(SaveTo(precise, folder.file("s")).code() == StatusCode::kUnsupported);
  CHECK(RestoreFrom(bytes, precise).code() == StatusCode::kUnsupported);
  // Two backends of the same bits may share.
  const ModelPtr reference =
      OpenTiny(file, BackendNamed("reference"), Options(128, 16, DType::kF16));
  const SessionPtr slow = NewSession(reference);
  REQUIRE_OK(RestoreFrom(bytes, slow));
  RunAll(slow);
  CHECK(SameBits(Row(slow), want));
  // A poisoned session is not saved, but restored.
  session->poisoned = true;
  CHECK(SaveTo(session, folder.file("s")).code() == StatusCode::kFailedPrecondition);
  CHECK(folder.Names().empty());
  REQUIRE_OK(RestoreFrom(bytes, session));
  RunAll(session);
  CHECK(SameBits(Row(session), want));
}

TEST_CASE("session file: every damaged byte and every length is a named error") {
  TinySpec spec;
  spec.layers = 1;
  spec.vocab = 40;
  spec.hidden = 32;
  spec.inter = 32;
  spec.heads = 2;
  spec.kv_heads = 1;
  const AlignedFile file = MakeFile(spec);
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(64, 16, DType::kF16, 2));
  const SessionPtr session = NewSession(model), victim = NewSession(model);
  Logits(session, RandomIds(1, 20, 40));
  const std::vector<uint8_t> bytes = Saved(session);
  const size_t states = kSessionHeaderBytes + 4 * 20;
  const std::vector<float> before = Logits(victim, {1, 2, 3});
  std::vector<std::vector<uint8_t>> damaged;
  for (size_t i = 0; i < bytes.size(); i += i < states ? 1 : 7) {
    damaged.push_back(bytes);
    damaged.back()[i] ^= static_cast<uint8_t>(1u << i % 8);
  }
  for (size_t n = 0; n < bytes.size(); n += n < states ? 1 : 13) {
    damaged.emplace_back(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
  }
  damaged.push_back(bytes);
  damaged.back().push_back(0);
  for (size_t i = 0; i < damaged.size(); ++i) {
    CAPTURE(i);
    if (damaged[i].empty()) damaged[i].reserve(1);
    const Status status = RestoreFrom(damaged[i], victim);
    const bool known = status.code() == StatusCode::kInvalidFile ||
                       status.code() == StatusCode::kUnsupported ||
                       status.code() == StatusCode::kInvalidArgument;  // no bytes at all
    REQUIRE(known);
    CHECK(std::string(status.message()) != "");
    // As it was, or empty where states were already read.
    REQUIRE((victim->n_tokens == 3 || victim->n_tokens == 0));
    if (victim->n_tokens == 3) {
      CHECK(SameBits(Row(victim), before));
    } else {
      CHECK(model->groups[0].n_free == model->groups[0].n_blocks - 1);
      CHECK(SameBits(Logits(victim, {1, 2, 3}), before));
    }
  }
  REQUIRE_OK(RestoreFrom(bytes, victim));
}

TEST_CASE("session file: lies with right hashes are safe") {
  const uint64_t seed = 21;
  Random random(seed);
  CAPTURE(seed);
  for (const uint64_t window : {uint64_t{0}, uint64_t{20}}) {
    TinySpec spec;
    spec.layers = 1;
    spec.vocab = 40;
    spec.hidden = 32;
    spec.inter = 32;
    spec.heads = 2;
    spec.kv_heads = 1;
    spec.window = window;
    const AlignedFile file = MakeFile(spec);
    const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(300, 16, DType::kF16, 2));
    const SessionPtr session = NewSession(model), victim = NewSession(model);
    Logits(session, RandomIds(1, 100, 40));
    const std::vector<uint8_t> bytes = Saved(session);
    int restored = 0, refused = 0;
    for (int round = 0; round < 3000; ++round) {
      std::vector<uint8_t> lie = bytes;
      for (uint64_t n = 1 + random.Below(2); n > 0; --n) {
        // Words of the header after the package, or tokens, or halves of states.
        const size_t word = 16 + random.Below((lie.size() - 16) / 4);
        const size_t at = random.Below(3) != 0 ? 48 + 4 * random.Below(32) : (word - word % 4);
        const uint32_t old = LoadLittleEndian<uint32_t>(&lie[at]);
        const uint32_t values[] = {0,
                                   1,
                                   old + 1,
                                   old - 1,
                                   old ^ 1u << random.Below(32),
                                   0x7fffffff,
                                   0xffffffff,
                                   static_cast<uint32_t>(random.Below(400))};
        StoreLittleEndian(values[random.Below(8)], &lie[at]);
      }
      Rehash(&lie);
      const Status status = RestoreFrom(lie, victim);
      status.ok() ? ++restored : ++refused;
      if (!status.ok()) {
        CHECK(std::string(status.message()) != "");
        continue;
      }
      // Whatever it holds now, it works on or says why not.
      Session* s = victim.get();
      const int32_t id = 7;
      if (FeedSession(s, &id, 1).ok()) {
        while (s->n_computed < s->n_tokens && StepSessions(&s, 1).ok()) continue;
      }
      static_cast<void>(RewindSession(s, random.Below(s->n_tokens + 1)).ok());
      const Folder folder;
      static_cast<void>(SaveTo(victim, folder.file("s")).ok());
      ResetSession(s);
      CHECK(model->groups[0].n_free + session->n_blocks[0] == model->groups[0].n_blocks);
    }
    CHECK(restored > 100);
    CHECK(refused > 100);
  }
}

TEST_CASE("session file: a file is whole or not there") {
  const AlignedFile package = MakeFile({});
  const ModelPtr model = OpenTiny(package, BackendNamed("cpu"), Options(256, 16, DType::kF16));
  const SessionPtr session = NewSession(model);
  Logits(session, RandomIds(1, 200));
  const Folder folder;
  const std::string path = folder.file("a session");
  REQUIRE_OK(SaveTo(session, path));
  const std::vector<uint8_t> old = Bytes(path);
  struct stat info = {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  Logits(session, {5});
  REQUIRE_OK(SaveTo(session, path));
  const std::vector<uint8_t> want = Bytes(path);
  CHECK(want != old);
  CHECK(folder.Names().size() == 1);

  // Interrupted and short calls change nothing.
  if (StartFileFaults({.interrupt = 3, .most_bytes = 1000, .fail_at = 0, .error = 0})) {
    const Status status = SaveTo(session, path);
    const uint64_t calls = StopFileFaults();
    REQUIRE_OK(status);
    CHECK(calls > 50);
    CHECK(Bytes(path) == want);
    // Each call fails once: the file is the old one, and nothing else is left behind.
    const std::string other = folder.file("other");
    for (const int error : {ENOSPC, EIO}) {
      uint64_t n = 0;
      for (bool more = true; more;) {
        ++n;
        CAPTURE(n);
        StartFileFaults({.interrupt = 0, .most_bytes = 20000, .fail_at = n, .error = error});
        const Status failed = SaveTo(session, other);
        more = StopFileFaults() >= n && n < 1000;
        if (failed.ok()) {
          // The closed folder alone may fail unseen, or no call was left to fail.
          unlink(other.c_str());
        } else {
          CHECK(failed.code() == StatusCode::kIo);
          CHECK(std::string(failed.message()).find(std::strerror(error)) != std::string::npos);
          // Only a failed sync of the folder comes after the rename.
          if (std::string(failed.message()).find("folder") != std::string::npos)
            unlink(other.c_str());
        }
        REQUIRE(folder.Names().size() == 1);
      }
      CHECK(n > 5);
    }
  }
  // Names that cannot be written.
  NewFile file;
  CHECK(NewFile().Create("/nonexistent/folder/x").code() == StatusCode::kNotFound);
  CHECK(NewFile().Create((path + "/x").c_str()).code() == StatusCode::kNotFound);
  CHECK(NewFile().Create("/dev/null").code() == StatusCode::kInvalidArgument);
  CHECK(NewFile().Create("/").code() == StatusCode::kInvalidArgument);
  CHECK(NewFile().Create("").code() == StatusCode::kInvalidArgument);
  CHECK(NewFile().Create(folder.file("..").c_str()).code() == StatusCode::kInvalidArgument);
  REQUIRE_OK(NewFile().Create(folder.file("never finished").c_str()));
  CHECK(folder.Names().size() == 1);
}

TEST_CASE("session file: attachments") {
  const AlignedFile package = MakeFile({});
  const ModelPtr model = OpenTiny(package, BackendNamed("cpu"), Options(256, 16, DType::kF16, 2));
  const SessionPtr session = NewSession(model), restored = NewSession(model);
  Logits(session, RandomIds(1, 10));
  const Folder folder;
  std::vector<uint8_t> note(100000);
  for (size_t i = 0; i < note.size(); ++i) note[i] = static_cast<uint8_t>(i * i >> 3);
  REQUIRE_OK(SaveTo(session, folder.file("s"), note));
  PackageFile file;
  REQUIRE_OK(PackageFile::OpenPath(folder.file("s").c_str(), &file));
  std::vector<uint8_t> got(note.size() - 1);
  uint64_t n = 0;
  CHECK(ReadSession(file, restored.get(), got, &n).code() == StatusCode::kResourceExhausted);
  CHECK(n == note.size());
  CHECK(restored->n_tokens == 0);
  got.resize(note.size() + 5);
  REQUIRE_OK(ReadSession(file, restored.get(), got, &n));
  got.resize(n);
  CHECK(got == note);
  CHECK(restored->n_tokens == 10);
  REQUIRE_OK(ReadSession(file, restored.get(), {}, &n));  // not asked for
  std::vector<uint8_t> bytes = Bytes(folder.file("s"));
  bytes[kSessionHeaderBytes + 40 + 777] ^= 1;
  CHECK(RestoreFrom(bytes, restored).code() == StatusCode::kInvalidFile);
}

}  // namespace
}  // namespace samara::test
