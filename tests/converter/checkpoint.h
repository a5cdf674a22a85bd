// Small checkpoints for the converter's tests, written to a directory of their own.
#ifndef SAMARA_TESTS_CONVERTER_CHECKPOINT_H_
#define SAMARA_TESTS_CONVERTER_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace samara {

// A directory that is removed, with all in it, at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::string> Names() const;  // sorted

 private:
  std::string path_;
};

void WriteText(const std::string& path, const std::string& bytes);
std::string ReadBytes(const std::string& path);

// Eight bytes of length, then the header, then `data`.
std::string SafetensorsBytes(const std::string& header, const std::string& data);

struct TestTensor {
  std::string type = "F32";  // F32 or BF16
  std::vector<uint64_t> shape;
  std::vector<float> values;  // empty: small random numbers from the tensor's name
};
using TestTensors = std::map<std::string, TestTensor>;
std::string SafetensorsOf(const TestTensors& tensors);

// config.json as pairs of key and JSON text, so that a test can change or remove single ones.
using TestConfig = std::map<std::string, std::string>;
std::string ConfigText(const TestConfig& config);

// A family's smallest sensible model: hidden 16, 4 heads over 2, 3 layers, vocabulary 300.
struct TestCheckpoint {
  TestConfig config;
  TestTensors tensors;
};
TestCheckpoint MakeCheckpoint(const std::string& family);  // "llama", "mistral", "qwen2", "qwen3"

// tokenizer.json of a byte-level tokenizer with 257 tokens.
std::string TokenizerText();

// Everything that a conversion needs.
void WriteCheckpoint(const std::string& directory, const TestCheckpoint& checkpoint);

}  // namespace samara

#endif  // SAMARA_TESTS_CONVERTER_CHECKPOINT_H_
