// What a package needs of its reader: everything unknown is named in one error.
#include <algorithm>

#include "formats/check.h"
#include "formats/operands.h"

namespace samara {
namespace {

// Features that this build understands: the first version of the format has none.
bool IsKnownFeature(const std::string&) { return false; }

constexpr size_t kMostListed = 16;

// Collects descriptions, each once.
class UnknownList {
 public:
  void Add(std::string item) {
    if (std::find(items_.begin(), items_.end(), item) != items_.end()) return;
    if (items_.size() == kMostListed) {
      more_ = true;
      return;
    }
    items_.push_back(std::move(item));
  }
  Status Result() const {
    if (items_.empty()) return Status();
    std::string list;
    for (const std::string& item : items_) {
      if (!list.empty()) list += ", ";
      list += item;
    }
    return Unsupported("the package needs what this build does not know: %s%s", list.c_str(),
                       more_ ? " and more" : "");
  }

 private:
  std::vector<std::string> items_;
  bool more_ = false;
};

template <typename E>
std::string Number(E value) {
  return std::to_string(static_cast<int64_t>(value));
}

std::string Describe(const Op& op) {
  const OpInfo* info = FindOp(op.code);
  if (info == nullptr) {
    return "operator " + Quoted(op.type_name, 60) + " version " + std::to_string(op.version);
  }
  std::string text =
      std::string("operator ") + info->name + " version " + std::to_string(op.version);
  if (op.version > info->version) return text;
  for (const Attr& attr : op.attrs) {
    const AttrInfo* end = info->attrs + info->n_attrs;
    bool known =
        std::any_of(info->attrs, end, [&](const AttrInfo& a) { return a.key == attr.key; });
    if (!known) return text + " with attribute " + Number(attr.key);
  }
  return text;
}

void CollectGraph(const Graph& graph, UnknownList* unknown) {
  for (const Op& op : graph.ops) {
    if (op.decomposition < 0 && !IsKnown(op)) unknown->Add(Describe(op));
  }
  for (const GraphInput& input : graph.inputs) {
    if (input.role < InputRole::kTokenIds || input.role > InputRole::kParameter) {
      unknown->Add("input role " + Number(input.role));
    }
  }
  for (const GraphOutput& output : graph.outputs) {
    if (output.role < OutputRole::kLogits || output.role > OutputRole::kResult) {
      unknown->Add("output role " + Number(output.role));
    }
  }
  for (const Value& value : graph.values) {
    if (value.kind < ValueKind::kActivation || value.kind > ValueKind::kState) {
      unknown->Add("value kind " + Number(value.kind));
    }
    if (value.dtype != DType::kInvalid && FindDType(value.dtype) == nullptr) {
      unknown->Add("element type " + Number(value.dtype));
    }
  }
}

void CollectWeight(const Weight& weight, UnknownList* unknown) {
  const DTypeInfo* info = FindDType(weight.dtype);
  if (info == nullptr || !info->is_weight) {
    unknown->Add("weight type " + Number(weight.dtype));
    return;
  }
  if (weight.placements.empty()) return;  // not unknown but wrong
  for (const WeightPlacement& p : weight.placements) {
    if (IsKnownPlacement(weight, p)) return;
  }
  const WeightPlacement& first = weight.placements[0];
  unknown->Add("weight layout " + Number(first.layout) + " version " + Number(first.version) +
               " of " + info->name);
}

}  // namespace

bool IsKnownPlacement(const Weight& weight, const WeightPlacement& placement) {
  return placement.version == kLayoutVersion && LayoutHolds(placement.layout, weight.dtype);
}

Status CheckKnown(const Package& package) {
  UnknownList unknown;
  for (const std::string& feature : package.required_features) {
    if (!IsKnownFeature(feature)) unknown.Add("feature " + Quoted(feature));
  }
  for (const Graph& graph : package.entries) CollectGraph(graph, &unknown);
  for (const Graph& graph : package.functions) CollectGraph(graph, &unknown);
  for (const Symbol& s : package.symbols) {
    if (s.kind < SymbolKind::kTokens || s.kind > SymbolKind::kSlots) {
      unknown.Add("symbol " + Quoted(s.name) + " of kind " + Number(s.kind));
    }
  }
  for (const Weight& weight : package.weights) CollectWeight(weight, &unknown);
  if (package.groups.size() > kMaxPackageGroups) {
    unknown.Add("more than " + Number(kMaxPackageGroups) + " state groups");
  }
  for (const StateGroup& group : package.groups) {
    if (group.checkpoints != 0) unknown.Add("checkpoints of state group " + Quoted(group.name));
  }
  for (const State& state : package.states) {
    if (state.kind == StateKind::kRecurrent) {
      unknown.Add("recurrent states");
    } else if (state.kind == StateKind::kConvolution) {
      unknown.Add("convolution states");
    } else if (state.kind != StateKind::kKeyValue) {
      unknown.Add("state kind " + Number(state.kind));
    }
  }
  return unknown.Result();
}

}  // namespace samara
