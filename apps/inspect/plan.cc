#include "runtime/plan.h"

#include <map>
#include <string>

#include "apps/inspect/sections.h"
#include "runtime/model.h"
#include "runtime/registry.h"

namespace samara::apps {
namespace {

// How the stored operators run, by name. Lowered operators that came from a decomposition are named
// "outer/inner".
using Ways = std::map<std::string, const char*>;
Ways WaysOf(const ModelPlan& plan, const LoweredGraph& device) {
  Ways ways;
  for (size_t i = 0; i < device.graph.ops.size(); ++i) {
    const std::string& name = device.graph.ops[i].name;
    const LoweredGraph& lowered = plan.split.sides[i] == Side::kHost ? plan.host : device;
    ways.emplace(name, lowered.is_view[i] ? "view" : "fused");
    for (size_t slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1)) {
      ways.emplace(name.substr(0, slash), "decomposed");
    }
  }
  return ways;
}

const char* WayOf(const Ways& ways, const Op& op) {
  const auto found = ways.find(op.name);
  return found == ways.end() ? "dropped" : found->second;
}

// Where the stored operators run; one whose decomposition runs on both sides is "both".
Ways SidesOf(const ModelPlan& plan, const Backend& backend) {
  Ways sides;
  for (size_t i = 0; i < plan.split.graph.ops.size(); ++i) {
    const char* side =
        plan.split.sides[i] == Side::kHost ? plan.host_backend->name() : backend.name();
    const std::string& name = plan.split.graph.ops[i].name;
    for (size_t end = name.find('/');; end = name.find('/', end + 1)) {
      const auto found = sides.emplace(name.substr(0, end), side);
      if (!found.second && found.first->second != side) found.first->second = "both";
      if (end == std::string::npos) break;
    }
  }
  return sides;
}

// What is copied between the sides in a step, and what runs on the host for want of the device.
void SplitLines(const ModelPlan& plan, const Backend& backend, std::string* text) {
  *text += "split: " +
           SplitText(plan.split, backend.name(),
                     plan.host_backend == nullptr ? "" : plan.host_backend->name()) +
           "\n";
  if (plan.host_backend == nullptr) return;
  const auto list = [&](const LoweredGraph& lowered, const std::string& way) {
    for (const Import& import : lowered.imports) {
      const Value& value = lowered.graph.values[static_cast<size_t>(import.value)];
      const ValueBinding& binding = lowered.values[static_cast<size_t>(import.value)];
      *text += "copy " + way + ": " + Escaped(value.name) + ", " + Count(binding.row_stride) +
               " bytes a row\n";
    }
  };
  const std::string device = backend.name(), host = plan.host_backend->name();
  list(plan.buckets.back(), host + " to " + device);
  list(plan.host, device + " to " + host);
  for (size_t i = 0; i < plan.split.graph.ops.size(); ++i) {
    if (plan.split.lacking[i] == 0) continue;
    const Op& op = plan.split.graph.ops[i];
    *text += "on " + host + " because " + device +
             (plan.split.lacking[i] == 1 ? " lacks it: " : " lacks another one on its state: ") +
             Escaped(op.name) + " (" + Escaped(op.type_name) + " version " +
             std::to_string(op.version) + ")\n";
  }
}

void BucketText(const ModelPlan& plan, const LoweredGraph& lowered, const Graph& stored,
                std::string* text) {
  size_t views = 0;
  for (const uint8_t view : lowered.is_view) views += view;
  *text += "plan for steps of up to " + std::to_string(lowered.bucket_tokens) +
           " tokens: " + std::to_string(lowered.graph.ops.size()) + " operators, " +
           std::to_string(views) + " of them views, " + std::to_string(plan.split.n_decomposed) +
           " of " + std::to_string(stored.ops.size()) + " stored ones by decomposition; arena " +
           Count(lowered.arena_bytes) + " bytes\n";
}

void BucketJson(const ModelPlan& plan, const Backend& backend, const LoweredGraph& lowered,
                const Graph& stored, JsonWriter* json) {
  const Ways ways = WaysOf(plan, lowered), sides = SidesOf(plan, backend);
  json->BeginObject();
  json->Member("tokens", lowered.bucket_tokens);
  json->Member("decomposed", plan.split.n_decomposed);
  json->Member("arena_bytes", lowered.arena_bytes);
  json->Key("operators");
  json->BeginArray();
  for (size_t i = 0; i < stored.ops.size(); ++i) {
    json->BeginObject(true);
    json->Member("name", stored.ops[i].name);
    json->Member("type", stored.ops[i].type_name);
    json->Member("runs", WayOf(ways, stored.ops[i]));
    json->Member("on", WayOf(sides, stored.ops[i]));
    json->EndObject();
  }
  json->EndArray();
  json->Key("arena");
  json->BeginArray();
  for (size_t i = 0; i < lowered.items.size(); ++i) {
    json->BeginObject(true);
    json->Member("name", lowered.items[i].name);
    json->Member("offset", lowered.plan.offsets[i]);
    json->Member("bytes", lowered.items[i].bytes);
    json->Member("first", lowered.items[i].first);
    json->Member("last", lowered.items[i].last);
    json->EndObject();
  }
  json->EndArray();
  json->EndObject();
}

}  // namespace

int PrintPlan(const PackageReader& file, const LoadFlags& flags, JsonWriter* json,
              std::string* text) {
  const Backend* backend = nullptr;
  ModelPlan plan;
  Status status = FindBackend(flags.run.backend.c_str(), &backend);
  if (status.ok()) {
    LoadOptions options;
    options.n_threads = flags.run.threads;
    options.threading.affinity = flags.run.affinity.c_str();
    options.n_ctx = flags.run.ctx;
    options.max_sessions = flags.sessions;
    options.n_chunk = flags.batch;
    options.kv_type = flags.run.kv_type == "f32"    ? DType::kF32
                      : flags.run.kv_type == "f16"  ? DType::kF16
                      : flags.run.kv_type == "q8_0" ? DType::kQ8_0
                      : flags.run.kv_type == "q4_0" ? DType::kQ4_0
                                                    : DType::kInvalid;
    options.no_mmap = flags.run.no_mmap;
    options.device_memory = flags.run.device_memory;
    options.cut_layers = flags.run.cut_layers;
    status = PlanModel(file.package(), {file.header().file_bytes, file.header().metadata_bytes},
                       options, *backend, &plan);
  }
  if (!status.ok()) {
    if (json != nullptr) json->Number("null");
    return FailStatus(status);
  }
  const Graph& stored = file.package().entries[0];
  if (json != nullptr) {
    json->BeginArray();
    for (const LoweredGraph& lowered : plan.buckets) {
      BucketJson(plan, *backend, lowered, stored, json);
    }
    json->EndArray();
    return kExitOk;
  }
  if (!backend->host_memory()) SplitLines(plan, *backend, text);
  for (const LoweredGraph& lowered : plan.buckets) {
    BucketText(plan, lowered, stored, text);
  }
  const LoweredGraph& largest = plan.buckets.back();
  const Ways ways = WaysOf(plan, largest), sides = SidesOf(plan, *backend);
  *text += "operators as they run\n";
  Table table;
  for (size_t i = 0; i < stored.ops.size(); ++i) {
    std::vector<std::string> row = {std::to_string(i), WayOf(ways, stored.ops[i]),
                                    Escaped(stored.ops[i].type_name), Escaped(stored.ops[i].name)};
    if (plan.host_backend != nullptr) row.insert(row.begin() + 1, WayOf(sides, stored.ops[i]));
    table.Row(row);
  }
  *text += table.Text();
  *text += "arena of the largest step: offset, bytes, first..last operator, value\n";
  AppendEscaped(PlanText(largest.items, largest.plan), /*keep_line_breaks=*/true, text);
  if (plan.host_backend != nullptr) {
    *text += "arena of the part on " + std::string(plan.host_backend->name()) + "\n";
    AppendEscaped(PlanText(plan.host.items, plan.host.plan), /*keep_line_breaks=*/true, text);
  }
  return kExitOk;
}

}  // namespace samara::apps
