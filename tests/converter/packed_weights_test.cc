// FP8, AWQ and GPTQ checkpoints: matrices have the numbers that an independent script computed
// (data/make_packed.py), in whatever pieces they are read; what is wrong has a name.
#include "converter/packed_weights.h"

#include <doctest/doctest.h>

#include <cmath>

#include "converter/convert.h"
#include "converter/source.h"
#include "formats/package_format.h"
#include "runtime/file.h"
#include "tests/converter/checkpoint.h"
#include "tests/support/quant_data.h"

namespace samara {
namespace {

struct Method {
  const char* name;
  const char* settings;
};
constexpr Method kMethods[] = {
    {"fp8", R"({"quant_method":"fp8","fmt":"e4m3","weight_block_size":[16,8]})"},
    {"awq", R"({"quant_method":"awq","bits":4,"group_size":8,"version":"gemm","zero_point":true})"},
    {"gptq", R"({"quant_method":"gptq","bits":4,"group_size":8,"desc_act":true})"},
    {"gptq_v2", R"({"quant_method":"gptq","bits":4,"group_size":8,"checkpoint_format":"gptq_v2"})"},
};

std::string DataOf(const std::string& name) {
  return SAMARA_SOURCE_DIR "/tests/converter/data/packed_" + name + ".safetensors";
}

Status Unpack(const std::string& settings, Checkpoint* checkpoint) {
  const auto config =
      JsonDocument::Parse("config.json", "{\"quantization_config\":" + settings + "}");
  REQUIRE(config.ok());
  return UnpackWeights(config->root(), checkpoint);
}

TEST_CASE("packed weights: E4M3") {
  CHECK(FloatFromE4m3(0x38) == 1);
  CHECK(FloatFromE4m3(0x7E) == 448);
  CHECK(FloatFromE4m3(0xFE) == -448);
  CHECK(FloatFromE4m3(0x08) == 0x1p-6f);
  CHECK(FloatFromE4m3(0x01) == 0x1p-9f);
  CHECK(std::signbit(FloatFromE4m3(0x80)));
  CHECK(std::isnan(FloatFromE4m3(0x7F)));
  CHECK(std::isnan(FloatFromE4m3(0xFF)));
}

TEST_CASE("packed weights: the numbers of another tool, in any pieces") {
  const uint64_t seed = 11;
  INFO("seed " << seed);
  test::Random random(seed);
  for (const Method& method : kMethods) {
    CAPTURE(std::string(method.name));
    auto packed = Checkpoint::OpenFile(DataOf(method.name), "packed");
    const auto plain = Checkpoint::OpenFile(DataOf(std::string(method.name) + "_values"), "plain");
    REQUIRE(packed.ok());
    REQUIRE(plain.ok());
    const Status unpacked = Unpack(method.settings, &*packed);
    REQUIRE_MESSAGE(unpacked.ok(), std::string(unpacked.message()));
    REQUIRE(packed->tensors().size() == plain->tensors().size());
    size_t matrices = 0;
    for (const TensorInfo& want : plain->tensors()) {
      CAPTURE(want.name);
      const TensorInfo* got = packed->Find(want.name);
      REQUIRE(got != nullptr);
      CHECK(got->shape == want.shape);
      CHECK(got->dtype == want.dtype);
      REQUIRE(got->bytes == want.bytes);
      matrices += got->packed != nullptr;
      std::string a(want.bytes, '\1'), b(want.bytes, '\2');
      REQUIRE(plain->Read(want, 0, a.data(), a.size()).ok());
      REQUIRE(packed->Read(*got, 0, b.data(), b.size()).ok());
      CHECK(a == b);
      for (int i = 0; i < 20; ++i) {
        const uint64_t from = random.Below(want.bytes / 4),
                       n = random.Below(want.bytes / 4 - from) + 1;
        REQUIRE(packed->Read(*got, 4 * from, b.data(), 4 * n).ok());
        CHECK(b.substr(0, 4 * n) == a.substr(4 * from, 4 * n));
      }
      CHECK(!packed->Read(*got, want.bytes, b.data(), 4).ok());
    }
    CHECK(matrices == 14);
  }
}

// Chunk hashes of the segment of weights, and the types of matrices.
std::pair<std::vector<uint8_t>, std::vector<DType>> ConvertAndHash(const std::string& source,
                                                                   const std::string& output,
                                                                   DType quant) {
  ConvertOptions options;
  options.source = source;
  options.output = output;
  options.quant = quant;
  const auto summary = Convert(options);
  REQUIRE_MESSAGE(summary.ok(), std::string(summary.status().message()));
  PackageFile file;
  ParsedPackage parsed;
  REQUIRE(PackageFile::OpenPath(output.c_str(), &file).ok());
  REQUIRE(ReadPackage(file, &parsed).ok());
  std::vector<DType> types;
  for (const Weight& weight : parsed.package.weights) {
    if (!weight.is_vector) types.push_back(weight.dtype);
  }
  const auto& hashes = parsed.package.segments[0].chunk_sha256;
  return {{hashes.begin(), hashes.end()}, types};
}

void WriteModel(const std::string& directory, const std::string& weights, const Method* method) {
  TestCheckpoint checkpoint = MakeCheckpoint("llama");
  checkpoint.config["num_hidden_layers"] = "2";
  checkpoint.config["head_dim"] = "4";
  checkpoint.config["tie_word_embeddings"] = "true";
  checkpoint.config["torch_dtype"] = "\"bfloat16\"";
  if (method != nullptr) checkpoint.config["quantization_config"] = method->settings;
  WriteCheckpoint(directory, checkpoint);
  WriteText(directory + "/model.safetensors", ReadBytes(DataOf(weights)));
}

TEST_CASE("packed weights: the package of the plain checkpoint") {
  for (const Method& method : kMethods) {
    CAPTURE(std::string(method.name));
    TemporaryDirectory dir;
    WriteModel(dir / "packed", method.name, &method);
    WriteModel(dir / "plain", std::string(method.name) + "_values", nullptr);
    for (const DType quant : {DType::kF32, DType::kQ8_0, DType::kBF16}) {
      const auto packed = ConvertAndHash(dir / "packed", dir / "a.samara", quant);
      const auto plain = ConvertAndHash(dir / "plain", dir / "b.samara", quant);
      CHECK(packed == plain);
    }
    // Without a wish: the type that the model computes in.
    const auto kept = ConvertAndHash(dir / "packed", dir / "a.samara", DType::kInvalid);
    CHECK(kept == ConvertAndHash(dir / "plain", dir / "b.samara", DType::kBF16));
  }
}

// The message of unpacking a file of which one tensor's entry in the header was changed.
std::string ErrorOf(const std::string& method, const std::string& settings,
                    const std::string& from = "", const std::string& to = "") {
  const std::string bytes = ReadBytes(DataOf(method));
  uint64_t size = 0;
  for (size_t i = 8; i-- > 0;) size = size << 8 | static_cast<uint8_t>(bytes[i]);
  std::string header = bytes.substr(8, size);
  if (!from.empty()) {
    const size_t at = header.find(from);
    REQUIRE_MESSAGE(at != std::string::npos, header);
    header.replace(at, from.size(), to);
  }
  TemporaryDirectory dir;
  WriteText(dir / "m.safetensors", SafetensorsBytes(header, bytes.substr(8 + size)));
  auto checkpoint = Checkpoint::OpenFile(dir / "m.safetensors", "m.safetensors");
  REQUIRE_MESSAGE(checkpoint.ok(), std::string(checkpoint.status().message()));
  const Status status = Unpack(settings, &*checkpoint);
  CHECK(!status.ok());
  return status.message();
}

void Mentions(const std::string& text, const char* part) {
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

TEST_CASE("packed weights: what is wrong has a name") {
  const std::string awq = kMethods[1].settings, gptq = kMethods[2].settings,
                    fp8 = kMethods[0].settings;
  Mentions(ErrorOf("awq", R"({"quant_method":"bitsandbytes","load_in_4bit":true})"),
           "got \"bitsandbytes\" weights, wanted fp8, awq or gptq");
  Mentions(ErrorOf("awq", R"({"bits":4})"), "got \"unnamed\" weights");
  Mentions(ErrorOf("awq", R"({"quant_method":"awq","bits":8})"), "bits: got 8, wanted 4");
  Mentions(ErrorOf("awq", R"({"quant_method":"awq","version":"gemv"})"),
           "version: got the string \"gemv\", wanted gemm");
  Mentions(ErrorOf("awq", R"({"quant_method":"awq","zero_point":false})"), "zero_point: got false");
  Mentions(ErrorOf("awq", R"({"quant_method":"awq","group_size":0})"), "group_size: got 0");
  Mentions(ErrorOf("awq", R"({"quant_method":"awq","group_size":4})"),
           "wanted F32, F16 or BF16 [6, 16]");
  Mentions(ErrorOf("gptq", R"({"quant_method":"gptq","checkpoint_format":"marlin"})"),
           "checkpoint_format: got the string \"marlin\", wanted gptq or gptq_v2");
  Mentions(ErrorOf("fp8", R"({"quant_method":"fp8"})"), "weight_block_size");
  Mentions(ErrorOf("fp8", R"({"quant_method":"fp8","weight_block_size":[128]})"), "two sizes");
  Mentions(ErrorOf("fp8", R"({"quant_method":"fp8","weight_block_size":[0,8]})"),
           "weight_block_size[0]: got 0");
  Mentions(ErrorOf("fp8", R"({"quant_method":"fp8","weight_block_size":[8,8]})"),
           "wanted F32, F16 or BF16 [2, 3]");
  Mentions(ErrorOf("fp8", R"({"quant_method":"fp8","fmt":"e5m2","weight_block_size":[16,8]})"),
           "fmt: got the string \"e5m2\", wanted e4m3");
  Mentions(ErrorOf("awq", fp8), "but no tensor NAME.weight_scale_inv");
  Mentions(ErrorOf("fp8", awq), "but no tensor NAME.qweight");
  Mentions(ErrorOf("awq", awq, "layers.1.mlp.up_proj.qzeros", "layers.1.mlp.up_proj.qzerox"),
           "tensor \"model.layers.1.mlp.up_proj.qzeros\": not there");
  Mentions(ErrorOf("gptq", gptq, "layers.0.mlp.up_proj.scales", "layers.0.mlp.up_proj.scalez"),
           "tensor \"model.layers.0.mlp.up_proj.scales\": not there");
  Mentions(ErrorOf("fp8", fp8, "layers.0.mlp.up_proj.weight\"", "layers.0.mlp.up_proj.weighs\""),
           "tensor \"model.layers.0.mlp.up_proj.weight\": not there");
  Mentions(ErrorOf("fp8", fp8, "F8_E4M3", "F8_E5M2"), "got F8_E5M2");
  Mentions(ErrorOf("awq", awq, "\"I32\"", "\"F32\""), "wanted I32");
}

TEST_CASE("packed weights: groups and numbers are checked") {
  auto checkpoint = Checkpoint::OpenFile(DataOf("gptq"), "m");
  REQUIRE(checkpoint.ok());
  const TensorInfo index = *checkpoint->Find("model.layers.1.mlp.down_proj.g_idx");
  TemporaryDirectory dir;
  for (const char* group : {"\x03", "\xFF"}) {
    std::string bytes = ReadBytes(DataOf("gptq"));
    bytes.replace(index.offset + 4 * 5 + (*group == 3 ? 0 : 3), 1, group);
    WriteText(dir / "m.safetensors", bytes);
    auto bad = Checkpoint::OpenFile(dir / "m.safetensors", "m.safetensors");
    REQUIRE(bad.ok());
    const Status status = Unpack(kMethods[2].settings, &*bad);
    Mentions(status.message(), "\"model.layers.1.mlp.down_proj.g_idx\": got ");
    Mentions(status.message(), "at [5], wanted a group from 0 to 2");
  }
  // What is no number is found where it is converted.
  WriteModel(dir / "m", "fp8", &kMethods[0]);
  auto fp8 = Checkpoint::OpenFile(DataOf("fp8"), "m");
  REQUIRE(fp8.ok());
  std::string bytes = ReadBytes(DataOf("fp8"));
  bytes[fp8->Find("model.layers.0.mlp.down_proj.weight")->offset + 24 * 3 + 7] = '\x7F';
  WriteText(dir / "m/model.safetensors", bytes);
  ConvertOptions options;
  options.source = dir / "m";
  options.output = dir / "m.samara";
  Mentions(Convert(options).status().message(),
           "tensor \"model.layers.0.mlp.down_proj.weight\": got a NaN or infinity at [3, 7]");
}

}  // namespace
}  // namespace samara
