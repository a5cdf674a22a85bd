#include "converter/gguf/tokenizer.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "converter/gguf/json_text.h"
#include "converter/gguf/pre_tokenizers.h"
#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/sentencepiece.h"

namespace samara {
namespace {

// tokenizer.ggml.token_type
constexpr double kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5;

// Control tokens by which chat models end a turn, whatever id the file gives as the end.
constexpr const char* kEnds[] = {"<|eot_id|>", "<|im_end|>",    "<|end|>",        "<end_of_turn>",
                                 "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>"};

class Reader {
 public:
  Reader(const Gguf& gguf, GgufTokenizer* out) : gguf_(gguf), out_(out), vocab_(out->vocabulary) {}

  Status Read() {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view model, Want("tokenizer.ggml.model"));
    SAMARA_RETURN_IF_ERROR(ReadTokens());
    if (model == "gpt2") {
      SAMARA_RETURN_IF_ERROR(ReadByteLevel());
    } else if (model == "llama") {
      SAMARA_RETURN_IF_ERROR(ReadSentencePiece());
    } else if (model == "t5") {
      SAMARA_RETURN_IF_ERROR(ReadUnigram());
    } else if (model == "bert") {
      SAMARA_RETURN_IF_ERROR(ReadWordPiece());
    } else {
      return Unsupported("%s: metadata \"tokenizer.ggml.model\": got %s, wanted one of %s",
                         gguf_.name().c_str(), Quoted(model).c_str(), GgufTokenizerKinds().c_str());
    }
    SAMARA_RETURN_IF_ERROR(ReadEnds());
    return ReadConfig();
  }

 private:
  StatusOr<std::string_view> Want(const char* key) const {
    const GgufValue* value = gguf_.Find(key);
    if (value == nullptr) {
      return InvalidFile("%s: metadata \"%s\": not there, wanted a string", gguf_.name().c_str(),
                         key);
    }
    return value->String();
  }
  Status Bad(const char* key, size_t index, const std::string& got, const char* wanted) const {
    return InvalidFile("%s: metadata \"%s\", element %zu: got %s, wanted %s", gguf_.name().c_str(),
                       key, index, got.c_str(), wanted);
  }

  Status ReadTokens() {
    constexpr char kTokens[] = "tokenizer.ggml.tokens", kTypes[] = "tokenizer.ggml.token_type";
    const GgufValue* tokens = gguf_.Find(kTokens);
    if (tokens == nullptr)
      return InvalidFile("%s: metadata \"%s\": not there, wanted the vocabulary",
                         gguf_.name().c_str(), kTokens);
    SAMARA_ASSIGN_OR_RETURN(const std::vector<std::string_view> texts, tokens->Strings());
    if (texts.empty() || texts.size() > kTokenizerMaxVocab) {
      return InvalidFile("%s: metadata \"%s\": got %zu tokens, wanted 1 to %u",
                         gguf_.name().c_str(), kTokens, texts.size(), kTokenizerMaxVocab);
    }
    types_.assign(texts.size(), kNormal);
    if (const GgufValue* types = gguf_.Find(kTypes); types != nullptr) {
      SAMARA_ASSIGN_OR_RETURN(types_, types->Numbers());
      if (types_.size() != texts.size()) {
        return InvalidFile("%s: metadata \"%s\": got %zu elements, wanted %zu, one a token",
                           gguf_.name().c_str(), kTypes, types_.size(), texts.size());
      }
    }
    vocab_.content.resize(texts.size());
    vocab_.attributes.assign(texts.size(), 0);
    for (size_t id = 0; id < texts.size(); ++id) {
      const std::string_view text = texts[id];
      if (types_[id] == kUnused || text.empty()) {
        vocab_.attributes[id] = kTokenUnused;
        continue;
      }
      if (text.size() > kTokenizerMaxTokenBytes || !IsUtf8(text))
        return Bad(kTokens, id, Quoted(text), "UTF-8 of at most 65,536 bytes");
      vocab_.content[id] = text;
    }
    for (size_t id = 0; id < texts.size(); ++id) {
      // Of equal tokens the first is what a text becomes; the others only have a text.
      if (vocab_.attributes[id] == 0)
        vocab_.id_of.emplace(vocab_.content[id], static_cast<uint32_t>(id));
    }
    for (size_t id = 0; id < texts.size(); ++id) {
      if (types_[id] == kUnknown || types_[id] == kControl || types_[id] == kUserDefined)
        SAMARA_RETURN_IF_ERROR(AddAdded(id));
    }
    return Status();
  }

  Status AddAdded(size_t id) {
    const std::string& text = vocab_.content[id];
    if (text.empty() || vocab_.id_of.find(text)->second != id) return Status();
    if (text.size() > kTokenizerMaxAddedBytes)
      return Bad("tokenizer.ggml.tokens", id, Quoted(text),
                 "a special token of at most 1,024 bytes");
    AddedToken token;
    token.id = static_cast<uint32_t>(id);
    token.content = text;
    token.special = types_[id] != kUserDefined;
    vocab_.attributes[id] = static_cast<uint8_t>(kTokenAdded | (token.special ? kTokenSpecial : 0));
    vocab_.added.push_back(std::move(token));
    return Status();
  }

  Status ReadByteLevel() {
    constexpr char kMerges[] = "tokenizer.ggml.merges";
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, Want("tokenizer.ggml.pre"));
    const PreTokenizer* pre = FindPreTokenizer(name);
    if (pre == nullptr) {
      return Unsupported("%s: metadata \"tokenizer.ggml.pre\": got %s, wanted one of %s",
                         gguf_.name().c_str(), Quoted(name).c_str(), GgufPreTokenizers().c_str());
    }
    const GgufValue* merges = gguf_.Find(kMerges);
    if (merges == nullptr)
      return InvalidFile("%s: metadata \"%s\": not there, wanted the merges", gguf_.name().c_str(),
                         kMerges);
    SAMARA_ASSIGN_OR_RETURN(const std::vector<std::string_view> rules, merges->Strings());
    if (rules.size() > kTokenizerMaxMerges) {
      return InvalidFile("%s: metadata \"%s\": got %zu, wanted at most %u", gguf_.name().c_str(),
                         kMerges, rules.size(), kTokenizerMaxMerges);
    }
    std::string joined;
    for (size_t i = 0; i < rules.size(); ++i) {
      // A token is at least one character, and may itself begin with a space.
      const size_t space = rules[i].find(' ', 1);
      if (space == std::string_view::npos || space + 1 == rules[i].size())
        return Bad(kMerges, i, Quoted(rules[i]), "two tokens with one space between them");
      const std::string_view left = rules[i].substr(0, space), right = rules[i].substr(space + 1);
      joined.assign(left).append(right);
      MergeRule rule = {};
      for (const auto& [text, id] : {std::pair(left, &rule.left), std::pair(right, &rule.right),
                                     std::pair(std::string_view(joined), &rule.merged)}) {
        const auto at = vocab_.id_of.find(text);
        if (at == vocab_.id_of.end())
          return Bad(kMerges, i, Quoted(text), "a token of the vocabulary");
        *id = at->second;
      }
      vocab_.merges.push_back(rule);
    }
    vocab_.ignore_merges = pre->ignore_merges;
    add_bos_ = pre->add_bos;
    JsonObjectText json;
    if (pre->normalizer != nullptr)
      json.Add("normalizer", "{\"type\":" + JsonString(pre->normalizer) + "}");
    std::string stages = pre->stages != nullptr ? pre->stages : "";
    for (const char* const* pattern = pre->patterns; pattern != nullptr && *pattern != nullptr;
         ++pattern) {
      stages += R"({"type":"Split","behavior":"Isolated","pattern":{"Regex":)" +
                JsonString(*pattern) + "}},";
    }
    if (pre->stages == nullptr)
      stages += R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
    json.Add("pre_tokenizer", R"({"type":"Sequence","pretokenizers":[)" + stages + "]}");
    json.Add("decoder", R"({"type":"ByteLevel"})");
    out_->components = json.Text();
    return Status();
  }

  StatusOr<std::vector<double>> Scores() const {
    constexpr char kScores[] = "tokenizer.ggml.scores";
    const GgufValue* value = gguf_.Find(kScores);
    if (value == nullptr)
      return InvalidFile("%s: metadata \"%s\": not there, wanted the scores", gguf_.name().c_str(),
                         kScores);
    SAMARA_ASSIGN_OR_RETURN(const std::vector<double> scores, value->Numbers());
    if (scores.size() != vocab_.content.size()) {
      return InvalidFile("%s: metadata \"%s\": got %zu elements, wanted %zu, one a token",
                         gguf_.name().c_str(), kScores, scores.size(), vocab_.content.size());
    }
    return scores;
  }
  StatusOr<uint64_t> UnknownId(uint64_t otherwise) const {
    return gguf_.Uint("tokenizer.ggml.unknown_token_id", otherwise, vocab_.content.size() - 1);
  }

  Status ReadSentencePiece() {
    SAMARA_ASSIGN_OR_RETURN(const std::vector<double> scores, Scores());
    SAMARA_ASSIGN_OR_RETURN(const uint64_t unknown, UnknownId(0));
    SAMARA_RETURN_IF_ERROR(AddScoreMerges(scores, gguf_.name(), &vocab_));
    vocab_.unknown_id = static_cast<uint32_t>(unknown);
    vocab_.byte_fallback = vocab_.fuse_unknown = true;
    add_bos_ = true;
    SAMARA_ASSIGN_OR_RETURN(const bool prefix, gguf_.Bool("tokenizer.ggml.add_space_prefix", true));
    out_->components = SentencePieceComponents(prefix);
    return Status();
  }

  Status ReadUnigram() {
    SentencePieceModel model;
    model.unigram = true;
    SAMARA_ASSIGN_OR_RETURN(model.scores, Scores());
    model.pieces = vocab_.content;
    for (const double type : types_) {
      const bool known = type >= SentencePieceModel::kNormal && type <= SentencePieceModel::kByte;
      model.kinds.push_back(known ? static_cast<int>(type) : SentencePieceModel::kUnused);
      model.byte_fallback = model.byte_fallback || type == SentencePieceModel::kByte;
    }
    SAMARA_ASSIGN_OR_RETURN(const uint64_t unknown, UnknownId(2));
    model.unknown = static_cast<int64_t>(unknown);
    SAMARA_ASSIGN_OR_RETURN(model.prefix, gguf_.Bool("tokenizer.ggml.add_space_prefix", true));
    SAMARA_ASSIGN_OR_RETURN(model.collapse,
                            gguf_.Bool("tokenizer.ggml.remove_extra_whitespaces", false));
    if (const GgufValue* map = gguf_.Find("tokenizer.ggml.precompiled_charsmap"); map != nullptr) {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view bytes, map->Bytes());
      model.charsmap = bytes;
    }
    vocab_ = Vocabulary();
    return BuildSentencePiece(model, gguf_.name(), &vocab_, &out_->components);
  }

  // Tokens that begin a word have U+2581 in front here; "##" is in front of the others in the
  // models' own vocabularies.
  Status ReadWordPiece() {
    constexpr std::string_view kBegin = "\xE2\x96\x81", kInside = "##";
    bool upper = false;
    vocab_.id_of.clear();
    for (size_t id = 0; id < vocab_.content.size(); ++id) {
      std::string& text = vocab_.content[id];
      if (vocab_.attributes[id] == kTokenUnused) continue;
      if (vocab_.attributes[id] == 0 && !(text.starts_with('[') && text.ends_with(']'))) {
        // The mark alone is that character inside a word.
        const bool begins = text.starts_with(kBegin) && text != kBegin;
        text = begins ? text.substr(kBegin.size()) : std::string(kInside) + text;
        for (const char c : text) upper = upper || (c >= 'A' && c <= 'Z');
      }
      vocab_.id_of.emplace(text, static_cast<uint32_t>(id));
    }
    vocab_.kind = ModelKind::kWordPiece;
    vocab_.word_prefix = kInside;
    vocab_.max_word = 100;
    const uint32_t unknown = vocab_.IdOf("[UNK]");
    SAMARA_ASSIGN_OR_RETURN(const uint64_t id, UnknownId(unknown == kTokenizerNone ? 0 : unknown));
    vocab_.unknown_id = static_cast<uint32_t>(id);
    // A vocabulary without capitals is one of a model that reads none.
    JsonObjectText json, normalizer;
    normalizer.AddString("type", "BertNormalizer");
    for (const char* field : {"clean_text", "handle_chinese_chars"})
      normalizer.AddBool(field, true);
    normalizer.AddBool("lowercase", !upper);
    json.Add("normalizer", normalizer.Text());
    json.Add("pre_tokenizer", R"({"type":"BertPreTokenizer"})");
    json.Add("decoder", std::string(R"({"type":"WordPiece","prefix":"##","cleanup":)") +
                            (upper ? "false}" : "true}"));
    std::string before, after, tokens;
    for (const auto& [key, text] : {std::pair("cls", &before), std::pair("seperator", &after)}) {
      const GgufValue* value = gguf_.Find(std::string("tokenizer.ggml.") + key + "_token_id");
      if (value == nullptr) continue;
      SAMARA_ASSIGN_OR_RETURN(const uint64_t around, value->Uint(vocab_.content.size() - 1));
      const std::string name = JsonString(std::to_string(around));
      *text = R"({"SpecialToken":{"id":)" + name + "}}";
      tokens += (tokens.empty() ? "" : ",") + name + ":{\"ids\":[" + std::to_string(around) + "]}";
    }
    json.Add("post_processor", R"({"type":"TemplateProcessing","single":[)" + before +
                                   (before.empty() ? "" : ",") + R"({"Sequence":{"id":"A"}})" +
                                   (after.empty() ? "" : ",") + after + R"(],"special_tokens":{)" +
                                   tokens + "}}");
    out_->components = json.Text();
    return Status();
  }

  Status ReadEnds() {
    const auto add = [this](uint32_t id) {
      std::vector<uint32_t>& ends = out_->ends;
      if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
    };
    for (const char* name : {"eos", "eot", "eom"}) {
      const GgufValue* value = gguf_.Find(std::string("tokenizer.ggml.") + name + "_token_id");
      if (value == nullptr) continue;
      SAMARA_ASSIGN_OR_RETURN(const uint64_t id, value->Uint(vocab_.content.size() - 1));
      add(static_cast<uint32_t>(id));
    }
    for (const char* text : kEnds) {
      const uint32_t id = vocab_.IdOf(text);
      if (id != kTokenizerNone && types_[id] == kControl) add(id);
    }
    return Status();
  }

  Status ReadConfig() {
    JsonObjectText json;
    for (const auto& [key, field] :
         {std::pair("bos", "bos_token"), std::pair("eos", "eos_token"),
          std::pair("unknown", "unk_token"), std::pair("seperator", "sep_token"),
          std::pair("padding", "pad_token"), std::pair("mask", "mask_token")}) {
      const GgufValue* value = gguf_.Find(std::string("tokenizer.ggml.") + key + "_token_id");
      if (value == nullptr) continue;
      SAMARA_ASSIGN_OR_RETURN(const uint64_t id, value->Uint(vocab_.content.size() - 1));
      const std::string& text = vocab_.content[static_cast<size_t>(id)];
      if (!text.empty()) json.AddString(field, text);
    }
    SAMARA_ASSIGN_OR_RETURN(const bool bos, gguf_.Bool("tokenizer.ggml.add_bos_token", add_bos_));
    SAMARA_ASSIGN_OR_RETURN(const bool eos, gguf_.Bool("tokenizer.ggml.add_eos_token", false));
    json.AddBool("add_bos_token", bos);
    json.AddBool("add_eos_token", eos);
    SAMARA_RETURN_IF_ERROR(AddTemplates(&json));
    out_->config = json.Text();
    return Status();
  }

  Status AddTemplates(JsonObjectText* json) {
    constexpr char kTemplate[] = "tokenizer.chat_template";
    std::string list;
    const auto add = [&list](std::string_view name, std::string_view text) {
      list += (list.empty() ? "" : ",") + std::string("{\"name\":") + JsonString(name) +
              ",\"template\":" + JsonString(text) + "}";
    };
    for (const std::string_view key : gguf_.Keys(kTemplate)) {
      std::string_view name = key.substr(sizeof kTemplate - 1);
      if (name == "s") continue;  // the list of their names
      if (!name.empty() && name[0] == '.') name.remove_prefix(1);
      SAMARA_ASSIGN_OR_RETURN(const std::string_view text, gguf_.Find(key)->String());
      add(name.empty() ? "default" : name, text);
    }
    if (!list.empty()) json->Add("chat_template", "[" + list + "]");
    return Status();
  }

  const Gguf& gguf_;
  GgufTokenizer* out_;
  Vocabulary& vocab_;
  std::vector<double> types_;
  bool add_bos_ = false;
};

}  // namespace

StatusOr<GgufTokenizer> ReadGgufTokenizer(const Gguf& gguf) {
  GgufTokenizer out;
  SAMARA_RETURN_IF_ERROR(Reader(gguf, &out).Read());
  return out;
}

std::string GgufTokenizerKinds() { return "gpt2, llama, t5, bert"; }

std::string GgufPreTokenizers() {
  std::string text;
  for (const PreTokenizer& pre : PreTokenizers()) {
    for (const char c : (text.empty() ? "" : " ") + std::string(pre.names))
      text += c == ' ' ? std::string(", ") : std::string(1, c);
  }
  return text;
}

}  // namespace samara
