#include <algorithm>
#include <utility>

#include "converter/tokenizer/automaton.h"
#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/components.h"
#include "converter/tokenizer/regex.h"

namespace samara {
namespace {

// What ByteLevel splits by.
constexpr char kByteLevelPattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr size_t kMaxTextBytes = 256;

struct Stage {
  StageKind kind;
  SplitBehavior behavior = kSplitIsolated;
  bool invert = false;
  std::string a, b;
  std::vector<Automaton> automaton;  // one for kStageSplit
};

class Reader {
 public:
  explicit Reader(Alphabet* shared) : alphabet(*shared) {}

  Status Read(const Json& json) {
    if (json.IsNull()) return {};
    SAMARA_RETURN_IF_ERROR(json.WantObject());
    SAMARA_ASSIGN_OR_RETURN(const std::string_view type, json.RequireString("type"));
    if (type == "Sequence") {
      SAMARA_ASSIGN_OR_RETURN(const Json list, json.RequireArray("pretokenizers"));
      for (const Json part : list) SAMARA_RETURN_IF_ERROR(Read(part));
      return {};
    }
    // Behind ByteLevel a text is the characters that stand for its bytes; one may cut there.
    if (byte_level && type != "Split" && type != "Digits" && type != "Punctuation") {
      return Unsupported("%s: field %s: %s behind ByteLevel is not supported", json.file().c_str(),
                         json.Path().c_str(), Quoted(type).c_str());
    }
    Status status;
    if (type == "Split") {
      status = ReadSplit(json);
    } else if (type == "ByteLevel") {
      status = ReadByteLevel(json);
    } else if (type == "Digits") {
      status = ReadDigits(json);
    } else if (type == "Punctuation") {
      status = ReadPunctuation(json);
    } else if (type == "BertPreTokenizer") {
      status = AddSplit(Set(SpaceSet()), "BertPreTokenizer", kSplitRemoved, false);
      if (status.ok())
        status = AddSplit(Set(PunctuationSet()), "BertPreTokenizer", kSplitIsolated, false);
    } else if (type == "CharDelimiterSplit") {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view delimiter, json.RequireString("delimiter"));
      if (CodePointsOf(delimiter).size() != 1) return json.Find("delimiter").Bad("one character");
      status = AddSplit(LiteralRegex(delimiter), "CharDelimiterSplit", kSplitRemoved, false);
    } else if (type == "Metaspace") {
      status = ReadMetaspace(json);
    } else if (type == "Whitespace") {
      RegexNode words = OneOrMore(Set(WordSet()));
      CharSet others = WordSet();
      others.Add(SpaceSet());
      RegexNode either;
      either.kind = RegexNode::Kind::kAlternate;
      either.children = {std::move(words), OneOrMore(Set(others.Negated()))};
      status = AddSplit(either, "Whitespace", kSplitRemoved, true);
    } else if (type == "WhitespaceSplit") {
      status = AddSplit(Set(SpaceSet()), "WhitespaceSplit", kSplitRemoved, false);
    } else {
      return Unsupported(
          "%s: field %s: pre-tokenizer %s is not supported; BertPreTokenizer, ByteLevel, "
          "CharDelimiterSplit, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace and "
          "WhitespaceSplit are",
          json.file().c_str(), json.Path().c_str(), Quoted(type).c_str());
    }
    if (!status.ok()) return status.WithContext(json.file() + ": field " + json.Path());
    if (stages.size() > kTokenizerMaxStages) {
      return json.Bad("more stages", "at most " + std::to_string(kTokenizerMaxStages));
    }
    return {};
  }

  std::vector<Stage> stages;
  Alphabet& alphabet;
  bool byte_level = false;

 private:
  static RegexNode Set(CharSet set) {
    RegexNode node;
    node.kind = RegexNode::Kind::kSet;
    node.set = std::move(set);
    return node;
  }
  static RegexNode OneOrMore(RegexNode body) {
    RegexNode node;
    node.kind = RegexNode::Kind::kRepeat;
    node.min = 1;
    node.max = kRegexUnbounded;
    node.children.push_back(std::move(body));
    return node;
  }

  Status AddSplit(const RegexNode& regex, const std::string& name, SplitBehavior behavior,
                  bool invert) {
    Stage stage{byte_level ? kStageSplitBytes : kStageSplit, behavior, invert, "", "", {}};
    SAMARA_ASSIGN_OR_RETURN(Automaton automaton, Automaton::Create(regex, name, &alphabet));
    stage.automaton.push_back(std::move(automaton));
    stages.push_back(std::move(stage));
    return {};
  }
  void AddText(StageKind kind, std::string a, std::string b) {
    stages.push_back({kind, kSplitIsolated, false, std::move(a), std::move(b), {}});
  }

  static StatusOr<SplitBehavior> Behavior(std::string_view name) {
    constexpr const char* kBehaviors[] = {"Removed", "Isolated", "MergedWithPrevious",
                                          "MergedWithNext", "Contiguous"};
    const auto* behavior = std::find(std::begin(kBehaviors), std::end(kBehaviors), name);
    if (behavior == std::end(kBehaviors)) {
      return InvalidFile(
          "behavior is %s, wanted Removed, Isolated, MergedWithPrevious, MergedWithNext or "
          "Contiguous",
          Quoted(name).c_str());
    }
    return static_cast<SplitBehavior>(behavior - kBehaviors);
  }

  Status ReadPunctuation(const Json& json) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, json.String("behavior", "Isolated"));
    SAMARA_ASSIGN_OR_RETURN(const SplitBehavior behavior, Behavior(name));
    return AddSplit(Set(PunctuationSet()), "Punctuation", behavior, false);
  }

  Status ReadSplit(const Json& json) {
    SAMARA_ASSIGN_OR_RETURN(const Json pattern, json.RequireObject("pattern"));
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, json.RequireString("behavior"));
    SAMARA_ASSIGN_OR_RETURN(const bool invert, json.Bool("invert", false));
    SAMARA_ASSIGN_OR_RETURN(const SplitBehavior value, Behavior(name));
    if (const Json text = pattern.Find("String"); text.exists()) {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view s, text.String());
      if (s.empty() || s.size() > kMaxTextBytes)
        return InvalidFile("a pattern of %zu bytes", s.size());
      return AddSplit(LiteralRegex(s), std::string(s), value, invert);
    }
    SAMARA_ASSIGN_OR_RETURN(const std::string_view regex, pattern.RequireString("Regex"));
    SAMARA_ASSIGN_OR_RETURN(const RegexNode root, ParseRegex(regex));
    return AddSplit(root, std::string(regex), value, invert);
  }

  Status ReadByteLevel(const Json& json) {
    SAMARA_ASSIGN_OR_RETURN(const bool prefix, json.Bool("add_prefix_space", true));
    SAMARA_ASSIGN_OR_RETURN(const bool use_regex, json.Bool("use_regex", true));
    if (prefix) AddText(kStagePrefix, " ", "");
    if (use_regex) {
      SAMARA_ASSIGN_OR_RETURN(const RegexNode root, ParseRegex(kByteLevelPattern));
      SAMARA_RETURN_IF_ERROR(AddSplit(root, "ByteLevel", kSplitIsolated, false));
    }
    byte_level = true;
    return {};
  }

  Status ReadDigits(const Json& json) {
    SAMARA_ASSIGN_OR_RETURN(const bool individual, json.Bool("individual_digits", false));
    return AddSplit(Set(NumericSet()), "Digits", individual ? kSplitIsolated : kSplitContiguous,
                    false);
  }

  Status ReadMetaspace(const Json& json) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view replacement, json.RequireString("replacement"));
    SAMARA_ASSIGN_OR_RETURN(const bool prefix,
                            json.Bool("add_prefix_space", true));  // of old files
    SAMARA_ASSIGN_OR_RETURN(const std::string_view scheme,
                            json.String("prepend_scheme", prefix ? "always" : "never"));
    SAMARA_ASSIGN_OR_RETURN(const bool split, json.Bool("split", true));
    if (CodePointsOf(replacement).size() != 1)
      return InvalidFile("replacement is not one character");
    AddText(kStageReplace, " ", std::string(replacement));
    if (scheme == "always") {
      AddText(kStagePrefix, std::string(replacement), "");
    } else if (scheme == "first") {
      AddText(kStagePrefixFirst, std::string(replacement), "");
    } else if (scheme != "never") {
      return InvalidFile("prepend_scheme is %s, wanted always, first or never",
                         Quoted(scheme).c_str());
    }
    return split ? AddSplit(LiteralRegex(replacement), "Metaspace", kSplitMergedWithNext, false)
                 : Status();
  }
};

}  // namespace

Status AddPreTokenizerTables(const Json& pre_tokenizer, Alphabet* alphabet, bool* byte_level,
                             TokenizerBlob* blob) {
  Reader reader(alphabet);
  SAMARA_RETURN_IF_ERROR(reader.Read(pre_tokenizer));
  *byte_level = reader.byte_level;
  const uint32_t space = reader.alphabet.AddSet(SpaceSet());
  const uint32_t word = reader.alphabet.AddSet(WordSet());
  SAMARA_RETURN_IF_ERROR(reader.alphabet.Build());
  const uint32_t n_classes = reader.alphabet.n_classes();
  blob->header.n_classes = n_classes;
  blob->AppendAll(kTableClassPages, reader.alphabet.pages());
  blob->AppendAll(kTableClasses, reader.alphabet.classes());
  for (uint32_t c = 0; c < n_classes; ++c) {
    blob->Append(kTableClassFlags,
                 static_cast<uint8_t>((reader.alphabet.InSet(c, space) ? kClassSpace : 0) |
                                      (reader.alphabet.InSet(c, word) ? kClassWord : 0)));
  }
  std::vector<uint16_t> transitions;
  bool bytes = false;
  for (const Stage& stage : reader.stages) {
    PreTokenizerStage entry = {};
    entry.kind = stage.kind;
    entry.behavior = stage.behavior;
    entry.invert = stage.invert;
    bytes = bytes || stage.kind == kStageSplitBytes;
    if (!stage.automaton.empty()) {
      entry.transitions = static_cast<uint32_t>(transitions.size());
      const Status status =
          stage.automaton[0].Compile(reader.alphabet, &transitions, &entry.n_states);
      if (!status.ok()) return status.WithContext(pre_tokenizer.file() + ": field pre_tokenizer");
    }
    entry.a_offset = blob->AddString(stage.a);
    entry.a_bytes = static_cast<uint32_t>(stage.a.size());
    entry.b_offset = blob->AddString(stage.b);
    entry.b_bytes = static_cast<uint32_t>(stage.b.size());
    blob->Append(kTableStages, entry);
  }
  blob->AppendAll(kTableTransitions, transitions);
  if (bytes) {
    for (uint32_t b = 0; b < 256; ++b) {
      uint32_t cp = 0;
      while (ByteOfCharacter(cp) != static_cast<int>(b)) ++cp;
      blob->Append(kTableByteClasses,
                   alphabet->classes()[alphabet->pages()[cp >> 8] * size_t{256} + (cp & 255)]);
    }
  }
  return {};
}

}  // namespace samara
