#include "apps/bench/profile.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "apps/bench/peaks.h"

namespace samara::apps {
namespace {

// "model.layers.3.mlp.down_proj" is "mlp.down_proj".
std::string WithoutLayer(std::string_view name) {
  size_t keep = 0;
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.find_first_not_of("0123456789") == std::string_view::npos && end < name.size())
      keep = end + 1;
    begin = end + 1;
  }
  return std::string(name.substr(keep));
}

bool IsProduct(std::string_view kind) {
  return kind == "linear" || kind == "matmul" || kind == "gather";
}

// Tenths of a percent.
std::string Percent(double share) { return Fixed(100 * share, 1) + " %"; }

std::vector<std::string> Cells(const ProfileRow& row, const ProfileRow& step,
                               const Limits* limits) {
  const double steps = static_cast<double>(std::max<uint64_t>(step.calls, 1));
  std::vector<std::string> cells = {
      row.kind + (IsProduct(row.kind) ? " " + row.name : ""),
      row.type,
      Fixed(static_cast<double>(row.calls) / steps, 0),
      Fixed(1e3 * row.seconds / steps, 3),
      step.seconds > 0 ? Percent(row.seconds / step.seconds) : "-",
      row.seconds > 0 ? Fixed(1e-9 * row.bytes / row.seconds, 2) : "-",
      row.seconds > 0 && row.operations > 0 ? Fixed(1e-9 * row.operations / row.seconds, 1) : "-",
  };
  if (limits != nullptr) {
    const char* bound = "";
    const double at_limit = SecondsAtLimit(row, *limits, &bound);
    cells.push_back(*bound == '\0' || row.seconds <= 0 ? "-" : Percent(at_limit / row.seconds));
    cells.push_back(bound);
  }
  return cells;
}

void RowJson(const ProfileRow& row, const ProfileRow& step, const Limits* limits,
             JsonWriter* json) {
  json->BeginObject(true);
  json->Member("kind", row.kind);
  json->Member("name", row.name);
  json->Member("type", row.type);
  json->Member("calls", row.calls);
  json->Member("seconds", row.seconds);
  json->Member("share", step.seconds > 0 ? row.seconds / step.seconds : 0);
  json->Member("bytes", row.bytes);
  json->Member("operations", row.operations);
  if (limits != nullptr) {
    const char* bound = "";
    const double at_limit = SecondsAtLimit(row, *limits, &bound);
    json->Member("limit", bound);
    if (*bound != '\0' && row.seconds > 0) json->Member("share_of_limit", at_limit / row.seconds);
  }
  json->EndObject();
}

}  // namespace

double TestProfile::operator_seconds() const {
  double sum = 0;
  for (const ProfileRow& row : rows) sum += row.seconds;
  return sum;
}

TestProfile ReadProfile(const samara_model* model) {
  TestProfile profile;
  samara_profile_op op{};
  op.struct_size = sizeof(op);
  std::map<std::pair<std::string, std::string>, size_t> index;
  std::vector<std::pair<std::string, std::string>> names;  // per operator: name, kind
  for (uint32_t i = 0; samara_profile_op_at(model, i, &op) == SAMARA_OK; ++i) {
    names.emplace_back(op.name, op.kind);
    if (i == 0) {
      profile.step = {op.name, op.kind, op.type, op.calls, op.seconds, op.bytes, op.operations};
      continue;
    }
    if (op.calls == 0) continue;  // a view
    std::pair<std::string, std::string> key = {op.kind,
                                               IsProduct(op.kind) ? WithoutLayer(op.name) : ""};
    const auto [found, is_new] = index.emplace(key, profile.rows.size());
    if (is_new) profile.rows.push_back({key.second, op.kind, op.type, 0, 0, 0, 0});
    ProfileRow& row = profile.rows[found->second];
    if (row.type != op.type) row.type = "mixed";
    row.calls += op.calls;
    row.seconds += op.seconds;
    row.bytes += op.bytes;
    row.operations += op.operations;
  }
  std::stable_sort(profile.rows.begin(), profile.rows.end(),
                   [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
  samara_profile_event event{};
  event.struct_size = sizeof(event);
  for (uint64_t i = 0; samara_profile_event_at(model, i, &event) == SAMARA_OK; ++i) {
    if (event.op < names.size())
      profile.calls.push_back({names[event.op].first, names[event.op].second, event});
  }
  // The oldest step may have lost its begin.
  if (!profile.calls.empty() && profile.calls.front().event.step != 0) {
    const uint64_t first = profile.calls.front().event.step;
    const auto whole =
        std::find_if(profile.calls.begin(), profile.calls.end(),
                     [first](const ProfileCall& call) { return call.event.step != first; });
    profile.calls.erase(profile.calls.begin(), whole);
  }
  return profile;
}

double SecondsAtLimit(const ProfileRow& row, const Limits& limits, const char** bound) {
  *bound = "";
  const bool reads_weights = IsProduct(row.kind) && !row.type.empty();
  if (!reads_weights && row.kind != "attention") return 0;
  if (limits.bandwidth <= 0 || row.type == "mixed") return 0;
  const double read = row.bytes / limits.bandwidth;
  const double compute = row.operations / std::max(limits.PeakOf(row.type.c_str()), 1.0);
  *bound = read >= compute ? "read" : Limits::PeakName(row.type.c_str(), limits.bf16 > 0);
  return std::max(read, compute);
}

void AppendProfileTable(const TestProfile& profile, const Limits* limits, std::string* text) {
  Table table(2);
  std::vector<std::string> head = {"operator", "type", "calls/step", "ms/step",
                                   "share",    "GB/s", "GOP/s"};
  if (limits != nullptr) head.insert(head.end(), {"of limit", "limit"});
  table.Row(std::move(head));
  for (const ProfileRow& row : profile.rows) table.Row(Cells(row, profile.step, limits));
  ProfileRow rest;
  rest.kind = "(between operators)";
  rest.seconds = std::max(profile.step.seconds - profile.operator_seconds(), 0.0);
  table.Row(Cells(rest, profile.step, limits));
  ProfileRow step = profile.step;
  step.kind = "step";
  std::vector<std::string> sum = Cells(step, profile.step, limits);
  if (limits != nullptr && profile.step.seconds > 0) {
    double at_limit = 0;
    const char* bound = "";
    for (const ProfileRow& row : profile.rows) at_limit += SecondsAtLimit(row, *limits, &bound);
    sum[sum.size() - 2] = Percent(at_limit / profile.step.seconds);
    sum.back() = "all of the above";
  }
  table.Row(std::move(sum));
  *text += table.Text();
}

void WriteProfileJson(const TestProfile& profile, const Limits* limits, JsonWriter* json) {
  json->BeginObject();
  json->Member("steps", profile.step.calls);
  json->Member("step_seconds", profile.step.seconds);
  json->Member("operator_seconds", profile.operator_seconds());
  if (limits != nullptr) {
    json->Key("limits");
    WriteLimitsJson(*limits, json);
  }
  json->Key("operators");
  json->BeginArray();
  for (const ProfileRow& row : profile.rows) RowJson(row, profile.step, limits, json);
  json->EndArray();
  json->EndObject();
}

void WriteLimitsJson(const Limits& limits, JsonWriter* json) {
  const Peaks peaks = MachinePeaks();
  json->BeginObject(true);
  json->Member("threads", limits.threads);
  json->Member("read_bytes_s", limits.bandwidth);
  json->Member("int8_ops_s", limits.int8);
  json->Member("int8_instruction", peaks.int8->instruction);
  json->Member("fma_ops_s", limits.fma);
  json->Member("fma_instruction", peaks.fma->instruction);
  if (peaks.bf16 != nullptr) {
    json->Member("bf16_ops_s", limits.bf16);
    json->Member("bf16_instruction", peaks.bf16->instruction);
  }
  json->EndObject();
}

std::string LimitsText(const Limits& limits) {
  const Peaks peaks = MachinePeaks();
  std::string text = "read " + Fixed(1e-9 * limits.bandwidth, 1) + " GB/s, int8 " +
                     Fixed(1e-9 * limits.int8, 0) + " GOP/s (" + peaks.int8->instruction +
                     "), f32 " + Fixed(1e-9 * limits.fma, 0) + " GOP/s (" + peaks.fma->instruction +
                     ")";
  if (peaks.bf16 != nullptr) {
    text += ", bf16 " + Fixed(1e-9 * limits.bf16, 0) + " GOP/s (" + peaks.bf16->instruction + ")";
  }
  return text;
}

Trace::Trace() {
  json_.BeginObject();
  json_.Member("displayTimeUnit", "ns");
  json_.Key("traceEvents");
  json_.BeginArray();
}

void Trace::Meta(const char* what, const std::string& name) {
  json_.BeginObject(true);
  json_.Member("name", what);
  json_.Member("ph", "M");
  json_.Member("pid", process_);
  json_.Member("tid", 1u);
  json_.Key("args");
  json_.BeginObject(true);
  json_.Member("name", name);
  json_.EndObject();
  json_.EndObject();
}

void Trace::Add(const std::string& test, const TestProfile& profile) {
  ++process_;
  Meta("process_name", test);
  Meta("thread_name", "operators");
  for (const ProfileCall& call : profile.calls) {
    const samara_profile_event& e = call.event;
    json_.BeginObject(true);
    json_.Member("name", call.name);
    json_.Member("cat", call.kind);
    json_.Member("ph", "X");
    json_.Member("pid", process_);
    json_.Member("tid", 1u);
    json_.Member("ts", 1e6 * e.begin);  // microseconds
    json_.Member("dur", 1e6 * (e.end - e.begin));
    json_.Key("args");
    json_.BeginObject(true);
    json_.Member("step", e.step);
    json_.Member("tokens", e.n_tokens);
    json_.Member("bytes", e.bytes);
    json_.Member("operations", e.operations);
    json_.EndObject();
    json_.EndObject();
  }
}

std::string Trace::Finish() {
  json_.EndArray();
  json_.EndObject();
  return json_.Finish();
}

}  // namespace samara::apps
