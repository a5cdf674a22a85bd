#include "converter/passes/recipes.h"

#include <map>
#include <utility>

#include "converter/passes/rewrite.h"
#include "formats/dtypes.h"

namespace samara {
namespace {

bool IsProduct(const Op& op) { return op.code == OpCode::kLinear || op.code == OpCode::kMatmul; }

class RoleFinder {
 public:
  explicit RoleFinder(const Model& model)
      : model_(model), graph_(model.graph()), producers_(FindProducers(graph_)) {
    roles_.weights.resize(model.package.weights.size());
  }

  GraphRoles Find() {
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const Op& op = graph_.ops[i];
      if (op.code == OpCode::kGather) Mark(op.inputs[0], Role::kEmbedding, 0);
      if (op.code == OpCode::kStateWrite) {
        MarkSources(op.inputs[0], op.Int(AttrKey::kPart) == 0 ? Role::kKey : Role::kValue,
                    roles_.layers);
      } else if (op.code == OpCode::kAttention) {
        MarkSources(op.inputs[0], Role::kQuery, roles_.layers);
        if (roles_.layers == 0 && op.Int(AttrKey::kKvHeads) > 0) {
          roles_.queries_per_key =
              static_cast<int>(op.Int(AttrKey::kHeads) / op.Int(AttrKey::kKvHeads));
        }
        ++roles_.layers;
      } else if (op.code == OpCode::kGlu || op.code == OpCode::kActivate) {
        MarkSources(op.inputs[0], Role::kGateUp, roles_.layers - 1);
      } else if (IsProduct(op)) {
        const Op* source = SourceOf(op.inputs[0]);
        if (source == nullptr) continue;
        if (source->code == OpCode::kAttention)
          Mark(op.inputs[1], Role::kAttentionOutput, roles_.layers - 1);
        if (source->code == OpCode::kGlu || source->code == OpCode::kActivate)
          Mark(op.inputs[1], Role::kDown, roles_.layers - 1);
      }
    }
    for (const GraphOutput& output : graph_.outputs) {
      if (output.role == OutputRole::kLogits)
        MarkSources(output.value, Role::kOutput, roles_.layers);
    }
    return std::move(roles_);
  }

 private:
  void Mark(ValueId id, Role role, int layer) {
    const Value& value = graph_.values[static_cast<size_t>(id)];
    if (value.kind != ValueKind::kWeight) return;
    roles_.weights[static_cast<size_t>(value.index)] = {role, layer < 0 ? 0 : layer};
  }

  // The operator that a value comes from through what works element by element, row by row or moves data.
  const Op* SourceOf(ValueId id) const {
    for (size_t steps = 0; steps < graph_.ops.size(); ++steps) {
      const int at = producers_[static_cast<size_t>(id)];
      if (at < 0) return nullptr;
      const Op& op = graph_.ops[static_cast<size_t>(at)];
      switch (op.code) {
        case OpCode::kSlice:
        case OpCode::kReshape:
        case OpCode::kRmsNorm:
        case OpCode::kLayerNorm:
        case OpCode::kRope:
        case OpCode::kMul:
        case OpCode::kDiv:
        case OpCode::kTanh:
          id = op.inputs[0];
          break;
        default:
          return &op;
      }
    }
    return nullptr;
  }

  // The matrices of the products that a value is made of.
  void MarkSources(ValueId id, Role role, int layer) {
    const Op* source = SourceOf(id);
    if (source == nullptr) return;
    if (IsProduct(*source)) {
      Mark(source->inputs[1], role, layer);
    } else if (source->code == OpCode::kConcat) {
      for (const ValueId input : source->inputs) MarkSources(input, role, layer);
    }
  }

  const Model& model_;
  const Graph& graph_;
  const std::vector<int> producers_;
  GraphRoles roles_;
};

// The eighths at both ends and every third layer between.
bool MoreBits(int layer, int layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

struct RecipeInfo {
  const char* name;
  Recipe recipe;
  DType base;
};
constexpr RecipeInfo kRecipes[] = {
    {"q2_k_m", Recipe::kQ2_K, DType::kQ2_K},   {"q3_k_s", Recipe::kQ3_K_S, DType::kQ3_K},
    {"q3_k_m", Recipe::kQ3_K_M, DType::kQ3_K}, {"q3_k_l", Recipe::kQ3_K_L, DType::kQ3_K},
    {"q4_k_s", Recipe::kQ4_K_S, DType::kQ4_K}, {"q4_k_m", Recipe::kQ4_K_M, DType::kQ4_K},
    {"q5_k_s", Recipe::kQ5_K_S, DType::kQ5_K}, {"q5_k_m", Recipe::kQ5_K_M, DType::kQ5_K},
};

DType RecipeType(const QuantChoice& choice, const WeightRole& weight, const GraphRoles& graph) {
  const int layer = weight.layer, layers = graph.layers;
  const Recipe recipe = choice.recipe;
  if (weight.role == Role::kOutput) return DType::kQ6_K;
  switch (recipe) {
    case Recipe::kQ2_K:
      if (weight.role == Role::kValue)
        return graph.queries_per_key >= 4 ? DType::kQ4_K : DType::kQ3_K;
      if (weight.role == Role::kAttentionOutput || weight.role == Role::kDown) return DType::kQ3_K;
      break;
    case Recipe::kQ3_K_M:
      if (weight.role == Role::kValue) return layer < 2 ? DType::kQ5_K : DType::kQ4_K;
      if (weight.role == Role::kDown) return layer < layers / 16 ? DType::kQ5_K : DType::kQ4_K;
      if (weight.role == Role::kAttentionOutput) return DType::kQ4_K;
      break;
    case Recipe::kQ3_K_L:
      if (weight.role == Role::kValue || weight.role == Role::kDown ||
          weight.role == Role::kAttentionOutput) {
        return DType::kQ5_K;
      }
      break;
    case Recipe::kQ4_K_S:
      if (weight.role == Role::kValue && layer < 4) return DType::kQ5_K;
      if (weight.role == Role::kDown && layer < layers / 8) return DType::kQ5_K;
      break;
    case Recipe::kQ4_K_M:
    case Recipe::kQ5_K_M:
      if ((weight.role == Role::kValue || weight.role == Role::kDown) && MoreBits(layer, layers))
        return DType::kQ6_K;
      break;
    default:
      break;
  }
  return choice.base;
}

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kEmbedding:
      return "embedding";
    case Role::kOutput:
      return "output";
    case Role::kQuery:
      return "query";
    case Role::kKey:
      return "key";
    case Role::kValue:
      return "value";
    case Role::kAttentionOutput:
      return "attention output";
    case Role::kGateUp:
      return "gate and up";
    case Role::kDown:
      return "down";
    case Role::kOther:
      break;
  }
  return "other";
}

GraphRoles FindRoles(const Model& model) { return RoleFinder(model).Find(); }

bool FindQuant(std::string_view name, QuantChoice* choice) {
  if (const DTypeInfo* info = FindDType(name); info != nullptr && info->is_weight) {
    choice->base = info->dtype;
    choice->recipe = Recipe::kOne;
    choice->name = name;
    return true;
  }
  for (const RecipeInfo& info : kRecipes) {
    if (name != info.name) continue;
    choice->base = info.base;
    choice->recipe = info.recipe;
    choice->name = name;
    return true;
  }
  return false;
}

std::string QuantNames() {
  std::string names;
  for (int number = 0; number < 64; ++number) {
    const DTypeInfo* info = FindDType(static_cast<DType>(number));
    if (info == nullptr || !info->is_weight) continue;
    names += (names.empty() ? "" : ", ") + std::string(info->name);
  }
  for (const RecipeInfo& info : kRecipes) names += ", " + std::string(info.name);
  return names;
}

bool MatchesPattern(std::string_view pattern, std::string_view name) {
  // Where the last '*' stood, and what it has taken so far.
  size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Status AssignTypes(const QuantChoice& choice, Model* model) {
  const GraphRoles roles = FindRoles(*model);
  std::vector<uint64_t> matched(choice.overrides.size());
  std::map<std::pair<DType, std::string>, uint64_t> notes;
  for (size_t i = 0; i < model->plans.size(); ++i) {
    Weight& weight = model->package.weights[i];
    const WeightPlan& plan = model->plans[i];
    if (weight.is_vector || plan.pieces.empty()) {
      weight.dtype = DType::kF32;
      continue;
    }
    const TensorInfo& tensor = *plan.pieces[0].tensor;
    const DType own = tensor.kept != DType::kInvalid ? tensor.kept : tensor.dtype;
    weight.dtype = choice.base == DType::kInvalid  ? own
                   : choice.recipe == Recipe::kOne ? choice.base
                                                   : RecipeType(choice, roles.weights[i], roles);
    std::string why = RoleName(roles.weights[i].role);
    for (size_t k = 0; k < choice.overrides.size(); ++k) {
      const QuantChoice::Override& override = choice.overrides[k];
      if (!MatchesPattern(override.pattern, plan.pieces[0].tensor->name)) continue;
      weight.dtype = override.dtype;
      why = "fits " + override.pattern;
      ++matched[k];
      break;
    }
    if (choice.base != DType::kInvalid && weight.dtype != choice.base) ++notes[{weight.dtype, why}];
  }
  for (size_t k = 0; k < matched.size(); ++k) {
    if (matched[k] != 0) continue;
    return InvalidArgument("--tensor-type: got %s, which no matrix of the checkpoint fits",
                           Quoted(choice.overrides[k].pattern, 200).c_str());
  }
  model->type_notes.clear();
  for (const auto& [what, count] : notes)
    model->type_notes.push_back({what.first, what.second, count});
  return Status();
}

}  // namespace samara
