#include "converter/tokenizer/vocabulary.h"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/components.h"
#include "converter/tokenizer/trie.h"

namespace samara {
namespace {

constexpr uint64_t kMaxAddedTokens = 1 << 18;
// Ids without a token are allowed (checkpoints pad), within reason.
constexpr uint64_t kMaxUnused = 1 << 16;

Status CheckContent(const Json& at, std::string_view content) {
  if (content.empty()) return at.Bad("\"\"", "a token that is not empty");
  if (content.size() > kTokenizerMaxTokenBytes) {
    return at.Bad("a token of " + std::to_string(content.size()) + " bytes",
                  "at most " + std::to_string(kTokenizerMaxTokenBytes));
  }
  return {};
}

Status WantUnset(const Json& model, const char* key) {
  const Json value = model.Find(key);
  if (value.IsNull()) return {};
  if (value.IsString() && value.String()->empty()) return {};
  if (value.IsNumber() && *value.Number() == 0.0) return {};
  return Unsupported("%s: field model.%s is set, which is not supported", model.file().c_str(),
                     key);
}

Status ReadTokens(const Json& model, Vocabulary* out) {
  SAMARA_ASSIGN_OR_RETURN(const Json vocab, model.RequireObject("vocab"));
  if (vocab.size() == 0 || vocab.size() > kTokenizerMaxVocab) {
    return vocab.Bad(std::to_string(vocab.size()) + " tokens",
                     "1 to " + std::to_string(kTokenizerMaxVocab));
  }
  const uint64_t limit = std::min<uint64_t>(kTokenizerMaxVocab, 2 * vocab.size() + kMaxUnused);
  out->id_of.reserve(vocab.size());
  for (const Json token : vocab) {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t id, token.Uint(0, limit - 1));
    SAMARA_RETURN_IF_ERROR(CheckContent(token, token.key()));
    if (id >= out->content.size()) {
      out->content.resize(id + 1);
      out->attributes.resize(id + 1, kTokenUnused);
    }
    if (out->attributes[id] != kTokenUnused) {
      return token.Bad("id " + std::to_string(id) + " of another token", "an id of its own");
    }
    out->content[id] = token.key();
    out->attributes[id] = 0;
    out->id_of.emplace(token.key(), static_cast<uint32_t>(id));
  }
  return {};
}

// A list of [token, score]; the id is the place. Of equal tokens the last one counts.
Status ReadScored(const Json& model, Vocabulary* out) {
  SAMARA_ASSIGN_OR_RETURN(const Json vocab, model.RequireArray("vocab"));
  if (vocab.size() == 0 || vocab.size() > kTokenizerMaxVocab) {
    return vocab.Bad(std::to_string(vocab.size()) + " tokens",
                     "1 to " + std::to_string(kTokenizerMaxVocab));
  }
  for (const Json pair : vocab) {
    if (!pair.IsArray() || pair.size() != 2) return pair.Bad("a token and its score");
    std::string_view token;
    double score = 0;
    bool first = true;
    for (const Json part : pair) {
      if (first) {
        SAMARA_ASSIGN_OR_RETURN(token, part.String());
        SAMARA_RETURN_IF_ERROR(CheckContent(part, token));
      } else {
        SAMARA_ASSIGN_OR_RETURN(score, part.Number(-1e9, 1e9));
      }
      first = false;
    }
    out->id_of.insert_or_assign(token, static_cast<uint32_t>(out->content.size()));
    out->content.emplace_back(token);
    out->attributes.push_back(0);
    out->scores.push_back(score);
  }
  const Json unknown = model.Find("unk_id");
  if (unknown.IsNull()) return {};
  SAMARA_ASSIGN_OR_RETURN(const uint64_t id, unknown.Uint(0, out->content.size() - 1));
  out->unknown_id = static_cast<uint32_t>(id);
  return {};
}

Status ReadWordPiece(const Json& model, Vocabulary* out) {
  out->kind = ModelKind::kWordPiece;
  SAMARA_RETURN_IF_ERROR(ReadTokens(model, out));
  SAMARA_ASSIGN_OR_RETURN(const std::string_view prefix,
                          model.String("continuing_subword_prefix", "##"));
  if (prefix.size() > 64) return model.Find("continuing_subword_prefix").Bad("a shorter text");
  out->word_prefix = prefix;
  SAMARA_ASSIGN_OR_RETURN(const int64_t longest,
                          model.Int("max_input_chars_per_word", 100, 1, INT32_MAX));
  out->max_word = static_cast<uint32_t>(longest);
  return {};
}

Status ReadMerges(const Json& model, Vocabulary* out) {
  SAMARA_ASSIGN_OR_RETURN(const Json merges, model.RequireArray("merges"));
  if (merges.size() > kTokenizerMaxMerges) {
    return merges.Bad(std::to_string(merges.size()) + " merges",
                      "at most " + std::to_string(kTokenizerMaxMerges));
  }
  out->merges.reserve(merges.size());
  std::string joined;
  for (const Json merge : merges) {
    std::string_view left, right;
    if (merge.IsArray()) {
      if (merge.size() != 2) return merge.Bad("a pair of two tokens");
      std::string_view* side = &left;
      for (const Json part : merge) {
        SAMARA_ASSIGN_OR_RETURN(*side, part.String());
        side = &right;
      }
    } else {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view text, merge.String());
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        return merge.Bad("two tokens with one space between them");
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    }
    joined.assign(left);
    joined.append(right);
    uint32_t ids[3];
    const std::string_view names[3] = {left, right, joined};
    for (int i = 0; i < 3; ++i) {
      const auto it = out->id_of.find(names[i]);
      if (it == out->id_of.end()) {
        return merge.Bad("token " + Quoted(names[i]) + ", which the vocabulary lacks",
                         "a token of the vocabulary");
      }
      ids[i] = it->second;
    }
    out->merges.push_back({ids[0], ids[1], ids[2]});
  }
  return {};
}

Status ReadAddedTokens(const Json& tokenizer, Vocabulary* out) {
  const Json added = tokenizer.Find("added_tokens");
  if (added.IsNull()) return {};
  SAMARA_RETURN_IF_ERROR(added.WantArray());
  if (added.size() > kMaxAddedTokens) {
    return added.Bad(std::to_string(added.size()) + " added tokens",
                     "at most " + std::to_string(kMaxAddedTokens));
  }
  const uint64_t limit =
      std::min<uint64_t>(kTokenizerMaxVocab, 2 * (out->content.size() + added.size()) + kMaxUnused);
  std::unordered_map<std::string_view, uint64_t> seen;
  for (const Json token : added) {
    AddedToken t;
    SAMARA_ASSIGN_OR_RETURN(const int64_t id,
                            token.RequireInt("id", 0, static_cast<int64_t>(limit) - 1));
    SAMARA_ASSIGN_OR_RETURN(const std::string_view content, token.RequireString("content"));
    if (content.empty()) continue;  // the original ignores it
    if (content.size() > kTokenizerMaxAddedBytes) {
      return token.Find("content").Bad("a token of " + std::to_string(content.size()) + " bytes",
                                       "at most " + std::to_string(kTokenizerMaxAddedBytes));
    }
    const auto [first, is_new] = seen.emplace(content, static_cast<uint64_t>(id));
    if (!is_new) {
      if (first->second == static_cast<uint64_t>(id)) continue;
      return token.Bad("id " + std::to_string(id) + " for " + Quoted(content),
                       "the id of the same token before, " + std::to_string(first->second));
    }
    t.id = static_cast<uint32_t>(id);
    t.content = content;
    SAMARA_ASSIGN_OR_RETURN(t.special, token.Bool("special", false));
    SAMARA_ASSIGN_OR_RETURN(t.left_strip, token.Bool("lstrip", false));
    SAMARA_ASSIGN_OR_RETURN(t.right_strip, token.Bool("rstrip", false));
    SAMARA_ASSIGN_OR_RETURN(t.single_word, token.Bool("single_word", false));
    SAMARA_ASSIGN_OR_RETURN(t.normalized, token.Bool("normalized", !t.special));
    const auto in_model = out->id_of.find(content);
    if (in_model != out->id_of.end() && in_model->second != t.id) {
      return token.Bad("id " + std::to_string(id) + " for " + Quoted(content),
                       "its id in the vocabulary, " + std::to_string(in_model->second));
    }
    if (t.id >= out->content.size()) {
      out->content.resize(t.id + 1);
      out->attributes.resize(t.id + 1, kTokenUnused);
    }
    if (out->attributes[t.id] != kTokenUnused && in_model == out->id_of.end()) {
      return token.Bad("id " + std::to_string(id) + " of token " + Quoted(out->content[t.id]),
                       "an id of its own");
    }
    out->content[t.id] = t.content;
    out->attributes[t.id] = static_cast<uint8_t>(kTokenAdded | (t.special ? kTokenSpecial : 0));
    out->added.push_back(std::move(t));
  }
  return {};
}

// Open addressing with a bound on probes. Returns the longest probe; fills `slots` with indices
// + 1.
template <typename HashOf>
uint32_t FillSlots(uint32_t n_entries, uint32_t n_slots, HashOf hash_of,
                   std::vector<uint32_t>* slots) {
  slots->assign(n_slots, 0);
  uint32_t longest = 0;
  for (uint32_t i = 0; i < n_entries; ++i) {
    uint32_t slot = TokenizerSlot(hash_of(i), n_slots);
    uint32_t probe = 1;
    while ((*slots)[slot] != 0) {
      if (++slot == n_slots) slot = 0;
      if (++probe > kTokenizerMaxProbe) return probe;
    }
    (*slots)[slot] = i + 1;
    longest = std::max(longest, probe);
  }
  return longest;
}

Status AddLookup(const std::vector<std::pair<std::string, uint32_t>>& keys, TokenizerBlob* blob) {
  if (keys.empty()) return {};
  const uint32_t n = static_cast<uint32_t>(keys.size());
  std::vector<uint32_t> slots;
  for (uint32_t seed = 0; seed < 8; ++seed) {
    const uint32_t longest = FillSlots(
        n, n + n / 2 + 8,
        [&](uint32_t i) {
          return TokenizerHash(seed, reinterpret_cast<const uint8_t*>(keys[i].first.data()),
                               keys[i].first.size());
        },
        &slots);
    if (longest > kTokenizerMaxProbe) continue;
    for (const uint32_t s : slots)
      blob->Append(kTableLookup, s == 0 ? kTokenizerNone : keys[s - 1].second);
    blob->header.lookup_seed = seed;
    blob->header.lookup_probe = longest;
    return {};
  }
  return Unsupported("the vocabulary's tokens collide in every hash that was tried");
}

Status AddMerges(const Vocabulary& vocabulary, TokenizerBlob* blob) {
  // Of equal pairs the last one counts.
  std::vector<MergeSlot> merges;
  std::unordered_map<uint64_t, size_t> seen;
  for (uint32_t i = 0; i < vocabulary.merges.size(); ++i) {
    const MergeRule& m = vocabulary.merges[i];
    const uint32_t rank = vocabulary.ranks.empty() ? i : vocabulary.ranks[i];
    const auto [it, is_new] = seen.emplace(uint64_t{m.left} << 32 | m.right, merges.size());
    if (is_new) {
      merges.push_back({m.left, m.right, rank, m.merged});
    } else {
      merges[it->second].rank = rank;
    }
  }
  if (merges.empty()) return {};
  const uint32_t n = static_cast<uint32_t>(merges.size());
  std::vector<uint32_t> slots;
  for (uint32_t spare = n / 2; spare <= 4 * uint64_t{n}; spare += n + 1) {
    const uint32_t longest = FillSlots(
        n, n + spare + 8,
        [&](uint32_t i) { return TokenizerPairHash(merges[i].left, merges[i].right); }, &slots);
    if (longest > kTokenizerMaxProbe) continue;
    for (const uint32_t s : slots) {
      blob->Append(kTableMerges, s == 0 ? MergeSlot{kTokenizerNone, 0, 0, 0} : merges[s - 1]);
    }
    blob->header.merge_probe = longest;
    return {};
  }
  return Unsupported("the merges collide in every table size that was tried");
}

void AddStrings(const std::vector<std::string>& strings, uint32_t offsets, TokenizerBlob* blob) {
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> at = {0};
  for (const std::string& s : strings) {
    bytes.insert(bytes.end(), s.begin(), s.end());
    at.push_back(static_cast<uint32_t>(bytes.size()));
  }
  blob->AppendAll(offsets, at);
  blob->AppendAll(offsets + 1, bytes);
}

}  // namespace

uint32_t Vocabulary::IdOf(std::string_view text) const {
  const auto it = id_of.find(text);
  if (it != id_of.end()) return it->second;
  for (const AddedToken& token : added) {
    if (token.content == text) return token.id;
  }
  return kTokenizerNone;
}

StatusOr<Vocabulary> ReadVocabulary(const Json& tokenizer) {
  Vocabulary out;
  SAMARA_ASSIGN_OR_RETURN(const Json model, tokenizer.RequireObject("model"));
  // Old files do not name the type; only BPE has merges.
  SAMARA_ASSIGN_OR_RETURN(const std::string_view type,
                          model.String("type", model.Find("merges").exists() ? "BPE" : "Unigram"));
  if (type == "BPE") {
    for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
      SAMARA_RETURN_IF_ERROR(WantUnset(model, key));
    }
    SAMARA_RETURN_IF_ERROR(ReadTokens(model, &out));
    SAMARA_RETURN_IF_ERROR(ReadMerges(model, &out));
  } else if (type == "Unigram") {
    out.kind = ModelKind::kUnigram;
    SAMARA_RETURN_IF_ERROR(ReadScored(model, &out));
  } else if (type == "WordPiece") {
    SAMARA_RETURN_IF_ERROR(ReadWordPiece(model, &out));
  } else {
    return Unsupported(
        "%s: field model.type: %s tokenizers are not supported, BPE, Unigram and WordPiece are",
        model.file().c_str(), Quoted(type).c_str());
  }
  SAMARA_ASSIGN_OR_RETURN(out.byte_fallback, model.Bool("byte_fallback", false));
  SAMARA_ASSIGN_OR_RETURN(out.ignore_merges, model.Bool("ignore_merges", false));
  SAMARA_ASSIGN_OR_RETURN(out.fuse_unknown,
                          model.Bool("fuse_unk", out.kind == ModelKind::kUnigram));
  SAMARA_RETURN_IF_ERROR(ReadAddedTokens(tokenizer, &out));
  SAMARA_ASSIGN_OR_RETURN(const std::string_view unknown, model.String("unk_token", ""));
  if (!unknown.empty()) {
    out.unknown_id = out.IdOf(unknown);
    if (out.unknown_id == kTokenizerNone)
      return model.Find("unk_token").Bad("a token of the vocabulary");
  } else if (out.kind == ModelKind::kWordPiece) {
    return model.Bad("no unk_token", "one");
  }
  return out;
}

int ByteOfCharacter(uint32_t cp) {
  // Printable bytes stand for themselves, the others for U+0100 and on, in order.
  const auto is_printable = [](uint32_t b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  if (cp < 0x100) return is_printable(cp) ? static_cast<int>(cp) : -1;
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 0x100; ++b) {
    if (!is_printable(b) && next++ == cp) return static_cast<int>(b);
  }
  return -1;
}

bool BytesOfToken(std::string_view token, std::string* bytes) {
  bytes->clear();
  for (const uint32_t cp : CodePointsOf(token)) {
    const int byte = ByteOfCharacter(cp);
    if (byte < 0) return false;
    bytes->push_back(static_cast<char>(byte));
  }
  return true;
}

int ByteTokenValue(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// The trie of all tokens; a unigram's scores. What has no token of its own costs ten more than the
// worst token.
static Status AddModelTables(const Vocabulary& vocabulary, TokenizerBlob* blob) {
  constexpr double kUnknownPenalty = 10;
  std::vector<std::pair<std::string, uint32_t>> keys;
  for (const auto& [token, id] : vocabulary.id_of) {
    if (!vocabulary.hidden_bytes || ByteTokenValue(token) < 0) keys.emplace_back(token, id);
  }
  SAMARA_ASSIGN_OR_RETURN(const std::vector<TrieSlot> slots, BuildTrie(std::move(keys)));
  blob->AppendAll(kTableVocabTrie, slots);
  if (vocabulary.kind == ModelKind::kWordPiece) {
    blob->header.flags |= kFlagWordPiece;
    blob->header.max_word = vocabulary.max_word;
    blob->header.marker_offset = blob->AddString(vocabulary.word_prefix);
    blob->header.marker_bytes = static_cast<uint32_t>(vocabulary.word_prefix.size());
    return {};
  }
  blob->header.flags |= kFlagUnigram;
  std::vector<double> scores = vocabulary.scores;
  const double worst = *std::min_element(scores.begin(), scores.end());
  scores.resize(vocabulary.content.size(), 0);  // added tokens behind the model's
  scores.push_back(worst - kUnknownPenalty);
  blob->AppendAll(kTableScores, scores);
  return {};
}

Status AddVocabularyTables(const Vocabulary& vocabulary, const Decoded& decoded, bool byte_level,
                           TokenizerBlob* blob) {
  const std::vector<std::string>& texts = decoded.texts;
  TokenizerHeader& h = blob->header;
  const uint32_t n = static_cast<uint32_t>(vocabulary.content.size());
  h.vocab = n;
  h.unknown_id = vocabulary.unknown_id;
  if (byte_level) h.flags |= kFlagByteLevel;
  if (vocabulary.ignore_merges) h.flags |= kFlagIgnoreMerges;
  if (vocabulary.fuse_unknown) h.flags |= kFlagFuseUnknown;

  std::vector<uint32_t> byte_ids(256, kTokenizerNone);
  std::vector<std::pair<std::string, uint32_t>> lookup;
  std::vector<std::string> keys(n);
  std::string bytes;
  for (const auto& [token, id] : vocabulary.id_of) {
    if (byte_level) {
      if (!BytesOfToken(token, &bytes)) continue;
      if (bytes.size() == 1) byte_ids[static_cast<uint8_t>(bytes[0])] = id;
      if (vocabulary.ignore_merges) lookup.emplace_back(bytes, id);
      continue;
    }
    const int byte = ByteTokenValue(token);
    // The original looks for upper-case digits only.
    if (byte >= 0 && token.find_first_of("abcdef") == std::string_view::npos) byte_ids[byte] = id;
    if (vocabulary.kind == ModelKind::kBpe &&
        (vocabulary.ignore_merges || CodePointsOf(token).size() == 1)) {
      lookup.emplace_back(token, id);
      keys[id] = token;
    }
  }
  std::sort(lookup.begin(), lookup.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  if (byte_level && vocabulary.byte_fallback &&
      std::find(byte_ids.begin(), byte_ids.end(), kTokenizerNone) != byte_ids.end()) {
    return Unsupported(
        "model.byte_fallback with byte-level text and a byte that the vocabulary lacks");
  }
  if (!byte_level && vocabulary.byte_fallback) h.flags |= kFlagByteFallback;

  for (const std::vector<std::string>* list : {&texts, &decoded.keys}) {
    for (const std::string& text : *list)
      h.max_text_bytes = std::max(h.max_text_bytes, static_cast<uint32_t>(text.size()));
  }
  if (h.max_text_bytes > kTokenizerMaxTokenBytes) {
    return Unsupported("a token that decodes to %u bytes, wanted at most %u", h.max_text_bytes,
                       kTokenizerMaxTokenBytes);
  }
  AddStrings(texts, kTableTextOffsets, blob);
  if (byte_level) {
    // What can be looked up decodes to its key.
    blob->Alias(kTableKeyOffsets, kTableTextOffsets);
    blob->Alias(kTableKeyBytes, kTableTextBytes);
  } else {
    AddStrings(!decoded.keys.empty() ? decoded.keys
               : decoded.needs_keys  ? vocabulary.content
                                     : keys,
               kTableKeyOffsets, blob);
  }
  blob->AppendAll(kTableAttributes, vocabulary.attributes);
  blob->AppendAll(kTableByteIds, byte_ids);
  if (vocabulary.kind != ModelKind::kBpe) return AddModelTables(vocabulary, blob);
  SAMARA_RETURN_IF_ERROR(AddLookup(lookup, blob));
  return AddMerges(vocabulary, blob);
}

}  // namespace samara
