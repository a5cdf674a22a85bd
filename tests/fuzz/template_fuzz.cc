// Chat templates: a source of any bytes is refused or compiles to a block that the runtime accepts; a
// block of any bytes is refused or renders within its budgets.
#include <algorithm>
#include <vector>

#include "converter/template/compile.h"
#include "runtime/template/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samara;
  if (size == 0) return 0;
  std::vector<uint8_t> block(data + 1, data + size);
  if (data[0] % 2 == 0) {
    auto compiled = CompileTemplate({reinterpret_cast<const char*>(block.data()), block.size()});
    if (!compiled.ok()) return 0;
    block = std::move(*compiled);
    if (!CheckTemplate(block).ok()) __builtin_trap();
  } else if (!CheckTemplate(block).ok()) {
    return 0;
  }
  RenderOptions options;
  options.max_steps = 20000;
  options.max_depth = 200;
  std::vector<std::byte> work(1 << 16);
  std::vector<char> text(1 << 14);
  TemplateSpan spans[64];
  RenderResult result;
  const Status status = RenderTemplate(
      block, R"({"messages":[{"role":"user","content":"a b"}],"s":"x","n":3,"d":{"k":[1]}})",
      options, work, text, spans, &result);
  if (status.ok() && result.n_bytes > text.size()) __builtin_trap();
  return 0;
}
