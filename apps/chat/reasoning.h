// Tells a model's reasoning from its answer, while the text comes in pieces.
//
// Models mark their reasoning by tags that their chat templates know: text, or one special token
// that is not printed. Which tags a model has, its tokenizer tells.
#ifndef SAMARA_APPS_CHAT_REASONING_H_
#define SAMARA_APPS_CHAT_REASONING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "samara/samara.h"

namespace samara::apps {

enum class TextKind { kAnswer, kReasoning, kTag };

struct ReasoningTag {
  std::string open, close;
  int32_t open_token = -1, close_token = -1;  // of tags that are not printed, else -1
};
// All tags that are known, with their tokens in this model.
std::vector<ReasoningTag> ReasoningTags(const samara_model* model);
// The tag that a prompt leaves open at its end (the reply begins inside), or -1.
int OpenTag(const std::vector<ReasoningTag>& tags, std::string_view prompt);

class ReasoningSplitter {
 public:
  using Sink = std::function<void(TextKind, std::string_view)>;
  // `open`: index of the tag that is open already, or -1.
  ReasoningSplitter(const std::vector<ReasoningTag>* tags, int open) : tags_(tags), open_(open) {}

  // The text that came with a token; what may be the beginning of a tag waits.
  void Add(int32_t token, std::string_view text, const Sink& sink);
  void Flush(const Sink& sink);  // the reply is over

 private:
  void Scan(const Sink& sink, bool final);
  const std::vector<ReasoningTag>* tags_;
  int open_;
  std::string held_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_REASONING_H_
