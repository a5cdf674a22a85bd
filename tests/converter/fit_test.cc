// Types for a size, and importance files.
#include "converter/fit.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "converter/convert.h"
#include "converter/importance.h"
#include "converter/source.h"
#include "tests/converter/checkpoint.h"
#include "tests/converter/model_kit.h"
#include "tests/support/quant_data.h"

namespace samara {
namespace {

// Losses fall with bytes, but not evenly: some options are on no hull.
std::vector<FitGroup> RandomGroups(uint64_t seed, size_t n) {
  test::Random random(seed);
  std::vector<FitGroup> groups(n);
  for (FitGroup& group : groups) {
    const double weight = std::exp(3 * static_cast<double>(random.Gaussian()));
    uint64_t bytes = 0;
    for (int i = 0; i < 4; ++i) {
      bytes += 20 + random.Below(40);
      const double noise = 0.5 + random.Uniform();
      group.options.push_back({DType::kQ4_K, bytes, weight * noise * std::exp2(-2.0 * i)});
    }
  }
  return groups;
}

struct Total {
  uint64_t bytes = 0;
  double loss = 0;
};
Total TotalOf(const std::vector<FitGroup>& groups, const std::vector<size_t>& chosen) {
  Total total;
  for (size_t g = 0; g < groups.size(); ++g) {
    total.bytes += groups[g].options[chosen[g]].bytes;
    total.loss += groups[g].options[chosen[g]].loss;
  }
  return total;
}

TEST_CASE("what is chosen fits, and is near the best of all choices") {
  double excess = 0;
  int cases = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    const std::vector<FitGroup> groups = RandomGroups(seed, 6);
    for (const uint64_t room : {400, 600, 800, 1200}) {
      CAPTURE(room);
      // All 4^6 choices.
      double best = std::numeric_limits<double>::infinity();
      for (size_t code = 0; code < 4096; ++code) {
        std::vector<size_t> chosen(6);
        for (size_t g = 0; g < 6; ++g) chosen[g] = code >> 2 * g & 3;
        const Total total = TotalOf(groups, chosen);
        if (total.bytes <= room) best = std::min(best, total.loss);
      }
      const auto chosen = ChooseOptions(groups, room);
      if (!chosen.ok()) {
        CHECK(chosen.status().code() == StatusCode::kInvalidArgument);
        CHECK(best == std::numeric_limits<double>::infinity());
        continue;
      }
      const Total total = TotalOf(groups, *chosen);
      CHECK(total.bytes <= room);
      CHECK(total.loss >= best);
      // Never worse than one type for all of that size.
      for (size_t i = 0; i < 4; ++i) {
        const Total one = TotalOf(groups, std::vector<size_t>(6, i));
        if (one.bytes + 60 <= room) CHECK(total.loss <= one.loss);
      }
      excess += std::log(total.loss / best);
      ++cases;
    }
  }
  REQUIRE(cases > 100);
  CHECK(std::exp(excess / cases) < 1.2);
}

TEST_CASE("fitting measures every type of every tensor alone and meets the size") {
  TemporaryDirectory dir;
  WriteCheckpoint(dir / "m", MakeCheckpoint("llama"));
  ConvertOptions options;
  options.source = dir / "m";
  options.output = dir / "out.samara";
  int references = 0;
  ConvertOptions::Fit fit;
  fit.text = "none.txt";
  fit.reference = [&](const std::string& path) {
    ++references;
    CHECK(!ReadBytes(path).empty());
    return Status();
  };
  fit.divergence = [&](const std::string& path, uint64_t* positions) -> StatusOr<double> {
    *positions = 7;
    CHECK(!ReadBytes(path).empty());
    return 1e-3;
  };
  fit.target.bits = 13;  // rows of 16 are padded to 32
  options.fit = fit;
  const auto summary = Convert(options);
  REQUIRE_MESSAGE(summary.ok(), std::string(summary.status().message()));
  CHECK(references == 1);
  CHECK(summary->positions == 7);
  CHECK(summary->divergence == 1e-3);
  uint64_t bytes = 0, elements = 0;
  for (const auto& type : summary->types) {
    if (type.dtype == DType::kF32) continue;
    CHECK(FindDType(type.dtype)->is_quantized);
    bytes += type.bytes;
    elements += type.elements;
  }
  CHECK(8 * bytes <= 13 * elements);
  CHECK(dir.Names() == std::vector<std::string>{"m", "out.samara"});

  // Too small a size is refused before anything is measured, whatever fails on the way leaves nothing.
  references = 0;
  options.output = dir / "none.samara";
  options.fit->target.bits = 1.5;
  CHECK(Convert(options).status().code() == StatusCode::kInvalidArgument);
  CHECK(references == 0);
  options.fit->target.bits = 13;
  options.fit->divergence = [](const std::string&, uint64_t*) -> StatusOr<double> {
    return Unsupported("no");
  };
  CHECK(Convert(options).status().code() == StatusCode::kUnsupported);
  CHECK(dir.Names() == std::vector<std::string>{"m", "out.samara"});
}

TEST_CASE("sensitive tensors get more bits; overrides stay") {
  const NaiveModel naive(MakeCheckpoint("qwen2"));
  REQUIRE(naive.status.ok());
  const Model& model = naive.model;
  QuantChoice choice;
  choice.overrides.push_back({"model.layers.0.*", DType::kQ8_0});
  FitTarget target;
  target.bits = 10.7;
  const auto measure = [&](const QuantChoice& quant) -> StatusOr<double> {
    double loss = 0;
    CHECK(quant.base == DType::kInvalid);
    CHECK(quant.overrides[0].pattern == "model.layers.0.*");
    CHECK(quant.overrides.size() == 2);  // one tensor at a time
    const auto& own = quant.overrides.back();
    const DTypeInfo& info = *FindDType(own.dtype);
    const double bits = 8.0 * info.block_bytes / info.block_elements;
    const double weight = own.pattern.find("v_proj") != std::string::npos ? 1000 : 1;
    loss += weight * std::exp2(-2 * bits);
    return loss;
  };
  const auto best = FitTypes(model, choice, target, measure, {});
  REQUIRE_MESSAGE(best.ok(), std::string(best.status().message()));
  std::map<std::string, DType> types;
  for (const auto& o : best->overrides) types[o.pattern] = o.dtype;
  CHECK(types.at("model.layers.0.*") == DType::kQ8_0);
  CHECK(types.count("model.layers.0.self_attn.v_proj.weight") == 0);
  const auto bits = [&](const std::string& name) {
    const DTypeInfo& info = *FindDType(types.at(name));
    return 8.0 * info.block_bytes / info.block_elements;
  };
  double values = 0, queries = 0;
  for (const char* layer : {"1", "2"}) {
    const std::string scope = std::string("model.layers.") + layer + ".self_attn.";
    values += bits(scope + "v_proj.weight");
    queries += bits(scope + "q_proj.weight");
  }
  CHECK(values > queries);
}

TEST_CASE("importance files: read, checked against the model, refused by name") {
  TemporaryDirectory dir;
  const NaiveModel naive(MakeCheckpoint("llama"));
  REQUIRE(naive.status.ok());
  const Model& model = naive.model;
  const auto read = [&](const TestTensors& tensors) {
    WriteText(dir / "imp", SafetensorsOf(tensors));
    return Importance::Read(dir / "imp");
  };
  std::vector<float> values(16, 1.0f);
  values[0] = 17;
  values[5] = 0;
  const std::string name = "model.layers.1.self_attn.q_proj.weight";
  auto good = read({{name, {"F32", {16}, values}}});
  REQUIRE_MESSAGE(good.ok(), std::string(good.status().message()));
  CHECK(good->Check(model).ok());
  const std::vector<float>* found = good->Find(name);
  REQUIRE(found != nullptr);
  const float mean = 31.0f / 16;
  CHECK((*found)[0] == doctest::Approx(17 / mean));
  CHECK((*found)[5] == doctest::Approx(1e-3));  // not 0
  CHECK(good->Find("x") == nullptr);
  size_t with = 0;
  for (size_t i = 0; i < model.plans.size(); ++i) with += good->Of(model, i) != nullptr;
  CHECK(with == 1);

  const auto message = [&](const TestTensors& tensors) {
    auto file = read(tensors);
    const Status status = file.ok() ? file->Check(model) : file.status();
    CHECK(!status.ok());
    return std::string(status.message());
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(message({{name, {"F32", {15}, std::vector<float>(15, 1.0f)}}}), "15 columns"));
  CHECK(has(message({{"other", {"F32", {16}, values}}}), "no tensor of this checkpoint"));
  CHECK(has(message({{name, {"F32", {4, 4}, values}}}), "[4, 4]"));
  CHECK(has(message({{name, {"BF16", {16}, values}}}), "BF16"));
  for (const float bad : {-1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    values[3] = bad;
    CHECK(has(message({{name, {"F32", {16}, values}}}), "[3]"));
  }
  WriteText(dir / "imp", "garbage");
  CHECK(!Importance::Read(dir / "imp").ok());
  CHECK(Importance::Read(dir / "absent").status().code() == StatusCode::kNotFound);
}

TEST_CASE("importance changes what is written, and only where it says so") {
  TemporaryDirectory dir;
  WriteCheckpoint(dir / "m", MakeCheckpoint("llama"));
  std::vector<float> values(16);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i < 8 ? 100.0f : 0.01f;
  ConvertOptions options;
  options.source = dir / "m";
  options.quant = DType::kQ4_K;
  options.output = dir / "a.samara";
  REQUIRE(Convert(options).ok());
  WriteText(dir / "imp",
            SafetensorsOf({{"model.layers.1.mlp.gate_proj.weight", {"F32", {16}, values}}}));
  options.importance = dir / "imp";
  options.output = dir / "b.samara";
  REQUIRE(Convert(options).ok());
  CHECK(ReadBytes(dir / "a.samara") != ReadBytes(dir / "b.samara"));
  options.importance = dir / "m";
  options.output = dir / "c.samara";
  CHECK(!Convert(options).ok());
  CHECK(dir.Names() == std::vector<std::string>{"a.samara", "b.samara", "imp", "m"});
}

}  // namespace
}  // namespace samara
