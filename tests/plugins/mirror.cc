// The mirror backend as a plug-in: libsamara_mirror.so.
#include "backends/reference/reference_backend.h"
#include "runtime/plugin.h"
#include "tests/support/mirror_backend.h"

namespace samara::test {
namespace {

BackendList List() {
  static const MirrorBackend mirror(ReferenceBackend());
  static const Backend* const backends[] = {&mirror};
  return {backends, 1};
}

}  // namespace
}  // namespace samara::test

SAMARA_PLUGIN(samara::test::List)
