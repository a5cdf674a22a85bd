#include <algorithm>
#include <utility>

#include "converter/tokenizer/components.h"

namespace samara {
namespace {

// As check.cc of the runtime has them.
constexpr size_t kMaxPatternBytes = 256, kMaxContentBytes = 4096;

Status Read(const Json& json, Normalizer* out) {
  if (json.IsNull()) return {};
  SAMARA_RETURN_IF_ERROR(json.WantObject());
  SAMARA_ASSIGN_OR_RETURN(const std::string_view type, json.RequireString("type"));
  if (type == "Sequence") {
    SAMARA_ASSIGN_OR_RETURN(const Json list, json.RequireArray("normalizers"));
    for (const Json part : list) SAMARA_RETURN_IF_ERROR(Read(part, out));
    return {};
  }
  if (out->steps.size() == kTokenizerMaxSteps) {
    return json.Bad("more steps", "at most " + std::to_string(kTokenizerMaxSteps));
  }
  if (type == "NFC") {
    out->steps.push_back({kNormNfc, "", ""});
    return {};
  }
  if (type == "Prepend") {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view text, json.RequireString("prepend"));
    if (text.empty()) return {};
    if (text.size() > kMaxContentBytes) return json.Find("prepend").Bad("a shorter text");
    out->steps.push_back({kNormPrepend, std::string(text), ""});
    return {};
  }
  if (type == "Replace") {
    SAMARA_ASSIGN_OR_RETURN(const Json pattern, json.RequireObject("pattern"));
    const Json text = pattern.Find("String");
    if (!text.exists()) {
      return Unsupported("%s: field %s: a regular expression, wanted a String", json.file().c_str(),
                         pattern.Path().c_str());
    }
    SAMARA_ASSIGN_OR_RETURN(const std::string_view a, text.String());
    SAMARA_ASSIGN_OR_RETURN(const std::string_view b, json.RequireString("content"));
    if (a.empty() || a.size() > kMaxPatternBytes) {
      return text.Bad("1 to " + std::to_string(kMaxPatternBytes) + " bytes");
    }
    if (b.size() > kMaxContentBytes) return json.Find("content").Bad("a shorter text");
    out->steps.push_back({kNormReplace, std::string(a), std::string(b)});
    return {};
  }
  return Unsupported(
      "%s: field %s: normalizer %s is not supported; NFC, Prepend, Replace and Sequence are",
      json.file().c_str(), json.Path().c_str(), Quoted(type).c_str());
}

}  // namespace

std::string Normalizer::Apply(std::string_view text) const {
  std::string result(text);
  for (const Step& step : steps) {
    if (result.empty()) break;
    if (step.kind == kNormPrepend) result.insert(0, step.a);
    if (step.kind == kNormNfc) result = ApplyNfc(result);
    if (step.kind == kNormReplace) {
      for (size_t at = 0; (at = result.find(step.a, at)) != std::string::npos;
           at += step.b.size()) {
        result.replace(at, step.a.size(), step.b);
      }
    }
  }
  return result;
}

StatusOr<Normalizer> ReadNormalizer(const Json& normalizer) {
  Normalizer out;
  SAMARA_RETURN_IF_ERROR(Read(normalizer, &out));
  return out;
}

void AddNormalizerTables(const Normalizer& normalizer, TokenizerBlob* blob) {
  bool nfc = false;
  for (const Normalizer::Step& step : normalizer.steps) {
    NormalizerStep entry = {};
    entry.kind = step.kind;
    entry.a_offset = blob->AddString(step.a);
    entry.a_bytes = static_cast<uint32_t>(step.a.size());
    entry.b_offset = blob->AddString(step.b);
    entry.b_bytes = static_cast<uint32_t>(step.b.size());
    blob->Append(kTableNormSteps, entry);
    nfc |= step.kind == kNormNfc;
  }
  if (nfc) AddNfcTables(blob);
}

}  // namespace samara
