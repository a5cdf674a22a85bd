// Speed of prompt processing and generation.
#ifndef SAMARA_APPS_BENCH_MEASURE_H_
#define SAMARA_APPS_BENCH_MEASURE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/bench/profile.h"
#include "apps/common/cli.h"
#include "apps/common/model.h"

namespace samara::apps {

struct MeasureOptions {
  uint32_t n_prompt = 512;  // 0: no such test
  uint32_t n_gen = 128;     // 0: no such test
  uint32_t depth = 0;       // tokens in the context before a test starts
  uint32_t repetitions = 5;
  uint32_t sessions = 1;        // that share each step
  uint32_t batch = 0;           // most tokens of a step; 0: the library's default
  uint32_t profile_events = 0;  // 0: no profile
  RunFlags run;
};

struct Measurement {
  std::string name;  // "pp512", "tg128"
  std::string device;
  uint32_t threads = 0, n_prompt = 0, n_gen = 0, depth = 0, sessions = 1;
  double median = 0, min = 0, max = 0;  // tokens a second, of all sessions together
  TestProfile profile;                  // of all counted runs; empty unless asked for
};

// A model with sessions at some depth, fed random token ids, the same in every run.
class Runner {
 public:
  // Errors of this and the following are printed. The exit code.
  int Open(const std::string& path, const MeasureOptions& options, uint32_t threads);
  // `tokens` in each session in steps as large as allowed, or one token a step.
  int Advance(uint32_t tokens, bool one_by_one);
  // Back to `depth` tokens a session; fills up to there the first time.
  int Return(uint32_t depth);
  // Return, then Advance: tokens a second of the latter, of all sessions together.
  int Time(uint32_t depth, uint32_t tokens, bool one_by_one, double* speed);

  const samara_model_info& info() const { return info_; }
  samara_model* model() { return model_.get(); }

 private:
  bool Pending() const;
  int32_t NextId();

  std::string path_;
  ModelPtr model_;
  std::vector<SessionPtr> owners_;
  std::vector<samara_session*> sessions_;
  samara_model_info info_{};
  uint64_t state_ = 1;
};

// The tests at one number of threads (0: the default), each after one run that is not counted.
// Generation feeds its tokens one by one and does not sample. Errors are printed. The exit code.
int Measure(const std::string& path, const MeasureOptions& options, uint32_t threads,
            std::vector<Measurement>* out);

double Median(std::vector<double> values);  // of at least one

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_MEASURE_H_
