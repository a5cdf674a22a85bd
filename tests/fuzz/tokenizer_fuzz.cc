// A tokenizer.json of any bytes: compiled or refused; what is compiled must pass the runtime's
// checks.
#include "converter/json.h"
#include "converter/tokenizer/compile.h"
#include "runtime/tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samara;
  const auto document =
      JsonDocument::Parse("tokenizer.json", {reinterpret_cast<const char*>(data), size});
  if (!document.ok()) return 0;
  const auto tables = CompileTokenizer(document->root(), nullptr, nullptr);
  if (!tables.ok()) return 0;
  Tokenizer tokenizer;
  if (!tokenizer.Init(*tables).ok()) __builtin_trap();
  return 0;
}
