#include "apps/chat/conversation.h"

#include <algorithm>

#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr size_t kAnchorBytes = 64;  // of the first message
constexpr size_t kMaxRenderWork = size_t{1} << 28;

void WriteMessage(JsonWriter* json, const Message& message) {
  json->BeginObject(true);
  json->Member("role", message.role);
  json->Member("content", message.content);
  if (!message.reasoning.empty()) json->Member("reasoning_content", message.reasoning);
  json->EndObject();
}

}  // namespace

std::string Conversation::TemplateJson(const TemplateInputs& inputs) const {
  JsonWriter json;
  json.BeginObject(true);
  json.Key("messages");
  json.BeginArray(true);
  if (!system.empty()) WriteMessage(&json, {"system", system, ""});
  for (const Message& message : messages) WriteMessage(&json, message);
  json.EndArray();
  if (!inputs.tools.empty()) {
    json.Key("tools");
    json.Number(inputs.tools);
  }
  if (inputs.think) {
    json.Member("enable_thinking", *inputs.think);
    json.Member("thinking", *inputs.think);
  }
  for (const auto& [name, value] : inputs.variables) {
    json.Key(name);
    json.Number(value);
  }
  json.Member("add_generation_prompt", true);
  json.EndObject();
  return json.Finish();
}

std::string Conversation::RawText() const {
  std::string text;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (i > 0 && messages[i].role == "user") text += '\n';
    text += messages[i].content;
  }
  return text;
}

namespace {

samara_status Render(const samara_model* model, const std::string& json, const char* name,
                     Prompt* prompt) {
  std::vector<unsigned char> work(samara_render_work_size(model, json.size()));
  prompt->text.resize(json.size() * 2 + 4096);
  prompt->data.resize(64);
  for (;;) {
    size_t n_bytes = 0, n_spans = 0;
    const samara_status status = samara_render(
        model, name, json.data(), json.size(), work.data(), work.size(), prompt->text.data(),
        prompt->text.size(), &n_bytes, prompt->data.data(), prompt->data.size(), &n_spans);
    if (status == SAMARA_OK) {
      prompt->text.resize(n_bytes);
      prompt->data.resize(n_spans);
      return status;
    }
    const bool text = n_bytes > prompt->text.size(), spans = n_spans > prompt->data.size();
    if (status != SAMARA_RESOURCE_EXHAUSTED) return status;
    if (text || spans) {
      prompt->text.resize(std::max(prompt->text.size(), n_bytes));
      prompt->data.resize(std::max(prompt->data.size(), n_spans));
    } else if (work.size() < kMaxRenderWork) {  // the template builds more than is usual
      work.resize(work.size() * 4);
    } else {
      return status;
    }
  }
}

// Where the first message stands in the text, and a little of it.
size_t Anchor(const Conversation& conversation, const std::string& text) {
  if (conversation.messages.empty()) return 0;
  const std::string& first = conversation.messages[0].content;
  const size_t begin = text.find(first.substr(0, kAnchorBytes));
  size_t end = (begin == std::string::npos ? 0 : begin) + std::min(first.size(), kAnchorBytes);
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return std::min(end, text.size());
}

}  // namespace

samara_status MakePrompt(const samara_model* model, const Conversation& conversation,
                         const TemplateInputs& inputs, Prompt* prompt) {
  *prompt = {};
  if (conversation.raw) {
    prompt->text = conversation.RawText();
  } else {
    prompt->rendered = true;
    const char* name = inputs.name.empty() ? nullptr : inputs.name.c_str();
    const samara_status status = Render(model, conversation.TemplateJson(inputs), name, prompt);
    if (status != SAMARA_OK) return status;
  }
  prompt->anchor = Anchor(conversation, prompt->text);
  return SAMARA_OK;
}

samara_status PromptTokens(const samara_model* model, const Prompt& prompt, size_t bytes,
                           std::vector<int32_t>* tokens) {
  const std::string_view text = std::string_view(prompt.text).substr(0, bytes);
  if (!prompt.rendered) return Tokenize(model, text, 0, tokens);
  std::vector<samara_span> data;
  for (const samara_span& span : prompt.data) {
    if (span.begin < bytes) data.push_back({span.begin, std::min(span.end, bytes)});
  }
  std::vector<unsigned char> work(samara_tokenize_work_size(model, bytes));
  tokens->resize(bytes + 16);  // at most a token a byte is usual; the call tells if not
  for (;;) {
    size_t n = 0;
    const samara_status status = samara_tokenize_spans(
        model, text.data(), text.size(), SAMARA_TOKENIZE_NO_SPECIAL, data.data(), data.size(),
        work.data(), work.size(), tokens->data(), tokens->size(), &n);
    const bool too_small = status == SAMARA_RESOURCE_EXHAUSTED && n > tokens->size();
    tokens->resize(too_small || status == SAMARA_OK ? n : 0);
    if (!too_small) return status;
  }
}

}  // namespace samara::apps
