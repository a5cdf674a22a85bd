#include "tests/tokenizer/helpers.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

namespace samara::tokenizer_test {
namespace {

void AppendCodePoint(uint32_t cp, std::string* out) {
  const auto put = [out](uint32_t b) { out->push_back(static_cast<char>(b)); };
  if (cp < 0x80) {
    put(cp);
  } else if (cp < 0x800) {
    put(0xC0 | cp >> 6), put(0x80 | (cp & 63));
  } else if (cp < 0x10000) {
    put(0xE0 | cp >> 12), put(0x80 | (cp >> 6 & 63)), put(0x80 | (cp & 63));
  } else {
    put(0xF0 | cp >> 18), put(0x80 | (cp >> 12 & 63)), put(0x80 | (cp >> 6 & 63)),
        put(0x80 | (cp & 63));
  }
}

std::string Unescape(const std::string& line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      out.push_back(line[i]);
      continue;
    }
    const char c = line[++i];
    if (c == 'u') {
      const size_t end = line.find('}', i);
      AppendCodePoint(
          static_cast<uint32_t>(std::stoul(line.substr(i + 2, end - i - 2), nullptr, 16)), &out);
      i = end;
    } else {
      out.push_back(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
    }
  }
  return out;
}

}  // namespace

std::string DataPath(const std::string& name) {
  return std::string(SAMARA_SOURCE_DIR) + "/tests/tokenizer/data/" + name;
}

bool FileExists(const std::string& path) { return std::ifstream(path, std::ios::binary).good(); }

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t from = 0; from < text.size();) {
    const size_t end = text.find('\n', from);
    lines.push_back(text.substr(from, end - from));
    if (end == std::string::npos) break;
    from = end + 1;
  }
  return lines;
}

const std::vector<std::string>& Corpus() {
  static const std::vector<std::string> corpus = [] {
    std::vector<std::string> lines = Lines(ReadAll(DataPath("corpus.txt")));
    for (std::string& line : lines) line = Unescape(line);
    return lines;
  }();
  return corpus;
}

StatusOr<std::vector<uint8_t>> CompileText(std::string_view tokenizer_json,
                                           std::string_view config_json,
                                           TokenizerSummary* summary) {
  SAMARA_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse("tokenizer.json", tokenizer_json));
  if (config_json.empty()) return CompileTokenizer(document.root(), nullptr, summary);
  SAMARA_ASSIGN_OR_RETURN(const JsonDocument config,
                          JsonDocument::Parse("tokenizer_config.json", config_json));
  const Json root = config.root();
  return CompileTokenizer(document.root(), &root, summary);
}

StatusOr<std::vector<uint8_t>> CompileFile(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::ReadFile(path, "tokenizer.json"));
  return CompileTokenizer(document.root(), nullptr, nullptr);
}

std::unique_ptr<Loaded> Load(std::vector<uint8_t> blob) {
  auto loaded = std::make_unique<Loaded>();
  loaded->blob = std::move(blob);
  const Status status = loaded->tokenizer.Init(loaded->blob);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return loaded;
}

StatusOr<std::vector<int32_t>> Encode(const Tokenizer& tokenizer, std::string_view text,
                                      EncodeOptions options) {
  std::vector<uint8_t> work(tokenizer.WorkBytes(text.size()));
  std::vector<int32_t> ids(64);
  uint64_t n = 0;
  Status status = tokenizer.Encode(text, options, work, ids.data(), ids.size(), &n);
  if (status.code() == StatusCode::kResourceExhausted && n > ids.size()) {
    ids.resize(n);
    status = tokenizer.Encode(text, options, work, ids.data(), ids.size(), &n);
  }
  SAMARA_RETURN_IF_ERROR(status);
  ids.resize(n);
  return ids;
}

StatusOr<std::string> Decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                             bool special) {
  DecodeState state;
  std::vector<char> buffer(4 * tokenizer.MaxTokenBytes());
  std::string text;
  uint64_t n = 0;
  for (const int32_t id : ids) {
    SAMARA_RETURN_IF_ERROR(
        tokenizer.DecodeOne(id, special, &state, buffer.data(), buffer.size(), &n));
    text.append(buffer.data(), n);
  }
  SAMARA_RETURN_IF_ERROR(tokenizer.DecodeFlush(&state, buffer.data(), buffer.size(), &n));
  return text.append(buffer.data(), n);
}

uint64_t Fnv(const void* data, uint64_t bytes, uint64_t hash) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  for (uint64_t i = 0; i < bytes; ++i) hash = (hash ^ p[i]) * 0x100000001B3u;
  return hash;
}

std::string Parts::Json() const {
  return R"({"version":"1.0","added_tokens":)" + added + R"(,"normalizer":)" + normalizer +
         R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":)" + post_processor +
         R"(,"decoder":)" + decoder + R"(,"model":{"type":"BPE","vocab":)" + vocab +
         R"(,"merges":)" + merges + model + "}}";
}

}  // namespace samara::tokenizer_test
