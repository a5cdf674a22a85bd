// Text -> ids. See formats/tokenizer_tables.h for the way of a text.
#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "runtime/tokenizer/matcher.h"
#include "runtime/tokenizer/models.h"
#include "runtime/tokenizer/splitter.h"
#include "runtime/tokenizer/tables.h"
#include "runtime/tokenizer/tokenizer.h"

namespace samara {
namespace {

// Offsets in the work area are 32-bit.
constexpr uint64_t kMaxPieceBytes = 0x7FFFFFFF;
// Pieces up to this many symbols are merged by scanning, longer ones with a heap.
constexpr uint32_t kFewSymbols = 32;

struct Symbol {
  uint32_t id, previous, next;
};

class Encoder {
 public:
  Encoder(const TokenizerView& view, const EncodeOptions& options, int32_t* ids, uint64_t capacity)
      : view_(view),
        options_(options),
        steps_(view.Span<NormalizerStep>(kTableNormSteps)),
        stages_(view.Span<PreTokenizerStage>(kTableStages)),
        raw_matcher_(view, kTableMatcherNodes0),
        normalized_matcher_(view, kTableMatcherNodes1),
        sink_{ids, capacity} {}

  uint64_t count() const { return sink_.count; }

  Status Run(std::string_view text, std::span<uint8_t> work) {
    const EncodeLayout layout = LayoutFor(view_, text.size());
    if (layout.max_bytes > kMaxPieceBytes) {
      return ResourceExhausted("text of %zu bytes: the tokenizer takes at most %" PRIu64
                               " after normalization",
                               text.size(), kMaxPieceBytes);
    }
    if (work.size() < layout.total) {
      return InvalidArgument("tokenizer work area of %zu bytes, wanted %" PRIu64, work.size(),
                             layout.total);
    }
    uint8_t* p = work.data() + (64 - reinterpret_cast<uintptr_t>(work.data()) % 64) % 64;
    uint8_t* const sanitized = p;
    p += layout.sanitized;
    uint8_t* const raw_mask = p;
    p += layout.sanitized;
    for (int i = 0; i < 2; ++i) {
      normalized_[i] = p;
      p += layout.normalized;
      normalized_mask_[i] = p;
      p += layout.normalized;
    }
    for (size_t i = 0; i < stages_.size(); ++i) {
      stage_text_[i] = p;
      p += layout.stage[i];
    }
    scratch_ = p;

    const uint8_t* begin = reinterpret_cast<const uint8_t*>(text.data());
    const uint8_t* end = begin + text.size();
    const uint8_t* mask = nullptr;
    if (!options_.data.empty()) {
      SAMARA_RETURN_IF_ERROR(MaskData(begin, text.size(), raw_mask));
      mask = raw_mask;
    }
    Sanitize(sanitized, &begin, &end);
    if (options_.add_special) EmitAll(kTablePrefix);
    SplitAtAddedTokens(true, {begin, end, true}, mask);
    if (options_.add_special) EmitAll(kTableSuffix);
    if (malformed_) return InvalidFile("tokenizer table 'map bytes': a value is too long");
    if (exhausted_) {
      return ResourceExhausted(
          "text of %zu bytes: a pre-tokenizer pattern takes too many steps on it", text.size());
    }
    return {};
  }

 private:
  void Emit(uint32_t id) { sink_.Emit(id); }
  void EmitAll(uint32_t table) {
    for (const uint32_t id : view_.Span<uint32_t>(table)) Emit(id);
  }

  // 1 for each byte of the sanitized text that comes from a data span.
  Status MaskData(const uint8_t* text, uint64_t n, uint8_t* mask) const {
    uint64_t last = 0;
    for (const samara_span& span : options_.data) {
      if (span.begin < last || span.end < span.begin || span.end > n) {
        return InvalidArgument("data span %zu to %zu of a text of %" PRIu64
                               " bytes, wanted ascending spans inside it",
                               span.begin, span.end, n);
      }
      last = span.end;
    }
    const samara_span* span = options_.data.data();
    const samara_span* const end = span + options_.data.size();
    for (uint64_t at = 0; at < n;) {
      const Utf8Char c = DecodeUtf8(text + at, text + n);
      uint8_t masked = 0;
      for (uint32_t i = 0; i < c.bytes; ++i, ++at) {
        while (span != end && span->end <= at) ++span;
        masked |= span != end && span->begin <= at ? 1 : 0;
      }
      const uint32_t bytes = c.valid ? c.bytes : 3;  // U+FFFD
      for (uint32_t i = 0; i < bytes; ++i) *mask++ = masked;
    }
    return {};
  }

  // Ill-formed text is copied with U+FFFD in place of each maximal subpart.
  static void Sanitize(uint8_t* out, const uint8_t** begin, const uint8_t** end) {
    const uint8_t* p = *begin;
    while (p < *end) {
      const Utf8Char c = DecodeUtf8(p, *end);
      if (!c.valid) break;
      p += c.bytes;
    }
    if (p == *end) return;
    uint8_t* o = std::copy(*begin, p, out);
    while (p < *end) {
      const Utf8Char c = DecodeUtf8(p, *end);
      o += EncodeUtf8(c.code_point, o);
      p += c.bytes;
    }
    *begin = out;
    *end = o;
  }

  // Emits the added tokens of raw or normalized text; what lies between them goes on its way.
  // `mask`: null, or for each byte of the piece whether it belongs to no token.
  void SplitAtAddedTokens(bool raw, const TextPiece& piece, const uint8_t* mask) {
    const AddedTokenMatcher& matcher = raw ? raw_matcher_ : normalized_matcher_;
    const auto on_text = [&](uint64_t begin, uint64_t end) {
      const TextPiece part = {piece.begin + begin, piece.begin + end, piece.at_start && begin == 0};
      if (!raw) return PreTokenize(part);
      Normalize(part, mask == nullptr ? nullptr : mask + begin);
    };
    const uint8_t* const text = piece.begin;
    const uint64_t n = static_cast<uint64_t>(piece.end - piece.begin);
    uint64_t done = 0, position = 0;
    uint64_t space_begin = 0, space_end = 0;  // white space known to lie there
    AddedTokenMatcher::Match match;
    const auto is_space = [this](const uint8_t* bytes, uint64_t size) {
      return IsSpace(bytes, size);
    };
    while (mask == nullptr ? matcher.Next(text, position, n, &match)
                           : matcher.NextUnmasked(text, mask, position, n, is_space, &match)) {
      position = match.end;
      const uint32_t flags = match.token->flags;
      if ((flags & kAddedSpecial) != 0 && !options_.parse_special) continue;
      uint64_t begin = match.begin, end = match.end;
      if ((flags & kAddedSingleWord) != 0 &&
          ((begin > 0 && (FlagsBefore(text, begin) & kClassWord) != 0) ||
           (end < n && (FlagsAt(text, end, n) & kClassWord) != 0))) {
        continue;
      }
      if ((flags & kAddedLeftStrip) != 0) {
        while (begin > done && (FlagsBefore(text, begin) & kClassSpace) != 0)
          begin = Previous(text, begin);
      }
      if ((flags & kAddedRightStrip) != 0) {
        if (end < space_begin || end > space_end) {
          space_begin = space_end = end;
          while (space_end < n && (FlagsAt(text, space_end, n) & kClassSpace) != 0) {
            space_end += DecodeUtf8(text + space_end, text + n).bytes;
          }
        }
        end = space_end;
      }
      if (done < begin) on_text(done, begin);
      Emit(match.token->id);
      done = end;
    }
    if (done < n) on_text(done, n);
  }
  // Nothing but white space, or the character that stands for it in vocabularies (U+2581).
  bool IsSpace(const uint8_t* text, uint64_t n) const {
    for (uint64_t i = 0; i < n;) {
      const Utf8Char c = DecodeUtf8(text + i, text + n);
      if (c.code_point != 0x2581 && (view_.ClassFlagsOf(c.code_point) & kClassSpace) == 0)
        return false;
      i += c.bytes;
    }
    return true;
  }
  uint32_t FlagsAt(const uint8_t* text, uint64_t i, uint64_t n) const {
    return view_.ClassFlagsOf(DecodeUtf8(text + i, text + n).code_point);
  }
  uint32_t FlagsBefore(const uint8_t* text, uint64_t i) const {
    return FlagsAt(text, Previous(text, i), i);
  }
  static uint64_t Previous(const uint8_t* text, uint64_t i) {
    const uint64_t limit = i < 4 ? 0 : i - 4;
    do --i;
    while (i > limit && (text[i] & 0xC0) == 0x80);
    return i;
  }

  static uint64_t ReplaceAll(const TextPiece& piece, const uint8_t* a, uint32_t a_bytes,
                             const uint8_t* b, uint32_t b_bytes, uint8_t* out,
                             const uint8_t* mask = nullptr, uint8_t* out_mask = nullptr) {
    uint8_t* o = out;
    const uint8_t* p = piece.begin;
    while (p < piece.end) {
      if (*p == *a && static_cast<uint64_t>(piece.end - p) >= a_bytes &&
          std::memcmp(p, a, a_bytes) == 0) {
        if (mask != nullptr) {
          uint8_t any = 0;
          for (uint32_t i = 0; i < a_bytes; ++i) any |= mask[p - piece.begin + i];
          std::memset(out_mask + (o - out), any, b_bytes);
        }
        o = std::copy(b, b + b_bytes, o);
        p += a_bytes;
      } else {
        if (mask != nullptr) out_mask[o - out] = mask[p - piece.begin];
        *o++ = *p++;
      }
    }
    return static_cast<uint64_t>(o - out);
  }

  // A piece between added tokens of the raw text, and its mask or null.
  void Normalize(TextPiece piece, const uint8_t* mask) {
    if (normalized_matcher_.empty()) mask = nullptr;  // nobody will ask
    int target = 0;
    for (const NormalizerStep& step : steps_) {
      if (piece.begin == piece.end) return;
      uint8_t* const out = normalized_[target];
      uint8_t* const out_mask = normalized_mask_[target];
      const uint8_t* const a = view_.String(step.a_offset);
      const uint64_t n = static_cast<uint64_t>(piece.end - piece.begin);
      switch (step.kind) {
        case kNormPrepend:
          std::memcpy(out, a, step.a_bytes);
          std::memcpy(out + step.a_bytes, piece.begin, n);
          if (mask != nullptr) {
            std::memset(out_mask, 0, step.a_bytes);
            std::memcpy(out_mask + step.a_bytes, mask, n);
            mask = out_mask;
          }
          piece = {out, out + step.a_bytes + n, piece.at_start};
          break;
        case kNormReplace: {
          const uint64_t bytes = ReplaceAll(piece, a, step.a_bytes, view_.String(step.b_offset),
                                            step.b_bytes, out, mask, out_mask);
          if (mask != nullptr) mask = out_mask;
          // A text that lost its first characters has no beginning, here and in other steps.
          const bool lost = step.b_bytes == 0 && n >= step.a_bytes &&
                            std::memcmp(piece.begin, a, step.a_bytes) == 0;
          piece = {out, out + bytes, piece.at_start && !lost};
          break;
        }
        case kNormStrip:
          while (step.a_bytes != 0 && piece.begin < piece.end &&
                 (FlagsAt(piece.begin, 0, static_cast<uint64_t>(piece.end - piece.begin)) &
                  kClassSpace) != 0) {
            const uint32_t bytes = DecodeUtf8(piece.begin, piece.end).bytes;
            piece.begin += bytes;
            piece.at_start = false;
            if (mask != nullptr) mask += bytes;
          }
          while (step.b_bytes != 0 && piece.begin < piece.end) {
            const uint64_t left = static_cast<uint64_t>(piece.end - piece.begin);
            const uint64_t last = Previous(piece.begin, left);
            if ((FlagsAt(piece.begin, last, left) & kClassSpace) == 0) break;
            piece.end = piece.begin + last;
          }
          break;
        case kNormMap:
        case kNormReplaceMatches: {
          MarkedText text = {piece.begin, piece.end, mask};
          const bool map = step.kind == kNormMap;
          if (!(map ? ApplyMap : ReplaceMatches)(view_, step, out, out_mask, &text)) {
            (map ? malformed_ : exhausted_) = true;
            return;
          }
          piece = {text.begin, text.end, piece.at_start && !text.lost_first};
          mask = text.mask;
          break;
        }
        default: {  // a normalization form
          const uint64_t bytes = NormalizeForm(view_, step.kind, &piece.begin, n, out,
                                               reinterpret_cast<uint32_t*>(scratch_),
                                               mask == nullptr ? nullptr : &mask, out_mask);
          piece.end = piece.begin + bytes;
          break;
        }
      }
      if (piece.begin == out) target ^= 1;
    }
    SplitAtAddedTokens(false, piece, mask);
  }

  // Depth first through the stages: each level holds the position in one piece of the level above.
  void PreTokenize(const TextPiece& whole) {
    const uint32_t depth = static_cast<uint32_t>(stages_.size());
    if (depth == 0) return EncodePiece(whole);
    uint32_t level = 0;
    Enter(0, whole);
    for (;;) {
      TextPiece piece;
      if (!NextPiece(level, &piece)) {
        if (exhausted_ || level == 0) return;
        --level;
      } else if (level + 1 == depth) {
        EncodePiece(piece);
      } else {
        Enter(++level, piece);
      }
    }
  }

  static bool IsSplit(const PreTokenizerStage& stage) {
    return stage.kind == kStageSplit || stage.kind == kStageSplitBytes;
  }

  void Enter(uint32_t level, const TextPiece& piece) {
    const PreTokenizerStage& stage = stages_[level];
    if (IsSplit(stage)) return splitters_[level].Begin(view_, stage, piece);
    const uint8_t* const a = view_.String(stage.a_offset);
    const uint64_t n = static_cast<uint64_t>(piece.end - piece.begin);
    uint8_t* const out = stage_text_[level];
    whole_[level] = piece;
    if (stage.kind == kStageReplace) {
      const uint64_t bytes =
          ReplaceAll(piece, a, stage.a_bytes, view_.String(stage.b_offset), stage.b_bytes, out);
      whole_[level] = {out, out + bytes, piece.at_start};
    } else if (stage.kind == kStagePrefix || piece.at_start) {
      if (n < stage.a_bytes || std::memcmp(piece.begin, a, stage.a_bytes) != 0) {
        std::memcpy(out, a, stage.a_bytes);
        std::memcpy(out + stage.a_bytes, piece.begin, n);
        whole_[level] = {out, out + stage.a_bytes + n, piece.at_start};
      }
    }
  }

  bool NextPiece(uint32_t level, TextPiece* piece) {
    if (IsSplit(stages_[level])) {
      if (splitters_[level].Next(piece)) return true;
      exhausted_ |= splitters_[level].exhausted();
      return false;
    }
    *piece = whole_[level];
    whole_[level].begin = whole_[level].end;
    return piece->begin != piece->end;
  }

  // Calls add(id) for each symbol of a piece.
  template <typename Add>
  void ForEachSymbol(const TextPiece& piece, Add add) {
    const TokenizerHeader& h = view_.header();
    const uint32_t* const byte_ids = view_.Table<uint32_t>(kTableByteIds);
    const bool bytes = view_.Has(kFlagByteLevel), fallback = view_.Has(kFlagByteFallback);
    const bool fuse = view_.Has(kFlagFuseUnknown);
    bool pending_unknown = false;
    for (const uint8_t* p = piece.begin; p < piece.end;) {
      const uint32_t n = bytes ? 1 : DecodeUtf8(p, piece.end).bytes;
      const uint32_t id = bytes ? byte_ids[*p] : view_.Lookup(p, n);
      const uint8_t* const character = p;
      p += n;
      if (id != kTokenizerNone) {
        if (pending_unknown) add(h.unknown_id);
        pending_unknown = false;
        add(id);
        continue;
      }
      if (fallback &&
          std::all_of(character, p, [&](uint8_t b) { return byte_ids[b] != kTokenizerNone; })) {
        // An unknown character before these stays pending, as in the original.
        for (const uint8_t* b = character; b < p; ++b) add(byte_ids[*b]);
        continue;
      }
      if (h.unknown_id == kTokenizerNone) continue;
      if (pending_unknown && !fuse) add(h.unknown_id);
      pending_unknown = true;
    }
    if (pending_unknown) add(h.unknown_id);
  }

  void EncodePiece(const TextPiece& piece) {
    if (view_.Has(kFlagUnigram)) return EncodeUnigram(view_, piece, scratch_, &sink_);
    if (view_.Has(kFlagWordPiece)) {
      return EncodeWordPiece(view_, piece, reinterpret_cast<uint32_t*>(scratch_), &sink_);
    }
    const uint64_t n_bytes = static_cast<uint64_t>(piece.end - piece.begin);
    if (view_.Has(kFlagIgnoreMerges)) {
      const uint32_t id = view_.Lookup(piece.begin, n_bytes);
      if (id != kTokenizerNone) return Emit(id);
    }
    if (n_bytes <= kFewSymbols) {
      uint32_t ids[kFewSymbols];
      uint32_t n = 0;
      ForEachSymbol(piece, [&](uint32_t id) { ids[n++] = id; });
      return MergeFew(ids, n);
    }
    Symbol* const symbols = reinterpret_cast<Symbol*>(scratch_);
    uint32_t n = 0;
    ForEachSymbol(piece, [&](uint32_t id) {
      symbols[n] = {id, n - 1, n + 1};
      ++n;
    });
    // The heap lies behind the symbols, 8-aligned.
    MergeMany(symbols, n,
              reinterpret_cast<uint64_t*>(scratch_ + (uint64_t{n} * sizeof(Symbol) + 7) / 8 * 8));
  }

  // The pair of lowest rank first, of equals the leftmost.
  void MergeFew(uint32_t* ids, uint32_t n) {
    const MergeSlot* merges[kFewSymbols];
    for (uint32_t i = 0; i + 1 < n; ++i) merges[i] = view_.Merge(ids[i], ids[i + 1]);
    while (n > 1) {
      uint32_t best = kTokenizerNone;
      for (uint32_t i = 0; i + 1 < n; ++i) {
        if (merges[i] != nullptr &&
            (best == kTokenizerNone || merges[i]->rank < merges[best]->rank))
          best = i;
      }
      if (best == kTokenizerNone) break;
      ids[best] = merges[best]->merged;
      --n;
      for (uint32_t i = best + 1; i < n; ++i) ids[i] = ids[i + 1];
      for (uint32_t i = best + 1; i + 1 < n; ++i) merges[i] = merges[i + 1];
      if (best + 1 < n) merges[best] = view_.Merge(ids[best], ids[best + 1]);
      if (best > 0) merges[best - 1] = view_.Merge(ids[best - 1], ids[best]);
    }
    for (uint32_t i = 0; i < n; ++i) Emit(ids[i]);
  }

  // The same with a heap of (rank, position). An entry whose pair has changed is stale and skipped:
  // a pair's rank names the pair. A merge takes one entry and adds at most two, so 2n entries are
  // enough.
  void MergeMany(Symbol* symbols, uint32_t n, uint64_t* heap) {
    if (n == 0) return;
    symbols[0].previous = kTokenizerNone;
    symbols[n - 1].next = kTokenizerNone;
    uint64_t size = 0;
    const auto greater = [](uint64_t a, uint64_t b) { return a > b; };
    for (uint32_t i = 0; i + 1 < n; ++i) {
      if (const MergeSlot* m = view_.Merge(symbols[i].id, symbols[i + 1].id)) {
        heap[size++] = uint64_t{m->rank} << 32 | i;
      }
    }
    std::make_heap(heap, heap + size, greater);
    while (size > 0) {
      const uint64_t top = heap[0];
      std::pop_heap(heap, heap + size--, greater);
      const uint32_t i = static_cast<uint32_t>(top);
      Symbol& left = symbols[i];
      if (left.id == kTokenizerNone || left.next == kTokenizerNone) continue;
      Symbol& right = symbols[left.next];
      const MergeSlot* const merge = view_.Merge(left.id, right.id);
      if (merge == nullptr || merge->rank != top >> 32) continue;
      left.id = merge->merged;
      left.next = right.next;
      right.id = kTokenizerNone;
      if (left.next != kTokenizerNone) symbols[left.next].previous = i;
      if (left.previous != kTokenizerNone) {
        Push(heap, &size, view_.Merge(symbols[left.previous].id, left.id), left.previous);
      }
      if (left.next != kTokenizerNone)
        Push(heap, &size, view_.Merge(left.id, symbols[left.next].id), i);
    }
    for (uint32_t i = 0; i != kTokenizerNone; i = symbols[i].next) Emit(symbols[i].id);
  }
  static void Push(uint64_t* heap, uint64_t* size, const MergeSlot* merge, uint32_t position) {
    if (merge == nullptr) return;
    heap[(*size)++] = uint64_t{merge->rank} << 32 | position;
    std::push_heap(heap, heap + *size, [](uint64_t a, uint64_t b) { return a > b; });
  }

  const TokenizerView view_;
  const EncodeOptions options_;
  const std::span<const NormalizerStep> steps_;
  const std::span<const PreTokenizerStage> stages_;
  const AddedTokenMatcher raw_matcher_;
  const AddedTokenMatcher normalized_matcher_;
  IdSink sink_;
  bool exhausted_ = false;
  bool malformed_ = false;
  uint8_t* normalized_[2] = {};
  uint8_t* normalized_mask_[2] = {};
  uint8_t* stage_text_[kTokenizerMaxStages] = {};
  uint8_t* scratch_ = nullptr;  // symbols and heap; normalization's characters before that
  Splitter splitters_[kTokenizerMaxStages];
  TextPiece whole_[kTokenizerMaxStages];
};

}  // namespace

uint64_t Tokenizer::WorkBytes(uint64_t text_bytes) const {
  return LayoutFor(TokenizerView(tables_), text_bytes).total;
}

Status Tokenizer::Encode(std::string_view text, const EncodeOptions& options,
                         std::span<uint8_t> work, int32_t* ids, uint64_t capacity,
                         uint64_t* n_ids) const {
  Encoder encoder(TokenizerView(tables_), options, ids, capacity);
  SAMARA_RETURN_IF_ERROR(encoder.Run(text, work));
  *n_ids = encoder.count();
  if (encoder.count() > capacity) {
    return ResourceExhausted("%" PRIu64 " token ids do not fit in %" PRIu64, encoder.count(),
                             capacity);
  }
  return {};
}

}  // namespace samara
