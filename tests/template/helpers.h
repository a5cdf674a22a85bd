// Compiles, checks and renders in one call.
#ifndef SAMARA_TESTS_TEMPLATE_HELPERS_H_
#define SAMARA_TESTS_TEMPLATE_HELPERS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "converter/template/compile.h"
#include "formats/status.h"
#include "runtime/template/template.h"

namespace samara::template_test {

struct Rendered {
  Status status;
  std::string text;
  std::vector<TemplateSpan> spans;

  std::string message() const { return status.message(); }
  // The text with <...> around what came from the JSON text.
  std::string Marked() const {
    std::string marked;
    size_t at = 0;
    for (const TemplateSpan& span : spans) {
      marked += text.substr(at, span.begin - at) + "<" +
                text.substr(span.begin, span.end - span.begin) + ">";
      at = span.end;
    }
    return marked + text.substr(at);
  }
};

inline Rendered RenderBlock(const std::vector<uint8_t>& block, std::string_view json,
                            const RenderOptions& options = {}, size_t work_bytes = 0) {
  Rendered result;
  std::vector<std::byte> work(work_bytes != 0 ? work_bytes : TemplateWorkSize(json.size()));
  result.text.resize(json.size() * 64 + 65536);
  result.spans.resize(4096);
  RenderResult sizes;
  result.status = RenderTemplate(block, json, options, work, result.text, result.spans, &sizes);
  result.text.resize(result.status.ok() ? sizes.n_bytes : 0);
  result.spans.resize(result.status.ok() ? sizes.n_spans : 0);
  return result;
}

inline Rendered RenderSource(std::string_view source, std::string_view json = "{}",
                             const RenderOptions& options = {}, size_t work_bytes = 0) {
  auto block = CompileTemplate(source);
  Status status = block.ok() ? CheckTemplate(*block) : block.status();
  if (!status.ok()) return {status.WithContext("not rendered"), {}, {}};
  return RenderBlock(*block, json, options, work_bytes);
}

}  // namespace samara::template_test

#endif  // SAMARA_TESTS_TEMPLATE_HELPERS_H_
