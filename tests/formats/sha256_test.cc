#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "formats/package_format.h"
#include "formats/sha256_blocks.h"
#include "tests/support/random.h"

namespace samara {
namespace {

std::string Hex(const uint8_t* bytes, size_t n) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < n; ++i) text += {kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]};
  return text;
}

std::string HashOf(const std::string& message) {
  Sha256 hash;
  uint8_t digest[32];
  hash.Update(message.data(), message.size());
  hash.Finish(digest);
  return Hex(digest, 32);
}

TEST_CASE("sha256: vectors of FIPS 180-4") {
  CHECK(HashOf("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(HashOf("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(HashOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(HashOf(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: any split of the message gives the same hash") {
  const uint64_t seed = 7;
  CAPTURE(seed);
  test::Random random(seed);
  std::string message(1000, '\0');
  for (char& c : message) c = static_cast<char>(random.Next());
  for (size_t length : {55u, 56u, 63u, 64u, 65u, 119u, 120u, 128u, 1000u}) {
    std::string part = message.substr(0, length);
    const std::string want = HashOf(part);
    for (int trial = 0; trial < 20; ++trial) {
      Sha256 hash;
      size_t at = 0;
      while (at < length) {
        size_t step = std::min<size_t>(length - at, random.Below(150));
        hash.Update(part.data() + at, step);
        at += step;
      }
      uint8_t digest[32];
      hash.Finish(digest);
      CHECK(Hex(digest, 32) == want);
    }
  }
}

TEST_CASE("sha256: the portable loop and the CPU's instructions agree") {
  // One padded block: "abc", 0x80, zeros, its length of 24 bits.
  uint8_t block[64] = {'a', 'b', 'c', 0x80};
  block[63] = 24;
  const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint32_t h[8];
  std::memcpy(h, initial, sizeof h);
  PortableSha256()(h, block, 1);
  CHECK(h[0] == 0xba7816bf);
  CHECK(h[7] == 0xf20015ad);
  if (HardwareSha256() == nullptr) {
    MESSAGE("this CPU has no SHA-256 instructions: only the portable loop was tested");
    return;
  }
  const uint64_t seed = 11;
  CAPTURE(seed);
  test::Random random(seed);
  std::vector<uint8_t> data(64 * 50 + 1);
  for (uint8_t& byte : data) byte = static_cast<uint8_t>(random.Next());
  for (uint64_t blocks = 0; blocks <= 50; ++blocks) {
    uint32_t a[8], b[8];
    std::memcpy(a, initial, sizeof a);
    std::memcpy(b, initial, sizeof b);
    PortableSha256()(a, data.data() + 1, blocks);  // unaligned on purpose
    HardwareSha256()(b, data.data() + 1, blocks);
    CHECK(std::memcmp(a, b, sizeof a) == 0);
  }
}

}  // namespace
}  // namespace samara
