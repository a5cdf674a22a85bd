// Vocabularies of real models in GGUF files (../shared/vocabs): ids equal those of the models' own
// tokenizers on the corpus (data/gguf_vocabularies.py), and the texts and ids that lie beside them.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "converter/gguf/tokenizer.h"
#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

constexpr const char* kNames[] = {"gpt-2", "starcoder", "deepseek-coder", "llama-spm"};

std::string SharedPath(const std::string& name) {
  return std::string(SAMARA_SOURCE_DIR) + "/../shared/vocabs/" + name + ".gguf";
}

std::unique_ptr<Loaded> LoadGguf(const std::string& name) {
  const auto gguf = Gguf::Open(SharedPath(name), name + ".gguf");
  REQUIRE_MESSAGE(gguf.ok(), std::string(gguf.status().message()));
  auto read = ReadGgufTokenizer(*gguf);
  REQUIRE_MESSAGE(read.ok(), std::string(read.status().message()));
  const auto components = JsonDocument::Parse("components", read->components);
  const auto config = JsonDocument::Parse("config", read->config);
  REQUIRE(components.ok());
  REQUIRE(config.ok());
  const Json root = config->root();
  auto blob = CompileTokenizer(std::move(read->vocabulary), components->root(), &root, nullptr);
  REQUIRE_MESSAGE(blob.ok(), std::string(blob.status().message()));
  return Load(std::move(*blob));
}

bool Present() {
  if (FileExists(SharedPath(kNames[0]))) return true;
  std::printf("SKIPPED: ../shared/vocabs is not there; GGUF vocabularies were not tested\n");
  return false;
}

std::string IdText(const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

TEST_CASE("GGUF vocabularies: ids equal those of the models' own tokenizers") {
  if (!Present()) return;
  for (const char* name : kNames) {
    CAPTURE(std::string(name));
    const auto loaded = LoadGguf(name);
    const std::vector<std::string>& corpus = Corpus();
    const std::vector<std::string> expected =
        Lines(ReadAll(DataPath(std::string(name) + ".hashes")));
    REQUIRE(expected.size() == corpus.size());
    int bad = 0;
    for (size_t i = 0; i < corpus.size() && bad < 10; ++i) {
      const auto ids =
          Encode(loaded->tokenizer, corpus[i], {.add_special = true, .parse_special = true});
      const auto plain =
          Encode(loaded->tokenizer, corpus[i], {.add_special = true, .parse_special = false});
      REQUIRE(ids.ok());
      REQUIRE(plain.ok());
      const uint64_t hash =
          Fnv(plain->data(), plain->size() * 4, Fnv(ids->data(), ids->size() * 4));
      if (hash == std::strtoull(expected[i].c_str(), nullptr, 16)) continue;
      FAIL_CHECK(name << ", line " << i + 1 << ": ids " << IdText(*ids));
      ++bad;
    }
  }
}

TEST_CASE("GGUF vocabularies: the texts beside them") {
  if (!Present()) return;
  for (const char* name : kNames) {
    CAPTURE(std::string(name));
    const auto loaded = LoadGguf(name);
    const std::string separator = "\n__ggml_vocab_test__\n";
    const std::string texts = ReadAll(SharedPath(name) + ".inp");
    const std::vector<std::string> wanted = Lines(ReadAll(SharedPath(name) + ".out"));
    size_t from = 0, n = 0;
    for (; n < wanted.size(); ++n) {
      const size_t end = texts.find(separator, from);
      const std::string text = texts.substr(from, end - from);
      const auto ids =
          Encode(loaded->tokenizer, text, {.add_special = false, .parse_special = false});
      REQUIRE(ids.ok());
      // A line has a space in front of each id, or none.
      const std::string& line = wanted[n];
      CHECK_MESSAGE(IdText(*ids) == line.substr(line.starts_with(" ") ? 1 : 0),
                    name << ", text " << n + 1 << ": " << Quoted(text));
      if (end == std::string::npos) break;
      from = end + separator.size();
    }
    CHECK(n >= 40);
  }
}

}  // namespace
}  // namespace samara::tokenizer_test
