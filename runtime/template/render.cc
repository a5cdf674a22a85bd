// The entry points. The evaluator neither allocates nor throws; what it reports becomes a Status here.
#include <string>

#include "runtime/template/evaluator.h"

namespace samara {

size_t TemplateWorkSize(size_t json_bytes) {
  constexpr size_t kFixed = size_t{1} << 20, kPerByte = 20;
  return json_bytes > (SIZE_MAX - kFixed) / kPerByte ? SIZE_MAX : kFixed + kPerByte * json_bytes;
}

Status RenderTemplate(std::span<const uint8_t> block, std::string_view json,
                      const RenderOptions& options, std::span<std::byte> work, std::span<char> text,
                      std::span<TemplateSpan> spans, RenderResult* result) {
  *result = {};
  template_runtime::Evaluator evaluator(template_runtime::Tree(block), options, work);
  if (!evaluator.Render(json, text, spans, result)) {
    // One line without control characters, and without half a character at its end.
    std::string message = evaluator.error();
    for (char& c : message) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    }
    size_t end = message.size();
    while (end > 0 && (message[end - 1] & 0xC0) == 0x80) --end;
    if (end > 0 && static_cast<unsigned char>(message[end - 1]) >= 0xC0) {
      const unsigned char lead = static_cast<unsigned char>(message[end - 1]);
      const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
      if (message.size() - end + 1 < bytes) message.resize(end - 1);
    }
    return Status(evaluator.code(), std::move(message));
  }
  if (result->n_bytes > text.size()) {
    return ResourceExhausted("rendered text: %zu bytes, the buffer has %zu", result->n_bytes,
                             text.size());
  }
  if (result->n_spans > spans.size()) {
    return ResourceExhausted("rendered text: %zu spans, the buffer has %zu", result->n_spans,
                             spans.size());
  }
  return Status();
}

}  // namespace samara
