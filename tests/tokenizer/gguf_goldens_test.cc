// The goldens' tokenizers in GGUF's form: the names that GGUF has for pre-tokenizers and models stand for the
// same ids as the tokenizer.json, or SentencePiece's own file, that they were made of.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "converter/gguf/tokenizer.h"
#include "converter/tokenizer/sentencepiece.h"
#include "tests/support/gguf_kit.h"
#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

using test::GgufKit;

std::unique_ptr<Loaded> LoadKit(const GgufKit& kit) {
  const std::string path = "/tmp/samara_vocab_" + std::to_string(getpid()) + ".gguf";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  const std::string bytes = kit.Bytes();
  REQUIRE(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
  REQUIRE(std::fclose(file) == 0);
  const auto gguf = Gguf::Open(path, "vocab.gguf");
  unlink(path.c_str());
  REQUIRE_MESSAGE(gguf.ok(), std::string(gguf.status().message()));
  auto read = ReadGgufTokenizer(*gguf);
  REQUIRE_MESSAGE(read.ok(), std::string(read.status().message()));
  const auto components = JsonDocument::Parse("components", read->components);
  REQUIRE(components.ok());
  auto blob = CompileTokenizer(std::move(read->vocabulary), components->root(), nullptr, nullptr);
  REQUIRE_MESSAGE(blob.ok(), std::string(blob.status().message()));
  return Load(std::move(*blob));
}

void CheckEqual(const Tokenizer& a, const Tokenizer& b) {
  int bad = 0;
  for (const std::string& line : Corpus()) {
    for (const bool special : {false, true}) {
      const EncodeOptions options = {.add_special = false, .parse_special = special};
      const auto x = Encode(a, line, options), y = Encode(b, line, options);
      REQUIRE(x.ok());
      REQUIRE(y.ok());
      if (*x != *y && ++bad <= 5) FAIL_CHECK(Quoted(line, 300));
      const auto text = Decode(a, *x), other = Decode(b, *y);
      REQUIRE(text.ok());
      REQUIRE(other.ok());
      if (*text != *other && ++bad <= 5)
        FAIL_CHECK(Quoted(line, 300) << ": " << Quoted(*text) << " and " << Quoted(*other));
    }
  }
  CHECK(bad == 0);
}

// Tokens and kinds of a tokenizer.json; `merges` too, where it has them.
void AddVocabulary(const Json& root, bool word_piece, GgufKit* kit) {
  std::vector<std::string> tokens, kinds, merges;
  const auto put = [&](uint64_t id, const std::string& text, int kind) {
    if (tokens.size() <= id) {
      tokens.resize(id + 1);
      kinds.resize(id + 1, GgufKit::Raw(5, 4));
    }
    tokens[id] = text;
    kinds[id] = GgufKit::Raw(static_cast<uint64_t>(kind), 4);
  };
  for (const Json token : root.Find("model").Find("vocab")) {
    std::string text(token.key());
    if (word_piece && !(text.starts_with('[') && text.ends_with(']')))
      text = text.starts_with("##") ? text.substr(2) : "\xE2\x96\x81" + text;
    put(*token.Uint(), text, 1);
  }
  for (const Json token : root.Find("added_tokens"))
    put(*token.Find("id").Uint(), std::string(*token.Find("content").String()),
        *token.Find("special").Bool() ? 3 : 4);
  for (const Json merge : root.Find("model").Find("merges")) {
    std::string text;
    for (const Json part : merge) text += (text.empty() ? "" : " ") + std::string(*part.String());
    merges.push_back(merge.IsString() ? std::string(*merge.String()) : text);
  }
  kit->Strings("tokenizer.ggml.tokens", tokens);
  kit->Array("tokenizer.ggml.token_type", 5, kinds);
  if (!merges.empty()) kit->Strings("tokenizer.ggml.merges", merges);
}

TEST_CASE("GGUF: names of pre-tokenizers") {
  const std::pair<const char*, const char*> names[] = {
      {"gpt2", "gpt-2"},    {"llama3", "llama-bpe"}, {"qwen2", "qwen2"},
      {"cased", "gpt-4o"},  {"tekken", "tekken"},    {"deepseek3", "deepseek-v3"},
      {"qwen35", "qwen35"}, {"granite", "refact"},   {"staged", "deepseek-coder"},
      {"falcon", "falcon"}, {"wordpiece", "bert"},   {"wordpiece_cased", "bert"}};
  for (const auto& [golden, name] : names) {
    CAPTURE(std::string(golden));
    const std::string text = ReadAll(DataPath(std::string(golden) + ".json"));
    const auto document = JsonDocument::Parse("json", text);
    REQUIRE(document.ok());
    const bool word_piece = std::string(name) == "bert";
    GgufKit kit;
    kit.String("tokenizer.ggml.model", word_piece ? "bert" : "gpt2");
    if (!word_piece) kit.String("tokenizer.ggml.pre", name);
    AddVocabulary(document->root(), word_piece, &kit);
    // The golden's own limit is another one; no GGUF file says such a thing.
    std::string same = text;
    if (const size_t at = same.find("\"max_input_chars_per_word\":30"); at != std::string::npos)
      same.replace(at, 29, "\"max_input_chars_per_word\":100");
    auto blob = CompileText(same);
    REQUIRE(blob.ok());
    CheckEqual(LoadKit(kit)->tokenizer, Load(std::move(*blob))->tokenizer);
  }
}

TEST_CASE("GGUF: SentencePiece's models") {
  for (const char* name : {"sp_bpe", "sp_bpe_bare", "sp_unigram", "sp_unigram_unknown"}) {
    CAPTURE(std::string(name));
    const auto model =
        ReadSentencePieceModel(ReadAll(DataPath(std::string(name) + ".model")), "model");
    REQUIRE(model.ok());
    GgufKit kit;
    kit.String("tokenizer.ggml.model", model->unigram ? "t5" : "llama");
    kit.Strings("tokenizer.ggml.tokens", model->pieces);
    std::vector<std::string> scores, kinds, map;
    for (const double score : model->scores)
      scores.push_back(GgufKit::Float(static_cast<float>(score)));
    for (const int kind : model->kinds)
      kinds.push_back(GgufKit::Raw(static_cast<uint64_t>(kind), 4));
    for (const char byte : model->charsmap) map.push_back(std::string(1, byte));
    kit.Array("tokenizer.ggml.scores", 6, scores);
    kit.Array("tokenizer.ggml.token_type", 5, kinds);
    if (!map.empty()) kit.Array("tokenizer.ggml.precompiled_charsmap", 0, map);
    kit.U32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(model->unknown));
    kit.Bool("tokenizer.ggml.add_space_prefix", model->prefix);
    kit.Bool("tokenizer.ggml.remove_extra_whitespaces", model->collapse);
    Vocabulary vocabulary;
    std::string text;
    REQUIRE(BuildSentencePiece(*model, "model", &vocabulary, &text).ok());
    const auto components = JsonDocument::Parse("model", text);
    REQUIRE(components.ok());
    auto blob = CompileTokenizer(std::move(vocabulary), components->root(), nullptr, nullptr);
    REQUIRE(blob.ok());
    CheckEqual(LoadKit(kit)->tokenizer, Load(std::move(*blob))->tokenizer);
  }
}

}  // namespace
}  // namespace samara::tokenizer_test
