// What the tokenizer tests share.
#ifndef SAMARA_TESTS_TOKENIZER_HELPERS_H_
#define SAMARA_TESTS_TOKENIZER_HELPERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "converter/tokenizer/compile.h"
#include "runtime/tokenizer/tokenizer.h"

namespace samara::tokenizer_test {

std::string DataPath(const std::string& name);  // tests/tokenizer/data/NAME
bool FileExists(const std::string& path);
std::string ReadAll(const std::string& path);  // "" if there is no such file
std::vector<std::string> Lines(const std::string& text);
// The corpus, its escapes resolved.
const std::vector<std::string>& Corpus();

// Compiles a tokenizer.json; the block's bytes are exactly 8-aligned and no longer than they must
// be.
StatusOr<std::vector<uint8_t>> CompileText(std::string_view tokenizer_json,
                                           std::string_view config_json = "",
                                           TokenizerSummary* summary = nullptr);
StatusOr<std::vector<uint8_t>> CompileFile(const std::string& path);

struct Loaded {
  std::vector<uint8_t> blob;
  Tokenizer tokenizer;
};
std::unique_ptr<Loaded> Load(std::vector<uint8_t> blob);  // a failed Init fails the test

// Encode and decode with buffers of exactly the promised sizes.
StatusOr<std::vector<int32_t>> Encode(const Tokenizer& tokenizer, std::string_view text,
                                      EncodeOptions options = {});
StatusOr<std::string> Decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                             bool special = false);

uint64_t Fnv(const void* data, uint64_t bytes, uint64_t hash = 0xCBF29CE484222325u);

uint64_t AllocationCount();  // of this program so far
void CountAllocation();

// A small seeded generator.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  uint64_t Below(uint64_t n) { return Next() % n; }

 private:
  uint64_t state_;
};

// A minimal tokenizer.json around given parts (JSON texts).
struct Parts {
  std::string vocab = R"({"a":0,"b":1,"ab":2})";
  std::string merges = R"([["a","b"]])";
  std::string model = "";  // more members of the model, each with a comma in front
  std::string added = "[]";
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string decoder = R"({"type":"Fuse"})";
  std::string post_processor = "null";
  std::string Json() const;
};

}  // namespace samara::tokenizer_test

#endif  // SAMARA_TESTS_TOKENIZER_HELPERS_H_
