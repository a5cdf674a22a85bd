// Finds stop strings in text that comes in pieces, and holds back what may be the beginning of one.
#ifndef SAMARA_APPS_CHAT_STOP_FILTER_H_
#define SAMARA_APPS_CHAT_STOP_FILTER_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace samara::apps {

class StopFilter {
 public:
  // Empty strings stop nothing.
  explicit StopFilter(std::vector<std::string> stops) {
    for (std::string& stop : stops) {
      if (!stop.empty()) stops_.push_back(std::move(stop));
    }
  }

  // Appends to `out` what can be shown now. True once a stop string was met; it and what follows is
  // dropped.
  bool Add(std::string_view piece, std::string* out) {
    held_ += piece;
    size_t found = std::string::npos;
    for (const std::string& stop : stops_) found = std::min(found, held_.find(stop));
    if (found != std::string::npos) {
      out->append(held_, 0, found);
      held_.clear();
      return true;
    }
    const size_t keep = LongestBeginning();
    out->append(held_, 0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return false;
  }

  // The reply is over: what was held back was no stop string.
  void Flush(std::string* out) {
    *out += held_;
    held_.clear();
  }

 private:
  // Bytes at the end of held_ that begin a stop string; the most over all of them.
  size_t LongestBeginning() const {
    size_t longest = 0;
    for (const std::string& stop : stops_) {
      for (size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n) {
        if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) longest = n;
      }
    }
    return longest;
  }

  std::vector<std::string> stops_;
  std::string held_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_STOP_FILTER_H_
