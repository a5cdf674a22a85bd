// Time is linear in the text, and nothing is allocated.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>

#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

// Slow builds (sanitizers, no optimization) see less.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SAMARA_SLOW_BUILD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define SAMARA_SLOW_BUILD 1
#endif
#ifdef SAMARA_SLOW_BUILD
constexpr size_t kBytes = 1 << 17;
#else
constexpr size_t kBytes = 1 << 20;
#endif
// Quadratic work on this much text takes hours; linear work some hundredths of a second.
constexpr double kLimitSeconds = 60;

std::string Repeat(std::string_view unit) {
  // Some characters: the full megabyte. Others: an eighth of it, in the same limit, to keep the
  // test short.
  const bool whole = unit == "a" || unit == " " || unit == "1";
  std::string text;
  while (text.size() < (whole ? kBytes : kBytes / 8)) text += unit;
  return text;
}

TEST_CASE("a megabyte of anything takes little time and no memory of its own") {
  const std::string units[] = {"a",
                               " ",
                               "\n",
                               "\t \n",
                               "1",
                               "\xCC\x81",
                               "a\xCC\xA3\xCC\x81",
                               "\xEA\xB0\x80\xE1\x86\xA8",
                               "\xFF",
                               "\xE4\xB8\xAD",
                               "!",
                               "'s",
                               "a b",
                               "<|im_start|>",
                               "<|im_star",
                               "  [LEFT]",
                               "[RIGHT]  ",
                               "\n\n",
                               "<tool_",
                               "\xE2\x96\x81",
                               "ab ba\nab ",
                               std::string("\0", 1),
                               "The seed falls far. "};
  for (const char* name :
       {"gpt2", "llama3", "qwen2", "cased", "staged", "added", "sentencepiece", "metaspace",
        "words", "falcon", "unigram", "wordpiece", "tekken", "gemma"}) {
    double slowest = 0;
    std::string slowest_unit;
    auto blob = CompileFile(DataPath(std::string(name) + ".json"));
    REQUIRE(blob.ok());
    const auto loaded = Load(std::move(*blob));
    std::vector<uint8_t> work(loaded->tokenizer.WorkBytes(kBytes + 64));
    std::vector<int32_t> ids(4 * kBytes);
    for (const std::string& unit : units) {
      const std::string text = Repeat(unit);
      uint64_t n = 0;
      const uint64_t before = AllocationCount();
      const std::clock_t start = std::clock();  // processor time: the machine may be busy
      const Status status =
          loaded->tokenizer.Encode(text, {.parse_special = true}, work, ids.data(), ids.size(), &n);
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      if (seconds > slowest) {
        slowest = seconds;
        slowest_unit = Quoted(unit);
      }
      CHECK_MESSAGE(AllocationCount() == before, name);
      REQUIRE_MESSAGE(status.ok(), name << ": " << status.message());
      CHECK_MESSAGE(seconds < kLimitSeconds,
                    name << ", " << Quoted(unit) << ": " << seconds << " s");

      DecodeState state;
      char out[4096];
      const uint64_t before_decoding = AllocationCount();
      for (uint64_t i = 0; i < std::min<uint64_t>(n, 1000); ++i) {
        uint64_t bytes = 0;
        if (!loaded->tokenizer.DecodeOne(ids[i], true, &state, out, sizeof(out), &bytes).ok())
          FAIL("decode");
      }
      CHECK(AllocationCount() == before_decoding);
    }
    MESSAGE(std::string(name) << ": " << slowest << " s at most, for " << slowest_unit);
  }
}

}  // namespace
}  // namespace samara::tokenizer_test
