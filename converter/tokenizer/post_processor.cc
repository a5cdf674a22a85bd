#include <algorithm>
#include <utility>

#include "converter/tokenizer/components.h"

namespace samara {
namespace {

constexpr size_t kMaxAround = 16;  // as check.cc of the runtime has it

struct Around {
  std::vector<uint32_t> prefix, suffix;
};

class Reader {
 public:
  explicit Reader(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  Status Read(const Json& json) {
    SAMARA_RETURN_IF_ERROR(json.WantObject());
    SAMARA_ASSIGN_OR_RETURN(const std::string_view type, json.RequireString("type"));
    if (type == "Sequence") {
      SAMARA_ASSIGN_OR_RETURN(const Json list, json.RequireArray("processors"));
      for (const Json part : list) SAMARA_RETURN_IF_ERROR(Read(part));
      return {};
    }
    if (type == "ByteLevel") return {};  // concerns offsets only
    Around more;
    if (type == "TemplateProcessing") {
      SAMARA_RETURN_IF_ERROR(ReadTemplate(json, &more));
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      SAMARA_RETURN_IF_ERROR(ReadPair(json, "cls", &more.prefix));
      SAMARA_RETURN_IF_ERROR(ReadPair(json, "sep", &more.suffix));
    } else {
      return Unsupported(
          "%s: field %s: post-processor %s is not supported; BertProcessing, ByteLevel, "
          "RobertaProcessing, Sequence "
          "and TemplateProcessing are",
          json.file().c_str(), json.Path().c_str(), Quoted(type).c_str());
    }
    // A later processor puts its ids around those of an earlier one.
    around.prefix.insert(around.prefix.begin(), more.prefix.begin(), more.prefix.end());
    around.suffix.insert(around.suffix.end(), more.suffix.begin(), more.suffix.end());
    if (around.prefix.size() > kMaxAround || around.suffix.size() > kMaxAround) {
      return json.Bad("more ids", "at most " + std::to_string(kMaxAround) + " on a side");
    }
    return {};
  }

  Around around;

 private:
  StatusOr<uint32_t> Id(const Json& json) const {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t id, json.Uint(0, vocabulary_.content.size() - 1));
    return static_cast<uint32_t>(id);
  }

  Status ReadTemplate(const Json& json, Around* out) const {
    SAMARA_ASSIGN_OR_RETURN(const Json single, json.RequireArray("single"));
    const Json tokens = json.Find("special_tokens");
    bool seen = false;
    for (const Json piece : single) {
      if (piece.Find("Sequence").exists()) {
        SAMARA_ASSIGN_OR_RETURN(const std::string_view name,
                                piece.Find("Sequence").RequireString("id"));
        if (seen || name != "A") return piece.Bad("another sequence", "the sequence A, once");
        seen = true;
        continue;
      }
      SAMARA_ASSIGN_OR_RETURN(const Json special, piece.RequireObject("SpecialToken"));
      SAMARA_ASSIGN_OR_RETURN(const std::string_view name, special.RequireString("id"));
      const Json token = tokens.Find(name);
      if (!token.exists()) return special.Find("id").Bad("a key of special_tokens");
      SAMARA_ASSIGN_OR_RETURN(const Json ids, token.RequireArray("ids"));
      std::vector<uint32_t>& side = seen ? out->suffix : out->prefix;
      for (const Json id : ids) {
        if (side.size() > kMaxAround) break;
        SAMARA_ASSIGN_OR_RETURN(const uint32_t value, Id(id));
        side.push_back(value);
      }
    }
    return seen ? Status() : single.Bad("no sequence", "the sequence A");
  }

  Status ReadPair(const Json& json, const char* key, std::vector<uint32_t>* out) const {
    SAMARA_ASSIGN_OR_RETURN(const Json pair, json.RequireArray(key));
    if (pair.size() != 2) return pair.Bad("a token and its id");
    for (const Json part : pair) {
      if (part.IsString()) continue;
      SAMARA_ASSIGN_OR_RETURN(const uint32_t id, Id(part));
      out->push_back(id);
    }
    return out->size() == 1 ? Status() : pair.Bad("a token and its id");
  }

  const Vocabulary& vocabulary_;
};

}  // namespace

int32_t ConfiguredToken(const Json& config, const char* key, const Vocabulary& vocabulary) {
  Json value = config.Find(key);
  if (value.IsObject()) value = value.Find("content");
  if (!value.IsString()) return -1;
  return static_cast<int32_t>(vocabulary.IdOf(*value.String()));
}

Status AddPostProcessorTables(const Json& post_processor, const Json& config,
                              const Vocabulary& vocabulary, TokenizerBlob* blob) {
  Reader reader(vocabulary);
  if (!post_processor.IsNull()) {
    SAMARA_RETURN_IF_ERROR(reader.Read(post_processor));
  } else {
    const std::pair<const char*, const char*> keys[] = {{"add_bos_token", "bos_token"},
                                                        {"add_eos_token", "eos_token"}};
    for (const auto& [flag, token] : keys) {
      SAMARA_ASSIGN_OR_RETURN(const bool wanted, config.Bool(flag, false));
      if (!wanted) continue;
      const int32_t id = ConfiguredToken(config, token, vocabulary);
      if (id < 0)
        return config.Find(flag).Bad("true",
                                     std::string("a ") + token + " that the vocabulary has");
      (token[0] == 'b' ? reader.around.prefix : reader.around.suffix)
          .push_back(static_cast<uint32_t>(id));
    }
  }
  blob->AppendAll(kTablePrefix, reader.around.prefix);
  blob->AppendAll(kTableSuffix, reader.around.suffix);
  int32_t bos = ConfiguredToken(config, "bos_token", vocabulary);
  if (bos < 0 && !reader.around.prefix.empty()) bos = static_cast<int32_t>(reader.around.prefix[0]);
  blob->header.bos_id = static_cast<uint32_t>(bos);
  return {};
}

}  // namespace samara
