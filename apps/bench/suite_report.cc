#include "apps/bench/suite_report.h"

#include <algorithm>
#include <functional>

#include "apps/bench/limits.h"
#include "apps/bench/measure.h"
#include "apps/bench/peaks.h"

namespace samara::apps {
namespace {

double MedianOf(const SuiteTest& test, const std::function<double(const SuiteRun&)>& value) {
  std::vector<double> values;
  for (const SuiteRun& run : test.runs) values.push_back(value(run));
  return values.empty() ? 0 : Median(std::move(values));
}
double Speed(const SuiteTest& test) {
  return MedianOf(test, [](const SuiteRun& run) { return run.speed; });
}
double Limit(const SuiteTest& test) {
  return MedianOf(test, [](const SuiteRun& run) { return run.limit; });
}
double Share(const SuiteTest& test) {
  return MedianOf(test, [&](const SuiteRun& run) { return test.Share(run); });
}

// Medians of the peer's runs of the same test; 0: none.
double PeerSpeed(const SuitePeer* peer, const SuiteTest& test) {
  if (peer == nullptr) return 0;
  const std::vector<double>& speeds = test.prompt ? peer->prompt : peer->generation;
  return speeds.empty() ? 0 : Median(speeds);
}

const char* LimitName(const SuiteTest& test) {
  if (!test.prompt) return "read";
  return Limits::PeakName(test.type.c_str(), MachinePeaks().bf16 != nullptr);
}

}  // namespace

double SuiteTest::Share(const SuiteRun& run) const {
  if (run.limit <= 0) return 0;
  if (prompt) return run.speed * 2 * work.parameters / run.limit;
  // The context grows while it generates; half of that counts.
  const double slots = depth == 0 ? 0 : depth + tokens / 2.0;
  return run.speed / sessions * (work.matrix_bytes + slots * work.slot_bytes) / run.limit;
}

const SuitePeer* SuiteReport::PeerOf(const SuiteTest& test) const {
  if (test.depth != 0 || test.sessions != 1) return nullptr;
  if (test.name != "pp512" && test.name != "tg128") return nullptr;
  for (const SuitePeer& peer : peers) {
    if (peer.shape == test.shape && peer.type == test.type && peer.threads == test.threads)
      return &peer;
  }
  return nullptr;
}

std::string SuiteText(const SuiteReport& report) {
  const bool peers = !report.peers.empty();
  Table table(0);
  std::vector<std::string> head = {"shape", "type", "threads", "test",  "depth", "sessions",
                                   "tok/s", "min",  "max",     "limit", "G/s",   "share"};
  if (peers) head.insert(head.end(), {"peer tok/s", "ratio", "peer's model"});
  table.Row(std::move(head));
  for (const SuiteTest& test : report.tests) {
    if (test.runs.empty()) continue;
    const auto [least, most] =
        std::minmax_element(test.runs.begin(), test.runs.end(),
                            [](const SuiteRun& a, const SuiteRun& b) { return a.speed < b.speed; });
    std::vector<std::string> row = {test.shape,
                                    test.type,
                                    std::to_string(test.threads),
                                    test.name,
                                    std::to_string(test.depth),
                                    std::to_string(test.sessions),
                                    Fixed(Speed(test), 2),
                                    Fixed(least->speed, 2),
                                    Fixed(most->speed, 2),
                                    LimitName(test),
                                    Fixed(1e-9 * Limit(test), 1),
                                    Fixed(100 * Share(test), 1) + " %"};
    if (peers) {
      const SuitePeer* const peer = report.PeerOf(test);
      const double speed = PeerSpeed(peer, test);
      row.push_back(speed > 0 ? Fixed(speed, 2) : "-");
      row.push_back(speed > 0 ? Fixed(Speed(test) / speed, 2) : "-");
      row.push_back(speed > 0 ? Escaped(peer->model_type) + ", " +
                                    BytesText(static_cast<uint64_t>(peer->model_bytes))
                              : "-");
    }
    table.Row(std::move(row));
  }
  std::string text = table.Text();
  text +=
      "share: medians of the runs, each against samples of its limit just before and after it. tg: "
      "bytes of the\n"
      "matrices (at depth: and of keys and values) a step, over plain reads of a mapped file. pp: "
      "two operations a\n"
      "parameter that is no embedding, over the peak of its products (int8 with one operand from "
      "L1; f16: f32 fma).\n";
  return text;
}

std::string SuiteJson(const SuiteReport& report) {
  JsonWriter json;
  json.BeginObject();
  json.Key("tests");
  json.BeginArray();
  for (const SuiteTest& test : report.tests) {
    const SuitePeer* const peer = report.PeerOf(test);
    const double peer_speed = PeerSpeed(peer, test);
    json.BeginObject();
    json.Member("shape", test.shape);
    json.Member("type", test.type);
    json.Member("name", test.name);
    json.Member("threads", test.threads);
    json.Member("depth", test.depth);
    json.Member("sessions", test.sessions);
    json.Member("device", test.device);
    json.Member("tok_s_median", Speed(test));
    json.Member("limit", LimitName(test));
    json.Member("limit_median", Limit(test));
    json.Member("share_median", Share(test));
    json.Member("matrix_bytes", test.work.matrix_bytes);
    json.Member("parameters", test.work.parameters);
    json.Key("runs");
    json.BeginArray();
    for (const SuiteRun& run : test.runs) {
      json.BeginObject(true);
      json.Member("tok_s", run.speed);
      json.Member("limit", run.limit);
      json.Member("share", test.Share(run));
      json.EndObject();
    }
    json.EndArray();
    if (peer_speed > 0) {
      json.Member("peer_model", peer->model);
      json.Member("peer_model_type", peer->model_type);
      json.Member("peer_model_bytes", peer->model_bytes);
      json.Member("peer_tok_s_median", peer_speed);
      json.Member("ratio", Speed(test) / peer_speed);
      json.Key("peer_runs");
      json.BeginArray(true);
      for (const double speed : test.prompt ? peer->prompt : peer->generation) json.Double(speed);
      json.EndArray();
    }
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return json.Finish();
}

}  // namespace samara::apps
