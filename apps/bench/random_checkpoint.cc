#include "apps/bench/random_checkpoint.h"

#include <errno.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "apps/common/text.h"
#include "formats/quant/blocks.h"

namespace samara::apps {
namespace {

constexpr RandomShape kShapes[] = {
    // name, architecture, hidden, intermediate, layers, heads, kv heads, head dim, vocab, context,
    // theta, bias, tied
    {"tiny", "LlamaForCausalLM", 64, 176, 2, 4, 2, 16, 512, 512, 1e4, false, true},
    {"135M", "LlamaForCausalLM", 576, 1536, 30, 9, 3, 64, 49152, 8192, 1e5, false, true},
    {"0.5B", "Qwen2ForCausalLM", 896, 4864, 24, 14, 2, 64, 151936, 32768, 1e6, true, true},
    {"1B", "LlamaForCausalLM", 2048, 8192, 16, 32, 8, 64, 128256, 131072, 5e5, false, true},
    {"8B", "LlamaForCausalLM", 4096, 14336, 32, 32, 8, 128, 128256, 131072, 5e5, false, false},
};

// Base vocabulary of the stand-in: one token a byte.
constexpr uint32_t kByteTokens = 256;

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

class Writer {
 public:
  Status Open(const std::string& path) {
    path_ = path;
    file_.reset(std::fopen(path.c_str(), "wb"));
    return file_ ? Status() : Failed();
  }
  Status Write(const void* data, size_t bytes) {
    return std::fwrite(data, 1, bytes, file_.get()) == bytes ? Status() : Failed();
  }
  Status Write(const std::string& text) { return Write(text.data(), text.size()); }
  Status Close() { return std::fclose(file_.release()) == 0 ? Status() : Failed(); }

 private:
  Status Failed() const { return IoError("%s: %s", Quoted(path_).c_str(), std::strerror(errno)); }
  std::string path_;
  std::unique_ptr<std::FILE, FileClose> file_;
};

Status WriteFile(const std::string& path, const std::string& text) {
  Writer writer;
  SAMARA_RETURN_IF_ERROR(writer.Open(path));
  SAMARA_RETURN_IF_ERROR(writer.Write(text));
  return writer.Close();
}

std::string ConfigJson(const RandomShape& shape) {
  JsonWriter json;
  json.BeginObject();
  json.Key("architectures");
  json.BeginArray(true);
  json.String(shape.architecture);
  json.EndArray();
  json.Member("vocab_size", shape.vocab);
  json.Member("hidden_size", shape.hidden);
  json.Member("intermediate_size", shape.intermediate);
  json.Member("num_hidden_layers", shape.layers);
  json.Member("num_attention_heads", shape.heads);
  json.Member("num_key_value_heads", shape.kv_heads);
  json.Member("head_dim", shape.head_dim);
  json.Member("max_position_embeddings", shape.context);
  json.Member("rope_theta", shape.rope_theta);
  json.Member("rms_norm_eps", 1e-5);
  json.Member("hidden_act", "silu");
  json.Member("tie_word_embeddings", shape.tied);
  json.Member("torch_dtype", "bfloat16");
  json.EndObject();
  return json.Finish();
}

// The byte-level alphabet: printable Latin-1 characters stand for themselves, the other bytes for
// U+0100 and on.
std::string ByteCharacter(uint32_t byte) {
  const auto printable = [](uint32_t b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  uint32_t code = byte;
  if (!printable(byte)) {
    code = 256;
    for (uint32_t b = 0; b < byte; ++b) code += !printable(b);
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

std::string TokenizerJson(uint32_t vocab) {
  const auto flags = [](JsonWriter* json, const char* type) {
    json->BeginObject(true);
    json->Member("type", type);
    json->Member("add_prefix_space", false);
    json->Member("trim_offsets", true);
    json->Member("use_regex", true);
    json->EndObject();
  };
  JsonWriter json;
  json.BeginObject();
  json.Member("version", "1.0");
  json.Key("added_tokens");
  json.BeginArray(true);
  json.EndArray();
  json.Key("normalizer");
  json.Number("null");
  json.Key("pre_tokenizer");
  flags(&json, "ByteLevel");
  json.Key("post_processor");
  json.Number("null");
  json.Key("decoder");
  flags(&json, "ByteLevel");
  json.Key("model");
  json.BeginObject();
  json.Member("type", "BPE");
  json.Key("vocab");
  json.BeginObject();
  for (uint32_t id = 0; id < vocab; ++id) {
    json.Member(id < kByteTokens ? ByteCharacter(id) : "w" + std::to_string(id), id);
  }
  json.EndObject();
  json.Key("merges");
  json.BeginArray(true);
  json.EndArray();
  json.EndObject();
  json.EndObject();
  return json.Finish();
}

enum class Kind { kMatrix, kBias, kNorm };
struct RandomTensor {
  std::string name;
  uint32_t rows, columns;  // rows 0: a vector
  Kind kind;
  uint64_t elements() const { return uint64_t{rows == 0 ? 1 : rows} * columns; }
};

std::vector<RandomTensor> Tensors(const RandomShape& s) {
  const uint32_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  std::vector<RandomTensor> list;
  list.push_back({"model.embed_tokens.weight", s.vocab, s.hidden, Kind::kMatrix});
  for (uint32_t i = 0; i < s.layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    list.push_back({layer + "input_layernorm.weight", 0, s.hidden, Kind::kNorm});
    const std::pair<const char*, uint32_t> heads[] = {
        {"q_proj", q}, {"k_proj", kv}, {"v_proj", kv}};
    for (const auto& [name, rows] : heads) {
      list.push_back({layer + "self_attn." + name + ".weight", rows, s.hidden, Kind::kMatrix});
      if (s.bias) list.push_back({layer + "self_attn." + name + ".bias", 0, rows, Kind::kBias});
    }
    list.push_back({layer + "self_attn.o_proj.weight", s.hidden, q, Kind::kMatrix});
    list.push_back({layer + "post_attention_layernorm.weight", 0, s.hidden, Kind::kNorm});
    list.push_back({layer + "mlp.gate_proj.weight", s.intermediate, s.hidden, Kind::kMatrix});
    list.push_back({layer + "mlp.up_proj.weight", s.intermediate, s.hidden, Kind::kMatrix});
    list.push_back({layer + "mlp.down_proj.weight", s.hidden, s.intermediate, Kind::kMatrix});
  }
  list.push_back({"model.norm.weight", 0, s.hidden, Kind::kNorm});
  if (!s.tied) list.push_back({"lm_head.weight", s.vocab, s.hidden, Kind::kMatrix});
  return list;
}

std::string SafetensorsHeader(const std::vector<RandomTensor>& tensors) {
  JsonWriter json;
  json.BeginObject(true);
  uint64_t offset = 0;
  for (const RandomTensor& tensor : tensors) {
    json.Key(tensor.name);
    json.BeginObject(true);
    json.Member("dtype", "BF16");
    json.Key("shape");
    json.BeginArray(true);
    if (tensor.rows != 0) json.Uint(tensor.rows);
    json.Uint(tensor.columns);
    json.EndArray();
    json.Key("data_offsets");
    json.BeginArray(true);
    json.Uint(offset);
    json.Uint(offset += tensor.elements() * 2);
    json.EndArray();
    json.EndObject();
  }
  json.EndObject();
  std::string text = json.Take();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

// Four numbers of 16 bits a call: xorshift64*, whose upper bits are good.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du) {
    if (state_ == 0) state_ = 1;
  }
  void Fill(const std::vector<uint16_t>& table, std::span<uint16_t> out) {
    for (size_t i = 0; i < out.size(); i += 2) {
      state_ ^= state_ >> 12;
      state_ ^= state_ << 25;
      state_ ^= state_ >> 27;
      const uint64_t bits = state_ * 0x2545F4914F6CDD1Du;
      out[i] = table[bits >> 48];
      if (i + 1 < out.size()) out[i + 1] = table[bits >> 32 & 0xFFFF];
    }
  }

 private:
  uint64_t state_;
};

// BF16 of the 65536 midpoints of [-limit, limit].
std::vector<uint16_t> UniformTable(double limit) {
  std::vector<uint16_t> table(65536);
  for (int i = 0; i < 65536; ++i)
    table[i] = Bf16FromFloat(static_cast<float>((i - 32767.5) / 32768 * limit));
  return table;
}

}  // namespace

std::span<const RandomShape> RandomShapes() { return kShapes; }

Status WriteRandomCheckpoint(const RandomShape& shape, uint64_t seed,
                             const std::string& directory) {
  SAMARA_RETURN_IF_ERROR(WriteFile(directory + "/config.json", ConfigJson(shape)));
  SAMARA_RETURN_IF_ERROR(WriteFile(directory + "/tokenizer.json", TokenizerJson(shape.vocab)));
  SAMARA_RETURN_IF_ERROR(WriteFile(directory + "/tokenizer_config.json", "{}\n"));

  const std::vector<RandomTensor> tensors = Tensors(shape);
  const std::string header = SafetensorsHeader(tensors);
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(uint64_t{header.size()} >> 8 * i);
  Writer writer;
  SAMARA_RETURN_IF_ERROR(writer.Open(directory + "/model.safetensors"));
  SAMARA_RETURN_IF_ERROR(writer.Write(length, sizeof(length)));
  SAMARA_RETURN_IF_ERROR(writer.Write(header));
  Generator generator(seed);
  std::vector<uint16_t> buffer(1 << 16);
  for (const RandomTensor& tensor : tensors) {
    const std::vector<uint16_t> table = UniformTable(std::sqrt(3.0 / tensor.columns));
    for (uint64_t left = tensor.elements(); left > 0;) {
      const std::span<uint16_t> part(buffer.data(), std::min<uint64_t>(left, buffer.size()));
      if (tensor.kind == Kind::kNorm) {
        std::fill(part.begin(), part.end(), Bf16FromFloat(1));
      } else {
        generator.Fill(table, part);
      }
      SAMARA_RETURN_IF_ERROR(writer.Write(part.data(), part.size() * 2));
      left -= part.size();
    }
  }
  return writer.Close();
}

}  // namespace samara::apps
