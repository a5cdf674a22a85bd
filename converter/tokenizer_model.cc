#include "converter/tokenizer_model.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "converter/gguf/json_text.h"
#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/sentencepiece.h"

namespace samara {
namespace {

constexpr char kFile[] = "tokenizer.model";
constexpr uint64_t kMaxBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxAddedBytes = uint64_t{4} << 20;

// One entry of added_tokens_decoder: the key is the id.
Status AddToken(const Json& entry, Vocabulary* vocabulary) {
  uint32_t id = 0;
  const std::string_view key = entry.key();
  const auto end = std::from_chars(key.data(), key.data() + key.size(), id);
  if (end.ec != std::errc() || end.ptr != key.data() + key.size() ||
      id >= vocabulary->content.capacity() || id >= kTokenizerMaxVocab) {
    return entry.Bad("the id " + Quoted(key), "one of the model's, or one not far behind them");
  }
  AddedToken token;
  token.id = id;
  SAMARA_ASSIGN_OR_RETURN(const std::string_view content, entry.RequireString("content"));
  if (content.empty() || content.size() > kTokenizerMaxAddedBytes || !IsUtf8(content))
    return entry.Find("content").Bad("UTF-8 of 1 to 1,024 bytes");
  token.content = content;
  SAMARA_ASSIGN_OR_RETURN(token.special, entry.Bool("special", false));
  SAMARA_ASSIGN_OR_RETURN(token.left_strip, entry.Bool("lstrip", false));
  SAMARA_ASSIGN_OR_RETURN(token.right_strip, entry.Bool("rstrip", false));
  SAMARA_ASSIGN_OR_RETURN(token.single_word, entry.Bool("single_word", false));
  SAMARA_ASSIGN_OR_RETURN(token.normalized, entry.Bool("normalized", false));
  const uint32_t known = vocabulary->IdOf(content);
  if (known != kTokenizerNone && known != id) {
    return entry.Find("content").Bad(Quoted(content) + ", which is token " + std::to_string(known),
                                     "a token of its own");
  }
  if (id < vocabulary->content.size() && known != id) {
    return entry.Find("content").Bad(Quoted(content), "what tokenizer.model has for this id: " +
                                                          Quoted(vocabulary->content[id]));
  }
  if (id >= vocabulary->content.size()) {
    vocabulary->content.resize(id + 1);
    vocabulary->attributes.resize(id + 1, kTokenUnused);
    vocabulary->content[id] = content;
  }
  vocabulary->attributes[id] =
      static_cast<uint8_t>(kTokenAdded | (token.special ? kTokenSpecial : 0));
  std::erase_if(vocabulary->added, [id](const AddedToken& other) { return other.id == id; });
  vocabulary->added.push_back(std::move(token));
  return Status();
}

// The tokens that stand around a text. Models put their first token there, unless told otherwise.
StatusOr<std::string> Around(const SentencePieceModel& model, const Json& config,
                             const Vocabulary& vocabulary) {
  const bool silent = config.Find("add_bos_token").IsNull();
  SAMARA_ASSIGN_OR_RETURN(const bool bos,
                          config.Bool("add_bos_token", !model.unigram && model.bos >= 0));
  SAMARA_ASSIGN_OR_RETURN(const bool eos,
                          config.Bool("add_eos_token", silent && model.unigram && model.eos >= 0));
  std::string before, after, tokens;
  const auto add = [&](bool wanted, int64_t id, const char* key, std::string* side) -> Status {
    if (!wanted) return Status();
    Json named = config.Find(key);
    if (named.IsObject()) named = named.Find("content");
    if (const StatusOr<std::string_view> text = named.String(); text.ok()) {
      const uint32_t known = vocabulary.IdOf(*text);
      id = known == kTokenizerNone ? -1 : static_cast<int64_t>(known);
    }
    if (id < 0 || id >= static_cast<int64_t>(vocabulary.content.size()))
      return InvalidFile("%s: got no token for %s of tokenizer_config.json", kFile, key);
    const std::string name = JsonString(std::to_string(id));
    *side += R"({"SpecialToken":{"id":)" + name + "}},";
    tokens += (tokens.empty() ? "" : ",") + name + ":{\"ids\":[" + std::to_string(id) + "]}";
    return Status();
  };
  SAMARA_RETURN_IF_ERROR(add(bos, model.bos, "bos_token", &before));
  SAMARA_RETURN_IF_ERROR(add(eos, model.eos, "eos_token", &after));
  if (!after.empty()) after = "," + after.substr(0, after.size() - 1);
  return R"({"type":"TemplateProcessing","single":[)" + before + R"({"Sequence":{"id":"A"}})" +
         after + R"(],"special_tokens":{)" + tokens + "}}";
}

}  // namespace

Status ReadTokenizerModel(Source* source) {
  SAMARA_ASSIGN_OR_RETURN(const std::string bytes, ReadSourceFile(kFile, kMaxBytes, source));
  SAMARA_ASSIGN_OR_RETURN(const SentencePieceModel model, ReadSentencePieceModel(bytes, kFile));
  auto vocabulary = std::make_unique<Vocabulary>();
  std::string components;
  SAMARA_RETURN_IF_ERROR(BuildSentencePiece(model, kFile, vocabulary.get(), &components));
  const Json config = source->has_tokenizer_config ? source->tokenizer_config.root() : Json();
  const Json added = config.Find("added_tokens_decoder");
  if (!added.IsNull()) {
    SAMARA_RETURN_IF_ERROR(added.WantObject());
    for (const Json entry : added) SAMARA_RETURN_IF_ERROR(AddToken(entry, vocabulary.get()));
  } else {
    const StatusOr<std::string> text = ReadSourceFile("added_tokens.json", kMaxAddedBytes, source);
    if (!text.ok() && text.status().code() != StatusCode::kNotFound) return text.status();
    if (text.ok()) {
      SAMARA_ASSIGN_OR_RETURN(const JsonDocument list,
                              JsonDocument::Parse("added_tokens.json", *text));
      for (const Json entry : list.root()) {
        SAMARA_ASSIGN_OR_RETURN(const uint64_t id, entry.Uint());
        if (id < vocabulary->content.size() && vocabulary->content[id] == entry.key()) continue;
        return entry.Bad("a token that tokenizer.model lacks",
                         "it in tokenizer_config.json's added_tokens_decoder, or tokenizer.json");
      }
    }
  }
  SAMARA_ASSIGN_OR_RETURN(const std::string around, Around(model, config, *vocabulary));
  components.back() = ',';
  components += "\"post_processor\":" + around + "}";
  SAMARA_ASSIGN_OR_RETURN(source->tokenizer, JsonDocument::Parse(kFile, components));
  source->vocabulary = std::move(vocabulary);
  return Status();
}

}  // namespace samara
