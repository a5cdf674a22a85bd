#include "converter/tokenizer/compile.h"

#include <algorithm>
#include <utility>

#include "converter/tokenizer/blob.h"
#include "converter/tokenizer/components.h"
#include "converter/tokenizer/vocabulary.h"

namespace samara {

StatusOr<std::vector<uint8_t>> CompileTokenizer(const Json& tokenizer, const Json* tokenizer_config,
                                                TokenizerSummary* summary) {
  SAMARA_RETURN_IF_ERROR(tokenizer.WantObject());
  SAMARA_ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(tokenizer));
  return CompileTokenizer(std::move(vocabulary), tokenizer, tokenizer_config, summary);
}

StatusOr<std::vector<uint8_t>> CompileTokenizer(Vocabulary vocabulary, const Json& tokenizer,
                                                const Json* tokenizer_config,
                                                TokenizerSummary* summary) {
  const Json config = tokenizer_config != nullptr ? *tokenizer_config : Json();
  TokenizerBlob blob;
  Alphabet alphabet;
  SAMARA_ASSIGN_OR_RETURN(const Normalizer normalizer,
                          ReadNormalizer(tokenizer.Find("normalizer"), &alphabet));
  bool byte_level = false;
  SAMARA_RETURN_IF_ERROR(
      AddPreTokenizerTables(tokenizer.Find("pre_tokenizer"), &alphabet, &byte_level, &blob));
  if (const Status status = AddNormalizerTables(normalizer, alphabet, &blob); !status.ok())
    return status.WithContext(tokenizer.file() + ": field normalizer");
  SAMARA_RETURN_IF_ERROR(AddAddedTokenTables(vocabulary.added, normalizer, &blob));
  if (byte_level && vocabulary.kind != ModelKind::kBpe) {
    return Unsupported(
        "%s: a ByteLevel pre-tokenizer with a model that is not BPE is not supported",
        tokenizer.file().c_str());
  }
  Decoded decoded;
  SAMARA_RETURN_IF_ERROR(ReadDecoder(tokenizer.Find("decoder"), &vocabulary, &decoded, &blob));
  if (byte_level && (blob.header.flags & kFlagDecodeBytes) == 0) {
    return Unsupported("%s: a ByteLevel pre-tokenizer without a ByteLevel decoder is not supported",
                       tokenizer.file().c_str());
  }
  SAMARA_RETURN_IF_ERROR(AddVocabularyTables(vocabulary, decoded, byte_level, &blob));
  SAMARA_RETURN_IF_ERROR(
      AddPostProcessorTables(tokenizer.Find("post_processor"), config, vocabulary, &blob));
  if (summary != nullptr) {
    *summary = TokenizerSummary();
    summary->vocab = blob.header.vocab;
    for (const uint8_t a : vocabulary.attributes) {
      if ((a & kTokenUnused) != 0) ++summary->unused;
      if ((a & kTokenSpecial) != 0) ++summary->special_tokens;
    }
    summary->merges = static_cast<uint32_t>(vocabulary.merges.size());
    summary->added_tokens = static_cast<uint32_t>(vocabulary.added.size());
    summary->bos = static_cast<int32_t>(blob.header.bos_id);
    summary->eos = ConfiguredToken(config, "eos_token", vocabulary);
    summary->byte_level = byte_level;
    summary->kind = vocabulary.kind == ModelKind::kUnigram     ? "unigram"
                    : vocabulary.kind == ModelKind::kWordPiece ? "WordPiece"
                    : byte_level                               ? "byte-level BPE"
                    : vocabulary.byte_fallback                 ? "byte-fallback BPE"
                                                               : "BPE";
  }
  auto result = blob.Finish();
  if (!result.ok()) return result.status().WithContext(tokenizer.file());
  return result;
}

std::span<const TokenizerPart> TokenizerParts() {
  static constexpr TokenizerPart kParts[] = {
      {"models", "BPE: byte-level, byte fallback, plain; Unigram, WordPiece"},
      {"normalizers",
       "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, "
       "Sequence, Strip, StripAccents"},
      {"pre-tokenizers",
       "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, Sequence, "
       "Split, Whitespace, WhitespaceSplit"},
      {"post-processors",
       "BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing"},
      {"decoders", "ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece"},
  };
  return kParts;
}

}  // namespace samara
