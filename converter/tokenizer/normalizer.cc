#include <algorithm>
#include <map>
#include <utility>

#include "converter/tokenizer/charsmap.h"
#include "converter/tokenizer/components.h"
#include "converter/tokenizer/regex.h"
#include "converter/tokenizer/trie.h"

namespace samara {
namespace {

#include "converter/tokenizer/unicode_maps.inc"

// As check.cc of the runtime has them.
constexpr size_t kMaxPatternBytes = 256, kMaxContentBytes = 4096;

using Map = std::map<std::string, std::string>;

std::string Utf8(uint32_t cp) {
  std::string text;
  AppendUtf8(cp, &text);
  return text;
}

// Of rows: character, number of characters, these.
template <size_t N>
void AddRows(const uint32_t (&rows)[N], Map* map) {
  for (size_t i = 0; i < N; i += 2 + rows[i + 1]) {
    std::string& text = (*map)[Utf8(rows[i])];
    for (uint32_t k = 0; k < rows[i + 1]; ++k) AppendUtf8(rows[i + 2 + k], &text);
  }
}

// Each character of the ranges becomes `before`, itself where `keep`, `behind`.
template <size_t N>
void AddRanges(const uint32_t (&ranges)[N], const char* before, bool keep, const char* behind,
               Map* map) {
  for (size_t i = 0; i < N; i += 2) {
    for (uint32_t c = ranges[i]; c <= ranges[i + 1]; ++c)
      (*map)[Utf8(c)] = before + (keep ? Utf8(c) : std::string()) + behind;
  }
}

class Reader {
 public:
  Reader(Normalizer* out, Alphabet* alphabet) : out_(out), alphabet_(alphabet) {}

  Status Read(const Json& json) {
    if (json.IsNull()) return {};
    SAMARA_RETURN_IF_ERROR(json.WantObject());
    SAMARA_ASSIGN_OR_RETURN(const std::string_view type, json.RequireString("type"));
    if (type == "Sequence") {
      SAMARA_ASSIGN_OR_RETURN(const Json list, json.RequireArray("normalizers"));
      for (const Json part : list) SAMARA_RETURN_IF_ERROR(Read(part));
      return {};
    }
    SAMARA_RETURN_IF_ERROR(ReadStep(type, json));
    if (out_->steps.size() > kTokenizerMaxSteps)
      return json.Bad("more steps", "at most " + std::to_string(kTokenizerMaxSteps));
    return {};
  }

 private:
  void AddStep(NormalizerKind kind, std::string_view a = "", std::string_view b = "") {
    out_->steps.push_back({kind, std::string(a), std::string(b), {}, {}});
  }
  void AddMap(Map map) {
    AddStep(kNormMap);
    out_->steps.back().map = std::move(map);
  }

  Status ReadStep(std::string_view type, const Json& json) {
    constexpr std::pair<const char*, NormalizerKind> kForms[] = {
        {"NFC", kNormNfc}, {"NFD", kNormNfd}, {"NFKC", kNormNfkc}, {"NFKD", kNormNfkd}};
    for (const auto& [name, kind] : kForms) {
      if (type != name) continue;
      AddStep(kind);
      return {};
    }
    if (type == "Prepend") {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view text, json.RequireString("prepend"));
      if (text.empty()) return {};
      if (text.size() > kMaxContentBytes) return json.Find("prepend").Bad("a shorter text");
      AddStep(kNormPrepend, text);
      return {};
    }
    if (type == "Replace") return ReadReplace(json);
    if (type == "Strip") {
      SAMARA_ASSIGN_OR_RETURN(const bool left, json.Bool("strip_left", true));
      SAMARA_ASSIGN_OR_RETURN(const bool right, json.Bool("strip_right", true));
      AddStep(kNormStrip, left ? "1" : "", right ? "1" : "");
      return {};
    }
    Map map;
    if (type == "Lowercase") {
      AddRows(kLowercase, &map);
    } else if (type == "StripAccents") {
      AddRanges(kMarks, "", false, "", &map);
    } else if (type == "Nmt") {
      AddRanges(kNmtRemoved, "", false, "", &map);
      AddRanges(kNmtSpaces, "", false, " ", &map);
    } else if (type == "Precompiled") {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view text,
                              json.RequireString("precompiled_charsmap"));
      SAMARA_ASSIGN_OR_RETURN(const std::string bytes, DecodeBase64(text));
      SAMARA_ASSIGN_OR_RETURN(map, ReadCharsmap(bytes));
      if (map.empty()) return {};
    } else if (type == "BertNormalizer") {
      return ReadBert(json);
    } else {
      return Unsupported(
          "%s: field %s: normalizer %s is not supported; BertNormalizer, Lowercase, NFC, NFD, "
          "NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip and StripAccents are",
          json.file().c_str(), json.Path().c_str(), Quoted(type).c_str());
    }
    AddMap(std::move(map));
    return {};
  }

  Status ReadReplace(const Json& json) {
    SAMARA_ASSIGN_OR_RETURN(const Json pattern, json.RequireObject("pattern"));
    SAMARA_ASSIGN_OR_RETURN(const std::string_view b, json.RequireString("content"));
    if (b.size() > kMaxContentBytes) return json.Find("content").Bad("a shorter text");
    const Json text = pattern.Find("String");
    if (!text.exists()) {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view regex, pattern.RequireString("Regex"));
      const StatusOr<RegexNode> root = ParseRegex(regex);
      if (!root.ok()) return root.status().WithContext(json.file() + ": field " + pattern.Path());
      SAMARA_ASSIGN_OR_RETURN(Automaton automaton,
                              Automaton::Create(*root, std::string(regex), alphabet_));
      AddStep(kNormReplaceMatches, regex, b);
      out_->steps.back().automaton.push_back(std::move(automaton));
      return {};
    }
    SAMARA_ASSIGN_OR_RETURN(const std::string_view a, text.String());
    if (a.empty() || a.size() > kMaxPatternBytes)
      return text.Bad("1 to " + std::to_string(kMaxPatternBytes) + " bytes");
    AddStep(kNormReplace, a, b);
    return {};
  }

  Status ReadBert(const Json& json) {
    SAMARA_ASSIGN_OR_RETURN(const bool clean, json.Bool("clean_text", true));
    SAMARA_ASSIGN_OR_RETURN(const bool chinese, json.Bool("handle_chinese_chars", true));
    SAMARA_ASSIGN_OR_RETURN(const bool lower, json.Bool("lowercase", true));
    SAMARA_ASSIGN_OR_RETURN(const bool strip, json.Bool("strip_accents", lower));
    Map map;
    if (clean) {
      AddRanges(kBertControls, "", false, "", &map);
      AddRanges(kBertSpaces, "", false, " ", &map);
    }
    if (chinese) AddRanges(kBertIdeographs, " ", true, " ", &map);
    if (!map.empty()) AddMap(std::move(map));
    map = Map();
    if (strip) {
      AddStep(kNormNfd);
      AddRanges(kBertMarks, "", false, "", &map);
      AddMap(std::move(map));
      map = Map();
    }
    if (lower) {
      AddRows(kLowercase, &map);
      AddMap(std::move(map));
    }
    return {};
  }

  Normalizer* out_;
  Alphabet* alphabet_;
};

std::string ApplyMap(const Map& map, std::string_view text) {
  size_t longest = 0;
  for (const auto& [key, value] : map) longest = std::max(longest, key.size());
  std::string out;
  for (size_t at = 0; at < text.size();) {
    auto found = map.end();
    for (size_t n = std::min(longest, text.size() - at); n > 0 && found == map.end(); --n)
      found = map.find(std::string(text.substr(at, n)));
    if (found == map.end()) {
      out += text[at++];
    } else {
      out += found->second;
      at += found->first.size();
    }
  }
  return out;
}

bool IsSpaceAt(const std::string& text, size_t begin, size_t end) {
  static const CharSet* const spaces = new CharSet(SpaceSet());
  return spaces->Contains(CodePointsOf(text.substr(begin, end - begin))[0]);
}

void StripSpaces(bool left, bool right, std::string* text) {
  const auto next = [&](size_t at) {
    do ++at;
    while (at < text->size() && (static_cast<uint8_t>((*text)[at]) & 0xC0) == 0x80);
    return at;
  };
  size_t begin = 0, end = text->size();
  while (left && begin < end && IsSpaceAt(*text, begin, next(begin))) begin = next(begin);
  while (right && begin < end) {
    size_t last = end - 1;
    while (last > begin && (static_cast<uint8_t>((*text)[last]) & 0xC0) == 0x80) --last;
    if (!IsSpaceAt(*text, last, end)) break;
    end = last;
  }
  *text = text->substr(begin, end - begin);
}

Status AddMapTables(const Map& map, NormalizerStep* entry, TokenizerBlob* blob) {
  std::vector<std::pair<std::string, uint32_t>> keys;
  std::map<std::string, uint32_t> values;
  entry->b_bytes = 1;
  if (blob->Count(kTableMapOffsets) == 0) blob->Append(kTableMapOffsets, uint32_t{0});
  for (const auto& [key, value] : map) {
    const auto [at, is_new] = values.emplace(value, blob->Count(kTableMapOffsets) - 1);
    if (is_new) {
      for (const char c : value) blob->Append(kTableMapBytes, c);
      blob->Append(kTableMapOffsets, blob->Count(kTableMapBytes));
    }
    keys.emplace_back(key, at->second);
    const auto ratio = static_cast<uint32_t>((value.size() + key.size() - 1) / key.size());
    entry->b_bytes = std::max(entry->b_bytes, ratio);
  }
  SAMARA_ASSIGN_OR_RETURN(const std::vector<TrieSlot> slots, BuildTrie(std::move(keys)));
  entry->a_offset = blob->Count(kTableMapTrie);
  entry->a_bytes = static_cast<uint32_t>(slots.size());
  blob->AppendAll(kTableMapTrie, slots);
  return {};
}

}  // namespace

StatusOr<std::string> Normalizer::Apply(std::string_view text) const {
  std::string result(text);
  for (const Step& step : steps) {
    if (result.empty()) break;
    switch (step.kind) {
      case kNormPrepend:
        result.insert(0, step.a);
        break;
      case kNormReplace:
        for (size_t at = 0; (at = result.find(step.a, at)) != std::string::npos;
             at += step.b.size()) {
          result.replace(at, step.a.size(), step.b);
        }
        break;
      case kNormMap:
        result = ApplyMap(step.map, result);
        break;
      case kNormStrip:
        StripSpaces(!step.a.empty(), !step.b.empty(), &result);
        break;
      case kNormReplaceMatches:
        return Unsupported(
            "added token %s is normalized, and the normalizer replaces what a pattern matches",
            Quoted(text).c_str());
      default:
        result = ApplyForm(step.kind, result);
        break;
    }
  }
  return result;
}

StatusOr<Normalizer> ReadNormalizer(const Json& normalizer, Alphabet* alphabet) {
  Normalizer out;
  SAMARA_RETURN_IF_ERROR(Reader(&out, alphabet).Read(normalizer));
  return out;
}

Status AddNormalizerTables(const Normalizer& normalizer, const Alphabet& alphabet,
                           TokenizerBlob* blob) {
  bool canonical = false, compatible = false;
  for (const Normalizer::Step& step : normalizer.steps) {
    NormalizerStep entry = {};
    entry.kind = step.kind;
    if (step.kind == kNormMap) {
      SAMARA_RETURN_IF_ERROR(AddMapTables(step.map, &entry, blob));
    } else if (step.kind == kNormStrip) {
      entry.a_bytes = step.a.empty() ? 0 : 1;
      entry.b_bytes = step.b.empty() ? 0 : 1;
    } else {
      entry.b_offset = blob->AddString(step.b);
      entry.b_bytes = static_cast<uint32_t>(step.b.size());
      if (step.kind == kNormReplaceMatches) {
        std::vector<uint16_t> transitions;
        SAMARA_RETURN_IF_ERROR(step.automaton[0].Compile(alphabet, &transitions, &entry.a_bytes));
        entry.a_offset = blob->Count(kTableTransitions);
        blob->AppendAll(kTableTransitions, transitions);
      } else {
        entry.a_offset = blob->AddString(step.a);
        entry.a_bytes = static_cast<uint32_t>(step.a.size());
      }
    }
    blob->Append(kTableNormSteps, entry);
    canonical = canonical || step.kind == kNormNfc || step.kind == kNormNfd;
    compatible = compatible || step.kind == kNormNfkc || step.kind == kNormNfkd;
  }
  if (canonical && compatible) {
    return Unsupported(
        "the normalizer has canonical and compatibility forms, wanted forms of one kind");
  }
  if (canonical || compatible) AddFormTables(compatible, blob);
  return {};
}

template <size_t N>
static CharSet SetOf(const uint32_t (&ranges)[N]) {
  CharSet set;
  for (size_t i = 0; i < N; i += 2) set.Add(ranges[i], ranges[i + 1]);
  return set;
}
CharSet PunctuationSet() { return SetOf(kPunctuation); }

std::vector<std::vector<uint32_t>> CompatibleDecompositions() {
  std::vector<std::vector<uint32_t>> rows;
  for (size_t i = 0; i < std::size(kCompatible); i += 2 + kCompatible[i + 1]) {
    rows.emplace_back(kCompatible + i, kCompatible + i + 2 + kCompatible[i + 1]);
    rows.back().erase(rows.back().begin() + 1);
  }
  return rows;
}

}  // namespace samara
