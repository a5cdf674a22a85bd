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
Ways WaysOf(const LoweredGraph& lowered) {
  Ways ways;
  for (size_t i = 0; i < lowered.graph.ops.size(); ++i) {
    const std::string& name = lowered.graph.ops[i].name;
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

void BucketText(const LoweredGraph& lowered, const Graph& stored, std::string* text) {
  size_t views = 0;
  for (const uint8_t view : lowered.is_view) views += view;
  *text += "plan for steps of up to " + std::to_string(lowered.bucket_tokens) +
           " tokens: " + std::to_string(lowered.graph.ops.size()) + " operators, " +
           std::to_string(views) + " of them views, " + std::to_string(lowered.n_decomposed) +
           " of " + std::to_string(stored.ops.size()) + " stored ones by decomposition; arena " +
           Count(lowered.arena_bytes) + " bytes\n";
}

void BucketJson(const LoweredGraph& lowered, const Graph& stored, JsonWriter* json) {
  const Ways ways = WaysOf(lowered);
  json->BeginObject();
  json->Member("tokens", lowered.bucket_tokens);
  json->Member("decomposed", lowered.n_decomposed);
  json->Member("arena_bytes", lowered.arena_bytes);
  json->Key("operators");
  json->BeginArray();
  for (size_t i = 0; i < stored.ops.size(); ++i) {
    json->BeginObject(true);
    json->Member("name", stored.ops[i].name);
    json->Member("type", stored.ops[i].type_name);
    json->Member("runs", WayOf(ways, stored.ops[i]));
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
                                                    : DType::kInvalid;
    options.no_mmap = flags.run.no_mmap;
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
    for (const LoweredGraph& lowered : plan.buckets) BucketJson(lowered, stored, json);
    json->EndArray();
    return kExitOk;
  }
  for (const LoweredGraph& lowered : plan.buckets) BucketText(lowered, stored, text);
  const LoweredGraph& largest = plan.buckets.back();
  const Ways ways = WaysOf(largest);
  *text += "operators as they run\n";
  Table table;
  for (size_t i = 0; i < stored.ops.size(); ++i) {
    table.Row({std::to_string(i), WayOf(ways, stored.ops[i]), Escaped(stored.ops[i].type_name),
               Escaped(stored.ops[i].name)});
  }
  *text += table.Text();
  *text += "arena of the largest step: offset, bytes, first..last operator, value\n";
  AppendEscaped(PlanText(largest.items, largest.plan), /*keep_line_breaks=*/true, text);
  return kExitOk;
}

}  // namespace samara::apps
