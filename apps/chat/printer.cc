#include "apps/chat/printer.h"

#include <cstdio>

#include "apps/common/cli.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr std::string_view kDim = "\x1b[2m", kPlain = "\x1b[0m", kErase = "\r\x1b[K";
constexpr double kQuiet = 0.25, kPeriod = 0.1;  // seconds

double Seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

bool Printer::Raw(std::string_view text) {
  if (!failed_ && !WriteAll(text, stdout)) failed_ = true;
  return !failed_;
}

void Printer::SetDim(bool dim) {
  if (dim == dim_ || !terminal_.colour || !terminal_.out) return;
  if (dim) NoteColour(true);
  Raw(dim ? kDim : kPlain);
  if (!dim) NoteColour(false);
  dim_ = dim;
}

bool Printer::Reply(TextKind kind, std::string_view text) {
  if (hide_reasoning_ && kind != TextKind::kAnswer) {
    // Somebody who waits should see that something happens.
    if (!hidden_ && terminal_.out && terminal_.err && !terminal_.dumb && !line_open_) {
      WriteAll("(thinking)", stderr);
      visible_ = true;
    }
    hidden_ = trim_ = true;
    return !failed_;
  }
  if (hidden_) EndProgress();
  hidden_ = false;
  if (trim_) {
    text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    trim_ = text.empty();
  }
  if (text.empty()) return !failed_;
  SetDim(kind != TextKind::kAnswer);
  line_open_ = text.back() != '\n';
  if (!terminal_.out) return Raw(text);
  std::string escaped;
  AppendEscaped(text, /*keep_line_breaks=*/true, &escaped);
  return Raw(escaped);
}

bool Printer::EndReply() {
  EndProgress();
  hidden_ = trim_ = false;
  SetDim(false);
  if (line_open_) Raw("\n");
  line_open_ = false;
  return !failed_;
}

void Printer::Note(std::string_view text) {
  EndProgress();
  SetDim(false);
  if (line_open_ && terminal_.out && terminal_.err) Raw("\n");
  samara::apps::Note(text);
}

void Printer::Statistics(std::string_view text) {
  if (!terminal_.err) return samara::apps::Note(text);
  std::string line;
  if (terminal_.colour) line += kDim;
  line += '[';
  line += text;
  line += ']';
  if (terminal_.colour) line += kPlain;
  WriteAll(line + '\n', stderr);
}

void Printer::Answer(std::string_view text) {
  std::string escaped;
  AppendEscaped(text, /*keep_line_breaks=*/true, &escaped);
  WriteAll(escaped, terminal_.out ? stdout : stderr);
}

void Printer::Progress(std::string_view what, uint64_t done, uint64_t total) {
  if (!terminal_.err || terminal_.dumb || total == 0 || done >= total) return;
  const Clock::time_point now = Clock::now();
  if (Seconds(now - begin_) < kQuiet || Seconds(now - shown_) < kPeriod) return;
  shown_ = now;
  std::string line(kErase);
  line += what;
  line += ' ' + std::to_string(done * 100 / total) + " %";
  const double elapsed = Seconds(now - begin_);
  const double left = elapsed * static_cast<double>(total - done) / static_cast<double>(done + 1);
  if (elapsed > 1) line += ", " + Fixed(left, 0) + " s left";
  WriteAll(line, stderr);
  visible_ = true;
}

void Printer::EndProgress() {
  if (visible_) WriteAll(kErase, stderr);
  visible_ = false;
}

}  // namespace samara::apps
