// Where packages are read from: a path, an offset of a file, memory; mapped or copied. And
// cancelling.
#include "runtime/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "tests/runtime/model_fixture.h"
#include "tests/runtime/temporary_file.h"

namespace samara::test {
namespace {

std::vector<float> LogitsOf(PackageFile file, bool no_mmap) {
  LoadOptions options;
  options.n_ctx = 64;
  options.n_threads = 1;
  options.no_mmap = no_mmap;
  Model* opened = nullptr;
  REQUIRE_OK(LoadModel(std::move(file), BackendNamed("cpu"), options, {}, &opened));
  const ModelPtr model(opened);
  const SessionPtr session = NewSession(model);
  return Logits(session, {5, 6, 7});
}

TEST_CASE("file: every way to open a package gives the same logits") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  const AlignedFile memory(tiny.file);
  const TemporaryFile plain(tiny.file);
  PackageFile file;
  REQUIRE_OK(PackageFile::OpenPath(plain.path(), &file));
  const std::vector<float> want = LogitsOf(std::move(file), false);
  for (bool no_mmap : {false, true}) {
    CAPTURE(no_mmap);
    PackageFile path, in_memory;
    REQUIRE_OK(PackageFile::OpenPath(plain.path(), &path));
    CHECK(SameBits(LogitsOf(std::move(path), no_mmap), want));
    REQUIRE_OK(PackageFile::OpenMemory(memory.data(), memory.size(), &in_memory));
    CHECK(SameBits(LogitsOf(std::move(in_memory), no_mmap), want));
    // Inside a larger file: at offsets that are no multiple of a page, and between other bytes.
    for (uint64_t offset : {0, 64, 4160, 16384 + 64}) {
      CAPTURE(offset);
      TemporaryFile large;
      large.Resize(offset + tiny.file.size() + 100);
      large.Write(offset, tiny.file.data(), tiny.file.size());
      PackageFile part;
      REQUIRE_OK(PackageFile::OpenFd(large.fd(), offset, tiny.file.size(), &part));
      CHECK(SameBits(LogitsOf(std::move(part), no_mmap), want));
    }
  }
  // An offset at which weights cannot be mapped with their alignment.
  TemporaryFile odd;
  odd.Write(33, tiny.file.data(), tiny.file.size());
  PackageFile part;
  REQUIRE_OK(PackageFile::OpenFd(odd.fd(), 33, 0, &part));
  CHECK(SameBits(LogitsOf(std::move(part), true), want));
  REQUIRE_OK(PackageFile::OpenFd(odd.fd(), 33, 0, &part));
  Model* model = nullptr;
  CHECK(LoadModel(std::move(part), BackendNamed("cpu"), {}, {}, &model).code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("file: a file that shrinks while it is read") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  TemporaryFile plain(tiny.file);
  PackageFile file;
  REQUIRE_OK(PackageFile::OpenPath(plain.path(), &file));
  plain.Resize(tiny.file.size() / 2);
  Model* model = nullptr;
  const Status status = LoadModel(std::move(file), BackendNamed("cpu"), {}, {}, &model);
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(std::string(status.message()).find("cut off") != std::string::npos);
}

TEST_CASE("file: what is no regular file is refused at once") {
  PackageFile file;
  CHECK(PackageFile::OpenPath("/dev/zero", &file).code() == StatusCode::kInvalidArgument);
  const TemporaryFile name;
  const std::string fifo = std::string(name.path()) + ".fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(PackageFile::OpenPath(fifo.c_str(), &file).code() == StatusCode::kInvalidArgument);
  unlink(fifo.c_str());
}

TEST_CASE("cancel: from another thread, in the middle of a step") {
  TinySpec spec;
  spec.layers = 8;
  spec.hidden = 256;
  spec.inter = 1024;
  const AlignedFile file = MakeFile(spec);
  for (const char* backend : {"cpu", "reference"}) {
    CAPTURE(backend);
    LoadOptions options;
    options.n_ctx = options.n_chunk = 8192;
    const ModelPtr model = OpenTiny(file, BackendNamed(backend), options);
    const SessionPtr session = NewSession(model);
    Feed(session, RandomIds(1, 8192));
    Session* s = session.get();
    using Clock = std::chrono::steady_clock;
    Clock::time_point cancelled;
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      cancelled = Clock::now();
      model->cancelled = true;
      model->device->RequestCancel();
    });
    const Status status = StepSessions(&s, 1);
    const Clock::time_point end = Clock::now();
    other.join();
    const double seconds = std::chrono::duration<double>(end - cancelled).count();
    CHECK(status.code() == StatusCode::kCancelled);
    // 200 ms are promised, and printed below; a busy or slow machine fails no test.
    CHECK(seconds < 60);
    MESSAGE(std::string(backend) << ": cancelled after " << static_cast<int>(seconds * 1000)
                                 << " ms");
  }
}

}  // namespace
}  // namespace samara::test
