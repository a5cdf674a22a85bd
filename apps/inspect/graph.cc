#include "apps/inspect/sections.h"
#include "formats/operators.h"

namespace samara::apps {
namespace {

const char* RoleName(InputRole role) {
  switch (role) {
    case InputRole::kTokenIds:
      return "token ids";
    case InputRole::kPositions:
      return "positions";
    case InputRole::kOutputRows:
      return "output rows";
    case InputRole::kParameter:
      return "parameter";
    default:
      return "unknown role";
  }
}

const char* RoleName(OutputRole role) {
  switch (role) {
    case OutputRole::kLogits:
      return "logits";
    case OutputRole::kHidden:
      return "hidden";
    case OutputRole::kResult:
      return "result";
    default:
      return "unknown role";
  }
}

std::string TypeText(const Package& package, const Value& value) {
  if (value.kind == ValueKind::kState) return "state";
  return std::string(DTypeName(value.dtype)) + " " + ShapeText(value.shape, package.symbols);
}

// "%12" for values of the step; weights and states by their names.
std::string ValueText(const Package& package, const Graph& graph, ValueId id) {
  if (id == kNoValue) return "-";
  const Value& value = graph.values[id];
  if (value.kind == ValueKind::kWeight) return Escaped(package.weights[value.index].name);
  if (value.kind == ValueKind::kState && value.index >= 0)
    return Escaped(package.states[value.index].name);
  return "%" + std::to_string(id);
}

std::string AttrText(const Op& op) {
  const OpInfo* info = FindOp(op.code);
  std::string text;
  for (const Attr& attr : op.attrs) {
    std::string name = "attr" + std::to_string(static_cast<int>(attr.key));
    AttrType type = AttrType::kInt;
    for (int i = 0; info != nullptr && i < info->n_attrs; ++i) {
      if (info->attrs[i].key != attr.key) continue;
      name = info->attrs[i].name;
      type = info->attrs[i].type;
    }
    std::string value;
    if (type == AttrType::kInts) {
      for (const int64_t i : attr.ints) value += (value.empty() ? "[" : " ") + std::to_string(i);
      value += ']';
    } else {
      value = type == AttrType::kFloat ? NineDigits(static_cast<float>(attr.f))
                                       : std::to_string(attr.i);
    }
    text += (text.empty() ? "" : " ") + name + "=" + value;
  }
  return text;
}

void GraphText(const Package& package, const Graph& graph, const char* what, std::string* text) {
  *text += std::string(what) + " " + Escaped(graph.name) + "\n";
  Table ports;
  for (const GraphInput& input : graph.inputs) {
    ports.Row({"in", ValueText(package, graph, input.value),
               TypeText(package, graph.values[input.value]), RoleName(input.role)});
  }
  for (const GraphOutput& output : graph.outputs) {
    ports.Row({"out", ValueText(package, graph, output.value),
               TypeText(package, graph.values[output.value]), RoleName(output.role)});
  }
  *text += ports.Text();
  Table ops;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    std::string inputs, outputs;
    for (const ValueId id : op.inputs)
      inputs += (inputs.empty() ? "" : ", ") + ValueText(package, graph, id);
    for (const ValueId id : op.outputs) {
      outputs += (outputs.empty() ? "" : ", ") + ValueText(package, graph, id) + " " +
                 TypeText(package, graph.values[id]);
    }
    std::string attrs = AttrText(op);
    if (op.decomposition >= 0) {
      attrs += (attrs.empty() ? "" : " ") + std::string("or ") +
               Escaped(package.functions[op.decomposition].name);
    }
    ops.Row({std::to_string(i),
             Escaped(op.type_name) + (op.version != 1 ? "@" + std::to_string(op.version) : ""),
             Escaped(op.name), "(" + inputs + ")", outputs.empty() ? "" : "-> " + outputs, attrs});
  }
  *text += ops.Text();
}

void GraphJson(const Package& package, const Graph& graph, JsonWriter* json) {
  json->BeginObject();
  json->Member("name", graph.name);
  const auto port = [&](ValueId id, const char* role) {
    json->BeginObject(true);
    json->Member("value", ValueText(package, graph, id));
    json->Member("type", TypeText(package, graph.values[id]));
    json->Member("role", role);
    json->EndObject();
  };
  json->Key("inputs");
  json->BeginArray();
  for (const GraphInput& input : graph.inputs) port(input.value, RoleName(input.role));
  json->EndArray();
  json->Key("outputs");
  json->BeginArray();
  for (const GraphOutput& output : graph.outputs) port(output.value, RoleName(output.role));
  json->EndArray();
  json->Key("operators");
  json->BeginArray();
  for (const Op& op : graph.ops) {
    json->BeginObject(true);
    json->Member("type", op.type_name);
    json->Member("version", op.version);
    json->Member("name", op.name);
    json->Key("inputs");
    json->BeginArray(true);
    for (const ValueId id : op.inputs) json->String(ValueText(package, graph, id));
    json->EndArray();
    json->Key("outputs");
    json->BeginArray(true);
    for (const ValueId id : op.outputs) json->String(ValueText(package, graph, id));
    json->EndArray();
    json->Member("attributes", AttrText(op));
    if (op.decomposition >= 0)
      json->Member("decomposition", package.functions[op.decomposition].name);
    json->EndObject();
  }
  json->EndArray();
  json->EndObject();
}

const char* TransformName(SourceTransform transform) {
  switch (transform) {
    case SourceTransform::kNone:
      return "";
    case SourceTransform::kPermutedRotary:
      return "permuted";
    case SourceTransform::kScaled:
      return "scaled";
    case SourceTransform::kAddedOne:
      return "plus one";
    case SourceTransform::kComputed:
      return "computed";
    case SourceTransform::kTransposed:
      return "transposed";
  }
  return "unknown";
}

std::string SourceText(const WeightSource& source) {
  const char* transform = TransformName(source.transform);
  std::string text = Escaped(source.tensor);
  if (*transform != '\0') text += (text.empty() ? "" : " ") + std::string(transform);
  return text;
}

}  // namespace

int PrintGraph(const PackageReader& file, JsonWriter* json, std::string* text) {
  const Package& package = file.package();
  if (json != nullptr) {
    json->BeginObject();
    json->Key("entries");
    json->BeginArray();
    for (const Graph& graph : package.entries) GraphJson(package, graph, json);
    json->EndArray();
    json->Key("functions");
    json->BeginArray();
    for (const Graph& graph : package.functions) GraphJson(package, graph, json);
    json->EndArray();
    json->EndObject();
    return kExitOk;
  }
  for (const Graph& graph : package.entries) GraphText(package, graph, "graph", text);
  for (const Graph& graph : package.functions) GraphText(package, graph, "function", text);
  return kExitOk;
}

int PrintTensors(const PackageReader& file, JsonWriter* json, std::string* text) {
  const Package& package = file.package();
  Table table;
  if (json != nullptr) json->BeginArray();
  for (const Weight& weight : package.weights) {
    const std::string shape = weight.is_vector ? "[" + std::to_string(weight.cols) + "]"
                                               : "[" + std::to_string(weight.rows) + ", " +
                                                     std::to_string(weight.cols) + "]";
    if (json != nullptr) {
      json->BeginObject();
      json->Member("name", weight.name);
      json->Member("type", DTypeName(weight.dtype));
      json->Member("rows", weight.rows);
      json->Member("cols", weight.cols);
      json->Member("vector", weight.is_vector);
      json->Key("placements");
      json->BeginArray();
      for (const WeightPlacement& placement : weight.placements) {
        json->BeginObject(true);
        json->Member("layout", LayoutName(placement.layout));
        json->Member("version", placement.version);
        json->Member("segment", package.segments[placement.segment].name);
        json->Member("offset", placement.offset);
        json->Member("bytes", placement.bytes);
        json->EndObject();
      }
      json->EndArray();
      json->Key("sources");
      json->BeginArray();
      for (const WeightSource& source : weight.sources) {
        json->BeginObject(true);
        json->Member("tensor", source.tensor);
        json->Member("first_row", source.first_row);
        json->Member("rows", source.n_rows);
        json->Member("source_row", source.source_row);
        json->Member("transform", TransformName(source.transform));
        json->EndObject();
      }
      json->EndArray();
      json->EndObject();
      continue;
    }
    std::string places, sources;
    uint64_t bytes = 0;
    for (const WeightPlacement& placement : weight.placements) {
      places += (places.empty() ? "" : " and ") + std::string(LayoutName(placement.layout)) +
                " in " + Escaped(package.segments[placement.segment].name) + " at " +
                std::to_string(placement.offset);
      bytes += placement.bytes;
    }
    for (const WeightSource& source : weight.sources)
      sources += (sources.empty() ? "" : ", ") + SourceText(source);
    table.Row({Count(bytes), DTypeName(weight.dtype), shape, Escaped(weight.name), places,
               "from " + sources});
  }
  if (json != nullptr) {
    json->EndArray();
  } else {
    *text += "weights: bytes, type, shape, name, place, sources\n" + table.Text();
  }
  return kExitOk;
}

}  // namespace samara::apps
