// Ids and texts equal those of Hugging Face's `tokenizers` (data/make_goldens.py).
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

std::string IdText(const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += std::to_string(id) + " ";
  return text;
}

void CheckGolden(const std::string& name, const std::string& path) {
  auto blob = CompileFile(path);
  REQUIRE_MESSAGE(blob.ok(), name << ": " << blob.status().message());
  const auto loaded = Load(std::move(*blob));
  const Tokenizer& tokenizer = loaded->tokenizer;
  const std::vector<std::string>& corpus = Corpus();
  const std::vector<std::string> expected = Lines(ReadAll(DataPath(name + ".hashes")));
  REQUIRE(corpus.size() == 2000);
  REQUIRE(expected.size() == corpus.size());
  int bad = 0;
  for (size_t i = 0; i < corpus.size() && bad < 10; ++i) {
    const auto ids = Encode(tokenizer, corpus[i], {.add_special = true, .parse_special = true});
    const auto plain = Encode(tokenizer, corpus[i], {.add_special = true, .parse_special = false});
    REQUIRE(ids.ok());
    REQUIRE(plain.ok());
    const uint64_t hash = Fnv(plain->data(), plain->size() * 4, Fnv(ids->data(), ids->size() * 4));
    if (hash != std::strtoull(expected[i].c_str(), nullptr, 16)) {
      FAIL_CHECK(name << ", line " << i + 1 << ": ids " << IdText(*ids) << "| special as text "
                      << IdText(*plain));
      ++bad;
    }
    if (expected[i].size() == 16) continue;  // byte-level: the round trip is a test of its own
    const auto text = Decode(tokenizer, *ids);
    REQUIRE(text.ok());
    if (Fnv(text->data(), text->size()) != std::strtoull(expected[i].c_str() + 17, nullptr, 16)) {
      FAIL_CHECK(name << ", line " << i + 1 << ": decoded " << Quoted(*text, 400));
      ++bad;
    }
  }
}

TEST_CASE("ids equal the goldens") {
  for (const char* name :
       {"gpt2", "llama3", "qwen2", "cased", "staged", "added", "sentencepiece", "metaspace",
        "words", "falcon", "unigram", "unigram_plain", "wordpiece", "wordpiece_cased", "tekken",
        "deepseek3", "qwen35", "granite", "gemma"}) {
    CAPTURE(name);
    CheckGolden(name, DataPath(std::string(name) + ".json"));
  }
}

TEST_CASE("ids of a real model's tokenizer equal the goldens") {
  const std::string path =
      std::string(SAMARA_SOURCE_DIR) + "/../shared/models/stories260k/tokenizer.json";
  if (!FileExists(path)) {
    std::printf(
        "SKIPPED: ../shared/models/stories260k is not there; its tokenizer was not tested\n");
    return;
  }
  CheckGolden("stories260k", path);
}

TEST_CASE("byte-level: decoding gives the text back") {
  for (const char* name : {"gpt2", "llama3", "cased", "staged"}) {
    auto blob = CompileFile(DataPath(std::string(name) + ".json"));
    REQUIRE(blob.ok());
    const auto loaded = Load(std::move(*blob));
    for (const bool parse_special : {false, true}) {
      for (const std::string& line : Corpus()) {
        const auto ids =
            Encode(loaded->tokenizer, line, {.add_special = false, .parse_special = parse_special});
        REQUIRE(ids.ok());
        const auto text = Decode(loaded->tokenizer, *ids, true);
        REQUIRE(text.ok());
        REQUIRE_MESSAGE(*text == line,
                        name << ": " << Quoted(line, 400) << " became " << Quoted(*text, 400));
      }
    }
  }
}

// With NFC a text comes back normalized; normalized text comes back as it is.
TEST_CASE("byte-level with NFC: decoding gives a fixed point") {
  auto blob = CompileFile(DataPath("qwen2.json"));
  REQUIRE(blob.ok());
  const auto loaded = Load(std::move(*blob));
  int changed = 0;
  for (const std::string& line : Corpus()) {
    const EncodeOptions options = {.add_special = false, .parse_special = false};
    const auto ids = Encode(loaded->tokenizer, line, options);
    REQUIRE(ids.ok());
    const auto text = Decode(loaded->tokenizer, *ids, true);
    REQUIRE(text.ok());
    changed += *text != line;
    const auto again = Encode(loaded->tokenizer, *text, options);
    REQUIRE(again.ok());
    REQUIRE(*again == *ids);
  }
  CHECK(changed > 20);
  CHECK(changed < 500);
}

}  // namespace
}  // namespace samara::tokenizer_test
