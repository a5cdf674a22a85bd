// SentencePiece's own files: ids equal those of its library (data/make_sentencepiece.py), and no bytes do
// harm.
#include "converter/tokenizer/sentencepiece.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <utility>

#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

constexpr const char* kModels[] = {"sp_bpe", "sp_bpe_bare", "sp_unigram", "sp_unigram_unknown"};

std::string Repeated(const std::string& unit, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += unit;
  return text;
}

StatusOr<std::vector<uint8_t>> CompileModel(const std::string& bytes) {
  SAMARA_ASSIGN_OR_RETURN(const SentencePieceModel model, ReadSentencePieceModel(bytes, "m"));
  Vocabulary vocabulary;
  std::string text;
  SAMARA_RETURN_IF_ERROR(BuildSentencePiece(model, "m", &vocabulary, &text));
  SAMARA_ASSIGN_OR_RETURN(const JsonDocument components, JsonDocument::Parse("m", text));
  return CompileTokenizer(std::move(vocabulary), components.root(), nullptr, nullptr);
}

TEST_CASE("tokenizer.model: ids equal those of SentencePiece's library") {
  for (const char* name : kModels) {
    CAPTURE(std::string(name));
    auto blob = CompileModel(ReadAll(DataPath(std::string(name) + ".model")));
    REQUIRE_MESSAGE(blob.ok(), std::string(blob.status().message()));
    const auto loaded = Load(std::move(*blob));
    const std::vector<std::string>& corpus = Corpus();
    const std::vector<std::string> expected =
        Lines(ReadAll(DataPath(std::string(name) + ".hashes")));
    REQUIRE(expected.size() == corpus.size());
    int bad = 0;
    for (size_t i = 0; i < corpus.size(); ++i) {
      // The same pieces in another order: their scores are summed in binary32 there.
      if (corpus[i] == Repeated("\xED\x95\x9C", 50) && name == kModels[3]) continue;
      const auto ids =
          Encode(loaded->tokenizer, corpus[i], {.add_special = false, .parse_special = false});
      REQUIRE(ids.ok());
      if (Fnv(ids->data(), ids->size() * 4) == std::strtoull(expected[i].c_str(), nullptr, 16))
        continue;
      if (++bad > 10) continue;
      std::string text;
      for (const int32_t id : *ids) text += std::to_string(id) + " ";
      FAIL_CHECK(name << ", line " << i + 1 << " " << Quoted(corpus[i], 400) << ": ids " << text);
    }
    CHECK(bad == 0);
  }
}

TEST_CASE("tokenizer.model: any bytes give success or one error") {
  const uint64_t seed = 5;
  INFO("seed " << seed);
  Random random(seed);
  for (const char* name : {"sp_bpe", "sp_unigram"}) {
    const std::string good = ReadAll(DataPath(std::string(name) + ".model"));
    REQUIRE(!good.empty());
    int refused = 0;
    for (int i = 0; i < 300; ++i) {
      std::string bytes = good;
      if (i % 3 == 0) bytes.resize(random.Below(bytes.size()));
      for (uint64_t n = random.Below(4) + 1; n > 0 && !bytes.empty(); --n) {
        // Often near the end, where the settings are.
        const uint64_t at =
            random.Below(2) == 0
                ? random.Below(bytes.size())
                : bytes.size() - 1 - random.Below(bytes.size() / 8 + 1) % bytes.size();
        bytes[at] = static_cast<char>(random.Next());
      }
      const auto blob = CompileModel(bytes);
      refused += !blob.ok();
      if (!blob.ok()) CHECK(!std::string(blob.status().message()).empty());
    }
    CHECK(refused > 50);
  }
}

std::string Field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  return out + static_cast<char>(bytes.size()) + bytes;
}

TEST_CASE("tokenizer.model: what is wrong has a name") {
  const std::string unknown = Field(1, Field(1, "<unk>") + "\x18\x02");
  const auto with = [&](const std::string& trainer, const std::string& normalizer,
                        const std::string& piece = "") {
    const auto blob = CompileModel(unknown + Field(1, Field(1, "a")) + piece + Field(2, trainer) +
                                   Field(3, normalizer));
    return std::string(blob.status().message());
  };
  const auto mentions = [](const std::string& text, const char* part) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
  };
  CHECK(with("\x18\x02", "") == "");
  mentions(with("\x18\x03", ""), "model_type: got 3, wanted 1 (unigram) or 2 (BPE)");
  mentions(with(std::string("\xC0\x01\x01", 3), ""), "treat_whitespace_as_suffix");
  mentions(with(std::string("\x18\x02\xC0\x02\x07", 5), ""), "unk_id: got 7, wanted one of the 2");
  mentions(with("\x18\x02", std::string("\x28\x00", 2)), "escape_whitespaces");
  mentions(with("\x18\x02", Field(2, "abc")), "precompiled_charsmap");
  mentions(with("\x18\x02", "", Field(1, Field(1, "\xFF"))), "wanted UTF-8");
  mentions(with("\x18\x02", "", Field(1, Field(1, "b") + "\x18\x07")), "got kind 7");
  mentions(with("\x18\x02", "", Field(1, Field(1, "b") + std::string("\x15\x00\x00\x80\x7F", 5))),
           "finite score");
  mentions(std::string(CompileModel("").status().message()), "no SentencePiece model");
  mentions(std::string(CompileModel(unknown).status().message()), "no SentencePiece model");
}

}  // namespace
}  // namespace samara::tokenizer_test
