#include "runtime/tokenizer/models.h"

#include <algorithm>
#include <cstring>

namespace samara {
namespace {

// The best way to a place in the piece; afterwards `link` is where the token behind it ends.
struct Node {
  double score;
  uint32_t link;  // where the token that ends here begins; kTokenizerNone: no way leads here
  uint32_t id;
};

// The id whose key these bytes are, or kTokenizerNone.
uint32_t Find(const TrieSlot* slots, const uint8_t* begin, const uint8_t* end) {
  TrieWalk walk(slots);
  for (const uint8_t* p = begin; p < end; ++p) {
    if (!walk.Step(*p)) return kTokenizerNone;
  }
  return walk.value();
}

// Unknown text: its bytes, if all of them have ids, else the unknown id.
void EmitUnknown(const TokenizerView& view, const uint8_t* begin, const uint8_t* end,
                 IdSink* sink) {
  const uint32_t* const byte_ids = view.Table<uint32_t>(kTableByteIds);
  if (view.Has(kFlagByteFallback) &&
      std::all_of(begin, end, [&](uint8_t b) { return byte_ids[b] != kTokenizerNone; })) {
    for (const uint8_t* p = begin; p < end; ++p) sink->Emit(byte_ids[*p]);
  } else if (view.header().unknown_id != kTokenizerNone) {
    sink->Emit(view.header().unknown_id);
  }
}

void Append(const uint8_t* bytes, uint64_t n, uint8_t mark, uint8_t** out, uint8_t** out_mask) {
  std::memcpy(*out, bytes, n);
  *out += n;
  if (*out_mask == nullptr) return;
  std::memset(*out_mask, mark, n);
  *out_mask += n;
}

uint8_t AnyMark(const MarkedText& text, const uint8_t* begin, const uint8_t* end) {
  if (text.mask == nullptr) return 0;
  const uint8_t* const mask = text.mask + (begin - text.begin);
  return std::any_of(mask, mask + (end - begin), [](uint8_t m) { return m != 0; }) ? 1 : 0;
}

// What was written becomes the text.
void Finish(uint8_t* out, uint8_t* end, uint8_t* out_mask, MarkedText* text) {
  *text = {out, end, text->mask == nullptr ? nullptr : out_mask, text->lost_first};
}

}  // namespace

void EncodeUnigram(const TokenizerView& view, const TextPiece& piece, void* scratch, IdSink* sink) {
  const auto n = static_cast<uint32_t>(piece.end - piece.begin);
  const TrieSlot* const slots = view.Table<TrieSlot>(kTableVocabTrie);
  const double* const scores = view.Table<double>(kTableScores);
  const double unknown_score = scores[view.header().vocab];
  const uint32_t unknown_id = view.header().unknown_id;
  Node* const nodes = static_cast<Node*>(scratch);
  for (uint32_t i = 0; i <= n; ++i) nodes[i] = {0, kTokenizerNone, kTokenizerNone};
  const auto offer = [nodes](uint32_t begin, uint32_t end, uint32_t id, double score) {
    const double sum = score + nodes[begin].score;
    Node& node = nodes[end];
    if (node.link == kTokenizerNone || sum > node.score) node = {sum, begin, id};
  };
  for (uint32_t begin = 0; begin < n;) {
    const uint32_t character = DecodeUtf8(piece.begin + begin, piece.end).bytes;
    bool single = false;
    TrieWalk walk(slots);
    const uint32_t limit = std::min(n, begin + kTokenizerMaxKeyBytes);
    for (uint32_t end = begin; end < limit && walk.Step(piece.begin[end]);) {
      ++end;
      const uint32_t id = walk.value();
      if (id == kTokenizerNone) continue;
      offer(begin, end, id, scores[id]);
      single |= end - begin == character;
    }
    if (!single) offer(begin, begin + character, unknown_id, unknown_score);
    begin += character;
  }
  // Backwards along the best way, turning the links around.
  uint32_t next = kTokenizerNone;
  for (uint32_t at = n;;) {
    const uint32_t begin = nodes[at].link;
    nodes[at].link = next;
    next = at;
    if (at == 0 || begin >= at) break;
    at = begin;
  }
  for (uint32_t begin = 0; nodes[begin].link != kTokenizerNone;) {
    uint32_t end = nodes[begin].link;
    if (nodes[end].id != unknown_id) {
      sink->Emit(nodes[end].id);
      begin = end;
      continue;
    }
    // Unknown characters in a row are one text.
    if (view.Has(kFlagFuseUnknown)) {
      while (nodes[end].link != kTokenizerNone && nodes[nodes[end].link].id == unknown_id)
        end = nodes[end].link;
    }
    const uint32_t whole = Find(slots, piece.begin + begin, piece.begin + end);
    if (whole != kTokenizerNone) {
      sink->Emit(whole);
    } else {
      EmitUnknown(view, piece.begin + begin, piece.begin + end, sink);
    }
    begin = end;
  }
}

void EncodeWordPiece(const TokenizerView& view, const TextPiece& piece, uint32_t* scratch,
                     IdSink* sink) {
  const TokenizerHeader& h = view.header();
  const TrieSlot* const slots = view.Table<TrieSlot>(kTableVocabTrie);
  uint64_t characters = 0;
  for (const uint8_t* p = piece.begin; p < piece.end; ++p) characters += (*p & 0xC0) != 0x80;
  bool good = h.max_word == 0 || characters <= h.max_word;
  uint64_t n = 0;
  for (const uint8_t* p = piece.begin; good && p < piece.end;) {
    TrieWalk walk(slots);
    if (p != piece.begin) {
      const uint8_t* const prefix = view.String(h.marker_offset);
      for (uint32_t i = 0; i < h.marker_bytes && good; ++i) good = walk.Step(prefix[i]);
    }
    uint32_t id = kTokenizerNone;
    const uint8_t* longest = p;
    const uint8_t* const limit =
        p + std::min<uint64_t>(static_cast<uint64_t>(piece.end - p), kTokenizerMaxKeyBytes);
    for (const uint8_t* q = p; good && q < limit && walk.Step(*q);) {
      ++q;
      if (walk.value() == kTokenizerNone) continue;
      id = walk.value();
      longest = q;
    }
    good = good && id != kTokenizerNone;
    if (good) scratch[n++] = id;
    p = longest;
  }
  if (!good) return sink->Emit(h.unknown_id);
  for (uint64_t i = 0; i < n; ++i) sink->Emit(scratch[i]);
}

bool ApplyMap(const TokenizerView& view, const NormalizerStep& step, uint8_t* out,
              uint8_t* out_mask, MarkedText* text) {
  const TrieSlot* const slots = view.Table<TrieSlot>(kTableMapTrie) + step.a_offset;
  const uint32_t* const offsets = view.Table<uint32_t>(kTableMapOffsets);
  const uint8_t* const values = view.Table<uint8_t>(kTableMapBytes);
  uint8_t* o = out;
  uint8_t* mask = text->mask == nullptr ? nullptr : out_mask;
  for (const uint8_t* p = text->begin; p < text->end;) {
    TrieWalk walk(slots);
    uint32_t value = kTokenizerNone;
    const uint8_t* longest = p;
    const uint8_t* const limit =
        p + std::min<uint64_t>(static_cast<uint64_t>(text->end - p), kTokenizerMaxKeyBytes);
    for (const uint8_t* q = p; q < limit && walk.Step(*q);) {
      ++q;
      if (walk.value() == kTokenizerNone) continue;
      value = walk.value();
      longest = q;
    }
    if (value == kTokenizerNone) {
      longest = p + DecodeUtf8(p, text->end).bytes;
      Append(p, static_cast<uint64_t>(longest - p), AnyMark(*text, p, longest), &o, &mask);
    } else {
      const uint64_t bytes = offsets[value + 1] - offsets[value];
      if (bytes > static_cast<uint64_t>(longest - p) * step.b_bytes) return false;
      text->lost_first |= p == text->begin && bytes == 0;
      Append(values + offsets[value], bytes, AnyMark(*text, p, longest), &o, &mask);
    }
    p = longest;
  }
  Finish(out, o, out_mask, text);
  return true;
}

bool ReplaceMatches(const TokenizerView& view, const NormalizerStep& step, uint8_t* out,
                    uint8_t* out_mask, MarkedText* text) {
  PreTokenizerStage stage = {};
  stage.kind = kStageSplit;
  stage.behavior = kSplitIsolated;
  stage.transitions = step.a_offset;
  stage.n_states = step.a_bytes;
  Splitter splitter;
  splitter.Begin(view, stage, {text->begin, text->end, true});
  uint8_t* o = out;
  uint8_t* mask = text->mask == nullptr ? nullptr : out_mask;
  Splitter::Element e;
  while (splitter.NextElement(&e)) {
    const uint8_t mark = AnyMark(*text, e.begin, e.end);
    if (e.is_match) {
      text->lost_first |= e.begin == text->begin && step.b_bytes == 0;
      Append(view.String(step.b_offset), step.b_bytes, mark, &o, &mask);
    } else if (mark == 0) {
      Append(e.begin, static_cast<uint64_t>(e.end - e.begin), 0, &o, &mask);
    } else {  // byte by byte, each with its own
      for (const uint8_t* p = e.begin; p < e.end; ++p)
        Append(p, 1, AnyMark(*text, p, p + 1), &o, &mask);
    }
  }
  Finish(out, o, out_mask, text);
  return !splitter.exhausted();
}

}  // namespace samara
