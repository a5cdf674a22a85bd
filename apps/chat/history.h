// The file of what was typed: one entry a line, readable by its owner alone.
#ifndef SAMARA_APPS_CHAT_HISTORY_H_
#define SAMARA_APPS_CHAT_HISTORY_H_

#include <string>
#include <vector>

namespace samara::apps {

// $XDG_STATE_HOME/samara/history, or ~/.local/state/samara/history; empty without a home.
std::string DefaultHistoryPath();

class HistoryFile {
 public:
  explicit HistoryFile(std::string path) : path_(std::move(path)) {}
  // The newest entries, the oldest first. A file that has grown long is cut to them.
  std::vector<std::string> Load();
  // At once, so that nothing is lost when the program is killed. Failures are no errors: chat goes
  // on without a history.
  void Append(const std::string& entry);

 private:
  std::string path_;  // empty: no file
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_HISTORY_H_
