// Each check of CheckPackage has at least one package here that fails it, and says what and why.
#include "formats/check.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "formats/operands.h"
#include "tests/formats/full_package.h"

namespace samara {
namespace {

using test::AddValue;
using test::MakeOp;

constexpr StatusCode kBad = StatusCode::kInvalidFile, kNew = StatusCode::kUnsupported;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr uint64_t kHuge = UINT64_MAX;

struct Case {
  const char* text;  // a part of the message
  StatusCode code;
  std::function<void(Package&)> break_it;
};

const Package& Valid() {
  static const Package package = [] {
    test::TinyPackage tiny;
    Status status = MakeTinyPackage(test::FullSpec(), &tiny);
    INFO(std::string(status.message()));
    REQUIRE(status.ok());
    return tiny.package;
  }();
  return package;
}

Graph& Main(Package& p) { return p.entries[0]; }
Op& Named(Package& p, const char* name) { return Main(p).ops[test::FindOpIndex(Main(p), name)]; }
Value& Output(Package& p, const char* op) { return Main(p).values[Named(p, op).outputs[0]]; }
Value& Input(Package& p, const char* op, size_t i) {
  return Main(p).values[Named(p, op).inputs[i]];
}
Weight& WeightOf(Package& p, const char* op, size_t i) { return p.weights[Input(p, op, i).index]; }
ValueId NewValue(Package& p, DType dtype, Shape shape) {
  return AddValue(&Main(p), ValueKind::kActivation, dtype, shape);
}

void Run(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Package package = Valid();
    c.break_it(package);
    Status status = CheckPackage(package);
    const std::string got = std::string(StatusCodeName(status.code())) + ": " + status.message();
    INFO("want \"", std::string(c.text), "\", got ", got);
    CHECK(status.code() == c.code);
    CHECK(std::string(status.message()).find(c.text) != std::string::npos);
  }
}

TEST_CASE("check: the package of these tests is valid") {
  Status status = CheckPackage(Valid());
  INFO(std::string(status.message()));
  CHECK(status.ok());
}

TEST_CASE("check: symbols and dimensions") {
  Run({
      {"a symbol has no name", kBad, [](Package& p) { p.symbols[0].name = ""; }},
      {"two symbols have the name \"n_tokens\"", kBad,
       [](Package& p) { p.symbols[1].name = "n_tokens"; }},
      {"symbol \"n_seqs\" of kind 99", kNew,
       [](Package& p) { p.symbols[2].kind = static_cast<SymbolKind>(99); }},
      {"symbol \"n_ctx\" ranges from 9 to 8", kBad,
       [](Package& p) { p.symbols[3].min = 9, p.symbols[3].max = 8; }},
      {"symbol \"n_ctx\" ranges from 1", kBad, [](Package& p) { p.symbols[3].max = kHuge; }},
      {"symbol \"n_tokens\" may be 0", kBad, [](Package& p) { p.symbols[0].min = 0; }},
      {"stand for the same number", kBad,
       [](Package& p) { p.symbols[2].kind = SymbolKind::kTokens; }},
      {"state group 7 of 1", kBad, [](Package& p) { p.symbols[5].group = 7; }},
      {"symbol99", kBad, [](Package& p) { Output(p, "norm").shape.dims[0] = Dim::Sym(99); }},
      {"dimension 0", kBad, [](Package& p) { Output(p, "norm").shape.dims[1] = Dim::Of(0); }},
      {"dimension -4", kBad, [](Package& p) { Output(p, "norm").shape.dims[1] = Dim::Of(-4); }},
      {"dimension n_tokens-2", kBad,
       [](Package& p) { Output(p, "norm").shape.dims[0] = Dim::Sym(0, 1, -2); }},
      {"overflows", kBad,
       [](Package& p) { Output(p, "norm").shape.dims[0] = Dim::Sym(0, INT64_MAX / 2); }},
      {"not in normal form", kBad,
       [](Package& p) { Output(p, "norm").shape.dims[0].divisor = -1; }},
      {"has rank 7", kBad, [](Package& p) { Output(p, "norm").shape.rank = 7; }},
  });
}

TEST_CASE("check: segments and weights") {
  Run({
      {"a segment has no name", kBad, [](Package& p) { p.segments[0].name = ""; }},
      {"begins at 16385", kBad, [](Package& p) { p.segments[0].offset += 1; }},
      {"lies on the file's header", kBad, [](Package& p) { p.segments[0].offset = 0; }},
      {"segment \"weights\": offset", kBad,
       [](Package& p) { p.segments[0].offset = kHuge - 16383; }},
      {"bytes of chunk hashes, want 32", kBad,
       [](Package& p) { p.segments[0].chunk_sha256.pop_back(); }},
      {"64 bytes of chunk hashes", kBad, [](Package& p) { p.segments[0].chunk_sha256.resize(64); }},
      {"segments \"weights\" and \"copy\" overlap", kBad,
       [](Package& p) {
         p.segments.push_back(p.segments[0]);
         p.segments[1].name = "copy";
       }},
      {"want a bare file name", kBad, [](Package& p) { p.segments[0].external = "../x"; }},
      {"want a bare file name", kBad, [](Package& p) { p.segments[0].external = "a/b"; }},
      {"want a bare file name", kBad, [](Package& p) { p.segments[0].external = "a\\b"; }},
      {"want a bare file name", kBad, [](Package& p) { p.segments[0].external = ".."; }},
      {"want a bare file name", kBad,
       [](Package& p) { p.segments[0].external = std::string("a\0b", 3); }},
      {"want a bare file name", kBad,
       [](Package& p) { p.segments[0].external = std::string(300, 'a'); }},
      {"two weights have the name", kBad,
       [](Package& p) { p.weights[1].name = p.weights[0].name; }},
      {"weight type 77", kNew, [](Package& p) { p.weights[0].dtype = static_cast<DType>(77); }},
      {"weight type 32", kNew, [](Package& p) { p.weights[0].dtype = DType::kI32; }},
      {"0 x 32 elements", kBad, [](Package& p) { p.weights[0].rows = 0; }},
      {"elements, want 1 to 2^48", kBad,
       [](Package& p) { p.weights[0].rows = p.weights[0].cols = 1u << 30; }},
      {"a vector of 33 rows", kBad, [](Package& p) { p.weights[0].is_vector = true; }},
      {"has 0 placements, want 1 to 16", kBad, [](Package& p) { p.weights[0].placements.clear(); }},
      {"has 17 placements", kBad,
       [](Package& p) { p.weights[0].placements.resize(17, p.weights[0].placements[0]); }},
      {"weight layout 55 version 1 of q8_0", kNew,
       [](Package& p) { p.weights[0].placements[0].layout = static_cast<Layout>(55); }},
      {"weight layout 4 version 2 of q8_0", kNew,
       [](Package& p) { p.weights[0].placements[0].version = 2; }},
      {"weight layout 2 version 1 of q8_0", kNew,
       [](Package& p) { p.weights[0].placements[0].layout = Layout::kRows32; }},
      {"segment 3 of 1", kBad, [](Package& p) { p.weights[0].placements[0].segment = 3; }},
      {"in segment \"weights\" of", kBad,
       [](Package& p) { p.weights[0].placements[0].offset = kHuge - 63; }},
      {"in segment \"weights\" of", kBad,
       [](Package& p) { p.weights[0].placements[0].bytes = kHuge; }},
      {"want a multiple of 64", kBad, [](Package& p) { p.weights[0].placements[0].offset = 32; }},
      {"33 x 32 q8_0 in layout", kBad, [](Package& p) { p.weights[0].placements[0].bytes -= 64; }},
      {"fills rows 30 to", kBad, [](Package& p) { p.weights[0].sources[0].first_row = 30; }},
      {"fills rows", kBad, [](Package& p) { p.weights[0].sources[0].scale = kNan; }},
  });
}

TEST_CASE("check: states and groups") {
  Run({
      {"two states have the name", kBad, [](Package& p) { p.states.push_back(p.states[0]); }},
      {"recurrent states", kNew, [](Package& p) { p.states[0].kind = StateKind::kRecurrent; }},
      {"convolution states", kNew, [](Package& p) { p.states[0].kind = StateKind::kConvolution; }},
      {"state kind 9", kNew, [](Package& p) { p.states[0].kind = static_cast<StateKind>(9); }},
      {"group 1 of 1", kBad, [](Package& p) { p.states[0].group = 1; }},
      {"has 1 parts", kBad, [](Package& p) { p.states[0].parts.pop_back(); }},
      {"0 heads of 8", kBad, [](Package& p) { p.states[0].parts[0].heads = 0; }},
      {"1 heads of 4294967295", kBad, [](Package& p) { p.states[0].parts[0].dim = UINT32_MAX; }},
      {"more than 4 state groups", kNew, [](Package& p) { p.groups.resize(5, p.groups[0]); }},
      {"two state groups have the name", kBad, [](Package& p) { p.groups.resize(2, p.groups[0]); }},
      {"checkpoints of state group \"kv\"", kNew, [](Package& p) { p.groups[0].checkpoints = 1; }},
      {"window 0 with rewind limit 5", kBad, [](Package& p) { p.groups[0].rewind_limit = 5; }},
      {"window 64 with rewind limit", kBad, [](Package& p) { p.groups[0].window = 64; }},
      {"n_tokens slots, want n_ctx", kBad, [](Package& p) { p.groups[0].slots = Dim::Sym(0); }},
      {"n_ctx slots, want n_chunk+68", kBad,
       [](Package& p) { p.groups[0].window = 64, p.groups[0].rewind_limit = 5; }},
      {"window 0 in a state group of window 64", kBad,
       [](Package& p) {
         p.groups[0].window = 64;
         p.groups[0].rewind_limit = 5;
         p.groups[0].slots = Dim::Sym(4, 1, 68);
       }},
      {"no symbol for the context", kBad,
       [](Package& p) { p.symbols.erase(p.symbols.begin() + 3); }},
  });
}

TEST_CASE("check: vocabulary, tokenizer, templates, sampling") {
  Run({
      {"vocab is 0", kBad, [](Package& p) { p.vocab = 0; }},
      {"vocab is 4294967295", kBad, [](Package& p) { p.vocab = UINT32_MAX; }},
      {"trained context is 0", kBad, [](Package& p) { p.trained_context = 0; }},
      {"tokenizer: segment 1 of 1", kBad, [](Package& p) { p.tokenizer_segment = 1; }},
      {"tokenizer: segment -2", kBad, [](Package& p) { p.tokenizer_segment = -2; }},
      {"tokenizer: 34 ids", kBad, [](Package& p) { p.tokenizer_vocab = 34; }},
      {"two chat templates have the name \"default\"", kBad,
       [](Package& p) { p.templates[1].name = "default"; }},
      {"two template variables have the name \"bos_token\"", kBad,
       [](Package& p) { p.template_variables[1].first = "bos_token"; }},
      {"a template variable has no name", kBad,
       [](Package& p) { p.template_variables[1].first = ""; }},
      {"got 33 template variables, want at most 32", kBad,
       [](Package& p) { p.template_variables.resize(33); }},
      {"temperature is out of range", kBad, [](Package& p) { p.sampling.temperature = kNan; }},
      {"temperature is out of range", kBad, [](Package& p) { p.sampling.temperature = -1; }},
      {"top_p is out of range", kBad, [](Package& p) { p.sampling.top_p = 1.5f; }},
      {"min_p is out of range", kBad, [](Package& p) { p.sampling.min_p = -0.5f; }},
      {"repetition_penalty is out of range", kBad,
       [](Package& p) { p.sampling.repetition_penalty = 0; }},
      {"end-of-sequence ids: id 33, want 0 to 32", kBad,
       [](Package& p) { p.sampling.eos_ids = {33}; }},
      {"end-of-sequence ids: id -1", kBad, [](Package& p) { p.sampling.eos_ids = {-1}; }},
  });
}

TEST_CASE("check: values and operands") {
  Run({
      {"value kind 9", kNew,
       [](Package& p) { Output(p, "norm").kind = static_cast<ValueKind>(9); }},
      {"element type 99", kNew,
       [](Package& p) { Output(p, "norm").dtype = static_cast<DType>(99); }},
      {"has type f16, want", kBad, [](Package& p) { Output(p, "norm").dtype = DType::kF16; }},
      {"weight 999 of", kBad, [](Package& p) { Input(p, "norm", 1).index = 999; }},
      {"weight -1 of", kBad, [](Package& p) { Input(p, "norm", 1).index = -1; }},
      {"is f32 [31], want f32 [32]", kBad,
       [](Package& p) { Input(p, "norm", 1).shape.dims[0] = Dim::Of(31); }},
      {"state 5 of 1", kBad, [](Package& p) { Input(p, "layers.0.attention", 1).index = 5; }},
      {"input 0 is value 12345", kBad, [](Package& p) { Named(p, "norm").inputs[0] = 12345; }},
      {"input 0 is value -7", kBad, [](Package& p) { Named(p, "norm").inputs[0] = -7; }},
      {"is used before it is computed", kBad,
       [](Package& p) {
         std::swap(Main(p).ops[0], Main(p).ops[test::FindOpIndex(Main(p), "layers.0.qkv")]);
       }},
      {"want an activation", kBad,
       [](Package& p) { Named(p, "norm").outputs[0] = Named(p, "norm").inputs[1]; }},
      {"is computed twice", kBad,
       [](Package& p) { Named(p, "norm").outputs = Named(p, "layers.0.qkv").outputs; }},
      {"is never computed", kBad, [](Package& p) { NewValue(p, DType::kF32, Shape()); }},
      {"its name is empty or taken", kBad, [](Package& p) { Named(p, "norm").name = "embed"; }},
      {"has version 0", kBad, [](Package& p) { Named(p, "norm").version = 0; }},
      {"has 2 outputs", kBad,
       [](Package& p) {
         Named(p, "norm").outputs.push_back(NewValue(p, DType::kF32, Output(p, "norm").shape));
       }},
      {"eps is missing", kBad, [](Package& p) { Named(p, "norm").attrs.clear(); }},
      {"eps is -1", kBad, [](Package& p) { Named(p, "norm").attrs[0].f = -1; }},
      {"is declared f32 [n_outputs, 31]", kBad,
       [](Package& p) { Output(p, "norm").shape.dims[1] = Dim::Of(31); }},
      {"want a weight with a placement for products", kBad,
       [](Package& p) {
         Weight& w = WeightOf(p, "lm_head", 1);
         uint64_t bytes = 0;
         REQUIRE(LayoutBytes(Layout::kRowMajor, w.dtype, w.rows, w.cols, &bytes));
         w.placements[0].layout = Layout::kRowMajor;
         w.placements[0].bytes = bytes;
       }},
      {"want an f32 weight with a row-major placement", kBad,
       [](Package& p) {
         Weight& w = WeightOf(p, "norm", 1);
         w.dtype = DType::kF16;
         w.placements[0].bytes /= 2;
       }},
      {"want an f32 weight with a row-major placement",
       kBad,  // plain arithmetic on a quantized matrix
       [](Package& p) {
         ValueId w = Named(p, "lm_head").inputs[1];
         Main(p).ops.push_back(
             MakeOp(OpCode::kNeg, "neg", {w}, {NewValue(p, DType::kF32, Main(p).values[w].shape)}));
       }},
      {"has not a row for each value of input", kBad,
       [](Package& p) { p.vocab = 34, p.goldens.clear(); }},
  });
}

TEST_CASE("check: entry points") {
  Run({
      {"the first entry point is not \"generate\"", kBad, [](Package& p) { p.entries.clear(); }},
      {"the first entry point is not \"generate\"", kBad,
       [](Package& p) { Main(p).name = "main"; }},
      {"two entry points have the name", kBad, [](Package& p) { p.entries[1].name = "generate"; }},
      {"a graph has no name", kBad, [](Package& p) { p.entries[1].name = ""; }},
      {"input role 42", kNew,
       [](Package& p) { Main(p).inputs[0].role = static_cast<InputRole>(42); }},
      {"cannot be filled", kBad,
       [](Package& p) { Main(p).inputs[0].role = InputRole::kParameter; }},
      {"two inputs have role 1", kBad,
       [](Package& p) { Main(p).inputs[1].role = InputRole::kTokenIds; }},
      {"is listed twice", kBad,
       [](Package& p) { Main(p).inputs[1].value = Main(p).inputs[0].value; }},
      {"value 999 is no input", kBad, [](Package& p) { Main(p).inputs[1].value = 999; }},
      {"is i32 [n_tokens], want i32 [n_outputs]", kBad,
       [](Package& p) { std::swap(Main(p).inputs[0].role, Main(p).inputs[2].role); }},
      {"output role 42", kNew,
       [](Package& p) { Main(p).outputs[0].role = static_cast<OutputRole>(42); }},
      {"role 3", kBad, [](Package& p) { Main(p).outputs[0].role = OutputRole::kResult; }},
      {"no output has the logits", kBad, [](Package& p) { Main(p).outputs.clear(); }},
      {"is listed twice", kBad, [](Package& p) { Main(p).outputs.push_back(Main(p).outputs[0]); }},
      {"two outputs have role 1", kBad,
       [](Package& p) {
         Main(p).outputs.push_back({Named(p, "norm").outputs[0], OutputRole::kLogits});
       }},
      {"want an activation", kBad, [](Package& p) { Main(p).outputs[0].value = 0; }},
      {"a column for each id", kBad,
       [](Package& p) { Main(p).outputs[0].value = Named(p, "norm").outputs[0]; }},
      {"a row for each output", kBad,
       [](Package& p) { p.entries[1].outputs[0].value = p.entries[1].ops[0].outputs[0]; }},
  });
}

TEST_CASE("check: functions and calls") {
  Run({
      {"decomposition is function 9 of 3", kBad,
       [](Package& p) { Named(p, "peek.0").decomposition = 9; }},
      {"decomposition is function -2", kBad,
       [](Package& p) { Named(p, "norm").decomposition = -2; }},
      {"the function calls itself", kBad,
       [](Package& p) {
         p.functions[test::kTwiceFunction].ops[0] = Named(p, "twice.0");
         p.functions[test::kTwiceFunction].ops[0].inputs = {0};
         p.functions[test::kTwiceFunction].ops[0].outputs = {1};
       }},
      {"has 1 parameters, want 2", kBad,
       [](Package& p) { Named(p, "layers.0.qkv").decomposition = test::kTwiceFunction; }},
      {"has 1 results, want 2", kBad,
       [](Package& p) {
         Named(p, "twice.0").outputs.push_back(NewValue(p, DType::kF32, Shape()));
       }},
      {"parameter 0 is f32 [n_tokens, 32]", kBad,
       [](Package& p) { Named(p, "twice.0").inputs[0] = Named(p, "layers.0.gate_up").outputs[0]; }},
      {"parameter 0 is f32 [n_tokens, 32]", kBad,  // a state where a value is wanted
       [](Package& p) { Named(p, "twice.0").inputs[0] = Named(p, "peek.0").inputs[0]; }},
      {"a state of the same group and parts", kBad,
       [](Package& p) {
         p.states.push_back(p.states[0]);
         p.states[1].name = "other";
         p.states[1].parts[0].dim = 16;
         p.functions[test::kPeekFunction].values[0].index = 1;
       }},
      {"result 0 is f32", kBad, [](Package& p) { Output(p, "twice.0").shape = Shape(); }},
      {"is no parameter", kBad,
       [](Package& p) { p.functions[0].inputs[0].role = InputRole::kTokenIds; }},
      {"parameter without type that names no state", kBad,
       [](Package& p) { p.functions[1].values[0].index = 7; }},
      {"a function takes states as parameters", kBad,
       [](Package& p) {
         p.functions[1].values[0].kind = ValueKind::kState;
         p.functions[1].inputs.clear();
       }},
      {"role 1", kBad, [](Package& p) { p.functions[0].outputs[0].role = OutputRole::kLogits; }},
      {"want an activation", kBad, [](Package& p) { p.functions[0].outputs[0].value = 0; }},
      // What a function multiplies must be a weight with the right layout wherever it is called.
      {"want a weight", kBad,
       [](Package& p) {
         Op& qkv = Named(p, "layers.0.qkv");
         Op op = MakeOp(static_cast<OpCode>(2002), "future", qkv.inputs,
                        {NewValue(p, DType::kF32, Output(p, "layers.0.qkv").shape)});
         op.inputs = {qkv.inputs[0], NewValue(p, DType::kF32, Main(p).values[qkv.inputs[1]].shape)};
         op.decomposition = test::kMatmulFunction;
         Main(p).ops.push_back(
             MakeOp(OpCode::kIota, "fake.i", {},
                    {NewValue(p, DType::kI32, Main(p).values[op.inputs[1]].shape)},
                    {test::IntAttribute(AttrKey::kAxis, 0)}));
         Main(p).ops.push_back(
             MakeOp(OpCode::kCast, "fake", Main(p).ops.back().outputs, {op.inputs[1]},
                    {test::IntAttribute(AttrKey::kDType, static_cast<int>(DType::kF32))}));
         Main(p).ops.push_back(op);
       }},
      // ... and what it adds up must be plain numbers.
      {"want an f32 weight with a row-major placement", kBad,
       [](Package& p) {
         Op twice = Named(p, "twice.0");
         twice.name = "twice.1";
         twice.inputs[0] = Named(p, "lm_head").inputs[1];
         const Shape shape = Main(p).values[twice.inputs[0]].shape;
         twice.outputs[0] = NewValue(p, DType::kF32, shape);
         Graph function = p.functions[test::kTwiceFunction];
         for (Value& value : function.values) value.shape = shape;
         twice.decomposition = static_cast<int32_t>(p.functions.size());
         p.functions.push_back(function);
         Main(p).ops.push_back(twice);
       }},
  });
}

// A chain of functions, each calling the one before `calls` times.
void AddChain(Package& p, int length, int calls) {
  Graph base = p.functions[test::kTwiceFunction];
  for (int level = 0; level < length; ++level) {
    Graph next = base;
    next.ops.clear();
    ValueId at = 0;
    for (int i = 0; i < calls; ++i) {
      ValueId to = i == calls - 1
                       ? 1
                       : AddValue(&next, ValueKind::kActivation, DType::kF32, base.values[0].shape);
      Op op = MakeOp(test::kTwiceCode, "call" + std::to_string(i), {at}, {to});
      op.decomposition =
          level == 0 ? test::kTwiceFunction : static_cast<int32_t>(p.functions.size()) - 1;
      next.ops.push_back(op);
      at = to;
    }
    p.functions.push_back(next);
  }
  Named(p, "twice.0").decomposition = static_cast<int32_t>(p.functions.size()) - 1;
}

TEST_CASE("check: depth and size of decompositions") {
  Run({
      {"nested more than 16 deep", kBad, [](Package& p) { AddChain(p, 16, 1); }},
      {"nested more than 16 deep", kBad, [](Package& p) { AddChain(p, 5000, 1); }},
      {"more than 131072 operators after decomposition", kBad,
       [](Package& p) { AddChain(p, 15, 8); }},
      {"more than 131072 operators after decomposition", kBad,
       [](Package& p) { AddChain(p, 15, 3); }},
  });
  // At the limits it holds, and what is accepted can be inlined.
  Package package = Valid();
  AddChain(package, 15, 2);
  Status status = CheckPackage(package);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
  struct All : DecomposeChoice {
    bool Decompose(const Graph&, const Op& op) override { return op.decomposition >= 0; }
  } all;
  Graph out;
  REQUIRE(InlineDecompositions(package, package.entries[0], &all, &out).ok());
  CHECK(out.ops.size() > (1u << 15));
  // The order of functions does not matter.
  package = Valid();
  AddChain(package, 1, 1);
  std::swap(package.functions[test::kTwiceFunction], package.functions[3]);
  package.functions[test::kTwiceFunction].ops[0].decomposition = 3;
  Named(package, "twice.0").decomposition = test::kTwiceFunction;
  CHECK(CheckPackage(package).ok());
}

TEST_CASE("check: goldens") {
  Run({
      {"rendered golden \"plain\": template 2 of 2", kBad,
       [](Package& p) { p.conversations[0].results[1].index = 2; }},
      {"rendered golden \"plain\": a hash of 31 bytes", kBad,
       [](Package& p) { p.conversations[0].results[1].sha256.pop_back(); }},
      {"rendered golden \"plain\": a text of 5 bytes, want 6", kBad,
       [](Package& p) { p.conversations[0].results[0].bytes = 6; }},
      {"two conversations have the name \"plain\"", kBad,
       [](Package& p) { p.conversations[1].name = "plain"; }},
      {"golden of \"other\": no such entry point", kBad,
       [](Package& p) { p.goldens[0].entry = "other"; }},
      {"0 ids", kBad, [](Package& p) { p.goldens[0].ids.clear(); }},
      {"id 33, want 0 to 32", kBad, [](Package& p) { p.goldens[0].ids[3] = 33; }},
      {"id -1", kBad, [](Package& p) { p.goldens[0].top_ids[1] = -1; }},
      {"a hash of 31 bytes", kBad, [](Package& p) { p.goldens[0].logits_sha256.pop_back(); }},
      {"2 best ids and 1 logits", kBad, [](Package& p) { p.goldens[0].top_logits.pop_back(); }},
      {"want as many finite logits", kBad, [](Package& p) { p.goldens[0].top_logits[0] = kNan; }},
      {"operator 999 of", kBad, [](Package& p) { p.goldens[0].ops[0].op = 999; }},
      {"output 1 of operator", kBad, [](Package& p) { p.goldens[0].ops[0].output = 1; }},
      {"3 indices and 2 values", kBad, [](Package& p) { p.goldens[0].ops[0].values.pop_back(); }},
      {"finite values", kBad, [](Package& p) { p.goldens[0].ops[0].values[0] = kNan; }},
      {"finite values", kBad, [](Package& p) { p.goldens[0].ops[0].l2 = -1; }},
      {"element 64 of 64", kBad, [](Package& p) { p.goldens[0].ops[0].indices[2] = 64; }},
  });
}

TEST_CASE("check: everything unknown is named in one error") {
  Package package = Valid();
  package.required_features = {"time_travel", "telepathy"};
  Named(package, "peek.0").decomposition = -1;
  Named(package, "norm").version = 5;
  Op& gather = Named(package, "embed");
  gather.attrs.push_back(test::IntAttribute(static_cast<AttrKey>(77), 1));
  package.states[0].kind = StateKind::kRecurrent;
  Status status = CheckPackage(package);
  CHECK(status.code() == StatusCode::kUnsupported);
  for (const char* part : {"feature \"time_travel\"", "feature \"telepathy\"",
                           "operator \"peek\" version 3", "operator rms_norm version 5",
                           "operator gather version 1 with attribute 77", "recurrent states"}) {
    INFO(std::string(status.message()));
    CHECK(std::string(status.message()).find(part) != std::string::npos);
  }
  // Many of them: the list is cut, and each is named once.
  package = Valid();
  for (int i = 0; i < 100; ++i) package.required_features.push_back("f" + std::to_string(i));
  package.required_features.push_back("f0");
  status = CheckPackage(package);
  CHECK(std::string(status.message()).find("\"f15\" and more") != std::string::npos);
  CHECK(std::string(status.message()).find("\"f16\"") == std::string::npos);
}

TEST_CASE("check: an unknown operator, version or attribute with a decomposition is welcome") {
  Package package = Valid();
  Op& qkv = Named(package, "layers.0.qkv");
  qkv.version = 9;
  CHECK(CheckPackage(package).ok());
  qkv.version = 1;
  qkv.attrs.push_back(test::IntAttribute(static_cast<AttrKey>(900), 1));
  CHECK(CheckPackage(package).ok());
  qkv.code = static_cast<OpCode>(4321);
  qkv.type_name = "hyperlinear";
  CHECK(CheckPackage(package).ok());
  qkv.decomposition = -1;
  Status status = CheckPackage(package);
  CHECK(std::string(status.message()).find("operator \"hyperlinear\" version 1") !=
        std::string::npos);
}

TEST_CASE("check: segments in the file") {
  const Package& package = Valid();
  const Segment& s = package.segments[0];
  FileHeader header;
  header.metadata_offset = (s.offset + s.bytes + kSegmentTailBytes + kSegmentAlignment - 1) /
                           kSegmentAlignment * kSegmentAlignment;
  header.metadata_bytes = 1000;
  header.file_bytes = header.metadata_offset + 1000 + kSegmentTailBytes;
  CHECK(CheckFileLayout(package, header).ok());
  FileHeader cut = header;
  cut.file_bytes = s.offset + s.bytes + kSegmentTailBytes - 1;
  cut.metadata_offset = 0;
  CHECK(std::string(CheckFileLayout(package, cut).message()).find("reaches beyond") !=
        std::string::npos);
  FileHeader inside = header;
  inside.metadata_offset = s.offset;
  CHECK(std::string(CheckFileLayout(package, inside).message()).find("lies on the metadata") !=
        std::string::npos);
  Package external = package;
  external.segments[0].external = "elsewhere.samara";
  CHECK(CheckFileLayout(external, inside).ok());
}

}  // namespace
}  // namespace samara
