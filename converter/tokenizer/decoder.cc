// Decoder steps. What concerns one token alone is done here, to every token's text; what concerns
// the whole text (byte runs, a leading space) is left to the runtime as flags.
#include <algorithm>
#include <utility>

#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/components.h"

namespace samara {
namespace {

struct Step {
  enum class Kind { kReplace, kByteFallback, kFuse, kStrip } kind;
  std::string a, b;              // kReplace; kStrip: a is the character
  uint64_t start = 0, stop = 0;  // kStrip
};

constexpr size_t kMaxSteps = 16;

Status No(const Json& json, const char* what) {
  return Unsupported("%s: field %s: decoder: %s", json.file().c_str(), json.Path().c_str(), what);
}

class Reader {
 public:
  Status Read(const Json& json) {
    SAMARA_RETURN_IF_ERROR(json.WantObject());
    SAMARA_ASSIGN_OR_RETURN(const std::string_view type, json.RequireString("type"));
    if (type == "Sequence") {
      SAMARA_ASSIGN_OR_RETURN(const Json list, json.RequireArray("decoders"));
      for (const Json part : list) SAMARA_RETURN_IF_ERROR(Read(part));
      return {};
    }
    if (byte_level || metaspace || word_piece || steps.size() == kMaxSteps)
      return No(json, "too many steps for this kind");
    const bool fused = std::any_of(steps.begin(), steps.end(),
                                   [](const Step& s) { return s.kind == Step::Kind::kFuse; });
    const bool bytes = std::any_of(steps.begin(), steps.end(), [](const Step& s) {
      return s.kind == Step::Kind::kByteFallback;
    });
    if (type == "ByteLevel" || type == "Metaspace") {
      if (!steps.empty()) return No(json, "ByteLevel and Metaspace must stand alone");
      if (type == "ByteLevel") {
        byte_level = true;
        return {};
      }
      metaspace = true;
      SAMARA_ASSIGN_OR_RETURN(const std::string_view replacement,
                              json.RequireString("replacement"));
      SAMARA_ASSIGN_OR_RETURN(const bool prefix, json.Bool("add_prefix_space", true));
      SAMARA_ASSIGN_OR_RETURN(const std::string_view scheme,
                              json.String("prepend_scheme", prefix ? "always" : "never"));
      if (CodePointsOf(replacement).size() != 1)
        return json.Find("replacement").Bad("one character");
      marker = replacement;
      drop_first = scheme != "never";
      return {};
    }
    if (type == "WordPiece") {
      if (!steps.empty()) return No(json, "WordPiece must stand alone");
      word_piece = true;
      SAMARA_ASSIGN_OR_RETURN(const std::string_view prefix, json.String("prefix", "##"));
      SAMARA_ASSIGN_OR_RETURN(cleanup, json.Bool("cleanup", true));
      marker = prefix;
      return {};
    }
    if (type == "Replace") {
      if (bytes || fused) return No(json, "Replace behind ByteFallback or Fuse is not supported");
      SAMARA_ASSIGN_OR_RETURN(const Json pattern, json.RequireObject("pattern"));
      if (!pattern.Find("String").exists())
        return No(json, "Replace with a regular expression is not supported");
      SAMARA_ASSIGN_OR_RETURN(const std::string_view a, pattern.RequireString("String"));
      SAMARA_ASSIGN_OR_RETURN(const std::string_view b, json.RequireString("content"));
      if (a.empty()) return pattern.Find("String").Bad("a text that is not empty");
      steps.push_back({Step::Kind::kReplace, std::string(a), std::string(b)});
      return {};
    }
    if (type == "ByteFallback") {
      if (bytes || fused)
        return No(json, "ByteFallback behind ByteFallback or Fuse is not supported");
      steps.push_back({Step::Kind::kByteFallback, "", ""});
      return {};
    }
    if (type == "Fuse") {
      steps.push_back({Step::Kind::kFuse, "", ""});
      return {};
    }
    if (type == "Strip") {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view content, json.RequireString("content"));
      SAMARA_ASSIGN_OR_RETURN(const int64_t start,
                              json.Int("start", 0, 0, kTokenizerMaxTokenBytes));
      SAMARA_ASSIGN_OR_RETURN(const int64_t stop, json.Int("stop", 0, 0, kTokenizerMaxTokenBytes));
      if (CodePointsOf(content).size() != 1) return json.Find("content").Bad("one character");
      if (fused) {
        if (start == 0 && stop == 0) return {};
        if (content != " " || start != 1 || stop != 0 || strip_space) {
          return No(json, "Strip behind Fuse is supported for one leading space only");
        }
        strip_space = true;
        return {};
      }
      if (bytes) return No(json, "Strip between ByteFallback and Fuse is not supported");
      steps.push_back({Step::Kind::kStrip, std::string(content), "", static_cast<uint64_t>(start),
                       static_cast<uint64_t>(stop)});
      return {};
    }
    return Unsupported(
        "%s: field %s: decoder %s is not supported; ByteFallback, ByteLevel, Fuse, Metaspace, "
        "Replace, Sequence, Strip and WordPiece are",
        json.file().c_str(), json.Path().c_str(), Quoted(type).c_str());
  }

  std::vector<Step> steps;
  bool byte_level = false, metaspace = false, drop_first = false, strip_space = false;
  bool word_piece = false, cleanup = false;
  std::string marker;
};

void ReplaceAll(const std::string& a, const std::string& b, std::string* text) {
  std::string out;
  size_t from = 0;
  for (size_t at; (at = text->find(a, from)) != std::string::npos; from = at + a.size()) {
    out.append(*text, from, at - from);
    out.append(b);
  }
  out.append(*text, from);
  *text = std::move(out);
}

void Strip(const Step& step, std::string* text) {
  const size_t n = step.a.size();
  for (uint64_t i = 0; i < step.start && text->compare(0, n, step.a) == 0; ++i) text->erase(0, n);
  for (uint64_t i = 0;
       i < step.stop && text->size() >= n && text->compare(text->size() - n, n, step.a) == 0; ++i) {
    text->resize(text->size() - n);
  }
}

// Spaces before punctuation and English endings go.
void CleanUp(std::string* text) {
  constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [a, b] : kRules) ReplaceAll(a, b, text);
}

}  // namespace

Status ReadDecoder(const Json& decoder, Vocabulary* vocabulary, Decoded* decoded,
                   TokenizerBlob* blob) {
  Reader reader;
  uint32_t& flags = blob->header.flags;
  if (decoder.IsNull()) {
    flags |= kFlagDecodeJoinSpace;
  } else {
    SAMARA_RETURN_IF_ERROR(reader.Read(decoder));
  }
  if (reader.byte_level) flags |= kFlagDecodeBytes;
  if (reader.strip_space) flags |= kFlagDecodeStripSpace;
  if (reader.metaspace) {
    reader.steps.push_back({Step::Kind::kReplace, reader.marker, " "});
    if (reader.drop_first) {
      flags |= kFlagDecodeFirstToken;
      blob->header.marker_offset = blob->AddString(reader.marker);
      blob->header.marker_bytes = static_cast<uint32_t>(reader.marker.size());
      decoded->needs_keys = true;
    }
  }
  if (reader.word_piece) {
    flags |= kFlagDecodeFirstKey;
    decoded->needs_keys = true;
  }
  uint64_t total = 0;
  for (size_t id = 0; id < vocabulary->content.size(); ++id) {
    std::string text = vocabulary->content[id];
    if (reader.byte_level) {
      std::string bytes;
      // An added token that the model lacks matches, and is, its own text.
      if (vocabulary->id_of.contains(text) && BytesOfToken(text, &bytes)) text = std::move(bytes);
    }
    if (reader.word_piece) {
      // The first token of a text is as it is; a later one joins, or a space comes before it.
      decoded->keys.push_back(text);
      if (!reader.marker.empty() && text.starts_with(reader.marker)) {
        text.erase(0, reader.marker.size());
      } else {
        text.insert(0, " ");
      }
      if (reader.cleanup) {
        CleanUp(&text);
        CleanUp(&decoded->keys.back());
      }
    }
    for (const Step& step : reader.steps) {
      switch (step.kind) {
        case Step::Kind::kReplace:
          ReplaceAll(step.a, step.b, &text);
          break;
        case Step::Kind::kStrip:
          Strip(step, &text);
          break;
        case Step::Kind::kByteFallback:
          if (const int value = ByteTokenValue(text); value >= 0) {
            text.assign(1, static_cast<char>(value));
            vocabulary->attributes[id] |= kTokenByte;
          }
          break;
        case Step::Kind::kFuse:
          break;
      }
      if (text.size() > kTokenizerMaxTokenBytes) return No(decoder, "a token becomes too long");
    }
    total += text.size();
    if (total > kTokenizerMaxBytes) return No(decoder, "the tokens become too long");
    decoded->texts.push_back(std::move(text));
  }
  return {};
}

}  // namespace samara
