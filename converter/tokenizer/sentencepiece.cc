#include "converter/tokenizer/sentencepiece.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string_view>

#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/charsmap.h"

namespace samara {
namespace {

// Bytes that are looked up at most: vocabularies take some ten millions.
constexpr uint64_t kMaxLookedUp = uint64_t{1} << 31;

// The wire format of protocol buffers: a message is a run of fields.
class Message {
 public:
  explicit Message(std::string_view bytes) : bytes_(bytes) {}

  // The next field; false at the end, or (bad() tells) where the bytes are none.
  bool Next() {
    if (bytes_.empty() || bad_) return false;
    uint64_t tag = 0;
    if (!Varint(&tag) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return Fail();
    field_ = tag >> 3;
    type_ = tag & 7;
    switch (type_) {
      case 0:
        return Varint(&number_) || Fail();
      case 1:
        return Take(8) || Fail();
      case 2: {
        uint64_t length = 0;
        return (Varint(&length) && Take(length)) || Fail();
      }
      case 5:
        return Take(4) || Fail();
      default:
        return Fail();
    }
  }
  bool bad() const { return bad_; }
  uint64_t field() const { return field_; }
  bool IsNumber() const { return type_ == 0; }
  bool IsBytes() const { return type_ == 2; }
  bool IsFloat() const { return type_ == 5; }
  int64_t number() const { return static_cast<int64_t>(number_); }
  std::string_view bytes() const { return value_; }
  float real() const {
    uint32_t bits = 0;
    for (size_t i = 4; i-- > 0;) bits = bits << 8 | static_cast<uint8_t>(value_[i]);
    return std::bit_cast<float>(bits);
  }

 private:
  bool Fail() {
    bad_ = true;
    return false;
  }
  bool Take(uint64_t n) {
    if (n > bytes_.size()) return false;
    value_ = bytes_.substr(0, static_cast<size_t>(n));
    bytes_.remove_prefix(static_cast<size_t>(n));
    return true;
  }
  bool Varint(uint64_t* out) {
    *out = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_[0]);
      bytes_.remove_prefix(1);
      *out |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  std::string_view bytes_, value_;
  uint64_t field_ = 0, type_ = 0, number_ = 0;
  bool bad_ = false;
};

Status BadMessage(const std::string& file) {
  return InvalidFile("%s: got bytes that are no SentencePiece model", file.c_str());
}

Status ReadPiece(std::string_view bytes, const std::string& file, SentencePieceModel* out) {
  std::string_view text;
  double score = 0;
  int64_t kind = SentencePieceModel::kNormal;
  Message piece(bytes);
  while (piece.Next()) {
    if (piece.field() == 1 && piece.IsBytes()) text = piece.bytes();
    if (piece.field() == 2 && piece.IsFloat()) score = piece.real();
    if (piece.field() == 3 && piece.IsNumber()) kind = piece.number();
  }
  if (piece.bad()) return BadMessage(file);
  if (kind < SentencePieceModel::kNormal || kind > SentencePieceModel::kByte ||
      !std::isfinite(score)) {
    return InvalidFile("%s: piece %zu: got kind %lld, score %g, wanted 1 to 6 and a finite score",
                       file.c_str(), out->pieces.size(), static_cast<long long>(kind), score);
  }
  if (out->pieces.size() == kTokenizerMaxVocab)
    return Unsupported("%s: got more than %u pieces", file.c_str(), kTokenizerMaxVocab);
  out->pieces.emplace_back(text);
  out->scores.push_back(score);
  out->kinds.push_back(static_cast<int>(kind));
  return Status();
}

Status ReadTrainer(std::string_view bytes, const std::string& file, SentencePieceModel* out) {
  int64_t type = 1;
  Message trainer(bytes);
  while (trainer.Next()) {
    if (!trainer.IsNumber()) continue;
    // Ids are 32 bits wide, and -1 for none.
    const auto id = static_cast<int64_t>(static_cast<int32_t>(trainer.number()));
    switch (trainer.field()) {
      case 3:
        type = trainer.number();
        break;
      case 24:
        if (trainer.number() != 0)
          return Unsupported("%s: treat_whitespace_as_suffix: got true, wanted false",
                             file.c_str());
        break;
      case 35:
        out->byte_fallback = trainer.number() != 0;
        break;
      case 40:
        out->unknown = id;
        break;
      case 41:
        out->bos = id;
        break;
      case 42:
        out->eos = id;
        break;
      case 43:
        out->padding = id;
        break;
      default:
        break;
    }
  }
  if (trainer.bad()) return BadMessage(file);
  if (type != 1 && type != 2) {
    return Unsupported("%s: model_type: got %lld, wanted 1 (unigram) or 2 (BPE)", file.c_str(),
                       static_cast<long long>(type));
  }
  out->unigram = type == 1;
  return Status();
}

Status ReadNormalizerSpec(std::string_view bytes, const std::string& file,
                          SentencePieceModel* out) {
  Message spec(bytes);
  while (spec.Next()) {
    if (spec.field() == 2 && spec.IsBytes()) out->charsmap = spec.bytes();
    if (!spec.IsNumber()) continue;
    if (spec.field() == 3) out->prefix = spec.number() != 0;
    if (spec.field() == 4) out->collapse = spec.number() != 0;
    if (spec.field() == 5 && spec.number() == 0)
      return Unsupported("%s: escape_whitespaces: got false, wanted true", file.c_str());
  }
  return spec.bad() ? BadMessage(file) : Status();
}

// A text in front of spaces that became U+2581.
constexpr char kBack[] =
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"}";

}  // namespace

StatusOr<SentencePieceModel> ReadSentencePieceModel(std::string_view bytes,
                                                    const std::string& file) {
  SentencePieceModel out;
  out.collapse = true;
  out.bos = 1;
  out.eos = 2;
  bool typed = false;
  Message model(bytes);
  while (model.Next()) {
    if (!model.IsBytes()) continue;
    if (model.field() == 1) SAMARA_RETURN_IF_ERROR(ReadPiece(model.bytes(), file, &out));
    if (model.field() == 2) {
      SAMARA_RETURN_IF_ERROR(ReadTrainer(model.bytes(), file, &out));
      typed = true;
    }
    if (model.field() == 3) SAMARA_RETURN_IF_ERROR(ReadNormalizerSpec(model.bytes(), file, &out));
  }
  if (model.bad() || !typed || out.pieces.empty()) return BadMessage(file);
  return out;
}

Status BuildSentencePiece(const SentencePieceModel& model, const std::string& file,
                          Vocabulary* vocabulary, std::string* components) {
  using Model = SentencePieceModel;
  const size_t n = model.pieces.size();
  vocabulary->kind = model.unigram ? ModelKind::kUnigram : ModelKind::kBpe;
  vocabulary->content.reserve(n + kMoreTokens);  // id_of has views of the texts
  vocabulary->content.resize(n);
  vocabulary->attributes.assign(n, 0);
  for (size_t id = 0; id < n; ++id) {
    const std::string& text = model.pieces[id];
    if (model.kinds[id] == Model::kUnused || text.empty()) {
      vocabulary->attributes[id] = kTokenUnused;
      continue;
    }
    const bool added = model.kinds[id] != Model::kNormal && model.kinds[id] != Model::kByte;
    const size_t longest = added ? kTokenizerMaxAddedBytes : kTokenizerMaxTokenBytes;
    if (text.size() > longest || !IsUtf8(text)) {
      return InvalidFile("%s: piece %zu: got %s, wanted UTF-8 of at most %zu bytes", file.c_str(),
                         id, Quoted(text).c_str(), longest);
    }
    vocabulary->content[id] = text;
  }
  double worst = 0;
  for (size_t id = 0; id < n; ++id) {
    if (vocabulary->attributes[id] != 0) continue;
    const auto number = static_cast<uint32_t>(id);
    const bool matched = model.kinds[id] == Model::kNormal || model.kinds[id] == Model::kByte;
    if (model.kinds[id] == Model::kNormal) worst = std::min(worst, model.scores[id]);
    if (matched || !model.unigram) vocabulary->id_of.emplace(vocabulary->content[id], number);
    if (matched) continue;
    AddedToken token;
    token.id = number;
    token.content = model.pieces[id];
    token.special = model.kinds[id] != Model::kUserDefined;
    vocabulary->attributes[id] =
        static_cast<uint8_t>(kTokenAdded | (token.special ? kTokenSpecial : 0));
    vocabulary->added.push_back(std::move(token));
  }
  if (model.unknown < 0 || model.unknown >= static_cast<int64_t>(n)) {
    return InvalidFile("%s: unk_id: got %lld, wanted one of the %zu pieces", file.c_str(),
                       static_cast<long long>(model.unknown), n);
  }
  vocabulary->unknown_id = static_cast<uint32_t>(model.unknown);
  vocabulary->byte_fallback = model.byte_fallback;
  vocabulary->fuse_unknown = true;
  if (model.unigram) {
    vocabulary->hidden_bytes = true;
    vocabulary->scores.assign(n, worst);
    for (size_t id = 0; id < n; ++id) {
      if (model.kinds[id] == Model::kNormal) vocabulary->scores[id] = model.scores[id];
    }
  } else {
    SAMARA_RETURN_IF_ERROR(AddScoreMerges(model.scores, file, vocabulary));
  }
  if (model.charsmap.empty() && !model.collapse) {
    *components = SentencePieceComponents(model.prefix);
    return Status();
  }
  std::string steps;
  if (!model.charsmap.empty()) {
    steps += "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"" +
             EncodeBase64(model.charsmap) + "\"},";
  }
  // A space that is put in front merges with those that are there, so that none is left of them.
  const std::string space = model.collapse ? " " : "\xE2\x96\x81";
  if (model.prefix) steps += "{\"type\":\"Prepend\",\"prepend\":\"" + space + "\"},";
  if (model.collapse) {
    if (!model.prefix) {
      return Unsupported(
          "%s: got a model that drops the spaces in front of a text and puts none there, wanted "
          "one "
          "that does both or neither",
          file.c_str());
    }
    steps +=
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"},"
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[ \xE2\x96\x81]+(?![\\\\s\\\\S])\"},"
        "\"content\":\"\"},";
  }
  *components =
      "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" + steps +
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}]},"
      "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" +
      std::string(kBack) + ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}" +
      (model.prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "") +
      "]}}";
  return Status();
}

Status AddScoreMerges(const std::vector<double>& scores, const std::string& file,
                      Vocabulary* vocabulary) {
  std::vector<uint32_t> order;
  uint64_t work = 0;
  for (uint32_t id = 0; id < vocabulary->content.size(); ++id) {
    if (vocabulary->attributes[id] != 0) continue;
    order.push_back(id);
    const uint64_t bytes = vocabulary->content[id].size();
    work += bytes * bytes;
  }
  if (work > kMaxLookedUp)
    return Unsupported("%s: got a vocabulary of very long tokens, wanted shorter ones",
                       file.c_str());
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  uint32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
    const std::string_view token = vocabulary->content[order[i]];
    const auto merged = vocabulary->id_of.find(token);
    if (merged == vocabulary->id_of.end() || merged->second != order[i]) continue;
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = vocabulary->id_of.find(token.substr(0, cut));
      if (left == vocabulary->id_of.end() || vocabulary->attributes[left->second] != 0) continue;
      const auto right = vocabulary->id_of.find(token.substr(cut));
      if (right == vocabulary->id_of.end() || vocabulary->attributes[right->second] != 0) continue;
      if (vocabulary->merges.size() == kTokenizerMaxMerges) {
        return Unsupported("%s: got tokens that can be cut in two in more than %u ways",
                           file.c_str(), kTokenizerMaxMerges);
      }
      vocabulary->merges.push_back({left->second, right->second, order[i]});
      vocabulary->ranks.push_back(rank);
    }
  }
  return Status();
}

std::string SentencePieceComponents(bool prefix) {
  const std::string replace =
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}";
  const std::string back =
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"}";
  const std::string first = "{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},";
  return "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" +
         (prefix ? first : std::string()) + replace +
         "]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" + back +
         ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}" +
         (prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "") + "]}}";
}

}  // namespace samara
