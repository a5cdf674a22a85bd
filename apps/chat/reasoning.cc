#include "apps/chat/reasoning.h"

#include <algorithm>

#include "apps/common/model.h"

namespace samara::apps {
namespace {

struct Pair {
  const char* open;
  const char* close;
};
constexpr Pair kPairs[] = {
    {"<think>", "</think>"},
    {"<thinking>", "</thinking>"},
    {"<reasoning>", "</reasoning>"},
    {"[THINK]", "[/THINK]"},
    {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<|channel>thought", "<channel|>"},
    {"<|channel|>analysis<|message|>", "<|end|>"},
};

// The id of a tag that is one token and prints nothing, else -1.
int32_t HiddenToken(const samara_model* model, const char* tag) {
  std::vector<int32_t> tokens;
  const samara_status status =
      Tokenize(model, tag, SAMARA_TOKENIZE_NO_SPECIAL | SAMARA_TOKENIZE_PARSE_SPECIAL, &tokens);
  if (status != SAMARA_OK || tokens.size() != 1) return -1;
  Decoder decoder(model);
  std::string text;
  if (decoder.Append(tokens[0], &text) != SAMARA_OK || decoder.End(&text) != SAMARA_OK) return -1;
  return text.empty() ? tokens[0] : -1;
}

// Bytes at the end of `text` that may be the beginning of `tag`.
size_t Beginning(std::string_view text, std::string_view tag) {
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n) {
    if (text.ends_with(tag.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

std::vector<ReasoningTag> ReasoningTags(const samara_model* model) {
  std::vector<ReasoningTag> tags;
  for (const Pair& pair : kPairs) {
    tags.push_back(
        {pair.open, pair.close, HiddenToken(model, pair.open), HiddenToken(model, pair.close)});
  }
  return tags;
}

int OpenTag(const std::vector<ReasoningTag>& tags, std::string_view prompt) {
  const size_t end = prompt.find_last_not_of(" \n\t");
  prompt = prompt.substr(0, end == std::string_view::npos ? 0 : end + 1);
  for (size_t i = 0; i < tags.size(); ++i) {
    if (prompt.ends_with(tags[i].open)) return static_cast<int>(i);
  }
  return -1;
}

void ReasoningSplitter::Add(int32_t token, std::string_view text, const Sink& sink) {
  for (size_t i = 0; i < tags_->size(); ++i) {
    const ReasoningTag& tag = (*tags_)[i];
    const bool opens = open_ < 0 && token >= 0 && token == tag.open_token;
    const bool closes = open_ == static_cast<int>(i) && token >= 0 && token == tag.close_token;
    if (!opens && !closes) continue;
    // What came with this token is text of those before it.
    held_ += text;
    Scan(sink, /*final=*/true);
    open_ = opens ? static_cast<int>(i) : -1;
    return;
  }
  held_ += text;
  Scan(sink, /*final=*/false);
}

void ReasoningSplitter::Flush(const Sink& sink) { Scan(sink, /*final=*/true); }

void ReasoningSplitter::Scan(const Sink& sink, bool final) {
  for (;;) {
    size_t found = std::string::npos, keep = 0;
    int which = -1;
    const auto look = [&](size_t i, const std::string& tag) {
      const size_t at = held_.find(tag);
      if (at < found) {
        found = at;
        which = static_cast<int>(i);
      }
      keep = std::max(keep, Beginning(held_, tag));
    };
    if (open_ >= 0) {
      look(static_cast<size_t>(open_), (*tags_)[static_cast<size_t>(open_)].close);
    } else {
      for (size_t i = 0; i < tags_->size(); ++i) look(i, (*tags_)[i].open);
    }
    const TextKind kind = open_ >= 0 ? TextKind::kReasoning : TextKind::kAnswer;
    if (which < 0) {
      const size_t n = held_.size() - (final ? 0 : keep);
      if (n > 0) sink(kind, std::string_view(held_).substr(0, n));
      held_.erase(0, n);
      return;
    }
    const ReasoningTag& tag = (*tags_)[static_cast<size_t>(which)];
    const std::string& text = open_ >= 0 ? tag.close : tag.open;
    if (found > 0) sink(kind, std::string_view(held_).substr(0, found));
    sink(TextKind::kTag, text);
    held_.erase(0, found + text.size());
    open_ = open_ >= 0 ? -1 : which;
  }
}

}  // namespace samara::apps
