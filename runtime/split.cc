#include "runtime/split.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "formats/operands.h"

namespace samara {
namespace {

// The first part of a dotted name that is a number; -1: there is none.
int64_t LayerNumber(std::string_view name) {
  name = name.substr(0, name.find('/'));
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    const std::string_view part = name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
    if (part.empty() || part.size() > 9) continue;
    int64_t number = 0;
    for (const char c : part) {
      number = c < '0' || c > '9' || number < 0 ? -1 : number * 10 + (c - '0');
    }
    if (number >= 0) return number;
  }
  return -1;
}

// Unit of each stored operator, ascending.
struct Units {
  std::vector<uint32_t> of_op;
  std::vector<uint8_t> is_layer;  // per unit

  explicit Units(const Graph& graph) : of_op(graph.ops.size(), 0), is_layer(1, 0) {
    int64_t current = -1;
    size_t last = 0;  // behind the last operator of a layer
    for (size_t i = 0; i < of_op.size(); ++i) {
      const int64_t layer = LayerNumber(graph.ops[i].name);
      if (layer >= 0 && layer != current) {
        is_layer.push_back(1);
        current = layer;
      }
      if (layer >= 0) last = i + 1;
      of_op[i] = n() - 1;
    }
    if (n() == 1 || last == of_op.size()) return;
    for (size_t i = last; i < of_op.size(); ++i) of_op[i] = n();
    is_layer.push_back(0);
  }
  uint32_t n() const { return static_cast<uint32_t>(is_layer.size()); }
};

class Splitter final : public DecomposeChoice {
 public:
  Splitter(const SplitRequest& request, Split* split)
      : request_(request), out_(*split), units_(*request.graph) {}

  Status Run() {
    const std::vector<Op>& stored = request_.graph->ops;
    for (size_t i = 0; i < stored.size(); ++i) unit_of_.emplace(stored[i].name, units_.of_op[i]);
    out_.n_units = units_.n();
    out_.first_unit = request_.host == nullptr ? 0 : std::min(request_.first_unit, units_.n() - 1);
    for (uint32_t u = 0; u < units_.n(); ++u) {
      out_.n_layers += units_.is_layer[u];
      out_.device_layers += u >= out_.first_unit ? units_.is_layer[u] : 0;
    }
    SAMARA_RETURN_IF_ERROR(
        InlineDecompositions(*request_.package, *request_.graph, this, &out_.graph));
    if (!missing_.empty()) {
      return Unsupported("backend %s cannot run, and there is no decomposition of: %s",
                         request_.backend->name(), missing_.c_str());
    }
    SAMARA_RETURN_IF_ERROR(Assign());
    SAMARA_RETURN_IF_ERROR(CheckCuts());
    MakeRanges();
    return {};
  }

  // The stored operator and those that it decomposes into go to the side of their unit; where the device lacks one,
  // its decomposition is tried before the host.
  bool Decompose(const Graph& graph, const Op& op) override {
    const OpInfo* info = FindOp(op.code);
    const Backend& wanted = UnitOf(op) < out_.first_unit ? *request_.host : *request_.backend;
    const bool runs = IsKnown(op) && wanted.Supports(*request_.package, graph, op);
    if (runs && !(request_.decompose && info->composite && op.decomposition >= 0)) return false;
    if (op.decomposition >= 0) {
      ++out_.n_decomposed;
      return true;
    }
    if (request_.host != nullptr && IsKnown(op) &&
        request_.host->Supports(*request_.package, graph, op)) {
      return false;
    }
    const std::string type = !op.type_name.empty() ? op.type_name
                             : info != nullptr     ? info->name
                                                   : "?";
    std::string what = Quoted(type) + " version " + std::to_string(op.version);
    if (seen_.insert(what).second) {
      if (!missing_.empty()) missing_ += ", ";
      missing_ += what + " (first at " + Quoted(op.name) + ")";
    }
    return false;
  }

 private:
  // Operators of a decomposition are named "outer/inner".
  uint32_t UnitOf(const Op& op) const {
    std::string_view name = op.name;
    for (;;) {
      const auto found = unit_of_.find(name);
      if (found != unit_of_.end()) return found->second;
      const size_t slash = name.rfind('/');
      if (slash == std::string_view::npos) return 0;
      name = name.substr(0, slash);
    }
  }

  Status Assign() {
    const std::vector<Op>& ops = out_.graph.ops;
    out_.sides.assign(ops.size(), Side::kDevice);
    out_.lacking.assign(ops.size(), 0);
    if (request_.host == nullptr) return {};
    for (size_t i = 0; i < ops.size(); ++i) {
      if (UnitOf(ops[i]) < out_.first_unit) {
        out_.sides[i] = Side::kHost;
      } else if (!request_.backend->Supports(*request_.package, out_.graph, ops[i])) {
        out_.sides[i] = Side::kHost;
        out_.lacking[i] = 1;
      }
    }
    if (out_.first_unit == 1) LeaveTablesOnly();
    return FollowStates();
  }

  // If only the embedding stays on the host, then for its table: what does not come from that goes to the device.
  void LeaveTablesOnly() {
    const Graph& graph = out_.graph;
    std::vector<uint8_t> from_table(graph.values.size(), 0);
    for (size_t i = 0; i < graph.ops.size(); ++i) {
      const Op& op = graph.ops[i];
      if (UnitOf(op) != 0) return;
      bool stays = out_.lacking[i] != 0;
      for (const ValueId id : op.inputs) {
        if (id < 0 || static_cast<size_t>(id) >= graph.values.size()) continue;
        const Value& value = graph.values[static_cast<size_t>(id)];
        stays = stays || from_table[static_cast<size_t>(id)] != 0 ||
                (value.kind == ValueKind::kWeight && IsTable(value.index));
      }
      for (const ValueId id : op.outputs) {
        if (id >= 0 && static_cast<size_t>(id) < graph.values.size())
          from_table[static_cast<size_t>(id)] = stays;
      }
      if (stays) continue;
      if (request_.backend->Supports(*request_.package, graph, op)) {
        out_.sides[i] = Side::kDevice;
      }
    }
  }
  bool IsTable(int32_t weight) const {
    return weight >= 0 && static_cast<size_t>(weight) < request_.package->weights.size() &&
           !request_.package->weights[static_cast<size_t>(weight)].is_vector;
  }

  // A state lies on one side: where an operator on it has to run on the host, all of them do.
  Status FollowStates() {
    const Graph& graph = out_.graph;
    std::vector<uint8_t> on_host(request_.package->states.size(), 0);
    const auto each = [&](auto&& visit) {
      for (size_t i = 0; i < graph.ops.size(); ++i) {
        for (const ValueId id : graph.ops[i].inputs) {
          if (id < 0 || static_cast<size_t>(id) >= graph.values.size()) continue;
          const Value& value = graph.values[static_cast<size_t>(id)];
          if (value.kind == ValueKind::kState && value.index >= 0 &&
              static_cast<size_t>(value.index) < on_host.size()) {
            visit(i, static_cast<size_t>(value.index));
          }
        }
      }
    };
    each([&](size_t op, size_t state) {
      if (out_.sides[op] == Side::kHost) on_host[state] = 1;
    });
    Status status;
    each([&](size_t op, size_t state) {
      if (on_host[state] == 0 || out_.sides[op] == Side::kHost || !status.ok()) return;
      if (!request_.host->Supports(*request_.package, graph, graph.ops[op])) {
        status = Unsupported("state %s is used by operators of which neither %s nor %s runs all",
                             Quoted(request_.package->states[state].name).c_str(),
                             request_.backend->name(), request_.host->name());
      }
      out_.sides[op] = Side::kHost;
      out_.lacking[op] = 2;
    });
    return status;
  }

  Status CheckCuts() const {
    bool any = false;
    for (size_t i = 0; i < out_.sides.size(); ++i) any = any || out_.sides[i] == Side::kDevice;
    if (!any && request_.host != nullptr) {
      return Unsupported("backend %s runs no operator of this package", request_.backend->name());
    }
    for (size_t i = 0; i < out_.sides.size() && !request_.cut_layers; ++i) {
      const Op& op = out_.graph.ops[i];
      if (out_.lacking[i] != 1 || units_.is_layer[UnitOf(op)] == 0) continue;
      return Unsupported(
          "backend %s lacks operator %s (%s version %u), which stands in a repeated layer: every "
          "layer would be cut; "
          "run on %s alone, leave such layers to it (device_memory), or allow cuts (cut_layers)",
          request_.backend->name(), Quoted(op.name).c_str(), Quoted(op.type_name).c_str(),
          op.version, request_.host->name());
    }
    return {};
  }

  void MakeRanges() {
    for (size_t i = 0; i < out_.sides.size(); ++i) {
      if (out_.ranges.empty() || out_.ranges.back().side != out_.sides[i]) {
        out_.ranges.push_back({out_.sides[i], static_cast<uint32_t>(i), 0});
      }
      ++out_.ranges.back().n_ops;
    }
    if (out_.ranges.empty()) out_.ranges.push_back({});
  }

  const SplitRequest& request_;
  Split& out_;
  const Units units_;
  std::map<std::string_view, uint32_t> unit_of_;  // by the name of a stored operator
  std::set<std::string> seen_;
  std::string missing_;
};

}  // namespace

Status SplitGraph(const SplitRequest& request, Split* split) {
  *split = {};
  return Splitter(request, split).Run();
}

Side MakerSide(const Split& split, ValueId value) {
  for (size_t i = 0; i < split.graph.ops.size(); ++i) {
    for (const ValueId made : split.graph.ops[i].outputs) {
      if (made == value) return split.sides[i];
    }
  }
  return Side::kDevice;
}

uint32_t CountUnits(const Graph& graph) { return Units(graph).n(); }

std::string SplitText(const Split& split, const char* device, const char* host) {
  if (!split.uses_host()) return std::string("everything runs on ") + device;
  uint32_t lacking = 0;
  for (const uint8_t l : split.lacking) lacking += l != 0;
  std::string text;
  if (split.device_layers == split.n_layers) {
    text = split.first_unit == 0 ? "" : "all layers, but not the embedding, ";
    if (text.empty()) text = "all but the operators that it lacks ";
  } else if (split.device_layers == 0) {
    text = "only what follows the layers ";
  } else {
    text = std::to_string(split.device_layers) + " of " + std::to_string(split.n_layers) +
           " layers, and what follows them, ";
  }
  text += std::string("on ") + device + ", the rest on " + host;
  if (lacking != 0) {
    text += "; of that " + std::to_string(lacking) + " operators because " + device + " lacks them";
  }
  return text;
}

}  // namespace samara
