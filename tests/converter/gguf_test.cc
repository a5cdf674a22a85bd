// GGUF as a source: the same checkpoint in both forms gives the same package, blocks keep their
// bits, and no bytes do harm.
#include "converter/gguf/gguf.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

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

// Types: number in GGUF and here, and where their blocks have f16 numbers.
struct BlockCase {
  uint32_t gguf;
  DType dtype;
  std::vector<size_t> halves;
};
const BlockCase kBlockCases[] = {
    {0, DType::kF32, {}},      {1, DType::kF16, {}},       {30, DType::kBF16, {}},
    {8, DType::kQ8_0, {0}},    {2, DType::kQ4_0, {0}},     {3, DType::kQ4_1, {0, 2}},
    {6, DType::kQ5_0, {0}},    {7, DType::kQ5_1, {0, 2}},  {10, DType::kQ2_K, {80, 82}},
    {11, DType::kQ3_K, {108}}, {12, DType::kQ4_K, {0, 2}}, {13, DType::kQ5_K, {0, 2}},
    {14, DType::kQ6_K, {208}}, {20, DType::kIQ4_NL, {0}},  {23, DType::kIQ4_XS, {0}},
    {39, DType::kMXFP4, {}},
};

// Blocks of independent tools (data/make_gguf_blocks.py).
struct KnownBlock {
  uint32_t gguf;
  std::string bytes, hash;  // of the values
};
std::vector<KnownBlock> KnownBlocks() {
  std::ifstream file(SAMARA_SOURCE_DIR "/tests/converter/data/gguf_blocks.txt");
  REQUIRE(file.is_open());
  std::vector<KnownBlock> blocks;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, hex;
    KnownBlock block;
    words >> block.gguf >> name >> hex >> block.hash;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
      block.bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    REQUIRE(FindDType(name) != nullptr);
    REQUIRE(block.bytes.size() == FindDType(name)->block_bytes);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

std::string HashOf(const std::vector<float>& values) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(test::Fnv1a(values.data(), values.size() * 4)));
  return text;
}

// Any bits, but for scales, minima and plain elements: those are finite numbers that no layout
// flushes.
std::string RandomBlock(const BlockCase& c, test::Random* random) {
  const DTypeInfo& info = *FindDType(c.dtype);
  std::string block;
  for (uint32_t i = 0; i < info.block_bytes; ++i) block += static_cast<char>(random->Next());
  const bool plain = info.block_elements == 1, half = c.dtype == DType::kF16;
  for (const size_t at : plain ? std::vector<size_t>{info.block_bytes - 2} : c.halves) {
    const uint64_t bits = plain && !half ? 0x3C00 + random->Below(0x400) : random->Below(0x7C00);
    block.replace(at, 2, GgufKit::Raw(random->Below(2) << 15 | bits, 2));
  }
  if (c.dtype == DType::kMXFP4) block[0] = static_cast<char>(random->Below(252));
  return block;
}

// A Llama whose matrices have rows of whole blocks of every type.
GgufKit KitOfWidth(uint64_t width) {
  TestCheckpoint checkpoint = MakeCheckpoint("llama");
  const std::string text = std::to_string(width);
  checkpoint.config["hidden_size"] = checkpoint.config["intermediate_size"] = text;
  checkpoint.config["head_dim"] = std::to_string(width / 4);
  for (auto& [name, tensor] : checkpoint.tensors) {
    const bool kv =
        name.find("k_proj") != std::string::npos || name.find("v_proj") != std::string::npos;
    for (uint64_t& size : tensor.shape) size = size == 300 ? 300 : width;
    if (kv) tensor.shape[0] = width / 2;
  }
  return KitOf(checkpoint, "llama");
}

TEST_CASE("GGUF: blocks keep their bits, and have the values of other tools") {
  test::Random random(20261121);
  const std::vector<KnownBlock> known = KnownBlocks();
  for (const BlockCase& c : kBlockCases) {
    CAPTURE(std::string(DTypeName(c.dtype)));
    const DTypeInfo& info = *FindDType(c.dtype);
    const uint64_t width = info.block_elements == 256 ? 256 : 64;
    GgufKit kit = KitOfWidth(width);
    std::map<std::string, std::string> hashes;  // of blocks whose values are known
    std::vector<std::string> blocks;
    for (const KnownBlock& block : known) {
      if (block.gguf != c.gguf) continue;
      hashes[block.bytes] = block.hash;
      blocks.push_back(block.bytes);
    }
    CHECK(blocks.size() == (info.is_quantized ? 16 : 0));
    std::map<std::string, std::string> written;  // by GGUF name
    for (GgufKit::Tensor& tensor : kit.tensors) {
      if (tensor.shape.size() != 2) continue;
      tensor.type = c.gguf;
      const uint64_t n = tensor.shape[0] * tensor.shape[1] / info.block_elements;
      tensor.bytes.clear();
      for (uint64_t b = 0; b < n; ++b) {
        const bool take = !blocks.empty() && random.Below(4) == 0;
        tensor.bytes += take ? blocks[random.Below(blocks.size())] : RandomBlock(c, &random);
      }
      written[tensor.name] = tensor.bytes;
    }
    TemporaryDirectory dir;
    WriteText(dir / "m.gguf", kit.Bytes());
    const ParsedPackage parsed = ConvertAndParse(dir / "m.gguf", dir / "m.samara");
    const std::string bytes = ReadBytes(dir / "m.samara");
    size_t compared = 0, wrong = 0, wrong_values = 0;
    std::map<std::string, int> seen;
    for (const Weight& weight : parsed.package.weights) {
      if (weight.is_vector) continue;
      CHECK(weight.dtype == c.dtype);
      const WeightPlacement& at = weight.placements[0];
      const auto* packed = reinterpret_cast<const uint8_t*>(bytes.data()) +
                           parsed.package.segments[static_cast<size_t>(at.segment)].offset +
                           at.offset;
      const uint64_t row_bytes = RowBytes(c.dtype, weight.cols);
      std::string row(row_bytes, '\0');
      std::vector<float> values(weight.cols);
      for (const WeightSource& source : weight.sources) {
        const std::string name = GgufName(source.tensor);
        const bool paired =
            name.find("attn_q") != std::string::npos || name.find("attn_k") != std::string::npos;
        CHECK((source.transform == SourceTransform::kPermutedRotary) == paired);
        for (uint64_t r = 0; r < source.n_rows; ++r) {
          UnpackRow(at.layout, c.dtype, packed, source.first_row + r, weight.cols,
                    reinterpret_cast<uint8_t*>(row.data()));
          const uint64_t head = width / 4, half = head / 2, i = r % head;
          const uint64_t from = paired ? r - i + (i < half ? 2 * i : 2 * (i - half) + 1) : r;
          wrong += row != written.at(name).substr(from * row_bytes, row_bytes);
          ++compared;
          if (hashes.empty()) continue;
          DequantizePackedRow(at.layout, c.dtype, packed, source.first_row + r, weight.cols,
                              values.data());
          for (uint64_t k = 0; k < weight.cols; k += info.block_elements) {
            const auto* begin = values.data() + k;
            const auto hash = hashes.find(
                row.substr(k / info.block_elements * info.block_bytes, info.block_bytes));
            if (hash == hashes.end()) continue;
            ++seen[hash->first];
            wrong_values += HashOf({begin, begin + info.block_elements}) != hash->second;
          }
        }
      }
    }
    CHECK(wrong == 0);
    CHECK(wrong_values == 0);
    CHECK(seen.size() == hashes.size());
    CHECK(compared == 2 * 300 + 3 * 6 * width);
  }
}

TEST_CASE("GGUF: blocks that hold no numbers are refused by name") {
  for (const BlockCase& c : kBlockCases) {
    CAPTURE(std::string(DTypeName(c.dtype)));
    const DTypeInfo& info = *FindDType(c.dtype);
    std::vector<std::pair<size_t, std::string>> faults;  // bytes put at a place of a block
    for (const size_t at : c.halves) {
      for (const uint64_t bits : {0x7C00, 0xFC00, 0x7E01})
        faults.emplace_back(at, GgufKit::Raw(bits, 2));
    }
    if (c.dtype == DType::kMXFP4) {
      faults.emplace_back(0, "\xFF");      // no number
      faults.emplace_back(0, "\xFD\x77");  // 12 times 2^125
    }
    if (info.block_elements == 1)
      faults.emplace_back(info.block_bytes - 2, c.dtype == DType::kF16 ? "\x01\x7C" : "\x80\x7F");
    const uint64_t width = info.block_elements == 256 ? 256 : 64;
    for (const auto& [at, fault] : faults) {
      GgufKit kit = KitOfWidth(width);
      for (GgufKit::Tensor& tensor : kit.tensors) {
        if (tensor.name != "blk.1.ffn_down.weight") continue;
        tensor.type = c.gguf;
        tensor.bytes.assign(width * width / info.block_elements * info.block_bytes, '\0');
        tensor.bytes.replace(RowBytes(c.dtype, width) * 5 + at, fault.size(), fault);
      }
      TemporaryDirectory dir;
      WriteText(dir / "m.gguf", kit.Bytes());
      ConvertOptions options;
      options.source = dir / "m.gguf";
      options.output = dir / "m.samara";
      const auto summary = Convert(options);
      REQUIRE(!summary.ok());
      CHECK(std::string(summary.status().message()) ==
            "tensor \"model.layers.1.mlp.down_proj.weight\": got a NaN or infinity at [5, 0], "
            "wanted finite numbers");
    }
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
  Mentions(with([](GgufKit* k) { k->String("general.architecture", "phi2"); }), "; near: phi3");
  Mentions(with([](GgufKit* k) { k->String("general.architecture", "qwen3moe"); }),
           "; near: qwen3");
  Mentions(with([](GgufKit* k) { k->Bool("llama.attention.causal", false); }),
           "\"llama.attention.causal\": got false, wanted true");
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
