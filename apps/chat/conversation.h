// What was said, and how it becomes the text that the model continues.
#ifndef SAMARA_APPS_CHAT_CONVERSATION_H_
#define SAMARA_APPS_CHAT_CONVERSATION_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "samara/samara.h"

namespace samara::apps {

struct Message {
  std::string role;     // "user" or "assistant"
  std::string content;  // as the person or the model wrote it
  // Reasoning between tags that are no text; where tags are text, it is part of the content.
  std::string reasoning;
};

// What a template gets beside the messages.
struct TemplateInputs {
  std::string name;           // "": the default one
  std::string tools;          // a JSON array, "": none
  std::optional<bool> think;  // enable_thinking and thinking; absent: as the template has it
  std::vector<std::pair<std::string, std::string>> variables;  // name, JSON value
};

struct Conversation {
  bool raw = false;    // no template: the texts one after the other
  std::string system;  // "": none
  std::vector<Message> messages;

  // The object that samara_render takes, ready for the next reply.
  std::string TemplateJson(const TemplateInputs& inputs) const;
  // Each message as it is; a line break stands between a reply and the next message.
  std::string RawText() const;
};

// A text to continue, ready to become tokens.
struct Prompt {
  std::string text;
  bool rendered = false;          // by a template, which writes special tokens itself
  std::vector<samara_span> data;  // parts that come from the conversation
  size_t anchor = 0;  // bytes up to here stay when a full context slides: the system message and
                      // the beginning of the first message
};
samara_status MakePrompt(const samara_model* model, const Conversation& conversation,
                         const TemplateInputs& inputs, Prompt* prompt);
// The tokens of its first `bytes` bytes.
samara_status PromptTokens(const samara_model* model, const Prompt& prompt, size_t bytes,
                           std::vector<int32_t>* tokens);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_CONVERSATION_H_
