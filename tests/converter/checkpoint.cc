#include "tests/converter/checkpoint.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace samara {
namespace {

void RemoveTree(const std::string& path) {
  if (DIR* dir = opendir(path.c_str())) {
    while (const dirent* entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") RemoveTree(path + "/" + name);
    }
    closedir(dir);
    rmdir(path.c_str());
  } else {
    unlink(path.c_str());
  }
}

uint64_t Elements(const TestTensor& tensor) {
  uint64_t n = 1;
  for (const uint64_t d : tensor.shape) n *= d;
  return n;
}

std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  char name[] = "/tmp/samara_converter_XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() { RemoveTree(path_); }

std::vector<std::string> TemporaryDirectory::Names() const {
  std::vector<std::string> names;
  if (DIR* dir = opendir(path_.c_str())) {
    while (const dirent* entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    closedir(dir);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void WriteText(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.flush();
  REQUIRE_MESSAGE(file.good(), path);
}

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::string SafetensorsBytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(uint64_t{header.size()} >> 8 * i);
  return bytes + header + data;
}

std::string SafetensorsOf(const TestTensors& tensors) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}", data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    uint32_t state = 1;
    for (const char c : name) state = state * 31 + static_cast<uint8_t>(c);
    for (uint64_t i = 0; i < Elements(tensor); ++i) {
      state = state * 1664525 + 1013904223;
      const float value = tensor.values.empty()
                              ? (static_cast<float>(state >> 16) - 32768.0f) / 262144.0f
                              : tensor.values[i];
      uint32_t bits = 0;
      memcpy(&bits, &value, sizeof bits);
      const bool half = tensor.type == "BF16";
      for (int b = half ? 2 : 0; b < 4; ++b) data += static_cast<char>(bits >> 8 * b);
    }
    std::string shape;
    for (const uint64_t d : tensor.shape) shape += (shape.empty() ? "" : ",") + std::to_string(d);
    header += "," + Quote(name) + ":{\"dtype\":" + Quote(tensor.type) + ",\"shape\":[" + shape +
              "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size()) +
              "]}";
  }
  return SafetensorsBytes(header + "}", data);
}

std::string ConfigText(const TestConfig& config) {
  std::string text = "{";
  for (const auto& [key, value] : config)
    text += (text.size() > 1 ? ",\n" : "\n") + Quote(key) + ": " + value;
  return text + "\n}\n";
}

TestCheckpoint MakeCheckpoint(const std::string& family) {
  TestCheckpoint c;
  const std::map<std::string, std::string> architectures = {{"llama", "LlamaForCausalLM"},
                                                            {"mistral", "MistralForCausalLM"},
                                                            {"qwen2", "Qwen2ForCausalLM"},
                                                            {"qwen3", "Qwen3ForCausalLM"}};
  c.config = {{"architectures", "[\"" + architectures.at(family) + "\"]"},
              {"model_type", "\"" + family + "\""},
              {"vocab_size", "300"},
              {"hidden_size", "16"},
              {"intermediate_size", "24"},
              {"num_hidden_layers", "3"},
              {"num_attention_heads", "4"},
              {"num_key_value_heads", "2"},
              {"head_dim", "6"},
              {"max_position_embeddings", "128"},
              {"rms_norm_eps", "1e-5"},
              {"rope_theta", "10000.0"},
              {"tie_word_embeddings", "false"},
              {"sliding_window", "null"},
              {"eos_token_id", "2"}};
  const auto add = [&c](const std::string& name, std::vector<uint64_t> shape) {
    c.tensors[name].shape = shape;
  };
  add("model.embed_tokens.weight", {300, 16});
  add("model.norm.weight", {16});
  add("lm_head.weight", {300, 16});
  for (int i = 0; i < 3; ++i) {
    const std::string l = "model.layers." + std::to_string(i) + ".";
    add(l + "input_layernorm.weight", {16});
    add(l + "post_attention_layernorm.weight", {16});
    const std::pair<const char*, uint64_t> rows[] = {{"q", 24}, {"k", 12}, {"v", 12}};
    for (const auto& [letter, n] : rows) {
      const std::string name = l + "self_attn." + letter + "_proj";
      add(name + ".weight", {n, 16});
      if (family == "qwen2") add(name + ".bias", {n});
    }
    if (family == "qwen3") {
      add(l + "self_attn.q_norm.weight", {6});
      add(l + "self_attn.k_norm.weight", {6});
    }
    add(l + "self_attn.o_proj.weight", {16, 24});
    add(l + "mlp.gate_proj.weight", {24, 16});
    add(l + "mlp.up_proj.weight", {24, 16});
    add(l + "mlp.down_proj.weight", {16, 24});
  }
  return c;
}

std::string TokenizerText() {
  // The byte-level alphabet: printable bytes stand for themselves, the others for U+0100 and up.
  std::string vocab;
  uint32_t extra = 0;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    const uint32_t code = plain ? b : 256 + extra++;
    std::string c;
    if (code < 0x80) {
      c += static_cast<char>(code);
    } else {
      c += static_cast<char>(0xC0 | code >> 6);
      c += static_cast<char>(0x80 | (code & 63));
    }
    vocab += (b > 0 ? "," : "") + Quote(c) + ":" + std::to_string(b);
  }
  return "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":{\"type\":"
         "\"ByteLevel\","
         "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},\"decoder\":{"
         "\"type\":\"ByteLevel\","
         "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":"
         "null,\"model\":{"
         "\"type\":\"BPE\",\"unk_token\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":"
         "{" +
         vocab + ",\"ab\":256},\"merges\":[\"a b\"]}}";
}

void WriteCheckpoint(const std::string& directory, const TestCheckpoint& checkpoint) {
  mkdir(directory.c_str(), 0777);
  WriteText(directory + "/config.json", ConfigText(checkpoint.config));
  WriteText(directory + "/model.safetensors", SafetensorsOf(checkpoint.tensors));
  WriteText(directory + "/tokenizer.json", TokenizerText());
}

}  // namespace samara
