// Packages whose composites run by their decompositions: asked for, or because this build does not
// know them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "converter/decompositions.h"
#include "tests/runtime/model_fixture.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

std::vector<TinySpec> Specs() {
  TinySpec plain, rich, window;
  rich.dtype = DType::kQ8_0;
  rich.tied = false;
  rich.qk_norm = rich.qkv_bias = true;
  window.window = 40;
  std::vector<TinySpec> all = {plain, rich, window};
  for (TinySpec& spec : all) spec.decompose = AddDecompositions;
  return all;
}

double Difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(a[i])));
  }
  return most / largest;
}

LoadOptions Options(uint32_t chunk, bool decompose) {
  LoadOptions options;
  options.n_ctx = 128;
  options.n_chunk = chunk;
  options.max_sessions = 2;
  options.decompose = decompose;
  return options;
}

TEST_CASE("decomposition: equal to the fused form, also beside another session") {
  int index = 0;
  for (const TinySpec& spec : Specs()) {
    CAPTURE(index);
    ++index;
    const AlignedFile file = MakeFile(spec);
    const std::vector<int32_t> ids = RandomIds(50, 70), others = RandomIds(51, 40);
    for (const char* backend : {"cpu", "reference"}) {
      CAPTURE(backend);
      const ModelPtr fused = OpenTiny(file, BackendNamed(backend), Options(32, false));
      const SessionPtr a = NewSession(fused);
      const std::vector<float> want = Logits(a, ids);
      const ModelPtr decomposed = OpenTiny(file, BackendNamed(backend), Options(32, true));
      PermuteFreeBlocks(decomposed.get(), 3);
      const SessionPtr company = NewSession(decomposed), b = NewSession(decomposed);
      Feed(company, others);
      Feed(b, ids);
      Session* both[] = {company.get(), b.get()};
      while (b->n_computed < b->n_tokens) REQUIRE_OK(StepSessions(both, 2));
      CHECK(Difference(want, Row(b)) <= tolerance::kDecomposedLogits);
    }
  }
}

}  // namespace
}  // namespace samara::test
