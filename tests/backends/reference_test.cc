#include <doctest/doctest.h>

#include "backends/reference/reference_backend.h"
#include "tests/support/graph_runner.h"
#include "tests/support/status.h"
#include "tests/support/step_builder.h"
#include "tests/support/test_model.h"

namespace samara::test {
namespace {

TEST_CASE("a product by hand, in both modes") {
  for (const Backend* backend : {ReferenceBackend(), Float64Backend()}) {
    TestModel m;
    const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(3)}));
    const ValueId w = m.Weight("w", DType::kF32, 2, 3, {1, 2, 3, 4, 5, 6});
    const ValueId b = m.Vector("b", {0.5f, -0.5f});
    const ValueId y = m.Op(OpCode::kLinear, {x, w, b, kNoValue});
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, backend, {}));
    StepBlock step(runner.step_layout());
    step.Add({.n_tokens = 2});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set<float>(x, {1, 1, 1, 1, 0, -1}));
    REQUIRE_OK(runner.Run());
    std::vector<float> values;
    REQUIRE_OK(runner.Get(y, &values));
    CHECK(values == std::vector<float>{6.5f, 14.5f, -1.5f, -2.5f});
    REQUIRE_OK(runner.CheckSentinels());
  }
}

}  // namespace
}  // namespace samara::test
