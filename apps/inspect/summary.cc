#include <algorithm>
#include <map>

#include "apps/inspect/sections.h"

namespace samara::apps {
namespace {

struct TypeTotal {
  uint64_t weights = 0, elements = 0, bytes = 0;
};

std::map<std::string, TypeTotal> TotalsByType(const Package& package) {
  std::map<std::string, TypeTotal> totals;
  for (const Weight& weight : package.weights) {
    TypeTotal& total = totals[DTypeName(weight.dtype)];
    ++total.weights;
    total.elements += weight.rows * weight.cols;
    for (const WeightPlacement& placement : weight.placements) total.bytes += placement.bytes;
  }
  return totals;
}

std::vector<std::pair<std::string, uint64_t>> OpCounts(const Graph& graph) {
  std::map<std::string, uint64_t> counts;
  for (const Op& op : graph.ops) ++counts[op.type_name];
  std::vector<std::pair<std::string, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

std::string SamplingText(const SamplingDefaults& sampling) {
  if (sampling.temperature == 0) return "greedy";
  std::string text = "temperature " + Fixed(sampling.temperature, 2);
  if (sampling.top_k != 0) text += ", top-k " + std::to_string(sampling.top_k);
  if (sampling.top_p < 1) text += ", top-p " + Fixed(sampling.top_p, 2);
  if (sampling.min_p > 0) text += ", min-p " + Fixed(sampling.min_p, 3);
  if (sampling.repetition_penalty != 1)
    text += ", repetition " + Fixed(sampling.repetition_penalty, 2);
  return text;
}

std::string IdList(const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id);
  return text.empty() ? "none" : text;
}

void SummaryJson(const PackageReader& file, uint64_t elements, JsonWriter* json) {
  const Package& package = file.package();
  json->BeginObject();
  json->Member("name", package.name);
  json->Member("file_bytes", file.header().file_bytes);
  json->Member("format_version", uint64_t{kFormatVersion});
  json->Member("parameters", elements);
  json->Member("trained_context", package.trained_context);
  json->Member("vocab", package.vocab);
  json->Member("tokenizer_vocab", package.tokenizer_vocab);
  json->Key("required_features");
  json->BeginArray(true);
  for (const std::string& feature : package.required_features) json->String(feature);
  json->EndArray();
  json->Key("weights");
  json->BeginArray();
  for (const auto& [type, total] : TotalsByType(package)) {
    json->BeginObject(true);
    json->Member("type", type);
    json->Member("count", total.weights);
    json->Member("elements", total.elements);
    json->Member("bytes", total.bytes);
    json->EndObject();
  }
  json->EndArray();
  json->Key("entries");
  json->BeginArray();
  for (const Graph& graph : package.entries) {
    json->BeginObject();
    json->Member("name", graph.name);
    json->Key("operators");
    json->BeginObject(true);
    for (const auto& [name, count] : OpCounts(graph)) json->Member(name, count);
    json->EndObject();
    json->EndObject();
  }
  json->EndArray();
  json->Member("states", uint64_t{package.states.size()});
  json->Key("eos_ids");
  json->BeginArray(true);
  for (const int32_t id : package.sampling.eos_ids) json->Int(id);
  json->EndArray();
  json->Member("goldens", uint64_t{package.goldens.size()});
  json->Key("templates");
  json->BeginArray(true);
  for (const ChatTemplate& chat : package.templates) json->String(chat.name);
  json->EndArray();
  json->Member("converter", package.provenance.converter);
  json->Member("license", package.provenance.license);
  const auto pairs = [json](const char* key, const auto& list) {
    json->Key(key);
    json->BeginArray();
    for (const auto& [name, value] : list) {
      json->BeginArray(true);
      json->String(name);
      json->String(value);
      json->EndArray();
    }
    json->EndArray();
  };
  pairs("options", package.provenance.options);
  pairs("source_sha256", package.provenance.source_sha256);
  pairs("metadata", package.metadata);
  json->EndObject();
}

}  // namespace

int FailStatus(const Status& status) {
  return Fail(ExitCodeOf(static_cast<samara_status>(status.code())), status.message());
}

int PrintSummary(const PackageReader& file, JsonWriter* json, std::string* text) {
  const Package& package = file.package();
  uint64_t elements = 0;
  for (const Weight& weight : package.weights) elements += weight.rows * weight.cols;
  if (json != nullptr) {
    SummaryJson(file, elements, json);
    return kExitOk;
  }
  Table table;
  table.Row({"name", Escaped(package.name)});
  table.Row({"file", BytesText(file.header().file_bytes) + " (" + Count(file.header().file_bytes) +
                         " bytes), format version " + std::to_string(kFormatVersion)});
  table.Row({"parameters", Count(elements)});
  for (const auto& [type, total] : TotalsByType(package)) {
    table.Row({"weights " + type, std::to_string(total.weights) + " tensors, " +
                                      Count(total.elements) + " elements, " +
                                      BytesText(total.bytes)});
  }
  for (const Graph& graph : package.entries) {
    std::string operators;
    for (const auto& [name, count] : OpCounts(graph)) {
      operators += (operators.empty() ? "" : ", ") + std::to_string(count) + " " + Escaped(name);
    }
    table.Row({"graph " + Escaped(graph.name), operators});
  }
  for (const StateGroup& group : package.groups) {
    uint64_t per_slot = 0;  // elements
    uint64_t states = 0;
    for (const State& state : package.states) {
      if (&package.groups[state.group] != &group) continue;
      ++states;
      for (const StatePart& part : state.parts) per_slot += uint64_t{part.heads} * part.dim;
    }
    table.Row({"state " + Escaped(group.name),
               std::to_string(states) + " states, " + Count(per_slot) + " elements a position" +
                   (group.window != 0 ? ", window " + std::to_string(group.window) : "")});
  }
  table.Row({"context", Count(package.trained_context) + " positions trained"});
  table.Row({"vocabulary",
             Count(package.vocab) + " logits, " + Count(package.tokenizer_vocab) + " tokens"});
  table.Row({"sampling", SamplingText(package.sampling)});
  table.Row({"end of text", "ids " + IdList(package.sampling.eos_ids)});
  std::string templates;
  for (const ChatTemplate& chat : package.templates) {
    templates += (templates.empty() ? "" : ", ") + Escaped(chat.name) +
                 (chat.tree.empty() ? " (text only)" : "");
  }
  table.Row({"chat templates", templates.empty() ? "none" : templates});
  table.Row({"goldens", std::to_string(package.goldens.size())});
  std::string features;
  for (const std::string& feature : package.required_features)
    features += (features.empty() ? "" : ", ") + Escaped(feature);
  table.Row({"features", features.empty() ? "none required" : features});
  table.Row({"converter", Escaped(package.provenance.converter)});
  table.Row({"licence", package.provenance.license.empty() ? "not stated"
                                                           : Escaped(package.provenance.license)});
  for (const auto& [name, value] : package.provenance.options)
    table.Row({"option " + Escaped(name), Escaped(value)});
  for (const auto& [name, value] : package.metadata) table.Row({Escaped(name), Escaped(value)});
  *text += file.path() + "\n" + table.Text();
  return kExitOk;
}

}  // namespace samara::apps
