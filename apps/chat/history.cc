#include "apps/chat/history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace samara::apps {
namespace {

constexpr size_t kKeep = 1000;
constexpr size_t kCutAt = 2000;
constexpr size_t kMaxFileBytes = size_t{16} << 20;

// A line break inside an entry is "\n", a backslash "\\".
std::string Encode(const std::string& entry) {
  std::string line;
  for (const char c : entry) {
    if (c == '\\') {
      line += "\\\\";
    } else if (c == '\n') {
      line += "\\n";
    } else {
      line += c;
    }
  }
  return line + '\n';
}

std::string Decode(const std::string& line) {
  std::string entry;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      entry += line[i];
    } else {
      ++i;
      entry += line[i] == 'n' ? '\n' : line[i];
    }
  }
  return entry;
}

void MakeFolders(const std::string& path) {
  for (size_t i = path.find('/', 1); i != std::string::npos; i = path.find('/', i + 1)) {
    (void)mkdir(path.substr(0, i).c_str(), 0700);
  }
}

bool WriteWhole(int fd, const std::string& text) {
  return write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string ReadWhole(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return text;
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    char buffer[65536];
    for (ssize_t n = 0; text.size() < kMaxFileBytes && (n = read(fd, buffer, sizeof(buffer))) > 0;)
      text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

}  // namespace

std::string DefaultHistoryPath() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/samara/history";
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return std::string(home) + "/.local/state/samara/history";
  return {};
}

std::vector<std::string> HistoryFile::Load() {
  std::vector<std::string> lines;
  if (path_.empty()) return lines;
  const std::string text = ReadWhole(path_);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // cut by a kill
    if (end > begin) lines.push_back(Decode(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  const bool cut = lines.size() > kCutAt;
  if (lines.size() > kKeep) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kKeep));
  }
  if (cut) {
    const std::string temporary = path_ + "." + std::to_string(getpid());
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0;
    for (size_t i = 0; written && i < lines.size(); ++i) written = WriteWhole(fd, Encode(lines[i]));
    if (fd >= 0) close(fd);
    if (!written || std::rename(temporary.c_str(), path_.c_str()) != 0) unlink(temporary.c_str());
  }
  return lines;
}

void HistoryFile::Append(const std::string& entry) {
  if (path_.empty() || entry.empty()) return;
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
  int fd = open(path_.c_str(), kFlags, 0600);
  if (fd < 0) {
    MakeFolders(path_);
    fd = open(path_.c_str(), kFlags, 0600);
  }
  if (fd < 0) return;
  (void)fchmod(fd, 0600);  // also where the file was made by something else
  (void)WriteWhole(fd, Encode(entry));
  close(fd);
}

}  // namespace samara::apps
