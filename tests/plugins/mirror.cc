// The mirror backend as a plug-in: libsamara_mirror.so. SAMARA_TEST_MIRROR="Run 7" makes the 8th run lose the device,
// "lacks glu" takes an operator away, "memory 100000" bounds it.
#include <cstdlib>
#include <string>

#include "backends/reference/reference_backend.h"
#include "runtime/plugin.h"
#include "tests/support/mirror_backend.h"

namespace samara::test {
namespace {

std::string Setting(const char* key) {
  const char* text = std::getenv("SAMARA_TEST_MIRROR");
  const std::string all = text == nullptr ? "" : text, start = std::string(key) + " ";
  return all.rfind(start, 0) == 0 ? all.substr(start.size()) : "";
}

MirrorOptions Options() {
  MirrorOptions options;
  options.queued = options.draws = true;
  options.weight_padding = 64;
  options.memory = std::strtoull(Setting("memory").c_str(), nullptr, 10);
  for (int code = 0; code < 2000; ++code) {
    const OpInfo* info = FindOp(static_cast<OpCode>(code));
    if (info != nullptr && Setting("lacks") == info->name) options.lacks.push_back(info->code);
  }
  return options;
}

BackendList List() {
  static const MirrorBackend mirror(ReferenceBackend(), Options());
  static const Backend* const backends[] = {&mirror};
  for (size_t c = 0; c < static_cast<size_t>(MirrorCall::kCount); ++c) {
    const std::string n = Setting(MirrorCallName(MirrorCall(c)));
    if (!n.empty()) {
      mirror.FailAt(MirrorCall(c), std::strtoull(n.c_str(), nullptr, 10), StatusCode::kDeviceLost);
    }
  }
  return {backends, 1};
}

}  // namespace
}  // namespace samara::test

SAMARA_PLUGIN(samara::test::List)
