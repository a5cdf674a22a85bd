// Any bytes as a template block: refused with a Status, or rendered within the budgets.
#include <doctest/doctest.h>

#include <memory>

#include "formats/little_endian.h"
#include "formats/template_tree.h"
#include "tests/template/helpers.h"

namespace samara::template_test {
namespace {

constexpr uint64_t kSeed = 20261121;

struct Random {
  uint64_t state;
  uint64_t Next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  uint64_t Below(uint64_t n) { return Next() % n; }
};

// Every kind of node, few bytes.
constexpr const char* kSources[] = {
    "{% macro m(a, b=1) %}{{ a }}{{ caller(b) if caller }}{{ kwargs }}{{ varargs }}{% endmacro %}"
    "{% call(x) m(1, 2, 3, k=4) %}{{ x }}{% endcall %}{% generation %}g{% endgeneration %}",
    "{% for a, b in d.items() if a %}{{ loop.last }}{{ a ~ b }}{% if b %}{% continue %}{% endif %}"
    "{% else %}e{% endfor %}{% set ns = namespace(q=1) %}{% set ns.q, z = -2 ** 2, +1.5 %}{{ ns.q "
    "}}",
    "{% set t | upper %}a{{ s[1:] }}{% endset %}{{ t }}{% filter trim %} x {% endfilter %}"
    "{% with v = 1 %}{{ v }}{% endwith %}{{ 1 < 2 != 3 }}{{ not (s and n or l) }}{{ s in l }}",
    "{{ l | map('upper') | list }}{{ l | map(attribute='x', default='y') | join }}"
    "{{ l | select('string') | first }}{{ l | rejectattr('x', 'eq', 1) | list | tojson(indent=1) }}"
    "{{ {'a': [none, true]} }}{{ s.split('b') }}{{ l[0] }}{{ 5 // 2 - 1 }}",
};

std::vector<std::vector<uint8_t>> Blocks() {
  std::vector<std::vector<uint8_t>> blocks;
  for (const char* source : kSources) {
    auto block = CompileTemplate(source);
    REQUIRE_MESSAGE(block.ok(), std::string(block.status().message()));
    blocks.push_back(std::move(*block));
  }
  return blocks;
}

constexpr std::string_view kJson =
    R"({"messages": [], "s": "abc", "n": 3, "l": ["p", {"x": 1}], "d": {"k": "v", "e": 0}})";

// Its own allocations of exactly the sizes, so that a sanitizer sees their ends.
void Use(const std::vector<uint8_t>& bytes, int* accepted) {
  const auto copy = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  const std::span<const uint8_t> block(copy.get(), bytes.size());
  if (!CheckTemplate(block).ok()) return;
  ++*accepted;
  constexpr size_t kWork = 32768, kText = 4096;
  static const auto work = std::make_unique<std::byte[]>(kWork);
  static const auto text = std::make_unique<char[]>(kText);
  TemplateSpan spans[16];
  RenderOptions options;
  options.max_steps = 20000;
  options.max_depth = 100;
  RenderResult result;
  const Status status = RenderTemplate(block, kJson, options, {work.get(), kWork},
                                       {text.get(), kText}, spans, &result);
  if (!status.ok()) REQUIRE(status.code() != StatusCode::kInternal);
}

TEST_CASE("every byte of a block changed, every truncation") {
  int accepted = 0, tried = 0;
  for (const auto& block : Blocks()) {
    for (size_t i = 0; i < block.size(); ++i) {
      for (const int change : {0x01, 0x80, 0xFF, 0x10, 0x03}) {
        auto changed = block;
        changed[i] = static_cast<uint8_t>(changed[i] ^ change);
        Use(changed, &accepted);
        ++tried;
      }
      for (const uint8_t value : {0, 1, 2, 255}) {
        auto changed = block;
        changed[i] = value;
        Use(changed, &accepted);
      }
    }
    for (size_t n = 0; n < block.size(); ++n) {
      std::vector<uint8_t> cut(block.begin(), block.begin() + static_cast<ptrdiff_t>(n));
      CHECK(!CheckTemplate(cut).ok());
    }
  }
  CHECK(accepted > 100);
  CHECK(accepted < tried);
}

TEST_CASE("several words of a block changed") {
  CAPTURE(kSeed);
  Random random{kSeed};
  int accepted = 0;
  const auto blocks = Blocks();
  for (int i = 0; i < 60000; ++i) {
    auto changed = blocks[random.Below(blocks.size())];
    for (uint64_t k = 0; k < 1 + random.Below(3); ++k) {
      // A small number in place of another, or a word from elsewhere.
      const size_t at = random.Below(changed.size() / 4) * 4;
      const size_t from = random.Below(changed.size() / 4) * 4;
      const uint32_t value = random.Below(2) ? static_cast<uint32_t>(random.Below(40))
                                             : LoadLittleEndian<uint32_t>(&changed[from]);
      StoreLittleEndian(value, &changed[at]);
      if (random.Below(8) == 0) changed[at] = static_cast<uint8_t>(random.Below(64));
    }
    Use(changed, &accepted);
  }
  CHECK(accepted > 100);
}

TEST_CASE("a block is checked in linear time") {
  // As large as a block may be, with as many nodes as fit; and one node with all operands.
  std::string source;
  while (source.size() < 2000000) source += "{{ a }}{% if b %}{% endif %}";
  const auto block = CompileTemplate(source);
  REQUIRE(!block.ok());  // a block holds at most 65535 statements
  source.clear();
  for (int i = 0; i < 100; ++i) {
    source += "{% if x %}";
    for (int k = 0; k < 200; ++k) source += "{{ a + b }}{{ 'c' }}t";
    source += "{% endif %}";
  }
  const auto large = CompileTemplate(source);
  REQUIRE_MESSAGE(large.ok(), std::string(large.status().message()));
  CHECK(CheckTemplate(*large).ok());
}

TEST_CASE("any bytes as a JSON text") {
  Random random{kSeed};
  const auto block = CompileTemplate("{{ messages }}{{ messages | tojson }}{{ s | upper }}");
  REQUIRE(block.ok());
  const std::string json =
      R"({"messages":[{"role":"user","content":"a\u00e9\ud83d\ude00\n"},-1.5e3,12,true,null,[]],"s":"\t"})";
  for (int i = 0; i < 20000; ++i) {
    std::string changed = json;
    for (uint64_t k = 0; k < 1 + random.Below(3); ++k) {
      const size_t at = random.Below(changed.size());
      if (random.Below(3) == 0) {
        changed.erase(at, 1 + random.Below(3));
      } else {
        static constexpr char kBytes[] = "[]{}\",:\\u0d8-+.eEtfn \x80\xC3\xFF\n";
        changed[at] = kBytes[random.Below(sizeof kBytes)];
      }
    }
    const auto exact = std::make_unique<char[]>(changed.size());
    std::copy(changed.begin(), changed.end(), exact.get());
    const Rendered got = RenderBlock(*block, {exact.get(), changed.size()}, {}, 20000);
    if (!got.status.ok()) REQUIRE(got.status.code() != StatusCode::kInternal);
  }
}

}  // namespace
}  // namespace samara::template_test
