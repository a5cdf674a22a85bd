// GGUF as a source: the same checkpoint in both forms gives the same package, blocks keep their
// bits, and no bytes do harm.
#include "converter/gguf/gguf.h"

#include <doctest/doctest.h>

#include <map>

#include "converter/convert.h"
#include "converter/gguf/pre_tokenizers.h"
#include "converter/source.h"
#include "formats/layout/layout.h"
#include "formats/package_format.h"
#include "formats/quant/blocks.h"
#include "runtime/file.h"
#include "tests/converter/checkpoint.h"
#include "tests/converter/model_kit.h"
#include "tests/support/gguf_kit.h"
#include "tests/support/quant_data.h"

namespace samara {
namespace {

using test::GgufKit;

const std::map<std::string, std::string> kLayerNames = {
    {"input_layernorm", "attn_norm"},    {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},      {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

std::string GgufName(const std::string& name) {
  const size_t dot = name.rfind('.');
  const std::string part = name.substr(0, dot), ending = name.substr(dot);
  if (part == "model.embed_tokens") return "token_embd" + ending;
  if (part == "model.norm") return "output_norm" + ending;
  if (part == "lm_head") return "output" + ending;
  const size_t end = part.find('.', 13);  // behind "model.layers.N"
  return "blk." + part.substr(13, end - 13) + "." + kLayerNames.at(part.substr(end + 1)) + ending;
}

// The values that SafetensorsOf writes, in rows.
std::vector<std::string> Rows(const std::string& name, const TestTensor& tensor) {
  uint32_t state = 1;
  for (const char c : name) state = state * 31 + static_cast<uint8_t>(c);
  uint64_t columns = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) columns *= tensor.shape[i];
  std::vector<std::string> rows(tensor.shape[0]);
  for (std::string& row : rows) {
    for (uint64_t i = 0; i < columns; ++i) {
      state = state * 1664525 + 1013904223;
      row += GgufKit::Float((static_cast<float>(state >> 16) - 32768.0f) / 262144.0f);
    }
  }
  return rows;
}

// In each head, rows i and i + d/2 come to lie together.
std::vector<std::string> Paired(const std::vector<std::string>& rows, size_t heads) {
  std::vector<std::string> out;
  const size_t head = rows.size() / heads;
  for (size_t h = 0; h < heads; ++h) {
    for (size_t i = 0; i < head / 2; ++i) {
      out.push_back(rows[h * head + i]);
      out.push_back(rows[h * head + i + head / 2]);
    }
  }
  return out;
}

void AddByteLevelTokenizer(GgufKit* kit) {
  std::vector<std::string> tokens;
  uint32_t extra = 0;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    const uint32_t code = plain ? b : 256 + extra++;
    std::string token;
    if (code >= 0x80) token += static_cast<char>(0xC0 | code >> 6);
    token += static_cast<char>(code < 0x80 ? code : 0x80 | (code & 63));
    tokens.push_back(token);
  }
  tokens.push_back("ab");
  kit->String("tokenizer.ggml.model", "gpt2");
  kit->String("tokenizer.ggml.pre", "gpt-2");
  kit->Strings("tokenizer.ggml.tokens", tokens);
  kit->Strings("tokenizer.ggml.merges", {"a b"});
  kit->U32("tokenizer.ggml.eos_token_id", 2);
}

GgufKit KitOf(const TestCheckpoint& checkpoint, const std::string& arch) {
  GgufKit kit;
  kit.String("general.architecture", arch);
  const auto number = [&](const char* key, const char* field) {
    kit.U32(arch + "." + key, static_cast<uint32_t>(std::stoul(checkpoint.config.at(field))));
  };
  number("context_length", "max_position_embeddings");
  number("embedding_length", "hidden_size");
  number("feed_forward_length", "intermediate_size");
  number("block_count", "num_hidden_layers");
  number("attention.head_count", "num_attention_heads");
  number("attention.head_count_kv", "num_key_value_heads");
  number("attention.key_length", "head_dim");
  number("attention.value_length", "head_dim");
  number("rope.dimension_count", "head_dim");
  kit.F32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
  kit.F32(arch + ".rope.freq_base", 10000.0f);
  AddByteLevelTokenizer(&kit);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    std::vector<std::string> rows = Rows(name, tensor);
    if (arch == "llama" && name.find(".q_proj.") != std::string::npos) rows = Paired(rows, 4);
    if (arch == "llama" && name.find(".k_proj.") != std::string::npos) rows = Paired(rows, 2);
    GgufKit::Tensor out = {GgufName(name), tensor.shape, 0, ""};
    for (const std::string& row : rows) out.bytes += row;
    kit.tensors.push_back(std::move(out));
  }
  return kit;
}

ParsedPackage ConvertAndParse(const std::string& source, const std::string& output,
                              DType quant = DType::kInvalid) {
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
  return parsed;
}

TEST_CASE("GGUF: the same package as from the Hugging Face form") {
  for (const char* family : {"llama", "qwen2", "qwen3"}) {
    CAPTURE(std::string(family));
    for (const uint32_t version : {2u, 3u}) {
      TemporaryDirectory dir;
      const TestCheckpoint checkpoint = MakeCheckpoint(family);
      WriteCheckpoint(dir / "hf", checkpoint);
      GgufKit kit = KitOf(checkpoint, family);
      kit.version = version;
      WriteText(dir / "m.gguf", kit.Bytes());
      for (const DType quant : {DType::kInvalid, DType::kQ8_0}) {
        const ParsedPackage hf = ConvertAndParse(dir / "hf", dir / "hf.samara", quant);
        const ParsedPackage gguf = ConvertAndParse(dir / "m.gguf", dir / "gguf.samara", quant);
        CHECK(GraphText(hf.package, hf.package.entries[0]) ==
              GraphText(gguf.package, gguf.package.entries[0]));
        REQUIRE(hf.package.segments.size() == gguf.package.segments.size());
        for (size_t i = 0; i < hf.package.segments.size(); ++i) {  // weights and tokenizer
          CHECK(hf.package.segments[i].bytes == gguf.package.segments[i].bytes);
          CHECK(hf.package.segments[i].chunk_sha256 == gguf.package.segments[i].chunk_sha256);
        }
        CHECK(hf.package.trained_context == gguf.package.trained_context);
        CHECK(hf.package.sampling.eos_ids == gguf.package.sampling.eos_ids);
        CHECK(gguf.package.name == "m");
      }
    }
  }
}

TEST_CASE("GGUF: split files") {
  TemporaryDirectory dir;
  const GgufKit whole = KitOf(MakeCheckpoint("llama"), "llama");
  WriteText(dir / "m.gguf", whole.Bytes());
  const size_t n = whole.tensors.size();
  const auto write = [&](uint32_t number, const std::string& name, uint32_t claimed) {
    GgufKit part = number == 0 ? whole : GgufKit();
    part.tensors.clear();
    for (size_t i = number; i < n; i += 3) part.tensors.push_back(whole.tensors[i]);
    part.U16("split.no", claimed);
    part.U16("split.count", 3);
    part.Add("split.tensors.count", 5, GgufKit::Raw(n, 4));
    WriteText(dir / name, part.Bytes());
  };
  write(0, "s-00001-of-00003.gguf", 0);
  write(1, "s-00002-of-00003.gguf", 1);
  const auto open = [&](const char* name) {
    Source source;
    return std::string(OpenSource(dir / name, &source).message());
  };
  CHECK(open("s-00001-of-00003.gguf") ==
        "s-00003-of-00003.gguf: file 3 of 3: no such file beside the others");
  write(2, "s-00003-of-00003.gguf", 1);
  CHECK(open("s-00001-of-00003.gguf") == "s-00003-of-00003.gguf: got file 2 of 3, wanted 3 of 3");
  write(2, "s-00003-of-00003.gguf", 2);
  const ParsedPackage one = ConvertAndParse(dir / "m.gguf", dir / "one.samara");
  for (const char* name : {"s-00001-of-00003.gguf", "s-00003-of-00003.gguf"}) {
    const ParsedPackage split = ConvertAndParse(dir / name, dir / "split.samara");
    CHECK(split.package.segments[0].chunk_sha256 == one.package.segments[0].chunk_sha256);
    CHECK(split.package.name == "s");
  }
  write(0, "renamed.gguf", 0);
  CHECK(open("renamed.gguf") ==
        "renamed.gguf: got file 1 of 3, wanted a name that ends in -00001-of-00003.gguf");
}

// Types that have blocks: number in GGUF and here.
struct BlockCase {
  uint32_t gguf;
  DType dtype;
};
constexpr BlockCase kBlockCases[] = {{0, DType::kF32},  {1, DType::kF16},  {30, DType::kBF16},
                                     {8, DType::kQ8_0}, {2, DType::kQ4_0}, {3, DType::kQ4_1},
                                     {6, DType::kQ5_0}, {7, DType::kQ5_1}};

TEST_CASE("GGUF: blocks keep their bits") {
  test::Random random(20261121);
  for (const BlockCase& c : kBlockCases) {
    CAPTURE(std::string(DTypeName(c.dtype)));
    TestCheckpoint checkpoint = MakeCheckpoint("llama");
    checkpoint.config["hidden_size"] = "64";
    checkpoint.config["intermediate_size"] = "96";
    checkpoint.config["head_dim"] = "16";
    for (auto& [name, tensor] : checkpoint.tensors) {
      for (uint64_t& size : tensor.shape)
        size = size == 16 ? 64 : size == 24 && name.find("mlp") != std::string::npos ? 96 : size;
      if (name.find("q_proj") != std::string::npos) tensor.shape = {64, 64};
      if (name.find("o_proj") != std::string::npos) tensor.shape = {64, 64};
      if (name.find("k_proj") != std::string::npos) tensor.shape = {32, 64};
      if (name.find("v_proj") != std::string::npos) tensor.shape = {32, 64};
    }
    GgufKit kit = KitOf(checkpoint, "llama");
    const DTypeInfo& info = *FindDType(c.dtype);
    std::map<std::string, std::string> written;  // by GGUF name
    for (GgufKit::Tensor& tensor : kit.tensors) {
      if (tensor.shape.size() != 2) continue;
      tensor.type = c.gguf;
      const uint64_t blocks = tensor.shape[0] * tensor.shape[1] / info.block_elements;
      tensor.bytes.clear();
      for (uint64_t b = 0; b < blocks; ++b) {
        // Any bits, but for scales, minima and plain elements: those are finite F16, BF16 or F32
        // that no layout flushes.
        std::string block;
        for (uint32_t i = 0; i < info.block_bytes; ++i) block += static_cast<char>(random.Next());
        const auto number = [&](size_t at, size_t bytes) {
          const uint32_t sign = static_cast<uint32_t>(random.Below(2)) << 15;
          const uint32_t half = c.dtype == DType::kF32 || c.dtype == DType::kBF16
                                    ? 0x3C00 + static_cast<uint32_t>(random.Below(0x400))
                                    : static_cast<uint32_t>(random.Below(0x7C00));
          block.replace(at + bytes - 2, 2, GgufKit::Raw(sign | half, 2));
        };
        number(0, info.block_elements == 1 ? info.block_bytes : 2);
        if (c.dtype == DType::kQ4_1 || c.dtype == DType::kQ5_1) number(2, 2);
        tensor.bytes += block;
      }
      written[tensor.name] = tensor.bytes;
    }
    TemporaryDirectory dir;
    WriteText(dir / "m.gguf", kit.Bytes());
    const ParsedPackage parsed = ConvertAndParse(dir / "m.gguf", dir / "m.samara");
    const std::string bytes = ReadBytes(dir / "m.samara");
    size_t compared = 0;
    for (const Weight& weight : parsed.package.weights) {
      if (weight.is_vector) continue;
      CHECK(weight.dtype == c.dtype);
      const WeightPlacement& at = weight.placements[0];
      const auto* packed = reinterpret_cast<const uint8_t*>(bytes.data()) +
                           parsed.package.segments[static_cast<size_t>(at.segment)].offset +
                           at.offset;
      const uint64_t row_bytes = RowBytes(c.dtype, weight.cols);
      std::string row(row_bytes, '\0');
      for (const WeightSource& source : weight.sources) {
        const std::string name = GgufName(source.tensor);
        const bool paired =
            name.find("attn_q") != std::string::npos || name.find("attn_k") != std::string::npos;
        CHECK((source.transform == SourceTransform::kPermutedRotary) == paired);
        for (uint64_t r = 0; r < source.n_rows; ++r) {
          UnpackRow(at.layout, c.dtype, packed, source.first_row + r, weight.cols,
                    reinterpret_cast<uint8_t*>(row.data()));
          const uint64_t i = r % 16;  // of heads of 16 rows
          const uint64_t from = paired ? r - i + (i < 8 ? 2 * i : 2 * (i - 8) + 1) : r;
          REQUIRE(row == written.at(name).substr(from * row_bytes, row_bytes));
          ++compared;
        }
      }
    }
    CHECK(compared == 2 * 300 + 3 * (64 + 32 + 32 + 64 + 96 + 96 + 64));
  }
}

std::string OpenError(const GgufKit& kit) {
  TemporaryDirectory dir;
  WriteText(dir / "m.gguf", kit.Bytes());
  Source source;
  const Status status = OpenSource(dir / "m.gguf", &source);
  CHECK(!status.ok());
  return status.message();
}

void Mentions(const std::string& text, const char* part) {
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

TEST_CASE("GGUF: what is wrong has a name") {
  const GgufKit good = KitOf(MakeCheckpoint("llama"), "llama");
  const auto with = [&](auto change) {
    GgufKit kit = good;
    change(&kit);
    return OpenError(kit);
  };
  Mentions(with([](GgufKit* k) { k->version = 1; }), "got GGUF version 1, wanted 2 or 3");
  Mentions(with([](GgufKit* k) { k->version = 3u << 24; }), "big-endian");
  Mentions(with([](GgufKit* k) { k->AddTwice("llama.block_count", 4, GgufKit::Raw(3, 4)); }),
           "\"llama.block_count\": got it twice");
  Mentions(with([](GgufKit* k) { k->Add("x", 13, ""); }), "\"x\": got the value type 13");
  Mentions(with([](GgufKit* k) { k->Add("x", 7, "\2"); }), "\"x\": got a bool of 2");
  Mentions(with([](GgufKit* k) { k->Array("x", 9, {}); }), "an array of arrays");
  Mentions(
      with([](GgufKit* k) { k->Add("x", 9, GgufKit::Raw(12, 4) + GgufKit::Raw(1ull << 61, 8)); }),
      "got an array of length 2305843009213693952");
  Mentions(
      with([](GgufKit* k) { k->Add("x", 9, GgufKit::Raw(0, 4) + GgufKit::Raw(1ull << 40, 8)); }),
      "got a value of 1099511627776 bytes");
  Mentions(with([](GgufKit* k) { k->U32("general.alignment", 48); }), "wanted a power of two");
  Mentions(with([](GgufKit* k) { k->tensors[0].type = 77; }), "unknown type 77");
  Mentions(with([](GgufKit* k) { k->tensors[0].type = 16; }), "wanted a multiple of the 256");
  Mentions(with([](GgufKit* k) { k->tensors[1].offset = 0; }), "got places that overlap");
  Mentions(with([](GgufKit* k) { k->tensors[1].offset = 1ull << 62; }), "that the file has");
  Mentions(with([](GgufKit* k) { k->tensors[1].name = k->tensors[0].name; }), "got it in m.gguf");
  Mentions(with([](GgufKit* k) { k->tensors[1].name = "a\nb"; }), "without control characters");
  Mentions(with([](GgufKit* k) {
             k->tensors[1].shape = {1ull << 33, 1ull << 33};
           }),
           "whose product fits");
  Mentions(with([](GgufKit* k) { k->String("general.architecture", "mamba"); }),
           "\"general.architecture\": got \"mamba\", wanted one of llama, qwen2");
  Mentions(with([](GgufKit* k) { k->U32("llama.expert_count", 8); }),
           "\"llama.expert_count\": the converter's llama has no such thing");
  Mentions(with([](GgufKit* k) { k->Remove("llama.block_count"); }), "\"llama.block_count\": not");
  Mentions(with([](GgufKit* k) { k->U32("llama.attention.head_count_kv", 5); }),
           "wanted 5 equal heads");
  Mentions(with([](GgufKit* k) { k->String("tokenizer.ggml.model", "rwkv"); }),
           "\"tokenizer.ggml.model\": got \"rwkv\", wanted one of");
  Mentions(with([](GgufKit* k) { k->String("tokenizer.ggml.pre", "new"); }),
           "\"tokenizer.ggml.pre\": got \"new\", wanted one of gpt-2, ");
  Mentions(with([](GgufKit* k) { k->Strings("tokenizer.ggml.merges", {"ab"}); }),
           "element 0: got \"ab\", wanted two tokens");
  Mentions(with([](GgufKit* k) { k->Strings("tokenizer.ggml.merges", {"a c"}); }), "got \"ac\"");
  Mentions(with([](GgufKit* k) {
             k->Strings("tokenizer.ggml.tokens", {"a", "\xC3"});
           }),
           "wanted UTF-8");
  Mentions(with([](GgufKit* k) { k->U32("tokenizer.ggml.eos_token_id", 257); }), "from 0 to 256");
  Mentions(with([](GgufKit* k) { k->String("llama.block_count", "3"); }), "got string");
  // 0 of something unknown says nothing.
  GgufKit zero = good;
  zero.U32("llama.expert_count", 0);
  TemporaryDirectory dir;
  WriteText(dir / "m.gguf", zero.Bytes());
  Source source;
  CHECK(OpenSource(dir / "m.gguf", &source).ok());
}

TEST_CASE("GGUF: types without a codec here are refused by name") {
  GgufKit kit = KitOf(MakeCheckpoint("llama"), "llama");
  kit.tensors.clear();
  TestCheckpoint checkpoint = MakeCheckpoint("llama");
  for (auto& [name, tensor] : checkpoint.tensors) {
    if (name == "lm_head.weight") continue;
    std::string bytes;
    for (const std::string& row : Rows(name, tensor)) bytes += row;
    kit.tensors.push_back({GgufName(name), tensor.shape, 0, bytes});
  }
  kit.tensors.push_back({"output.weight", {300, 16}, 28, std::string(300 * 16 * 8, '\0')});
  TemporaryDirectory dir;
  WriteText(dir / "m.gguf", kit.Bytes());
  const auto plan = PlanConversion(dir / "m.gguf", DType::kInvalid);
  Mentions(plan.status().message(), "tensor lm_head.weight: got type F64, wanted F32");
}

TEST_CASE("GGUF: any bytes give success or one error") {
  const std::string good = KitOf(MakeCheckpoint("qwen2"), "qwen2").Bytes();
  const size_t header = good.size() < 12000 ? good.size() : 12000;
  TemporaryDirectory dir;
  const auto open = [&](const std::string& bytes) {
    WriteText(dir / "m.gguf", bytes);
    const auto gguf = Gguf::Open(dir / "m.gguf", "m.gguf");
    if (!gguf.ok()) {
      CHECK(std::string(gguf.status().message()).starts_with("m.gguf: "));
      return;
    }
    for (const TensorInfo& tensor : gguf->tensors())
      REQUIRE(tensor.offset + tensor.bytes <= bytes.size());
    Source source;
    (void)OpenSource(dir / "m.gguf", &source);
  };
  for (size_t n = 0; n < header; n += n < 300 ? 1 : 37) open(good.substr(0, n));
  const uint64_t seed = 7;
  INFO("seed " << seed);
  test::Random random(seed);
  for (int i = 0; i < 1500; ++i) {
    std::string bytes = good;
    for (uint64_t k = random.Below(4) + 1; k > 0; --k) {
      const uint64_t at = random.Below(header);
      bytes[at] = static_cast<char>(random.Below(3) == 0 ? 0xFF : random.Next());
    }
    open(bytes);
  }
}

}  // namespace
}  // namespace samara
