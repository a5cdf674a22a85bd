// A progress line on a terminal: share, bytes, rate and time left. Silent where stderr is no
// terminal.
#ifndef SAMARA_APPS_CONVERT_PROGRESS_H_
#define SAMARA_APPS_CONVERT_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace samara::apps {

class Progress {
 public:
  Progress();
  ~Progress() { Clear(); }

  // Redraws at most ten times a second.
  void Update(const char* stage, uint64_t done, uint64_t total);
  void Stage(const char* text);  // work without a known end
  void Clear();

 private:
  void Draw(const std::string& line);

  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_, last_;
};

// The line without its bar, "12 %  1.2 GB of 2.5 GB  735.0 MB/s  2 s left"; for tests.
std::string ProgressText(uint64_t done, uint64_t total, double seconds);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CONVERT_PROGRESS_H_
