// Types by role.
#include "converter/passes/recipes.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "tests/converter/model_kit.h"

namespace samara {
namespace {

std::map<std::string, std::string> RolesByTensor(const Model& model) {
  const GraphRoles roles = FindRoles(model);
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < model.plans.size(); ++i) {
    if (model.package.weights[i].is_vector || model.plans[i].pieces.empty()) continue;
    out[model.plans[i].pieces[0].tensor->name] =
        std::string(RoleName(roles.weights[i].role)) + " " + std::to_string(roles.weights[i].layer);
  }
  return out;
}

TEST_CASE("roles are read from the graph, whatever the tensors are called") {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    CAPTURE(std::string(family));
    NaiveModel naive(MakeCheckpoint(family));
    REQUIRE(naive.status.ok());
    const std::map<std::string, std::string> roles = RolesByTensor(naive.model);
    for (int layer = 0; layer < 3; ++layer) {
      const std::string scope = "model.layers." + std::to_string(layer) + ".";
      const std::string at = " " + std::to_string(layer);
      CHECK(roles.at(scope + "self_attn.q_proj.weight") == "query" + at);
      CHECK(roles.at(scope + "self_attn.k_proj.weight") == "key" + at);
      CHECK(roles.at(scope + "self_attn.v_proj.weight") == "value" + at);
      CHECK(roles.at(scope + "self_attn.o_proj.weight") == "attention output" + at);
      CHECK(roles.at(scope + "mlp.gate_proj.weight") == "gate and up" + at);
      CHECK(roles.at(scope + "mlp.up_proj.weight") == "gate and up" + at);
      CHECK(roles.at(scope + "mlp.down_proj.weight") == "down" + at);
    }
    CHECK(FindRoles(naive.model).layers == 3);
    if (roles.count("lm_head.weight") != 0) {
      CHECK(roles.at("lm_head.weight").starts_with("output"));
      CHECK(roles.at("model.embed_tokens.weight").starts_with("embedding"));
    } else {
      CHECK(roles.at("model.embed_tokens.weight").starts_with("output"));
    }
  }
}

std::map<DType, int> Types(const Model& model) {
  std::map<DType, int> out;
  for (const Weight& weight : model.package.weights) {
    if (!weight.is_vector) ++out[weight.dtype];
  }
  return out;
}

TEST_CASE("recipes spend more bits where they count, and the rest is fused") {
  NaiveModel naive(MakeCheckpoint("llama"));
  REQUIRE(naive.status.ok());
  QuantChoice choice;
  REQUIRE(FindQuant("q4_k_m", &choice));
  CHECK(choice.base == DType::kQ4_K);
  REQUIRE(RunPasses(choice, &naive.model).ok());
  REQUIRE(AssignPlacements(&naive.model).ok());
  const std::map<DType, int> types = Types(naive.model);
  CHECK(types.size() == 2);
  CHECK(types.at(DType::kQ6_K) >= 2);  // output, and some of value and down
  CHECK(types.at(DType::kQ4_K) >= 3 * 2);
  uint64_t noted = 0;
  for (const Model::TypeNote& note : naive.model.type_notes) {
    CHECK(note.dtype == DType::kQ6_K);
    noted += note.count;
  }
  CHECK(noted == static_cast<uint64_t>(types.at(DType::kQ6_K)));
  CHECK(CheckWithoutBytes(naive.model.package).ok());
}

TEST_CASE("every recipe makes a sound package") {
  const std::string names = QuantNames();
  int recipes = 0;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(", ", at), names.size());
    const std::string name = names.substr(at, end - at);
    at = end + 2;
    CAPTURE(name);
    QuantChoice choice;
    REQUIRE(FindQuant(name, &choice));
    recipes += choice.recipe != Recipe::kOne;
    NaiveModel naive(MakeCheckpoint("qwen2"));
    REQUIRE(naive.status.ok());
    REQUIRE(RunPasses(choice, &naive.model).ok());
    REQUIRE(AssignPlacements(&naive.model).ok());
    CHECK(CheckWithoutBytes(naive.model.package).ok());
  }
  CHECK(recipes == 8);
  QuantChoice choice;
  CHECK(!FindQuant("q4_k_x", &choice));
  CHECK(!FindQuant("i32", &choice));
}

TEST_CASE("single tensors can have their own type") {
  NaiveModel naive(MakeCheckpoint("llama"));
  REQUIRE(naive.status.ok());
  QuantChoice choice(DType::kQ4_K);
  choice.overrides = {{"*.1.*down*", DType::kQ8_0}, {"*down*", DType::kQ6_K}};
  REQUIRE(AssignTypes(choice, &naive.model).ok());
  int checked = 0;
  for (size_t i = 0; i < naive.model.plans.size(); ++i) {
    if (naive.model.package.weights[i].is_vector || naive.model.plans[i].pieces.empty()) continue;
    const std::string& name = naive.model.plans[i].pieces[0].tensor->name;
    const bool down = name.find("down") != std::string::npos;
    const DType want = !down                                         ? DType::kQ4_K
                       : name.find("layers.1.") != std::string::npos ? DType::kQ8_0
                                                                     : DType::kQ6_K;
    CHECK(naive.model.package.weights[i].dtype == want);
    checked += down;
  }
  CHECK(checked == 3);
  choice.overrides.push_back({"*nothing*", DType::kF16});
  const Status status = AssignTypes(choice, &naive.model);
  CHECK(!status.ok());
  CHECK(std::string(status.message()).find("*nothing*") != std::string::npos);
}

TEST_CASE("patterns") {
  CHECK(MatchesPattern("abc", "abc"));
  CHECK(!MatchesPattern("abc", "abcd"));
  CHECK(MatchesPattern("*", ""));
  CHECK(MatchesPattern("a*c", "abbbc"));
  CHECK(MatchesPattern("*.1.*down*", "model.layers.1.mlp.down_proj.weight"));
  CHECK(!MatchesPattern("*.1.*down*", "model.layers.11.mlp.down_proj.weight"));
  CHECK(!MatchesPattern("a*b*c", "acb"));
  // Linear in the name for each '*'.
  CHECK(!MatchesPattern(std::string(200, '*') + "b", std::string(100000, 'a')));
}

}  // namespace
}  // namespace samara
