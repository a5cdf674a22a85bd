#include "converter/fit.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "formats/layout/layout.h"

namespace samara {
namespace {

constexpr DType kTypes[] = {DType::kQ2_K, DType::kQ3_K, DType::kIQ4_XS, DType::kIQ4_NL,
                            DType::kQ4_K, DType::kQ5_K, DType::kQ6_K,   DType::kQ8_0};
// With more tensors than this, roles of neighbouring layers share a type.
constexpr size_t kMaxTensors = 64;
constexpr int kBands = 6;

bool Overridden(const QuantChoice& choice, const std::string& name) {
  for (const QuantChoice::Override& o : choice.overrides) {
    if (MatchesPattern(o.pattern, name)) return true;
  }
  return false;
}

// Options of a group that lie on the lower hull of loss over bytes: each step to the next gains less a byte than the one
// before.
std::vector<size_t> Hull(const std::vector<FitOption>& options) {
  std::vector<size_t> hull;
  for (size_t i = 0; i < options.size(); ++i) {
    if (!hull.empty() && options[i].bytes == options[hull.back()].bytes) {
      if (options[i].loss >= options[hull.back()].loss) continue;
      hull.pop_back();
    }
    if (!hull.empty() && options[i].loss >= options[hull.back()].loss) continue;
    while (hull.size() >= 2) {
      const FitOption& a = options[hull[hull.size() - 2]];
      const FitOption& b = options[hull.back()];
      const FitOption& c = options[i];
      const double first = (a.loss - b.loss) / static_cast<double>(b.bytes - a.bytes);
      const double second = (b.loss - c.loss) / static_cast<double>(c.bytes - b.bytes);
      if (first > second) break;
      hull.pop_back();
    }
    hull.push_back(i);
  }
  return hull;
}

}  // namespace

std::vector<FitGroup> MakeFitGroups(const Model& model, const QuantChoice& choice) {
  const GraphRoles roles = FindRoles(model);
  struct Matrix {
    size_t weight;
    std::string tensor;
  };
  std::vector<Matrix> matrices;
  std::set<std::pair<std::string, uint64_t>> seen;  // a tied table is two weights of the graph
  std::set<std::string> tensors;
  for (size_t i = 0; i < model.plans.size(); ++i) {
    const WeightPlan& plan = model.plans[i];
    if (model.package.weights[i].is_vector || plan.pieces.empty()) continue;
    const std::string& name = plan.pieces[0].tensor->name;
    if (Overridden(choice, name) || !seen.insert({name, plan.pieces[0].source_row}).second)
      continue;
    matrices.push_back({i, name});
    tensors.insert(name);
  }
  // Tensors whose weights have several roles are a group by the first.
  std::map<std::string, size_t> group_of;
  std::map<std::string, std::string> key_of;
  std::vector<FitGroup> groups;
  for (const Matrix& matrix : matrices) {
    const WeightRole& role = roles.weights[matrix.weight];
    std::string& key = key_of[matrix.tensor];
    if (key.empty()) {
      const int layers = std::max(roles.layers, 1);
      key = tensors.size() <= kMaxTensors
                ? matrix.tensor
                : std::string(RoleName(role.role)) + " " +
                      std::to_string(std::min(role.layer, layers - 1) * kBands / layers);
    }
    const auto [at, added] = group_of.emplace(key, groups.size());
    if (added) {
      groups.emplace_back();
      for (const DType dtype : kTypes) groups.back().options.push_back({dtype, 0, 0});
    }
    FitGroup& group = groups[at->second];
    if (std::find(group.tensors.begin(), group.tensors.end(), matrix.tensor) == group.tensors.end())
      group.tensors.push_back(matrix.tensor);
    const Weight& weight = model.package.weights[matrix.weight];
    group.elements += weight.rows * weight.cols;
    for (FitOption& option : group.options) {
      uint64_t bytes = 0;
      if (!LayoutBytes(MatmulLayout(option.dtype), option.dtype, weight.rows, weight.cols, &bytes))
        bytes = uint64_t{1} << 60;  // refused with the model itself
      option.bytes += bytes;
    }
  }
  for (FitGroup& group : groups) {
    std::stable_sort(group.options.begin(), group.options.end(),
                     [](const FitOption& a, const FitOption& b) { return a.bytes < b.bytes; });
  }
  return groups;
}

StatusOr<std::vector<size_t>> ChooseOptions(const std::vector<FitGroup>& groups, uint64_t bytes) {
  struct Step {
    size_t group, to;
    uint64_t bytes;
    double rate;
    size_t number;
  };
  std::vector<Step> steps;
  std::vector<size_t> chosen(groups.size());
  uint64_t used = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::vector<FitOption>& options = groups[g].options;
    const std::vector<size_t> hull = Hull(options);
    chosen[g] = hull[0];
    used += options[hull[0]].bytes;
    for (size_t i = 1; i < hull.size(); ++i) {
      const FitOption& a = options[hull[i - 1]];
      const FitOption& b = options[hull[i]];
      steps.push_back({g, hull[i], b.bytes - a.bytes,
                       (a.loss - b.loss) / static_cast<double>(b.bytes - a.bytes), i});
    }
  }
  if (used > bytes) {
    return InvalidArgument("--fit: got room for %llu bytes of matrices, wanted at least %llu",
                           static_cast<unsigned long long>(bytes),
                           static_cast<unsigned long long>(used));
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.rate > b.rate; });
  // A step that finds no room ends its group's way; smaller steps of others may still fit.
  std::vector<size_t> taken(groups.size());
  for (const Step& step : steps) {
    if (taken[step.group] + 1 != step.number || step.bytes > bytes - used) continue;
    used += step.bytes;
    chosen[step.group] = step.to;
    ++taken[step.group];
  }
  return chosen;
}

StatusOr<QuantChoice> FitTypes(const Model& model, const QuantChoice& choice,
                               const FitTarget& target,
                               const std::function<StatusOr<double>(const QuantChoice&)>& measure,
                               const std::function<void(uint64_t, uint64_t)>& progress) {
  std::vector<FitGroup> groups = MakeFitGroups(model, choice);
  if (groups.empty()) return InvalidArgument("--fit: the checkpoint has no matrix to choose for");
  uint64_t room = target.bytes, total = 0, done = 0;
  if (target.bytes == 0) {
    double elements = 0;
    for (const FitGroup& group : groups) elements += static_cast<double>(group.elements);
    room = static_cast<uint64_t>(elements * target.bits / 8);
  } else {
    for (const Weight& weight : model.package.weights) {
      const uint64_t bytes = weight.is_vector ? weight.cols * 4 : 0;
      room = room > bytes ? room - bytes : 0;
    }
  }
  // Whether anything fits is known before anything is measured.
  SAMARA_RETURN_IF_ERROR(ChooseOptions(groups, room).status());
  const auto types = [&](const FitGroup& group, DType dtype, QuantChoice* out) {
    for (const std::string& tensor : group.tensors) out->overrides.push_back({tensor, dtype});
  };
  for (const FitGroup& group : groups) total += group.options.size();
  for (FitGroup& group : groups) {
    for (FitOption& option : group.options) {
      QuantChoice one = choice;
      one.base = DType::kInvalid;
      one.recipe = Recipe::kOne;
      types(group, option.dtype, &one);
      SAMARA_ASSIGN_OR_RETURN(option.loss, measure(one));
      if (progress) progress(++done, total);
    }
  }
  SAMARA_ASSIGN_OR_RETURN(const std::vector<size_t> chosen, ChooseOptions(groups, room));
  QuantChoice best = choice;
  best.base = DType::kInvalid;
  best.recipe = Recipe::kOne;
  for (size_t g = 0; g < groups.size(); ++g)
    types(groups[g], groups[g].options[chosen[g]].dtype, &best);
  return best;
}

}  // namespace samara
