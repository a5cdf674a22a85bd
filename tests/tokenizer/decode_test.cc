// Streaming decoding, ill-formed UTF-8 in both directions, buffers.
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

bool IsWellFormed(std::string_view s) {
  // Independent of the code under test: a plain reading of the Unicode standard's table 3-7.
  for (size_t i = 0; i < s.size();) {
    const auto byte = [&](size_t k) {
      return i + k < s.size() ? static_cast<uint8_t>(s[i + k]) : 0u;
    };
    const uint32_t b = byte(0);
    const auto tail = [&](size_t k, uint32_t low = 0x80, uint32_t high = 0xBF) {
      return byte(k) >= low && byte(k) <= high;
    };
    if (b < 0x80) {
      i += 1;
    } else if (b >= 0xC2 && b <= 0xDF && tail(1)) {
      i += 2;
    } else if (b >= 0xE0 && b <= 0xEF &&
               tail(1, b == 0xE0 ? 0xA0 : 0x80, b == 0xED ? 0x9F : 0xBF) && tail(2)) {
      i += 3;
    } else if (b >= 0xF0 && b <= 0xF4 &&
               tail(1, b == 0xF0 ? 0x90 : 0x80, b == 0xF4 ? 0x8F : 0xBF) && tail(2) && tail(3)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

std::unique_ptr<Loaded> LoadNamed(const char* name) {
  auto blob = CompileFile(DataPath(std::string(name) + ".json"));
  REQUIRE_MESSAGE(blob.ok(), blob.status().message());
  return Load(std::move(*blob));
}

std::unique_ptr<Loaded> LoadParts(const Parts& parts) {
  auto blob = CompileText(parts.Json());
  REQUIRE_MESSAGE(blob.ok(), blob.status().message());
  return Load(std::move(*blob));
}

// Every byte has its id: id = byte.
Parts BytesOnly(bool byte_level) {
  Parts parts;
  parts.merges = "[]";
  parts.vocab = "{";
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) {
    char entry[40];
    if (byte_level) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      std::snprintf(entry, sizeof(entry), "\"\\u%04x\":%u", printable ? b : next++, b);
    } else {
      std::snprintf(entry, sizeof(entry), "\"<0x%02X>\":%u", b, b);
    }
    parts.vocab += (b == 0 ? "" : ",") + std::string(entry);
  }
  if (byte_level) {
    parts.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
    parts.decoder = R"({"type":"ByteLevel"})";
  } else {
    parts.vocab += R"(,"x":256)";
    parts.model = R"(,"byte_fallback":true)";
    parts.decoder = R"({"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]})";
  }
  parts.vocab += "}";
  return parts;
}

TEST_CASE("each streamed piece is well-formed and the pieces are the text") {
  for (const char* name : {"gpt2", "qwen2", "sentencepiece", "metaspace", "words"}) {
    const auto loaded = LoadNamed(name);
    const Tokenizer& t = loaded->tokenizer;
    std::vector<char> buffer(4 * t.MaxTokenBytes());
    Random random(7);
    for (int round = 0; round < 300; ++round) {
      // Any ids in any order: also such as begin and end inside of characters.
      DecodeState state;
      std::string streamed;
      std::vector<int32_t> ids;
      for (int i = 0; i < 30; ++i) {
        ids.push_back(static_cast<int32_t>(random.Below(t.vocab())));
        uint64_t n = 0;
        REQUIRE(t.DecodeOne(ids.back(), true, &state, buffer.data(), buffer.size(), &n).ok());
        REQUIRE_MESSAGE(IsWellFormed({buffer.data(), n}), name << ", round " << round);
        streamed.append(buffer.data(), n);
        REQUIRE(state.n_pending <= 3);
      }
      uint64_t n = 0;
      REQUIRE(t.DecodeFlush(&state, buffer.data(), buffer.size(), &n).ok());
      streamed.append(buffer.data(), n);
      REQUIRE(*Decode(t, ids, true) == streamed);
    }
  }
}

TEST_CASE(
    "ill-formed bytes decode to one U+FFFD for each maximal subpart, or for each fallback byte") {
  const std::string r = "\xEF\xBF\xBD";
  struct Case {
    std::string bytes, byte_level, fallback;
  };
  const Case cases[] = {
      {"a\xFFz", "a" + r + "z", "a" + r + "z"},
      {"\xE2\x82", r, r + r},
      {"\xE2\x82z", r + "z", r + r + "z"},
      {"\xE2\x82\xAC", "\xE2\x82\xAC", "\xE2\x82\xAC"},
      {"\xF0\x9F\x98", r, r + r + r},
      {"\xF0\x9F\xE2\x82\xAC", r + "\xE2\x82\xAC", r + r + "\xE2\x82\xAC"},
      {"\xC0\x80", r + r, r + r},
      {"\xED\xA0\x80", r + r + r, r + r + r},
      {"\xF4\x90\x80\x80", r + r + r + r, r + r + r + r},
      {"\xE2\xE2\xE2", r + r + r, r + r + r},
      {"\x80\x80", r + r, r + r},
  };
  for (const bool byte_level : {true, false}) {
    const auto loaded = LoadParts(BytesOnly(byte_level));
    for (const Case& c : cases) {
      std::vector<int32_t> ids;
      for (const char b : c.bytes) ids.push_back(static_cast<uint8_t>(b));
      CHECK(*Decode(loaded->tokenizer, ids) == (byte_level ? c.byte_level : c.fallback));
    }
  }
}

TEST_CASE("ill-formed text is encoded as if each maximal subpart were U+FFFD") {
  const std::string r = "\xEF\xBF\xBD";
  const std::pair<std::string, std::string> cases[] = {
      {"\xFF", r},
      {"ab\x80 cd", "ab" + r + " cd"},
      {"\xE2\x82", r},
      {"\xF0\x9F\x98 x", r + " x"},
      {"\xC0\xAF", r + r},
      {"\xED\xA0\x80", r + r + r},
      {"x\xE2\x82\xAC\xE2\x82", "x\xE2\x82\xAC" + r},
      {std::string("\0\xC3\0", 3), std::string("\0", 1) + r + std::string("\0", 1)},
  };
  for (const char* name : {"gpt2", "qwen2", "sentencepiece", "metaspace"}) {
    const auto loaded = LoadNamed(name);
    for (const auto& [bad, good] : cases) {
      const auto got = Encode(loaded->tokenizer, bad);
      const auto want = Encode(loaded->tokenizer, good);
      REQUIRE(got.ok());
      REQUIRE(want.ok());
      CHECK(*got == *want);
    }
  }
}

TEST_CASE("a buffer that is too small changes nothing") {
  const auto loaded = LoadNamed("gpt2");
  const Tokenizer& t = loaded->tokenizer;
  const auto ids = *Encode(t, "Hello there, 日本");
  DecodeState state;
  std::string text;
  for (const int32_t id : ids) {
    char buffer[64];
    uint64_t n = 0;
    uint64_t capacity = 0;
    Status status;
    while (!(status = t.DecodeOne(id, false, &state, buffer, capacity, &n)).ok()) {
      REQUIRE(status.code() == StatusCode::kResourceExhausted);
      REQUIRE(n == 0);
      REQUIRE(++capacity < sizeof(buffer));
    }
    text.append(buffer, n);
  }
  CHECK(text == "Hello there, 日本");

  std::vector<uint8_t> work(t.WorkBytes(20));
  int32_t few[2] = {-1, -1};
  uint64_t n = 0;
  CHECK(t.Encode("Hello there, Hello", {}, work, few, 1, &n).code() ==
        StatusCode::kResourceExhausted);
  CHECK(n == Encode(t, "Hello there, Hello")->size());
  CHECK(few[0] >= 0);
  CHECK(few[1] == -1);
  CHECK(
      t.Encode("Hello there, Hello", {}, std::span<uint8_t>(work).first(100), few, 2, &n).code() ==
      StatusCode::kInvalidArgument);
}

TEST_CASE("ids out of range and special ids") {
  const auto loaded = LoadNamed("llama3");
  const Tokenizer& t = loaded->tokenizer;
  DecodeState state;
  char buffer[256];
  uint64_t n = 99;
  CHECK(t.DecodeOne(-1, false, &state, buffer, sizeof(buffer), &n).code() ==
        StatusCode::kInvalidArgument);
  CHECK(n == 0);
  CHECK(!t.DecodeOne(static_cast<int32_t>(t.vocab()), false, &state, buffer, sizeof(buffer), &n)
             .ok());
  CHECK(!t.DecodeOne(INT32_MAX, false, &state, buffer, sizeof(buffer), &n).ok());
  state.n_pending = 200;
  CHECK(!t.DecodeOne(1, false, &state, buffer, sizeof(buffer), &n).ok());
  CHECK(!t.DecodeFlush(&state, buffer, sizeof(buffer), &n).ok());

  const auto ids = *Encode(t, "<|im_start|>user", {.add_special = true, .parse_special = true});
  REQUIRE(ids.size() >= 3);
  CHECK(ids[0] == t.bos());
  CHECK(t.IsSpecial(ids[0]));
  CHECK(t.IsSpecial(ids[1]));
  CHECK(!t.IsSpecial(ids[2]));
  CHECK(!t.IsSpecial(-1));
  CHECK(!t.IsSpecial(1 << 30));
  CHECK(*Decode(t, ids) == "user");
  CHECK(*Decode(t, ids, true) == "<|begin|><|im_start|>user");
  // As text they are text, and come back as such.
  const auto plain = *Encode(t, "<|im_start|>user", {.add_special = false, .parse_special = false});
  for (const int32_t id : plain) CHECK(!t.IsSpecial(id));
  CHECK(*Decode(t, plain) == "<|im_start|>user");
}

TEST_CASE("an added token is its own text, whatever bytes its characters stand for") {
  Parts parts = BytesOnly(true);
  parts.added = R"([{"id":256,"content":"caf\u00e9","special":false,"normalized":false}])";
  const auto loaded = LoadParts(parts);
  const auto ids = *Encode(loaded->tokenizer, "a caf\xC3\xA9 b");
  CHECK(ids == std::vector<int32_t>{'a', ' ', 256, ' ', 'b'});
  CHECK(*Decode(loaded->tokenizer, ids) == "a caf\xC3\xA9 b");
}

TEST_CASE("the leading space") {
  Parts parts;
  parts.vocab = R"({"▁":0,"▁a":1,"b":2,"<0x20>":3,"<0xE2>":4,"<0x82>":5,"<0xAC>":6,"<s>":7})";
  parts.merges = "[]";
  parts.added = R"([{"id":7,"content":"<s>","special":true}])";
  parts.decoder =
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
      {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";
  const auto loaded = LoadParts(parts);
  const Tokenizer& t = loaded->tokenizer;
  CHECK(*Decode(t, {1, 2}) == "ab");
  CHECK(*Decode(t, {0, 1, 1}) == " a a");
  CHECK(*Decode(t, {7, 1, 7, 1}) == "a a");
  CHECK(*Decode(t, {3, 1}) == " a");
  CHECK(*Decode(t, {4, 5, 6, 1}) == "\xE2\x82\xAC a");
  CHECK(*Decode(t, {7, 1}, true) == "<s> a");
}

}  // namespace
}  // namespace samara::tokenizer_test
