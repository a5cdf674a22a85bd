// Where the time of a test went, operator by operator.
#ifndef SAMARA_APPS_BENCH_PROFILE_H_
#define SAMARA_APPS_BENCH_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apps/bench/limits.h"
#include "apps/common/text.h"
#include "samara/samara.h"

namespace samara::apps {

// One operator of the graph, or all alike of all layers.
struct ProfileRow {
  std::string name;  // without the part up to the layer's number: "mlp.down_proj"
  std::string kind, type;
  uint64_t calls = 0;
  double seconds = 0, bytes = 0, operations = 0;
};

struct ProfileCall {
  std::string name, kind;
  samara_profile_event event;
};

struct TestProfile {
  ProfileRow step;                 // steps as a whole; its bytes and operations are sums
  std::vector<ProfileRow> rows;    // products by name, other operators by kind; most time first
  std::vector<ProfileCall> calls;  // of the last steps, whole steps only, in order
  double operator_seconds() const;
};

// What the model's profile holds; empty if it has none.
TestProfile ReadProfile(const samara_model* model);

// Seconds that the row would take at the limits, and which one binds ("read", "int8", ...). 0 and "" for operators that
// are about neither weights nor keys and values: their operands come from a cache.
double SecondsAtLimit(const ProfileRow& row, const Limits& limits, const char** bound);

// `limits` may be nullptr: no shares of limits then.
void AppendProfileTable(const TestProfile& profile, const Limits* limits, std::string* text);
void WriteProfileJson(const TestProfile& profile, const Limits* limits, JsonWriter* json);

void WriteLimitsJson(const Limits& limits, JsonWriter* json);
std::string LimitsText(const Limits& limits);  // "read 31.2 GB/s, int8 431 GOP/s, ..."

// Events in Chrome's trace format: https://ui.perfetto.dev or chrome://tracing show it. Each test is a process.
class Trace {
 public:
  Trace();
  void Add(const std::string& test, const TestProfile& profile);
  std::string Finish();

 private:
  void Meta(const char* what, const std::string& name);
  JsonWriter json_;
  uint32_t process_ = 0;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_PROFILE_H_
