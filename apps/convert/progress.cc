#include "apps/convert/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr size_t kBarCells = 24;

size_t TerminalColumns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

}  // namespace

std::string ProgressText(uint64_t done, uint64_t total, double seconds) {
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string text = Fixed(100 * share, 0) + " %  " + BytesText(done) + " of " + BytesText(total);
  if (rate < 1) return text;
  const auto left =
      static_cast<uint64_t>(static_cast<double>(total - std::min(done, total)) / rate + 0.5);
  text += "  " + BytesText(static_cast<uint64_t>(rate)) + "/s  ";
  if (left >= 60) text += std::to_string(left / 60) + " min ";
  return text + std::to_string(left % 60) + " s left";
}

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1), start_(Clock::now()), last_(start_) {}

void Progress::Draw(const std::string& line) {
  const std::string text = "\r" + line.substr(0, TerminalColumns() - 1) + "\x1b[K";
  (void)fwrite(text.data(), 1, text.size(), stderr);
  (void)fflush(stderr);
  drawn_ = true;
}

void Progress::Update(const char* stage, uint64_t done, uint64_t total) {
  const Clock::time_point now = Clock::now();
  if (!terminal_ || (drawn_ && done < total && now - last_ < std::chrono::milliseconds(100)))
    return;
  if (!drawn_) start_ = now;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const size_t full =
      total > 0
          ? static_cast<size_t>(kBarCells * static_cast<double>(done) / static_cast<double>(total))
          : kBarCells;
  std::string bar(std::min(full, kBarCells), '#');
  bar.resize(kBarCells, '-');
  Draw(std::string(stage) + " [" + bar + "] " + ProgressText(done, total, seconds));
}

void Progress::Stage(const char* text) {
  if (terminal_) Draw(text);
}

void Progress::Clear() {
  if (!drawn_) return;
  (void)fputs("\r\x1b[K", stderr);
  (void)fflush(stderr);
  drawn_ = false;
}

}  // namespace samara::apps
