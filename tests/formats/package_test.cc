#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include "formats/check.h"
#include "formats/metadata_schema.h"
#include "runtime/step_params.h"
#include "tests/formats/full_package.h"
#include "tests/support/random.h"

namespace samara {
namespace {

using test::FullSpec;
using test::MemorySink;
using test::ParseWithHash;
using test::TinyPackage;

static_assert(kMaxPackageGroups == kMaxStateGroups, "the step block has room for every group");

bool Says(const Status& status, const char* text) {
  return std::string(status.message()).find(text) != std::string::npos;
}

TinyPackage Full() {
  TinyPackage tiny;
  Status status = MakeTinyPackage(FullSpec(), &tiny);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
  return tiny;
}

FileHeader HeaderOf(const std::vector<uint8_t>& file) {
  FileHeader header;
  REQUIRE(ParseHeader(file, file.size(), &header).ok());
  return header;
}

std::string MetadataOf(const std::vector<uint8_t>& file) {
  FileHeader header = HeaderOf(file);
  return std::string(reinterpret_cast<const char*>(file.data() + header.metadata_offset),
                     header.metadata_bytes);
}

TEST_CASE("package: what is written is read, field by field") {
  TinyPackage tiny = Full();
  FileHeader header = HeaderOf(tiny.file);
  test::AlignedBytes copy({tiny.file.data() + header.metadata_offset, header.metadata_bytes});
  Package read;
  Status status = ParseMetadata(copy.span(), header, &read);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
  CHECK(read == tiny.package);
  // Not trivially equal: each part holds something.
  CHECK(read.functions.size() == 3);
  CHECK(read.entries.size() == 2);
  CHECK(read.goldens[0].ops[0].values[1] == -0.5f);
  CHECK(read.weights[0].sources[0].transform == SourceTransform::kScaled);
  CHECK(read.metadata[1].second == "line\nbreak");
  CHECK(read.entries[0].ops.back().type_name == "iota");
  // And the bytes are a function of the package.
  std::string again;
  REQUIRE(SerializeMetadata(read, &again).ok());
  CHECK(again == MetadataOf(tiny.file));
}

TEST_CASE("package: external segments survive") {
  TinyPackage tiny = Full();
  Segment external;
  external.name = "experts";
  external.external = "tiny.experts.samara";
  external.bytes = kHashChunkBytes + 1;
  external.chunk_sha256.assign(64, 7);
  tiny.package.segments.push_back(external);
  std::string metadata;
  REQUIRE(SerializeMetadata(tiny.package, &metadata).ok());
  Package read;
  Status status = ParseWithHash(metadata, HeaderOf(tiny.file), &read);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
  CHECK(read == tiny.package);
}

TEST_CASE("package: segments are aligned, padded and hashed by chunks") {
  MemorySink sink;
  PackageWriter writer(&sink);
  REQUIRE(writer.Begin().ok());
  std::vector<uint8_t> large(2 * kHashChunkBytes + 100);
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<uint8_t>(i * 7 + i / 253);
  REQUIRE(writer.BeginSegment("a").ok());
  CHECK(writer.segment_index() == 0);
  REQUIRE(writer.Append("xyz", 3).ok());
  REQUIRE(writer.Align(64).ok());
  CHECK(writer.segment_bytes() == 64);
  REQUIRE(writer.EndSegment().ok());
  REQUIRE(writer.BeginSegment("b").ok());
  CHECK(writer.segment_index() == 1);
  for (size_t at = 0; at < large.size(); at += 1000003) {
    REQUIRE(writer.Append(large.data() + at, std::min<size_t>(1000003, large.size() - at)).ok());
  }
  REQUIRE(writer.EndSegment().ok());
  Package package = Full().package;
  package.weights.clear();  // its weights are not in this file
  uint64_t file_bytes = 0;
  CHECK_FALSE(writer.Finish(&package, &file_bytes).ok());  // checked before a header is written
  CHECK_FALSE(ParseHeader(sink.bytes, sink.bytes.size(), nullptr).ok());
  REQUIRE(package.segments.size() == 2);
  const Segment& b = package.segments[1];
  CHECK(package.segments[0].offset == kSegmentAlignment);
  CHECK(b.offset % kSegmentAlignment == 0);
  CHECK(b.bytes == large.size());
  CHECK(b.chunk_sha256.size() == 3 * 32);
  CHECK(std::memcmp(sink.bytes.data() + b.offset, large.data(), large.size()) == 0);
  for (size_t i = 0; i < kSegmentTailBytes; ++i) CHECK(sink.bytes[b.offset + b.bytes + i] == 0);
  for (uint64_t chunk = 0; chunk < 3; ++chunk) {
    uint64_t from = chunk * kHashChunkBytes,
             n = std::min<uint64_t>(kHashChunkBytes, b.bytes - from);
    CHECK(CheckSegmentChunk(b, chunk, {large.data() + from, n}).ok());
  }
  large[kHashChunkBytes + 5] ^= 1;
  Status status = CheckSegmentChunk(b, 1, {large.data() + kHashChunkBytes, kHashChunkBytes});
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(Says(status, "\"b\": chunk 1"));
  CHECK(CheckSegmentChunk(b, 3, {}).code() == StatusCode::kInvalidArgument);
  CHECK(CheckSegmentChunk(b, 2, {large.data(), 99}).code() == StatusCode::kInvalidArgument);
}

TEST_CASE("package: goldens are added to a finished package") {
  MemorySink sink;
  PackageWriter writer(&sink);
  CHECK_FALSE(writer.BeginSegment("early").ok());
  REQUIRE(writer.Begin().ok());
  CHECK_FALSE(writer.Begin().ok());
  TinyPackage tiny = Full();
  const Segment& weights = tiny.package.segments[0];
  REQUIRE(writer.BeginSegment("weights").ok());
  CHECK_FALSE(writer.BeginSegment("nested").ok());
  REQUIRE(writer.Append(tiny.file.data() + weights.offset, weights.bytes).ok());
  Package package = tiny.package;
  uint64_t first = 0, second = 0;
  CHECK_FALSE(writer.Finish(&package, &first).ok());  // a segment is open
  REQUIRE(writer.EndSegment().ok());
  CHECK_FALSE(writer.Append("x", 1).ok());
  package.goldens.clear();
  REQUIRE(writer.Finish(&package, &first).ok());
  CHECK(sink.bytes.size() == first);
  CHECK_FALSE(writer.BeginSegment("late").ok());
  package.goldens = tiny.package.goldens;
  REQUIRE(writer.Finish(&package, &second).ok());
  CHECK(second > first);
  CHECK(sink.bytes == tiny.file);
}

TEST_CASE("header: every field is checked") {
  const std::vector<uint8_t> file = Full().file;
  auto parse = [&](size_t at, uint8_t value, uint64_t size) {
    std::vector<uint8_t> bytes(file.begin(), file.begin() + kHeaderBytes);
    bytes[at] = value;
    FileHeader header;
    return ParseHeader(bytes, size, &header);
  };
  CHECK(parse(0, 'S', file.size()).ok());
  CHECK(Says(parse(0, 'G', file.size()), "not a .samara file"));
  CHECK(parse(8, 2, file.size()).code() == StatusCode::kUnsupported);
  CHECK(Says(parse(8, 2, file.size()), "format version 2"));
  CHECK(Says(parse(12, 65, file.size()), "header of 65 bytes"));
  CHECK(Says(parse(0, 'S', file.size() - 1), "its header says"));
  CHECK(Says(parse(23, 0x80, file.size()), "its header says"));
  CHECK(Says(parse(24, 1, file.size()), "want a multiple of 16384"));
  CHECK(Says(parse(31, 0x80, file.size()), "reaches beyond"));
  CHECK(Says(parse(39, 0x80, file.size()), "metadata of"));
  CHECK(Says(parse(34, 0x01, file.size()), "reaches beyond"));
  FileHeader header;
  for (size_t n = 0; n < kHeaderBytes; ++n) {
    CHECK(ParseHeader({file.data(), n}, file.size(), &header).code() == StatusCode::kInvalidFile);
  }
  // Every single flipped bit is found: by ParseHeader, or when the metadata is parsed under that
  // header.
  for (size_t bit = 0; bit < kHeaderBytes * 8; ++bit) {
    std::vector<uint8_t> bytes = file;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ 1 << bit % 8);
    Status status = ParseHeader(bytes, bytes.size(), &header);
    if (status.ok()) {
      Package package;
      test::AlignedBytes copy({bytes.data() + header.metadata_offset, header.metadata_bytes});
      status = ParseMetadata(copy.span(), header, &package);
    }
    CHECK_FALSE(status.ok());
  }
  std::vector<uint8_t> bad_hash = file;
  bad_hash[40] ^= 1;
  header = HeaderOf(bad_hash);
  test::AlignedBytes copy({file.data() + header.metadata_offset, header.metadata_bytes});
  Package package;
  Status status = ParseMetadata(copy.span(), header, &package);
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(Says(status, "SHA-256"));
  CHECK(ParseMetadata(copy.span().subspan(1), header, &package).code() ==
        StatusCode::kInvalidArgument);
  CHECK(ParseMetadata(copy.span().first(8), header, &package).code() == StatusCode::kInvalidFile);
}

TEST_CASE("metadata: cut anywhere") {
  const std::vector<uint8_t> file = Full().file;
  const std::string metadata = MetadataOf(file);
  const FileHeader header = HeaderOf(file);
  for (size_t n = 0; n < metadata.size(); ++n) {
    Package package;
    if (ParseWithHash(metadata.substr(0, n), header, &package).ok())
      FAIL("cut at " << n << " is accepted");
  }
}

TEST_CASE("metadata: any one bit flipped gives a package that holds or a named error") {
  const std::vector<uint8_t> file = Full().file;
  std::string metadata = MetadataOf(file);
  const FileHeader header = HeaderOf(file);
  struct All : DecomposeChoice {
    bool Decompose(const Graph&, const Op& op) override { return op.decomposition >= 0; }
  } all;
  int accepted = 0, refused = 0;
  for (size_t bit = 0; bit < metadata.size() * 8; ++bit) {
    metadata[bit / 8] = static_cast<char>(metadata[bit / 8] ^ 1 << bit % 8);
    Package package;
    Status status = ParseWithHash(metadata, header, &package);
    if (status.ok()) {
      ++accepted;  // names, free numbers, padding
      Graph graph;
      Status inlined = InlineDecompositions(package, package.entries[0], &all, &graph);
      if (!inlined.ok()) FAIL("bit " << bit << ": " << inlined.message());
    } else {
      ++refused;
      bool expected =
          status.code() == StatusCode::kInvalidFile || status.code() == StatusCode::kUnsupported;
      if (!expected || std::string(status.message()).empty())
        FAIL("bit " << bit << ": " << status.message());
    }
    metadata[bit / 8] = static_cast<char>(metadata[bit / 8] ^ 1 << bit % 8);
  }
  CHECK(accepted > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("metadata: random damage") {
  const uint64_t seed = 99;
  CAPTURE(seed);
  test::Random random(seed);
  const std::vector<uint8_t> file = Full().file;
  const std::string original = MetadataOf(file);
  const FileHeader header = HeaderOf(file);
  for (int trial = 0; trial < 5000; ++trial) {
    std::string metadata = original;
    for (uint64_t n = random.Below(8) + 1; n > 0; --n) {
      size_t at = random.Below(metadata.size() / 4) * 4;
      uint32_t word = 0;
      switch (random.Below(4)) {
        case 0:
          word = static_cast<uint32_t>(random.Next());
          break;
        case 1:
          word = static_cast<uint32_t>(random.Below(64));
          break;
        case 2:
          word = static_cast<uint32_t>(random.Below(metadata.size()));
          break;
        default:
          word = 0xFFFFFFFFu - static_cast<uint32_t>(random.Below(8));
          break;
      }
      if (at + 4 <= metadata.size()) std::memcpy(metadata.data() + at, &word, 4);
    }
    Package package;
    Status status = ParseWithHash(metadata, header, &package);
    bool named = status.ok() || status.code() == StatusCode::kInvalidFile ||
                 status.code() == StatusCode::kUnsupported;
    if (!named) FAIL("trial " << trial << ": " << status.message());
  }
}

// FlatBuffers may share objects: a vector can name one table a million times.
TEST_CASE("metadata: shared objects do not unfold without bound") {
  flatbuffers::FlatBufferBuilder builder;
  auto name = builder.CreateString("v");
  auto value = fb::CreateValue(builder, name, 1, 1);
  std::vector<flatbuffers::Offset<fb::Value>> copies(200000, value);
  auto values = builder.CreateVector(copies);
  auto graph_name = builder.CreateString("generate");
  auto graph = fb::CreateGraph(builder, graph_name, values);
  std::vector<flatbuffers::Offset<fb::Graph>> graphs(1000, graph);
  auto entries = builder.CreateVector(graphs);
  fb::PackageBuilder package(builder);
  package.add_entries(entries);
  fb::FinishPackageBuffer(builder, package.Finish());
  Package read;
  FileHeader header;
  Status status = ParseWithHash({builder.GetBufferPointer(), builder.GetSize()}, header, &read);
  CHECK(status.code() == StatusCode::kInvalidFile);

  // Shared below the verifier's count of tables: a long text named many times.
  builder.Clear();
  auto text = builder.CreateString(std::string(100000, 'x'));
  std::vector<flatbuffers::Offset<flatbuffers::String>> texts(20000, text);
  auto features = builder.CreateVector(texts);
  fb::PackageBuilder second(builder);
  second.add_required_features(features);
  fb::FinishPackageBuffer(builder, second.Finish());
  status = ParseWithHash({builder.GetBufferPointer(), builder.GetSize()}, header, &read);
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(Says(status, "unfolds"));
}

TEST_CASE("metadata: elements of 8 bytes must be aligned") {
  const std::vector<uint8_t> file = Full().file;
  std::string metadata = MetadataOf(file);
  const fb::Package* root = fb::GetPackage(metadata.data());
  int moved = 0;
  for (const fb::Op* op : *root->entries()->Get(0)->ops()) {
    for (const fb::Attr* attr : *op->attrs()) {
      if (attr->ints() == nullptr) continue;
      // Four bytes on, the vector's size is the low half of its first element: 1.
      const uint8_t* field =
          reinterpret_cast<const flatbuffers::Table*>(attr)->GetAddressOf(fb::Attr::VT_INTS);
      size_t at = field - reinterpret_cast<const uint8_t*>(metadata.data());
      metadata[at] = static_cast<char>(metadata[at] + 4);
      ++moved;
    }
  }
  REQUIRE(moved > 0);
  Package package;
  Status status = ParseWithHash(metadata, HeaderOf(file), &package);
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(Says(status, "not aligned"));
}

TEST_CASE("metadata: limits of the writer") {
  TinyPackage tiny = Full();
  tiny.package.metadata.push_back({"huge", std::string(kMaxMetadataBytes, 'x')});
  std::string metadata;
  CHECK(SerializeMetadata(tiny.package, &metadata).code() == StatusCode::kResourceExhausted);
  tiny.package.metadata.back().second += 'x';
  CHECK(SerializeMetadata(tiny.package, &metadata).code() == StatusCode::kResourceExhausted);
}

// The file of version 1 that is kept for good: readers of every later version must take it.
const char kGolden[] = SAMARA_SOURCE_DIR "/tests/formats/data/tiny_v1.samara";

TEST_CASE("golden package: read for ever") {
  std::FILE* in = std::fopen(kGolden, "rb");
  REQUIRE(in != nullptr);
  std::vector<uint8_t> file(1 << 20);
  file.resize(std::fread(file.data(), 1, file.size(), in));
  std::fclose(in);
  FileHeader header = HeaderOf(file);
  test::AlignedBytes copy({file.data() + header.metadata_offset, header.metadata_bytes});
  Package read;
  Status status = ParseMetadata(copy.span(), header, &read);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
  REQUIRE(read.segments.size() == 1);
  const Segment& weights = read.segments[0];
  CHECK(CheckSegmentChunk(weights, 0, {file.data() + weights.offset, weights.bytes}).ok());
  CHECK(read.name == "tiny");
  CHECK(read.vocab == 33);
  CHECK(read.weights.size() == 9);
  CHECK(read.weights[0].dtype == DType::kQ8_0);
  CHECK(read.functions.size() == 3);
  REQUIRE(read.entries.size() == 2);
  CHECK(read.entries[0].ops.size() == 24);
  CHECK(read.entries[0].ops[23].name == "iota.0");
  CHECK(read.states[0].parts == std::vector<StatePart>{{1, 8}, {1, 8}});
  CHECK(read.templates[0].tree == std::vector<uint8_t>{1, 2, 3});
  CHECK(read.goldens[0].ids == std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(read.sampling.top_k == 40);
}

// How the file was made; to be run once a format version, never to repair the test above.
TEST_CASE("golden package: write" * doctest::skip()) {
  const std::vector<uint8_t> file = Full().file;
  std::FILE* out = std::fopen(kGolden, "wb");
  REQUIRE(out != nullptr);
  CHECK(std::fwrite(file.data(), 1, file.size(), out) == file.size());
  CHECK(std::fclose(out) == 0);
}

}  // namespace
}  // namespace samara
