// Any bytes as a tokenizer block: success or a named error, and afterwards nothing is read or
// written outside. Run under AddressSanitizer this is the proof; without it, it still checks the
// buffers' ends.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>

#include "formats/tokenizer_tables.h"
#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

constexpr uint64_t kSeed = 20240817;

// Blobs of both kinds with everything in them, small enough to be flipped often.
std::vector<std::vector<uint8_t>> Blobs() {
  std::vector<std::vector<uint8_t>> blobs;
  for (const char* name : {"added", "llama3", "sentencepiece", "metaspace"}) {
    auto blob = CompileFile(DataPath(std::string(name) + ".json"));
    REQUIRE(blob.ok());
    blobs.push_back(std::move(*blob));
  }
  return blobs;
}

// Uses a block that Init accepted. `bytes` lie in their own allocation, so that a sanitizer sees
// its ends.
void Use(const Tokenizer& t, Random* random) {
  constexpr uint64_t kMaxWork = 8 << 20;
  const std::string texts[] = {
      "Hello world's  12345 <mask> [LEFT]\n[WORD] wordy <|im_start|> cafe\xCC\x81 "
      "\xEA\xB0\x80\xE1\x86\xA8 Stra\xC3\x9F"
      "e\n\n\n \xF0\x9F\x98\x80",
      std::string(200, ' ') + "\xFF\xFE" + std::string(100, 'a') + "\xE2\x96\x81\xCC\x81\xCC\xA3"};
  for (const std::string& text : texts) {
    const uint64_t bytes = t.WorkBytes(text.size());
    if (bytes > kMaxWork) continue;
    auto work = std::make_unique<uint8_t[]>(bytes);
    auto ids = std::make_unique<int32_t[]>(64);
    uint64_t n = 0;
    const EncodeOptions options = {.add_special = true, .parse_special = random->Below(2) == 0};
    const Status status = t.Encode(text, options, {work.get(), bytes}, ids.get(), 64, &n);
    if (!status.ok()) REQUIRE(status.code() != StatusCode::kInternal);
    for (uint64_t i = 0;
         i < std::min<uint64_t>(n, 64) && status.code() != StatusCode::kInvalidArgument; ++i) {
      REQUIRE(ids[i] >= 0);
      REQUIRE(static_cast<uint32_t>(ids[i]) < t.vocab());
    }
  }
  DecodeState state;
  const uint64_t capacity = 4 * t.MaxTokenBytes();
  auto out = std::make_unique<char[]>(capacity);
  for (int i = 0; i < 40; ++i) {
    uint64_t n = 0;
    const auto id = static_cast<int32_t>(random->Below(t.vocab()));
    REQUIRE(t.DecodeOne(id, i % 2 == 0, &state, out.get(), capacity, &n).ok());
    REQUIRE(n <= capacity);
  }
}

bool TryUse(const std::vector<uint8_t>& bytes, Random* random) {
  auto copy = std::make_unique<uint64_t[]>(bytes.size() / 8 + 1);
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  Tokenizer tokenizer;
  const Status status =
      tokenizer.Init({reinterpret_cast<const uint8_t*>(copy.get()), bytes.size()});
  if (!status.ok()) {
    REQUIRE(
        (status.code() == StatusCode::kInvalidFile || status.code() == StatusCode::kUnsupported));
    REQUIRE(std::strlen(status.message()) > 0);
    return false;
  }
  Use(tokenizer, random);
  return true;
}

TEST_CASE("every truncation of the header and many of the rest are refused") {
  Random random(kSeed);
  for (const std::vector<uint8_t>& blob : Blobs()) {
    REQUIRE(TryUse(blob, &random));
    for (size_t n = 0; n < blob.size(); n += n < 2 * sizeof(TokenizerHeader) ? 1 : 97) {
      REQUIRE_MESSAGE(!TryUse({blob.begin(), blob.begin() + static_cast<ptrdiff_t>(n)}, &random),
                      n);
    }
  }
}

TEST_CASE("flipped bits and overwritten integers") {
  int accepted = 0, refused = 0;
  uint64_t which = 0;
  for (const std::vector<uint8_t>& original : Blobs()) {
    ++which;
    CAPTURE(which);
    for (uint64_t round = 0; round < 1500; ++round) {
      CAPTURE(round);
      Random random(kSeed + which * 100000 + round);
      std::vector<uint8_t> blob = original;
      // Half of the changes go to the header and the small tables behind it, where most indices
      // are.
      const auto place = [&] {
        if (random.Below(2) == 0) return random.Below(sizeof(TokenizerHeader));
        TokenizerHeader header;
        std::memcpy(&header, original.data(), sizeof(header));
        const TokenizerTable& table = header.tables[random.Below(kTokenizerTables)];
        return table.count == 0
                   ? random.Below(original.size())
                   : table.offset + random.Below(std::min<uint64_t>(original.size() - table.offset,
                                                                    64 + table.count));
      };
      for (uint64_t change = 0; change <= random.Below(3); ++change) {
        if (round % 2 == 0) {
          blob[place()] ^= static_cast<uint8_t>(1u << random.Below(8));
        } else {
          constexpr uint32_t kValues[] = {0,          1,          2,          0x7FFF,    0xFFFF,
                                          0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF};
          uint64_t at = place() / 4 * 4;
          if (at + 4 > blob.size()) at = 0;
          std::memcpy(&blob[at], &kValues[random.Below(std::size(kValues))], 4);
        }
      }
      (TryUse(blob, &random) ? accepted : refused)++;
    }
  }
  // Both happen often, or the test tests little.
  CHECK(accepted > 500);
  CHECK(refused > 500);
}

TEST_CASE("every integer of the header set to its extremes") {
  Random random(kSeed);
  const std::vector<uint8_t> original = Blobs()[0];
  for (size_t at = 0; at + 4 <= sizeof(TokenizerHeader); at += 4) {
    uint32_t value;
    std::memcpy(&value, &original[at], 4);
    for (const uint32_t set : {0u, 1u, value - 1, value + 1, value + 8, 1u << 31, 0xFFFFFFFFu}) {
      std::vector<uint8_t> blob = original;
      std::memcpy(&blob[at], &set, 4);
      TryUse(blob, &random);
    }
  }
}

}  // namespace
}  // namespace samara::tokenizer_test
