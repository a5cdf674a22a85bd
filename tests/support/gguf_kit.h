// Writes GGUF files for tests, good ones and bad ones.
#ifndef SAMARA_TESTS_SUPPORT_GGUF_KIT_H_
#define SAMARA_TESTS_SUPPORT_GGUF_KIT_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace samara::test {

class GgufKit {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;

  static std::string Raw(uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i);
    return out;
  }
  static std::string Text(const std::string& text) { return Raw(text.size(), 8) + text; }
  static std::string Float(float value) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, 4);
    return Raw(bits, 4);
  }

  // A value of any type; `type` as the format numbers it.
  void Add(const std::string& key, uint32_t type, const std::string& value) {
    for (auto& pair : pairs_) {
      if (pair.first == key) {
        pair.second = Raw(type, 4) + value;
        return;
      }
    }
    pairs_.emplace_back(key, Raw(type, 4) + value);
  }
  void AddTwice(const std::string& key, uint32_t type, const std::string& value) {
    pairs_.emplace_back(key, Raw(type, 4) + value);
  }
  void Remove(const std::string& key) {
    std::erase_if(pairs_, [&](const auto& pair) { return pair.first == key; });
  }
  void U32(const std::string& key, uint32_t value) { Add(key, 4, Raw(value, 4)); }
  void U16(const std::string& key, uint32_t value) { Add(key, 2, Raw(value, 2)); }
  void F32(const std::string& key, float value) { Add(key, 6, Float(value)); }
  void Bool(const std::string& key, bool value) { Add(key, 7, Raw(value, 1)); }
  void String(const std::string& key, const std::string& value) { Add(key, 8, Text(value)); }
  void Array(const std::string& key, uint32_t type, const std::vector<std::string>& values) {
    std::string bytes = Raw(type, 4) + Raw(values.size(), 8);
    for (const std::string& value : values) bytes += value;
    Add(key, 9, bytes);
  }
  void Strings(const std::string& key, const std::vector<std::string>& values) {
    std::vector<std::string> raw;
    for (const std::string& value : values) raw.push_back(Text(value));
    Array(key, 8, raw);
  }

  struct Tensor {
    std::string name;
    std::vector<uint64_t> shape;  // rows first
    uint32_t type = 0;            // F32
    std::string bytes;
    uint64_t offset = UINT64_MAX;  // where the kit puts it
  };
  std::vector<Tensor> tensors;

  std::string Bytes() const {
    std::string out = "GGUF" + Raw(version, 4) + Raw(tensors.size(), 8) + Raw(pairs_.size(), 8);
    for (const auto& [key, value] : pairs_) out += Text(key) + value;
    std::string data;
    for (const Tensor& tensor : tensors) {
      data.resize((data.size() + alignment - 1) / alignment * alignment);
      out += Text(tensor.name) + Raw(tensor.shape.size(), 4);
      for (size_t i = tensor.shape.size(); i-- > 0;) out += Raw(tensor.shape[i], 8);
      out +=
          Raw(tensor.type, 4) + Raw(tensor.offset == UINT64_MAX ? data.size() : tensor.offset, 8);
      data += tensor.bytes;
    }
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_GGUF_KIT_H_
