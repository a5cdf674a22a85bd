#include "tests/chat/package.h"

#include <doctest/doctest.h>

#include "apps/common/text.h"
#include "converter/json.h"
#include "converter/template/compile.h"
#include "converter/tokenizer/compile.h"
#include "tests/formats/scripted_package.h"
#include "tests/support/status.h"

namespace samara::test {
namespace {

constexpr uint32_t kBytes = 256, kEnd = 259, kVocab = 262;

// The byte-level alphabet: printable Latin-1 characters stand for themselves, the other bytes for
// U+0100 and on.
std::string ByteCharacter(uint32_t byte) {
  const auto printable = [](uint32_t b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  uint32_t code = byte;
  if (!printable(byte)) {
    code = 256;
    for (uint32_t b = 0; b < byte; ++b) code += !printable(b);
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

std::string TokenizerJson() {
  apps::JsonWriter json;
  json.BeginObject();
  json.Key("added_tokens");
  json.BeginArray();
  const auto added = [&](uint32_t id, const char* content, bool special) {
    json.BeginObject(true);
    json.Member("id", id);
    json.Member("content", content);
    for (const char* no : {"single_word", "lstrip", "rstrip", "normalized"}) json.Member(no, false);
    json.Member("special", special);
    json.EndObject();
  };
  added(258, "<|im_start|>", true);
  added(kEnd, "<|im_end|>", true);
  added(260, "<think>", false);
  added(261, "</think>", false);
  json.EndArray();
  json.Key("normalizer");
  json.Number("null");
  const auto byte_level = [&](const char* key) {
    json.Key(key);
    json.BeginObject(true);
    json.Member("type", "ByteLevel");
    json.Member("add_prefix_space", false);
    json.Member("trim_offsets", true);
    json.Member("use_regex", true);
    json.EndObject();
  };
  byte_level("pre_tokenizer");
  byte_level("decoder");
  json.Key("post_processor");
  json.Number("null");
  json.Key("model");
  json.BeginObject();
  json.Member("type", "BPE");
  json.Key("vocab");
  json.BeginObject();
  for (uint32_t id = 0; id < kBytes; ++id) json.Member(ByteCharacter(id), id);
  json.Member("he", uint32_t{256});
  json.Member("ll", uint32_t{257});
  json.EndObject();
  json.Key("merges");
  json.BeginArray();
  json.String("h e");
  json.String("l l");
  json.EndArray();
  json.EndObject();
  json.EndObject();
  return json.Finish();
}

}  // namespace

const char kChatTemplate[] =
    "{% for m in messages %}"
    "{% if m.role == 'user' and m.content == 'refuse' %}{{ raise_exception('not this') }}{% endif "
    "%}"
    "<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>\n{% endfor %}"
    "{% if tools %}{{ tools | length }} tools\n{% endif %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking %}<think>\n{% endif %}{% endif %}";

std::string PackageBytes(const PackageSpec& spec) {
  auto json = JsonDocument::Parse("tokenizer.json", TokenizerJson());
  REQUIRE_OK(json.status());
  TokenizerSummary summary;
  auto tables = CompileTokenizer(json->root(), nullptr, &summary);
  REQUIRE_OK(tables.status());
  REQUIRE(summary.vocab == kVocab);

  Script script;
  script.vocab = kVocab;
  script.tokenizer = std::move(*tables);
  script.eos_ids = {static_cast<int32_t>(kEnd)};
  for (uint32_t p = 0; p < spec.positions; ++p) {
    const auto byte = static_cast<unsigned char>(spec.pattern[p % spec.pattern.size()]);
    script.ids.push_back(byte == 4 ? static_cast<int32_t>(kEnd) : byte);
  }
  script.extend = [&](Package* package) -> Status {
    if (spec.chat_template.empty()) return Status();
    auto tree = CompileTemplate(spec.chat_template);
    SAMARA_RETURN_IF_ERROR(tree.status());
    package->templates.push_back({"default", spec.chat_template, std::move(*tree)});
    return Status();
  };
  std::vector<uint8_t> file;
  REQUIRE_OK(MakeScriptedPackage(script, &file));
  return std::string(file.begin(), file.end());
}

}  // namespace samara::test
