// What the suite found, as a table and as JSON.
#ifndef SAMARA_APPS_BENCH_SUITE_REPORT_H_
#define SAMARA_APPS_BENCH_SUITE_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apps/bench/suite.h"

namespace samara::apps {

struct SuiteRun {
  double speed = 0;  // tokens a second, of all sessions
  double limit =
      0;  // generation: bytes read a second; prompt: operations a second; just before and after
};

struct SuiteTest {
  std::string shape, type, name, device;
  bool prompt = false;
  uint32_t threads = 1, sessions = 1, depth = 0, tokens = 0;
  TokenWork work;
  std::vector<SuiteRun> runs;

  // Of the limit that this token rate needs at least: the matrices' bytes (and the keys and values held at `depth`) a
  // step, or two operations a parameter that is no embedding.
  double Share(const SuiteRun& run) const;
};

struct SuitePeer {
  std::string shape, type;  // of the tests that it stands beside
  std::string model;
  std::string model_type;
  double model_bytes = 0;
  uint32_t threads = 1;
  std::vector<double> prompt, generation;
};

struct SuiteReport {
  std::vector<SuiteTest> tests;
  std::vector<SuitePeer> peers;

  // The peer's figures for a test; nullptr if it has none.
  const SuitePeer* PeerOf(const SuiteTest& test) const;
};

std::string SuiteText(const SuiteReport& report);
std::string SuiteJson(const SuiteReport& report);

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_SUITE_REPORT_H_
