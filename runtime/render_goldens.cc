#include "runtime/render_goldens.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "formats/package_format.h"
#include "runtime/template/template.h"

namespace samara {
namespace {

// Texts up to this length are kept, of longer ones the hash.
constexpr size_t kKeptBytes = 4096;
// 2024-07-26 12:34:56: a date whose parts differ in every format.
constexpr int64_t kGoldenTime = 1721997296;
constexpr size_t kMaxGoldenBytes = size_t{16} << 20;

// Seconds since 1970 as a date of the Gregorian calendar, by counting from 1 March of year 0.
TemplateTime CivilTime(int64_t seconds) {
  int64_t days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) rest += 86400, --days;
  days += 719468;  // 0000-03-01 to 1970-01-01
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t of_era = days - era * 146097;
  const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t month = (5 * of_year + 2) / 153;  // from March
  TemplateTime time;
  time.day = static_cast<int>(of_year - (153 * month + 2) / 5 + 1);
  time.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  time.year = static_cast<int>(year + era * 400 + (time.month <= 2 ? 1 : 0));
  time.hour = static_cast<int>(rest / 3600);
  time.minute = static_cast<int>(rest / 60 % 60);
  time.second = static_cast<int>(rest % 60);
  return time;
}

struct Rendered {
  bool refused = false;
  std::string text;
};

Status Render(const Package& package, const ChatTemplate& chat, const std::string& json,
              int64_t seconds, Rendered* out) {
  std::vector<TemplateVariable> variables;
  for (const auto& [name, text] : package.template_variables) variables.push_back({name, text});
  const TemplateTime now = CivilTime(std::clamp<int64_t>(seconds, 0, 253402300799));  // to 9999
  RenderOptions options;
  options.variables = variables;
  options.now = &now;
  options.max_output = kMaxGoldenBytes;
  std::vector<std::byte> work(TemplateWorkSize(json.size()));
  std::vector<TemplateSpan> spans(1024);
  out->text.resize(size_t{64} << 10);
  Status status;
  for (int attempt = 0; attempt < 3; ++attempt) {
    RenderResult result;
    status = RenderTemplate(chat.tree, json, options, work, out->text, spans, &result);
    if (status.code() != StatusCode::kResourceExhausted) {
      out->text.resize(result.n_bytes);
      break;
    }
    out->text.resize(std::clamp(result.n_bytes, out->text.size(), kMaxGoldenBytes));
    spans.resize(std::clamp(result.n_spans, spans.size(), kMaxGoldenBytes));
    work.resize(2 * work.size());
  }
  // The template's own refusal, or an error that it runs into.
  out->refused = status.code() == StatusCode::kInvalidArgument;
  if (out->refused) out->text = status.message();
  return out->refused ? Status() : status;
}

std::vector<uint8_t> HashOf(std::string_view text) {
  std::vector<uint8_t> digest(32);
  Sha256 hash;
  hash.Update(text.data(), text.size());
  hash.Finish(digest.data());
  return digest;
}

// OK if the text is the golden's, else what is off.
Status Compare(const RenderedGolden& golden, const Rendered& got) {
  const bool whole = !golden.text.empty() || golden.bytes == 0;  // else the hash alone is kept
  const char* const kinds[] = {"text", "refusal"};
  if (got.refused != golden.refused) {
    return FailedPrecondition("got the %s %s, want a %s", kinds[got.refused],
                              Quoted(got.text, 200).c_str(), kinds[golden.refused]);
  }
  if (whole && got.text != golden.text) {
    size_t at = 0;
    while (at < got.text.size() && at < golden.text.size() && got.text[at] == golden.text[at]) ++at;
    return FailedPrecondition("byte %zu: got %s, want %s", at,
                              Quoted(std::string_view(got.text).substr(at), 40).c_str(),
                              Quoted(std::string_view(golden.text).substr(at), 40).c_str());
  }
  if (got.text.size() == golden.bytes && HashOf(got.text) == golden.sha256) return {};
  return FailedPrecondition("got %zu bytes, want %llu with another hash", got.text.size(),
                            static_cast<unsigned long long>(golden.bytes));
}

}  // namespace

Status MakeRenderGoldens(std::span<const GoldenConversation> conversations, Package* package) {
  package->conversations.clear();
  for (const GoldenConversation& conversation : conversations) {
    ConversationGolden golden;
    golden.name = conversation.name;
    golden.json = conversation.json;
    golden.time = kGoldenTime;
    for (uint32_t i = 0; i < package->templates.size(); ++i) {
      const ChatTemplate& chat = package->templates[i];
      if (chat.tree.empty()) continue;
      Rendered rendered;
      SAMARA_RETURN_IF_ERROR(
          Render(*package, chat, golden.json, golden.time, &rendered)
              .WithContext("chat template " + Quoted(chat.name) + ", conversation " + golden.name));
      RenderedGolden result;
      result.index = i;
      result.refused = rendered.refused;
      result.bytes = rendered.text.size();
      result.sha256 = HashOf(rendered.text);
      if (rendered.refused || rendered.text.size() <= kKeptBytes)
        result.text = std::move(rendered.text);
      golden.results.push_back(std::move(result));
    }
    if (!golden.results.empty()) package->conversations.push_back(std::move(golden));
  }
  return {};
}

Status VerifyRenderGoldens(const Package& package,
                           const std::function<void(const std::string&)>& each) {
  for (uint32_t i = 0; i < package.templates.size(); ++i) {
    const ChatTemplate& chat = package.templates[i];
    const std::string name = "chat template " + Quoted(chat.name);
    size_t rendered = 0, refused = 0;
    for (const ConversationGolden& golden : package.conversations) {
      for (const RenderedGolden& result : golden.results) {
        if (result.index != i) continue;
        if (chat.tree.empty()) return InvalidFile("%s: it has goldens, but no tree", name.c_str());
        Rendered got;
        const std::string where = name + ", conversation " + Quoted(golden.name);
        SAMARA_RETURN_IF_ERROR(
            Render(package, chat, golden.json, golden.time, &got).WithContext(where));
        const Status status = Compare(result, got).WithContext(where);
        if (!status.ok()) {
          each(status.message());
          return status;
        }
        ++(result.refused ? refused : rendered);
      }
    }
    if (rendered + refused == 0) continue;
    each(name + " (" + std::to_string(rendered) + " conversations rendered, " +
         std::to_string(refused) + " refused): ok");
  }
  return {};
}

}  // namespace samara
