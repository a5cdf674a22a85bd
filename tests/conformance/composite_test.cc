// The composite operators on every backend, and against their decompositions into core operators.
#include <doctest/doctest.h>

#include "backends/reference/reference_backend.h"
#include "converter/decompositions.h"
#include "tests/conformance/composite_cases.h"
#include "tests/support/status.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

void CheckAll(const std::vector<Case>& cases, uint64_t seed) {
  for (const Case& c : cases) CheckCase(c, seed++);
}

TEST_CASE("rms_norm") { CheckAll(RmsNormCases(), 1000); }
TEST_CASE("layer_norm") { CheckAll(LayerNormCases(), 1050); }
TEST_CASE("rope_table and rope") { CheckAll(RopeCases(), 1100); }
TEST_CASE("glu") { CheckAll(GluCases(), 1200); }
TEST_CASE("activate") { CheckAll(ActivateCases(), 1250); }
TEST_CASE("attention") { CheckAll(AttentionCases(), 1300); }

struct DecomposeAll final : DecomposeChoice {
  bool Decompose(const Graph&, const Op& op) override { return op.decomposition >= 0; }
};

// Fused and decomposed on each backend: the same meaning, other roundings.
void CheckDecompositions(std::vector<Case> cases, uint64_t seed, double norm, double element) {
  for (Case& c : cases) {
    CAPTURE(c.name);
    CAPTURE(seed);
    c.model.package.entries = {c.model.graph};
    REQUIRE_OK(AddDecompositions(&c.model.package));
    Graph core;
    DecomposeAll choice;
    REQUIRE_OK(InlineDecompositions(c.model.package, c.model.package.entries[0], &choice, &core));
    for (const Op& op : core.ops) REQUIRE(!FindOp(op.code)->composite);
    // Inlining keeps the numbers of the values that the case names.
    const StepInputs inputs = MakeInputs(c, seed++);
    for (const Variant& variant : Variants()) {
      if (variant.device.n_threads > 1) continue;
      CAPTURE(variant.name);
      Results fused, decomposed;
      REQUIRE_OK(RunCase(c, c.model.graph, inputs, variant, false, false, &fused));
      REQUIRE_OK(RunCase(c, core, inputs, variant, false, false, &decomposed));
      CHECK(Compare(c, decomposed, fused, norm, element) == "");
    }
  }
}

TEST_CASE("decompositions mean what the composites mean") {
  const double norm = tolerance::kDecompositionNorm, element = tolerance::kDecompositionElement;
  CheckDecompositions(LinearCases(), 2000, norm, element);
  CheckDecompositions(RopeCases(), 2200, norm, element);
  std::vector<Case> cases;
  for (Case& c : RmsNormCases()) {
    if (c.norm_bound < 1e-4) cases.push_back(std::move(c));
  }
  for (Case& c : LayerNormCases()) cases.push_back(std::move(c));
  for (Case& c : ActivateCases()) {
    if (c.norm_bound < 1e-4) cases.push_back(std::move(c));
  }
  for (Case& c : GluCases()) {
    if (c.norm_bound < 1e-4) cases.push_back(std::move(c));
  }
  CheckDecompositions(std::move(cases), 2300, norm, element);
}

TEST_CASE("the decomposition of attention") {
  std::vector<Case> cases, sharp;
  for (Case& c : AttentionCases()) {
    if (c.name.find("subnormals") != std::string::npos) continue;
    (c.name.find("sharp") == std::string::npos ? cases : sharp).push_back(std::move(c));
  }
  CheckDecompositions(std::move(cases), 2400, tolerance::kDecompositionNorm,
                      tolerance::kDecompositionElement);
  CheckDecompositions(std::move(sharp), 2500, 1e-4, 1e-3);
}

}  // namespace
}  // namespace samara::test
