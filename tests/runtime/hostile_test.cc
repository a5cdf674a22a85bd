// Packages whose metadata is wrong in one number, with a right hash: loading and running them
// succeeds or gives a Status, within a budget of memory. The sanitizers of other builds see what no
// check sees.
#include <doctest/doctest.h>

#include <cstring>

#include "tests/runtime/model_fixture.h"

namespace samara::test {
namespace {

struct Outcomes {
  int refused = 0, loaded = 0, ran = 0;
};

void SetHash(AlignedFile* file, const FileHeader& header) {
  uint8_t digest[32];
  Sha256 hash;
  hash.Update(file->data() + header.metadata_offset, header.metadata_bytes);
  hash.Finish(digest);
  std::memcpy(file->data() + 40, digest, 24);
}

// Opens and, if that goes, computes two steps.
void Try(const AlignedFile& file, const Backend& backend, Outcomes* outcomes) {
  PackageFile memory;
  REQUIRE_OK(PackageFile::OpenMemory(file.data(), file.size(), &memory));
  LoadOptions options;
  options.n_ctx = 70;
  options.n_chunk = 8;
  options.n_threads = 1;
  options.memory_budget = 64 << 20;
  Model* opened = nullptr;
  const Status status = LoadModel(std::move(memory), backend, options, {}, &opened);
  if (!status.ok()) {
    ++outcomes->refused;
    CHECK(std::strchr(status.message(), '\n') == nullptr);
    CHECK(status.code() != StatusCode::kInternal);
    INFO(status.message());
    return;
  }
  ++outcomes->loaded;
  const ModelPtr model(opened);
  Session* session = nullptr;
  SamplingParams sampling = model->sampling;
  if (!CreateSession(model.get(), sampling, false, &session).ok()) return;
  const SessionPtr owner(session);
  const std::vector<int32_t> ids = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  if (!FeedSession(session, ids.data(), ids.size()).ok()) return;
  int32_t token = 0;
  if (StepSessions(&session, 1).ok() && StepSessions(&session, 1).ok() &&
      SampleSession(session, {}, &token).ok()) {
    ++outcomes->ran;
    CHECK(static_cast<uint32_t>(token) < model->limits.vocab);
  }
}

TEST_CASE("hostile: one number of the metadata is another") {
  TinySpec spec;
  spec.layers = 1;
  spec.window = 20;
  spec.hidden_output = true;
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage(spec, &tiny));
  AlignedFile file(tiny.file);
  FileHeader header;
  REQUIRE_OK(ParseHeader({file.data(), kHeaderBytes}, file.size(), &header));
  Random random(1);
  Outcomes outcomes;
  uint8_t* metadata = file.data() + header.metadata_offset;
  for (int i = 0; i < 3000; ++i) {
    CAPTURE(i);
    const uint64_t width = uint64_t{1} << random.Below(4);
    const uint64_t at = random.Below(header.metadata_bytes / width) * width;
    uint64_t before = 0;
    std::memcpy(&before, metadata + at, width);
    const uint64_t values[] = {0,
                               1,
                               before - 1,
                               before + 1,
                               before * 2,
                               before / 2,
                               INT32_MAX,
                               uint64_t{1} << 31,
                               UINT32_MAX,
                               uint64_t{1} << 63,
                               UINT64_MAX,
                               before ^ (uint64_t{1} << random.Below(8 * width)),
                               random.Next()};
    const uint64_t value = values[random.Below(std::size(values))];
    std::memcpy(metadata + at, &value, width);
    SetHash(&file, header);
    Try(file, BackendNamed(i % 4 == 0 ? "reference" : "cpu"), &outcomes);
    std::memcpy(metadata + at, &before, width);
  }
  // Most changes are in names and values that nothing depends on, or are refused; both must occur.
  CHECK(outcomes.refused > 300);
  CHECK(outcomes.ran > 300);
  SetHash(&file, header);
  Outcomes untouched;
  Try(file, BackendNamed("cpu"), &untouched);
  CHECK(untouched.ran == 1);
}

TEST_CASE("hostile: two states of one name") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  tiny.package.states[1].name = tiny.package.states[0].name;
  ModelPlan plan;
  const Status status = PlanModel(tiny.package, {}, {}, BackendNamed("cpu"), &plan);
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(std::string(status.message()).find("layers.0.kv") != std::string::npos);

  // A zero byte in a name does not cut what the loader asks for.
  tiny.package.states[0].name[2] = 0;
  REQUIRE_OK(PlanModel(tiny.package, {}, {}, BackendNamed("cpu"), &plan));
  bool found = false;
  for (const MemoryItem& item : plan.list.items)
    found |= item.name == "state pool la?ers.0.kv keys";
  CHECK(found);
}

TEST_CASE("hostile: weights of any bits") {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    TinySpec spec;
    spec.dtype = dtype;
    spec.layers = 1;
    TinyPackage tiny;
    REQUIRE_OK(MakeTinyPackage(spec, &tiny));
    const Segment& segment = tiny.package.segments[0];
    Random random(2);
    for (int i = 0; i < 20; ++i) {
      AlignedFile file(tiny.file);
      const int changes = 1 << (i / 2);
      for (int k = 0; k < changes; ++k) {
        const uint64_t at = random.Below(segment.bytes - 4);
        const uint32_t value = i % 2 == 0 ? 0x7fc00000u : static_cast<uint32_t>(random.Next());
        std::memcpy(file.data() + segment.offset + at, &value, sizeof value);
      }
      Outcomes outcomes;
      Try(file, BackendNamed("cpu"), &outcomes);
      CHECK(outcomes.loaded == 1);  // weight values are never looked at
    }
  }
}

TEST_CASE("hostile: cut off anywhere") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  const AlignedFile file(tiny.file);
  Random random(3);
  for (int i = 0; i < 400; ++i) {
    const uint64_t size = i < 100 ? static_cast<uint64_t>(i) : random.Below(file.size());
    CAPTURE(size);
    PackageFile memory;
    REQUIRE_OK(PackageFile::OpenMemory(file.data(), size, &memory));
    Model* model = nullptr;
    CHECK(LoadModel(std::move(memory), BackendNamed("cpu"), {}, {}, &model).code() ==
          StatusCode::kInvalidFile);
  }
}

}  // namespace
}  // namespace samara::test
