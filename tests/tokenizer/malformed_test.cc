// Bad tokenizer.json files: each is refused with a line that names the place, what was got and what
// was wanted.
#include <doctest/doctest.h>

#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

struct Case {
  const char* name;
  Parts parts;
  const char* words;  // in the message
};

TEST_CASE("malformed tokenizer files") {
  const std::string long_token = "\"" + std::string(1 << 20, 'x') + "\"";
  const Case cases[] = {
      {"id 2^31",
       {.vocab = R"({"a":2147483648})", .merges = "[]"},
       "field model.vocab.a: got 2147483648"},
      {"negative id", {.vocab = R"({"a":-1})", .merges = "[]"}, "field model.vocab.a: got -1"},
      {"id far above the count",
       {.vocab = R"({"a":0,"b":9999999})", .merges = "[]"},
       "model.vocab.b"},
      {"duplicate id", {.vocab = R"({"a":0,"b":0})", .merges = "[]"}, "id 0 of another token"},
      {"text as id", {.vocab = R"({"a":"0"})", .merges = "[]"}, "field model.vocab.a: got "},
      {"fraction as id", {.vocab = R"({"a":0.5})", .merges = "[]"}, "model.vocab.a"},
      {"empty token", {.vocab = R"({"":0})", .merges = "[]"}, "a token that is not empty"},
      {"token of 1 MB",
       {.vocab = "{" + long_token + ":0}", .merges = "[]"},
       "a token of 1048576 bytes"},
      {"empty vocabulary", {.vocab = "{}", .merges = "[]"}, "field model.vocab: got 0 tokens"},
      {"vocabulary is a list", {.vocab = "[]", .merges = "[]"}, "field model.vocab: got an array"},
      {"merge of an unknown token",
       {.merges = R"([["a","x"]])"},
       "token \"x\", which the vocabulary lacks"},
      {"merge into an unknown token", {.merges = R"(["b a"])"}, "token \"ba\""},
      {"merge of itself", {.merges = R"([["a","a"]])"}, "token \"aa\""},
      {"merge without a space", {.merges = R"(["ab"])"}, "two tokens with one space"},
      {"merge with two spaces", {.merges = R"(["a b c"])"}, "two tokens with one space"},
      {"merge of three", {.merges = R"([["a","b","a"]])"}, "a pair of two tokens"},
      {"merge of numbers", {.merges = R"([[0,1]])"}, "field model.merges[0][0]"},
      {"merges missing", {.merges = "null"}, "model.merges"},
      {"added id negative",
       {.added = R"([{"id":-5,"content":"x"}])"},
       "field added_tokens[0].id: got -5"},
      {"added id 2^31", {.added = R"([{"id":2147483648,"content":"x"}])"}, "added_tokens[0].id"},
      {"added without id", {.added = R"([{"content":"x"}])"}, "added_tokens[0]"},
      {"added id taken", {.added = R"([{"id":1,"content":"x"}])"}, "id 1 of token \"b\""},
      {"added id against the vocabulary",
       {.added = R"([{"id":7,"content":"a"}])"},
       "its id in the vocabulary, 0"},
      {"added twice",
       {.added = R"([{"id":7,"content":"x"},{"id":8,"content":"x"}])"},
       "id 8 for \"x\""},
      {"added too long",
       {.added = "[{\"id\":7,\"content\":" + long_token + "}]"},
       "a token of 1048576 bytes"},
      {"added flag of another type", {.added = R"([{"id":7,"content":"x","lstrip":1}])"}, "lstrip"},
      {"unknown unk_token", {.model = R"(,"unk_token":"<unk>")"}, "field model.unk_token"},
      {"dropout", {.model = R"(,"dropout":0.1)"}, "model.dropout"},
      {"subword prefix",
       {.model = R"(,"continuing_subword_prefix":"##")"},
       "continuing_subword_prefix"},
      {"word suffix", {.model = R"(,"end_of_word_suffix":"</w>")"}, "end_of_word_suffix"},
      {"normalizer",
       {.normalizer = R"({"type":"Rot13"})"},
       "normalizer \"Rot13\" is not supported"},
      {"normalizer in a sequence",
       {.normalizer = R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Rot13"}]})"},
       "field normalizer.normalizers[1]: normalizer \"Rot13\""},
      {"normalizer of no type", {.normalizer = "{}"}, "normalizer"},
      {"empty replacement",
       {.normalizer = R"({"type":"Replace","pattern":{"String":""},"content":"x"})"},
       "pattern"},
      {"replacement by pattern",
       {.normalizer = R"({"type":"Replace","pattern":{"Regex":"(a)\\1"},"content":"x"})"},
       "cannot be compiled"},
      {"text that grows without measure",
       {.normalizer = R"({"type":"Replace","pattern":{"String":"a"},"content":")" +
                      std::string(300, 'x') + "\"}"},
       "more than 256 times as long"},
      {"pre-tokenizer",
       {.pre_tokenizer = R"({"type":"UnicodeScripts"})"},
       "pre-tokenizer \"UnicodeScripts\""},
      {"behavior",
       {.pre_tokenizer = R"({"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"})"},
       "behavior is \"Sideways\""},
      {"something behind ByteLevel",
       {.pre_tokenizer =
            R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Whitespace"}]})",
        .decoder = R"({"type":"ByteLevel"})"},
       "behind ByteLevel"},
      {"ByteLevel without its decoder",
       {.pre_tokenizer = R"({"type":"ByteLevel"})"},
       "without a ByteLevel decoder"},
      {"Metaspace replacement",
       {.pre_tokenizer = R"({"type":"Metaspace","replacement":"ab"})"},
       "replacement is not one character"},
      {"decoder", {.decoder = R"({"type":"CTC"})"}, "decoder \"CTC\" is not supported"},
      {"decoder in odd order",
       {.decoder = R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]})"},
       "ByteFallback behind"},
      {"post-processor", {.post_processor = R"({"type":"Magic"})"}, "post-processor \"Magic\""},
      {"template token without entry",
       {.post_processor =
            R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
          {"Sequence":{"id":"A","type_id":0}}],"special_tokens":{}})"},
       "a key of special_tokens"},
      {"template id out of range",
       {.post_processor =
            R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
          {"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[3]}}})"},
       "got 3, wanted"},
      {"template without text",
       {.post_processor = R"({"type":"TemplateProcessing","single":[]})"},
       "the sequence A"},
  };
  for (const Case& c : cases) {
    const auto blob = CompileText(c.parts.Json());
    REQUIRE_MESSAGE(!blob.ok(), c.name);
    const std::string message = blob.status().message();
    CHECK_MESSAGE(message.find(c.words) != std::string::npos, c.name << ": " << message);
    CHECK_MESSAGE(message.find("tokenizer.json") != std::string::npos, c.name << ": " << message);
    CHECK_MESSAGE(message.size() < 500, c.name);
    CHECK_MESSAGE(message.find('\n') == std::string::npos, c.name);
  }
}

TEST_CASE("models of another kind are refused by name") {
  for (const char* type : {"WordLevel", "Magic"}) {
    const auto blob =
        CompileText(std::string(R"({"model":{"type":")") + type + R"(","vocab":[]}})");
    REQUIRE(!blob.ok());
    CHECK(blob.status().code() == StatusCode::kUnsupported);
    CHECK(std::string(blob.status().message()).find(type) != std::string::npos);
  }
  CHECK(!CompileText("[]").ok());
  CHECK(!CompileText("{}").ok());
}

TEST_CASE("gaps among the ids are kept and counted") {
  Parts parts;
  parts.vocab = R"({"a":0,"b":5,"ab":2})";
  parts.added = R"([{"id":9,"content":"<x>","special":true}])";
  TokenizerSummary summary;
  auto blob = CompileText(parts.Json(), "", &summary);
  REQUIRE(blob.ok());
  CHECK(summary.vocab == 10);
  CHECK(summary.unused == 6);
  CHECK(summary.special_tokens == 1);
  const auto loaded = Load(std::move(*blob));
  CHECK(*Encode(loaded->tokenizer, "abb") == std::vector<int32_t>{2, 5});
  CHECK(*Decode(loaded->tokenizer, {2, 3, 5, 8}) == "abb");
}

TEST_CASE("the configuration's begin and end tokens") {
  Parts parts;
  parts.added =
      R"([{"id":3,"content":"<s>","special":true},{"id":4,"content":"</s>","special":true}])";
  const auto encode = [&](const std::string& config) {
    auto blob = CompileText(parts.Json(), config);
    REQUIRE_MESSAGE(blob.ok(), blob.status().message());
    return *Encode(Load(std::move(*blob))->tokenizer, "ab");
  };
  using Ids = std::vector<int32_t>;
  CHECK(encode("{}") == Ids{2});
  CHECK(encode(R"({"bos_token":"<s>"})") == Ids{2});
  CHECK(encode(R"({"bos_token":"<s>","add_bos_token":true})") == Ids{3, 2});
  CHECK(encode(R"({"eos_token":{"content":"</s>"},"add_eos_token":true})") == Ids{2, 4});
  const auto missing = CompileText(parts.Json(), R"({"bos_token":"<x>","add_bos_token":true})");
  REQUIRE(!missing.ok());
  CHECK(std::string(missing.status().message()).find("add_bos_token") != std::string::npos);
  // A post-processor has the last word.
  parts.post_processor =
      R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}]})";
  CHECK(encode(R"({"bos_token":"<s>","add_bos_token":true})") == Ids{2});
  TokenizerSummary summary;
  REQUIRE(CompileText(parts.Json(), R"({"bos_token":"<s>","eos_token":"</s>"})", &summary).ok());
  CHECK(summary.bos == 3);
  CHECK(summary.eos == 4);
}

}  // namespace
}  // namespace samara::tokenizer_test
