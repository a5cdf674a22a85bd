// Lowering: what is a view, what works in place, what runs by decomposition.
#include "runtime/lower.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/formats/tiny_package.h"
#include "tests/runtime/model_fixture.h"
#include "tests/support/mirror_backend.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

struct Lowered {
  TinyPackage tiny;
  ModelPlan plan;
  const LoweredGraph& graph() const { return plan.buckets[0]; }
  const Op& op(const std::string& name) const { return graph().graph.ops[index(name)]; }
  size_t index(const std::string& name) const {
    const std::vector<Op>& ops = graph().graph.ops;
    for (size_t i = 0; i < ops.size(); ++i) {
      if (ops[i].name == name) return i;
    }
    FAIL("no operator " << name);
    return 0;
  }
  const ValueBinding& output(const std::string& name) const {
    return graph().values[static_cast<size_t>(op(name).outputs[0])];
  }
  const ValueBinding& input(const std::string& name, size_t i) const {
    return graph().values[static_cast<size_t>(op(name).inputs[i])];
  }
};

void Plan(const TinySpec& spec, const LoadOptions& options, Lowered* out,
          const std::function<void(Package*)>& change = {}) {
  REQUIRE_OK(MakeTinyPackage(spec, &out->tiny));
  if (change) change(&out->tiny.package);
  LoadOptions o = options;
  o.n_threads = 1;
  o.n_ctx = 128;
  o.n_chunk = 16;
  FileFacts facts;
  facts.file_bytes = out->tiny.file.size();
  facts.metadata_bytes = 1000;
  REQUIRE_OK(PlanModel(out->tiny.package, facts, o, BackendNamed("cpu"), &out->plan));
}

TEST_CASE("lowering: slices of columns are views of their source") {
  Lowered l;
  Plan({}, {}, &l);
  const ValueBinding& qkv = l.output("layers.0.qkv");
  for (const char* name : {"layers.0.q", "layers.0.k", "layers.0.v"}) {
    CAPTURE(name);
    CHECK(l.graph().is_view[l.index(name)] == 1);
    CHECK(l.output(name).row_stride == qkv.row_stride);
  }
  CHECK(l.output("layers.0.q").offset == qkv.offset);
  CHECK(l.output("layers.0.k").offset == qkv.offset + 64 * 4);
  CHECK(l.output("layers.0.v").offset == qkv.offset + 96 * 4);
  CHECK(qkv.row_stride == 128 * 4);
  CHECK(l.output("layers.0.q_rope").row_stride == 64 * 4);
  // The source stays alive as long as its views: nothing written meanwhile lies over it.
  const size_t write_v = l.index("layers.0.write_v");
  for (size_t i = l.index("layers.0.qkv") + 1; i < write_v; ++i) {
    if (l.graph().is_view[i] != 0) continue;
    for (ValueId v : l.graph().graph.ops[i].outputs) {
      const ValueBinding& b = l.graph().values[static_cast<size_t>(v)];
      CHECK((b.offset + b.bytes <= qkv.offset || qkv.offset + qkv.bytes <= b.offset));
    }
  }
}

TEST_CASE("lowering: a slice that a reader cannot take strided is copied") {
  // rope_table wants its rows together; gather does not take strided rows either.
  const Backend& cpu = BackendNamed("cpu");
  Lowered l;
  Plan({}, {}, &l, [](Package* package) {
    // q's slice is read by one more operator, neg, which takes contiguous rows only.
    Graph& graph = package->entries[0];
    Op* slice = nullptr;
    size_t at = 0;
    for (size_t i = 0; i < graph.ops.size(); ++i) {
      if (graph.ops[i].name == "layers.0.q") {
        slice = &graph.ops[i];
        at = i;
      }
    }
    REQUIRE(slice != nullptr);
    Value value = graph.values[static_cast<size_t>(slice->outputs[0])];
    value.name = "negated";
    graph.values.push_back(value);
    Op neg;
    neg.code = OpCode::kNeg;
    neg.name = "negate";
    neg.type_name = "neg";
    neg.inputs = {slice->outputs[0]};
    neg.outputs = {static_cast<ValueId>(graph.values.size() - 1)};
    graph.ops.insert(graph.ops.begin() + static_cast<ptrdiff_t>(at) + 1, neg);
  });
  (void)cpu;
  CHECK(l.graph().is_view[l.index("layers.0.q")] == 0);
  CHECK(l.output("layers.0.q").row_stride == 64 * 4);
  CHECK(l.graph().is_view[l.index("layers.0.k")] == 1);
}

TEST_CASE("lowering: the residual stream works in place") {
  Lowered l;
  Plan({}, {}, &l);
  for (const char* name : {"layers.0.o", "layers.0.down", "layers.1.o"}) {
    CAPTURE(name);
    CHECK(l.output(name).offset == l.input(name, 3).offset);
  }
  // The norm's input lives on, as the residual.
  CHECK(l.output("layers.0.post_norm").offset != l.input("layers.0.post_norm", 0).offset);

  Lowered keep;
  LoadOptions options;
  options.keep_values = true;
  Plan({}, options, &keep);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (size_t i = 0; i < keep.graph().graph.ops.size(); ++i) {
    if (keep.graph().is_view[i] != 0) continue;
    for (ValueId v : keep.graph().graph.ops[i].outputs) {
      const ValueBinding& b = keep.graph().values[static_cast<size_t>(v)];
      ranges.push_back({b.offset, b.offset + b.bytes});
    }
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) CHECK(ranges[i - 1].second <= ranges[i].first);
  CHECK(keep.plan.arena_bytes > l.plan.arena_bytes);
}

TEST_CASE("lowering: inputs are fields of the step") {
  Lowered l;
  Plan({}, {}, &l);
  const StepLayout& layout = l.plan.step_layout;
  CHECK(l.input("embed", 1).kind == BufferKind::kStep);
  CHECK(l.input("embed", 1).step_field == StepField::kTokenIds);
  CHECK(l.input("embed", 1).offset == layout.tokens);
  CHECK(l.input("embed", 1).row_stride == sizeof(TokenParams));
  CHECK(l.input("rope_table", 0).step_field == StepField::kPositions);
  CHECK(l.input("select_outputs", 1).step_field == StepField::kOutputRows);
  CHECK(l.input("lm_head", 1).kind == BufferKind::kWeight);
}

TEST_CASE("lowering: what nobody knows is named, all of it") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  for (Op& op : tiny.package.entries[0].ops) {
    if (op.name == "layers.0.glu") op.version = 9;
    if (op.name == "layers.1.attention") {
      op.code = static_cast<OpCode>(1999);
      op.type_name = "hyper_attention";
    }
  }
  ModelPlan plan;
  const Status status = PlanModel(tiny.package, {}, {}, BackendNamed("cpu"), &plan);
  CHECK(status.code() == StatusCode::kUnsupported);
  const std::string text = status.message();
  CHECK(text.find("\"glu\" version 9 (first at \"layers.0.glu\")") != std::string::npos);
  CHECK(text.find("\"hyper_attention\" version 1") != std::string::npos);
}

TEST_CASE("lowering: a package outside its own limits") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  for (Symbol& symbol : tiny.package.symbols) {
    if (symbol.kind == SymbolKind::kContext) symbol.max = 100;
  }
  LoadOptions options;
  options.n_ctx = 101;
  ModelPlan plan;
  const Status status = PlanModel(tiny.package, {}, options, BackendNamed("cpu"), &plan);
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(std::string(status.message()).find("n_ctx") != std::string::npos);
  options.n_ctx = 100;
  CHECK_OK(PlanModel(tiny.package, {}, options, BackendNamed("cpu"), &plan));
}

TEST_CASE("plan: devices with a memory of their own get a plan per token count") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage({}, &tiny));
  const MirrorBackend mirror(&BackendNamed("cpu"));
  LoadOptions options;
  options.n_ctx = 64;
  options.n_chunk = 24;
  ModelPlan plan;
  REQUIRE_OK(PlanModel(tiny.package, {}, options, mirror, &plan));
  std::vector<uint32_t> sizes;
  for (const LoweredGraph& bucket : plan.buckets) sizes.push_back(bucket.bucket_tokens);
  CHECK(sizes == std::vector<uint32_t>{1, 2, 4, 8, 16, 24});
  CHECK(plan.list.Total(MemoryClass::kDevice) > 0);
}

}  // namespace
}  // namespace samara::test
