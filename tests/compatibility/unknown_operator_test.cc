// An old runtime and a new package: composites that this build does not know run by the
// decomposition that the package carries; everything else unknown is refused by name and version
// before a weight is touched.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "converter/decompositions.h"
#include "runtime/include/samara/samara.h"
#include "tests/formats/tiny_package.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

struct Free {
  void operator()(uint8_t* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using Bytes = std::unique_ptr<uint8_t[], Free>;

Bytes Aligned(const std::vector<uint8_t>& file) {
  Bytes bytes(new (std::align_val_t{64}) uint8_t[file.size()]);
  std::memcpy(bytes.get(), file.data(), file.size());
  return bytes;
}

// Status of opening; with SAMARA_OK the logits after 80 tokens in chunks of 16.
samara_status Run(const std::vector<uint8_t>& file, const char* backend, bool decompose,
                  std::vector<float>* logits) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.backend = backend;
  options.n_ctx = 96;
  options.n_chunk = 16;
  options.kv_type = SAMARA_KV_F32;
  options.decompose = decompose;
  samara_model* model = nullptr;
  const Bytes bytes = Aligned(file);
  const samara_status status = samara_model_open_memory(bytes.get(), file.size(), &options, &model);
  if (status != SAMARA_OK) return status;
  samara_session* session = nullptr;
  REQUIRE(samara_session_create(model, nullptr, &session) == SAMARA_OK);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 80; ++i) ids.push_back(i * 37 % 300);
  REQUIRE(samara_feed(session, ids.data(), ids.size()) == SAMARA_OK);
  REQUIRE_MESSAGE(samara_run(session) == SAMARA_OK, samara_last_error());
  const float* row = nullptr;
  size_t n = 0;
  REQUIRE(samara_logits(session, -1, &row, &n) == SAMARA_OK);
  logits->assign(row, row + n);
  samara_session_close(session);
  REQUIRE(samara_model_close(model) == SAMARA_OK);
  return status;
}

// Renames every operator of this code to one that no build knows.
void MakeUnknown(Package* package, OpCode code, const char* name) {
  for (Op& op : package->entries[0].ops) {
    if (op.code != code) continue;
    op.code = static_cast<OpCode>(60000);
    op.version = 7;
    op.type_name = name;
    Attr attr;  // and with an attribute that only a future build understands
    attr.key = static_cast<AttrKey>(999);
    attr.f = 0.5;
    op.attrs.push_back(attr);
  }
}

// The file with other metadata, sealed as a writer that checks nothing would.
std::vector<uint8_t> Rewrite(const std::vector<uint8_t>& file, const Package& package) {
  std::string metadata;
  REQUIRE(SerializeMetadata(package, &metadata).ok());
  FileHeader header;
  REQUIRE(ParseHeader(file, file.size(), &header).ok());
  std::vector<uint8_t> out(file.begin(),
                           file.begin() + static_cast<ptrdiff_t>(header.metadata_offset));
  out.insert(out.end(), metadata.begin(), metadata.end());
  out.insert(out.end(), kSegmentTailBytes, 0);
  Sha256 sha;
  sha.Update(metadata.data(), metadata.size());
  uint8_t digest[32];
  sha.Finish(digest);
  const uint64_t total = out.size(), size = metadata.size();
  std::memcpy(out.data() + 16, &total, 8);
  std::memcpy(out.data() + 32, &size, 8);
  std::memcpy(out.data() + 40, digest, 24);
  return out;
}

TinySpec Spec() {
  TinySpec spec;
  spec.qk_norm = true;
  spec.qkv_bias = true;
  spec.decompose = [](Package* package) { return AddDecompositions(package); };
  return spec;
}

TEST_CASE("an unknown composite runs by its decomposition") {
  TinyPackage known;
  REQUIRE(MakeTinyPackage(Spec(), &known).ok());
  std::vector<float> fused, decomposed;
  REQUIRE(Run(known.file, "cpu", false, &fused) == SAMARA_OK);
  REQUIRE(Run(known.file, "cpu", true, &decomposed) == SAMARA_OK);
  float largest = 0;
  for (float x : fused) largest = std::fmax(largest, std::fabs(x));
  for (OpCode code : {OpCode::kLinear, OpCode::kRmsNorm, OpCode::kRopeTable, OpCode::kRope,
                      OpCode::kGlu, OpCode::kAttention}) {
    TinySpec spec = Spec();
    spec.decompose = [code](Package* package) {
      Status status = AddDecompositions(package);
      MakeUnknown(package, code, "swirl");
      return status;
    };
    TinyPackage unknown;
    const Status made = MakeTinyPackage(spec, &unknown);
    REQUIRE_MESSAGE(made.ok(), made.message());
    CAPTURE(FindOp(code)->name);
    for (const char* backend : {"cpu", "reference"}) {
      CAPTURE(backend);
      std::vector<float> logits, all;
      REQUIRE_MESSAGE(Run(unknown.file, backend, false, &logits) == SAMARA_OK, samara_last_error());
      REQUIRE(logits.size() == fused.size());
      for (size_t i = 0; i < fused.size(); ++i) {
        CHECK(std::fabs(logits[i] - fused[i]) <= tolerance::kUnknownCompositeLogits * largest);
      }
      // With every other composite decomposed too: the same bits as the known package.
      REQUIRE(Run(unknown.file, backend, true, &all) == SAMARA_OK);
      CHECK(all == decomposed);
    }
  }
}

TEST_CASE("everything unknown is refused in one error, by name and version") {
  TinyPackage tiny;
  REQUIRE(MakeTinyPackage(Spec(), &tiny).ok());
  Package package = tiny.package;
  MakeUnknown(&package, OpCode::kStateWrite,
              "state_write_sparse");  // core: nothing to fall back to
  MakeUnknown(&package, OpCode::kSlice, "slice_ring");
  package.required_features = {"paged_experts"};
  std::vector<float> logits;
  CHECK(Run(Rewrite(tiny.file, package), "cpu", false, &logits) == SAMARA_UNSUPPORTED);
  const std::string error = samara_last_error();
  CAPTURE(error);
  for (const char* part : {"state_write_sparse", "slice_ring", "7", "paged_experts"}) {
    CAPTURE(part);
    CHECK(error.find(part) != std::string::npos);
  }
  CHECK(error.find('\n') == std::string::npos);

  // A newer version of a composite that this build knows runs by its decomposition as well.
  package = tiny.package;
  for (Op& op : package.entries[0].ops) {
    if (op.code == OpCode::kGlu) op.version = 1000;
  }
  CHECK_MESSAGE(Run(Rewrite(tiny.file, package), "cpu", false, &logits) == SAMARA_OK,
                samara_last_error());
  for (Op& op : package.entries[0].ops) op.decomposition = -1;
  CHECK(Run(Rewrite(tiny.file, package), "cpu", false, &logits) == SAMARA_UNSUPPORTED);
  CHECK(std::string(samara_last_error()).find("glu") != std::string::npos);
}

}  // namespace
}  // namespace samara::test
