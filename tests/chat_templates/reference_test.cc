// Rendered conversations equal those of jinja2 as transformers sets it up (data/make_goldens.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "converter/json.h"
#include "converter/template/compile.h"
#include "formats/package_format.h"
#include "runtime/template/template.h"

namespace samara {
namespace {

const std::string kData = SAMARA_SOURCE_DIR "/tests/chat_templates/data/";
const std::string kShared = SAMARA_SOURCE_DIR "/../shared/templates/";

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string ShortHash(const std::string& text) {
  uint8_t digest[32];
  Sha256 hash;
  hash.Update(text.data(), text.size());
  hash.Finish(digest);
  std::string hex;
  for (int i = 0; i < 8; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

// Name -> JSON text; those without tools once more with a tool.
std::map<std::string, std::string> Conversations() {
  std::map<std::string, std::string> all;
  const std::string tools = ReadAll(kData + "tools.json");
  for (const auto& entry : std::filesystem::directory_iterator(kData + "conversations")) {
    const std::string name = entry.path().stem(), text = ReadAll(entry.path());
    all[name] = text;
    if (text[0] == '{' && text.find("\"tools\"") == std::string::npos)
      all[name + "+tools"] = "{\"tools\": " + tools + "," + text.substr(1);
  }
  return all;
}

const TemplateVariable kVariables[] = {
    {"bos_token", "<BOS>"}, {"eos_token", "<EOS>"}, {"unk_token", "<UNK>"}, {"pad_token", "<PAD>"}};
const TemplateTime kNow = {2024, 7, 6, 9, 4, 5};

struct Outcome {
  std::string kind, text;  // "text", "refused" or "error"
  std::vector<TemplateSpan> spans;
};

Outcome Render(const std::vector<uint8_t>& tree, const std::string& json) {
  RenderOptions options;
  options.variables = kVariables;
  options.now = &kNow;
  std::vector<std::byte> work(TemplateWorkSize(json.size()));
  std::vector<char> text(size_t{1} << 20);
  Outcome outcome;
  outcome.spans.resize(size_t{1} << 14);
  RenderResult result;
  const Status status = RenderTemplate(tree, json, options, work, text, outcome.spans, &result);
  if (status.ok()) {
    outcome.kind = "text";
    outcome.text.assign(text.data(), result.n_bytes);
    outcome.spans.resize(result.n_spans);
    return outcome;
  }
  outcome.spans.clear();
  outcome.text = status.message();
  outcome.kind = StatusCodeName(status.code());  // what is neither is no match
  const std::string own = "template: ";
  if (status.code() == StatusCode::kInvalidArgument && outcome.text.starts_with(own)) {
    outcome.text = outcome.text.substr(own.size());
    outcome.kind = outcome.text.starts_with("line ") ? "error" : "refused";
  }
  return outcome;
}

std::vector<uint8_t> Compile(const std::string& path) {
  auto tree = CompileTemplate(ReadAll(path));
  REQUIRE_MESSAGE(tree.ok(), path << ": " << std::string(tree.status().message()));
  const Status status = CheckTemplate(*tree);
  REQUIRE_MESSAGE(status.ok(), path << ": " << std::string(status.message()));
  return *tree;
}

// The conversation `control_text` puts what somebody wrote between these brackets.
void CheckSpans(const std::string& where, const Outcome& outcome) {
  const std::string open = "\xE2\x9F\xA6", close = "\xE2\x9F\xA7";
  size_t last = 0;
  for (const TemplateSpan& span : outcome.spans) {
    CHECK_MESSAGE((span.begin >= last && span.end > span.begin && span.end <= outcome.text.size()),
                  where);
    last = span.end + 1;
  }
  for (size_t at = 0; (at = outcome.text.find(open, at)) != std::string::npos; ++at) {
    const size_t end = outcome.text.find(close, at);
    if (end == std::string::npos) continue;
    const bool covered =
        std::any_of(outcome.spans.begin(), outcome.spans.end(), [&](const TemplateSpan& span) {
          return span.begin <= at && end + close.size() <= span.end;
        });
    CHECK_MESSAGE(covered, where << ": bytes " << at << " to " << end << " are somebody's: "
                                 << Quoted(outcome.text.substr(at, end - at), 200));
  }
}

TEST_CASE("own templates: every conversation as jinja2 renders it") {
  const auto conversations = Conversations();
  CHECK(conversations.size() >= 40);
  for (const char* name : {"chatml", "headers", "inst"}) {
    const std::vector<uint8_t> tree = Compile(kData + "own/" + name + ".jinja");
    std::istringstream goldens(ReadAll(kData + "own/" + name + ".golden"));
    size_t seen = 0;
    for (std::string line; std::getline(goldens, line); ++seen) {
      const auto golden = JsonDocument::Parse(name, line);
      REQUIRE(golden.ok());
      const Json root = golden->root();
      const std::string conversation(*root.RequireString("conversation"));
      const std::string where = std::string(name) + " " + conversation;
      REQUIRE(conversations.contains(conversation));
      const Outcome got = Render(tree, conversations.at(conversation));
      CHECK_MESSAGE(got.kind == *root.RequireString("kind"), where << ": " << got.text);
      if (got.kind != "error") {
        CHECK_MESSAGE(got.text == *root.RequireString("text"),
                      where << ": got\n"
                            << got.text << "\nwanted\n"
                            << std::string(*root.RequireString("text")));
      }
      CheckSpans(where, got);
    }
    CHECK(seen == conversations.size());
  }
}

TEST_CASE("templates of released models") {
  if (!std::filesystem::exists(kShared)) {
    std::printf("SKIPPED: ../shared/templates is not there; released templates were not tested\n");
    return;
  }
  const auto conversations = Conversations();
  std::istringstream reference(ReadAll(kData + "reference.txt"));
  std::vector<uint8_t> tree;
  std::string name;
  size_t templates = 0, results = 0, wrong = 0;
  for (std::string line; std::getline(reference, line);) {
    std::istringstream words(line);
    std::string conversation, kind, hash;
    size_t bytes = 0;
    words >> conversation >> kind;
    if (conversation == "template") {
      name = kind;
      words >> hash;
      REQUIRE_MESSAGE(ShortHash(ReadAll(kShared + name)) == hash,
                      name << " is not the one that the goldens were made of");
      tree = Compile(kShared + name);
      ++templates;
      continue;
    }
    words >> bytes >> hash;
    ++results;
    REQUIRE(conversations.contains(conversation));
    const Outcome got = Render(tree, conversations.at(conversation));
    const std::string where = name + " " + conversation;
    CheckSpans(where, got);
    if (got.kind == kind &&
        (kind == "error" || (got.text.size() == bytes && ShortHash(got.text) == hash)))
      continue;
    // At most a screenful; the script's --show prints what it should be.
    if (++wrong <= 20) {
      FAIL_CHECK(where << ": want " << kind << " of " << bytes << " bytes, got " << got.kind
                       << " of " << got.text.size() << ":\n"
                       << got.text);
    }
  }
  CHECK(templates == 20);
  CHECK(results >= 20 * conversations.size());
  CHECK_MESSAGE(wrong == 0, wrong << " of " << results << " differ");
}

}  // namespace
}  // namespace samara
