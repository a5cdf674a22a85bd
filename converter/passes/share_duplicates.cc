#include <cstring>
#include <map>
#include <string>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace samara {
namespace {

void Append(int64_t number, std::string* key) {
  char bytes[sizeof number];
  memcpy(bytes, &number, sizeof number);
  key->append(bytes, sizeof bytes);
}

// Equal keys compute the same. Reshape takes its target from the output, so the shape belongs to
// the key.
std::string Key(const Graph& graph, const Op& op) {
  std::string key;
  Append(static_cast<int64_t>(op.code), &key);
  for (const ValueId id : op.inputs) Append(id, &key);
  for (const Attr& attr : op.attrs) {
    int64_t bits = 0;
    memcpy(&bits, &attr.f, sizeof bits);
    Append(static_cast<int64_t>(attr.key), &key);
    Append(attr.i, &key);
    Append(bits, &key);
    Append(static_cast<int64_t>(attr.ints.size()), &key);
    for (const int64_t i : attr.ints) Append(i, &key);
  }
  key += ShapeText(graph.values[static_cast<size_t>(op.outputs[0])].shape, {});
  return key;
}

}  // namespace

void ShareDuplicates(Model* model) {
  Graph& graph = model->graph();
  std::map<std::string, ValueId> known;
  std::vector<ValueId> instead(graph.values.size());
  for (size_t i = 0; i < instead.size(); ++i) instead[i] = static_cast<ValueId>(i);
  std::vector<Op> kept;
  for (Op& op : graph.ops) {
    bool state = op.outputs.size() != 1;
    for (ValueId& id : op.inputs) {
      if (id == kNoValue) continue;
      id = instead[static_cast<size_t>(id)];
      state = state || graph.values[static_cast<size_t>(id)].kind == ValueKind::kState;
    }
    if (!state) {  // a state changes between two reads
      const auto [at, added] = known.emplace(Key(graph, op), op.outputs[0]);
      if (!added) {
        instead[static_cast<size_t>(op.outputs[0])] = at->second;
        continue;
      }
    }
    kept.push_back(std::move(op));
  }
  graph.ops = std::move(kept);
  for (GraphOutput& output : graph.outputs)
    output.value = instead[static_cast<size_t>(output.value)];
}

}  // namespace samara
