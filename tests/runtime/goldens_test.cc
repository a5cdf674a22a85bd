// Goldens: they hold where they were made, elsewhere by tolerance, and the first operator that is
// off is named.
#include "runtime/goldens.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/runtime/model_fixture.h"
#include "tests/runtime/temporary_file.h"
#include "tests/support/mirror_backend.h"

namespace samara::test {
namespace {

// The package's bytes with other metadata: what the converter's second Finish writes.
std::vector<uint8_t> WithMetadata(const TinyPackage& tiny) {
  FileHeader header;
  REQUIRE_OK(ParseHeader({tiny.file.data(), kHeaderBytes}, tiny.file.size(), &header));
  std::string metadata;
  REQUIRE_OK(SerializeMetadata(tiny.package, &metadata));
  std::vector<uint8_t> file(tiny.file.begin(),
                            tiny.file.begin() + static_cast<ptrdiff_t>(header.metadata_offset));
  file.insert(file.end(), metadata.begin(), metadata.end());
  file.resize(file.size() + kSegmentTailBytes);
  const uint64_t fields[] = {file.size(), header.metadata_offset, metadata.size()};
  std::memcpy(file.data() + 16, fields, sizeof fields);
  uint8_t digest[32];
  Sha256 hash;
  hash.Update(metadata.data(), metadata.size());
  hash.Finish(digest);
  std::memcpy(file.data() + 40, digest, 24);
  return file;
}

TinyPackage MakeGolden(const TinySpec& spec) {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage(spec, &tiny));
  const TemporaryFile plain(tiny.file);
  REQUIRE_OK(MakeGoldens(plain.path(), &tiny.package));
  tiny.file = WithMetadata(tiny);
  return tiny;
}

Status Verify(const char* path, const Backend& backend, std::string* lines) {
  LoadOptions options;
  options.n_threads = 2;
  return VerifyGoldens(path, backend, options,
                       [&](const std::string& line) { *lines += line + "\n"; });
}

TEST_CASE("goldens: hold on every backend") {
  const MirrorBackend mirror(&BackendNamed("cpu"));
  for (DType dtype : {DType::kF32, DType::kQ4_0, DType::kBF16}) {
    TinySpec spec;
    spec.dtype = dtype;
    spec.qk_norm = true;
    const TinyPackage tiny = MakeGolden(spec);
    const Golden& golden = tiny.package.goldens.at(0);
    CHECK(golden.ids.size() == 8);
    CHECK(golden.top_ids.size() == 8);
    CHECK(golden.ops.size() == 2 * (4 + 1 + 4 + 1) + 2);  // linear, attention, rms_norm, glu
    const TemporaryFile file(tiny.file);
    for (const Backend* backend :
         {&BackendNamed("cpu"), &BackendNamed("reference"), &BackendNamed("float64"),
          static_cast<const Backend*>(&mirror)}) {
      CAPTURE(backend->name());
      std::string lines;
      CHECK_OK(Verify(file.path(), *backend, &lines));
      CHECK(lines.find(": ok on ") != std::string::npos);
      CHECK((lines.find("exact") != std::string::npos) == backend->exact());
    }
  }
}

TEST_CASE("goldens: a package without any") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  const TemporaryFile file(tiny.file);
  std::string lines;
  CHECK(Verify(file.path(), BackendNamed("cpu"), &lines).code() == StatusCode::kNotFound);
}

TEST_CASE("goldens: other weights than those they were made with") {
  TinyPackage tiny = MakeGolden({});
  const Weight* weight = nullptr;
  for (const Weight& w : tiny.package.weights) {
    if (w.name == "layers.1.down.weight") weight = &w;
  }
  REQUIRE(weight != nullptr);
  float value = 0;
  uint8_t* at = tiny.file.data() + tiny.package.segments[0].offset + weight->placements[0].offset;
  std::memcpy(&value, at, sizeof value);
  value += 0.25f;
  std::memcpy(at, &value, sizeof value);
  const TemporaryFile file(tiny.file);
  std::string lines;
  const Status status = Verify(file.path(), BackendNamed("cpu"), &lines);
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(std::string(status.message()).find("the weights in the file are not those") !=
        std::string::npos);
}

// Another backend whose result of one value is wrong.
class FaultyBackend final : public Backend {
 public:
  FaultyBackend(const Backend& inner, std::string value, float factor)
      : inner_(inner), value_(std::move(value)), factor_(factor) {}
  const char* name() const override { return "faulty"; }
  bool host_memory() const override { return true; }
  bool exact() const override { return inner_.exact(); }
  uint64_t StateHeadBytes(DType kv_type, uint32_t dim) const override {
    return inner_.StateHeadBytes(kv_type, dim);
  }
  bool Supports(const Package& package, const Graph& graph, const Op& op) const override {
    return inner_.Supports(package, graph, op);
  }
  Status MeasureDevice(const DeviceOptions& options, MemoryList* list) const override {
    list->Add("faulty device", sizeof(FaultyDevice));
    return inner_.MeasureDevice(options, list);
  }
  Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const override {
    SAMARA_RETURN_IF_ERROR(inner_.Measure(spec, measure));
    measure->plan_bytes += kPartitionBytes;
    return {};
  }
  Status Open(const DeviceOptions& options, Ledger* ledger,
              InPlacePtr<Device>* device) const override {
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger->Take("faulty device", sizeof(FaultyDevice), &block));
    FaultyDevice* faulty = new (block) FaultyDevice(*this);
    device->reset(faulty);
    return inner_.Open(options, ledger, &faulty->inner);
  }

 private:
  class FaultyPartition final : public Partition {
   public:
    Status Run(const void* step) override {
      SAMARA_RETURN_IF_ERROR(inner->Run(step));
      *at *= factor;
      return {};
    }
    InPlacePtr<Partition> inner;
    float* at = nullptr;
    float factor = 1;
  };
  static constexpr uint64_t kPartitionBytes = 64;
  static_assert(sizeof(FaultyPartition) <= kPartitionBytes);

  class FaultyDevice final : public Device {
   public:
    explicit FaultyDevice(const FaultyBackend& backend) : backend_(backend) {}
    const char* description() const override { return "faulty"; }
    Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) override {
      return inner->Allocate(ledger, name, bytes, handle);
    }
    Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) override {
      return inner->Upload(handle, offset, data, bytes);
    }
    Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) override {
      return inner->Download(handle, offset, data, bytes);
    }
    Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) override {
      return inner->Fill(handle, offset, byte, bytes);
    }
    Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
                uint64_t bytes) override {
      return inner->Copy(to, to_offset, from, from_offset, bytes);
    }
    Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                   InPlacePtr<Partition>* partition) override {
      FaultyPartition* faulty = new (block) FaultyPartition();
      partition->reset(faulty);
      faulty->factor = backend_.factor_;
      for (size_t v = 0; v < spec.values.size(); ++v) {
        if (spec.graph->values[v].name != backend_.value_ ||
            spec.values[v].kind != BufferKind::kArena) {
          continue;
        }
        uint8_t* row = static_cast<uint8_t*>(spec.arena_host) + spec.values[v].offset;
        faulty->at = reinterpret_cast<float*>(row + 2 * spec.values[v].row_stride) + 5;
      }
      if (faulty->at == nullptr) return Internal("no value %s", backend_.value_.c_str());
      return inner->Compile(spec, static_cast<uint8_t*>(block) + kPartitionBytes,
                            block_bytes - kPartitionBytes, &faulty->inner);
    }
    void RequestCancel() override { inner->RequestCancel(); }
    void ClearCancel() override { inner->ClearCancel(); }
    InPlacePtr<Device> inner;

   private:
    const FaultyBackend& backend_;
  };

  const Backend& inner_;
  const std::string value_;
  const float factor_;
};

TEST_CASE("goldens: the first operator that is off is named") {
  TinyPackage tiny = MakeGolden({});
  // So that the replay is looked at at all: the fault comes after the logits are computed.
  tiny.package.goldens[0].logits_sha256[0] ^= 1;
  tiny.package.goldens[0].top_logits[0] += 100;
  tiny.file = WithMetadata(tiny);
  const TemporaryFile file(tiny.file);
  struct Fault {
    const char* value;
    const char* type;
  };
  for (const Fault& fault :
       {Fault{"layers.0.glu", "(glu)"}, Fault{"layers.1.attention", "(attention)"},
        Fault{"layers.1.q_rope", "(rope)"}, Fault{"layers.0.qkv", "(linear)"}}) {
    CAPTURE(fault.value);
    const FaultyBackend faulty(BackendNamed("cpu"), fault.value, 1.0001f);
    std::string lines;
    const Status status = Verify(file.path(), faulty, &lines);
    CHECK(status.code() == StatusCode::kFailedPrecondition);
    const std::string text = status.message();
    CAPTURE(text);
    CHECK(text.find("operator \"" + std::string(fault.value) + "\" " + fault.type) !=
          std::string::npos);
    CHECK(text.find("1 of ") != std::string::npos);
  }
  // By tolerance a small error passes, and a large one is found.
  const MirrorBackend mirror(&BackendNamed("cpu"));
  std::string lines;
  CHECK(std::string(Verify(file.path(), mirror, &lines).message())
            .find("every operator gives what") != std::string::npos);
  const FaultyBackend far(BackendNamed("float64"), "layers.0.glu", 1e6f);
  CHECK(std::string(Verify(file.path(), far, &lines).message()).find("relative L2 error") !=
        std::string::npos);
}

}  // namespace
}  // namespace samara::test
