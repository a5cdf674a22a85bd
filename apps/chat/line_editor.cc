#include "apps/chat/line_editor.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "apps/common/text.h"

namespace samara::apps {
namespace {

// The terminal edits the line; what is read is finished.
class PlainEditor : public LineEditor {
 public:
  PlainEditor(Signals* signals, const Terminal& terminal)
      : input_(signals), stream_(terminal.out ? stdout : stderr) {}

  ReadResult Read(const std::string& prompt, std::string* line) override {
    line->clear();
    WriteAll(prompt, stream_);
    for (;;) {
      const int byte = input_.Next();
      if (byte == Input::kEnd) return line->empty() ? ReadResult::kEnd : ReadResult::kLine;
      if (byte == Input::kInterrupt) {
        WriteAll("\n", stream_);
        return ReadResult::kInterrupted;
      }
      if (byte == Input::kContinue) WriteAll(prompt, stream_);
      if (byte < 0) continue;
      if (byte == '\n') return ReadResult::kLine;
      line->push_back(static_cast<char>(byte));
    }
  }
  void AddHistory(const std::string&) override {}

 private:
  Input input_;
  std::FILE* stream_;
};

}  // namespace

int Input::Next() {
  if (again_ != kNone) {
    const int byte = again_;
    again_ = kNone;
    return byte;
  }
  while (begin_ == end_) {
    struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_->fd(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return kEnd;
    }
    if (fds[1].revents != 0) {
      switch (signals_->Next()) {
        case 'i':
          begin_ = end_ = 0;
          return kInterrupt;
        case 'w':
          return kResize;
        case 'c':
          return kContinue;
        default:
          continue;
      }
    }
    const ssize_t n = read(STDIN_FILENO, buffer_, sizeof(buffer_));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return kEnd;
    begin_ = 0;
    end_ = static_cast<size_t>(n);
  }
  return static_cast<unsigned char>(buffer_[begin_++]);
}

int Input::NextCodePoint() {
  constexpr int kReplacement = 0xFFFD;
  const int first = Next();
  if (first < 0x80) return first;
  if (first < 0xC2 || first > 0xF4) return kReplacement;
  const int more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  int code = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    const int byte = Next();
    if (byte < 0x80 || byte > 0xBF) {
      again_ = byte;
      return kReplacement;
    }
    code = code << 6 | (byte & 0x3F);
  }
  constexpr int kLeast[] = {0x80, 0x800, 0x10000};
  const bool wrong = code < kLeast[more - 1] || code > 0x10FFFF || (code >> 11) == 0x1B;
  return wrong ? kReplacement : code;
}

#if !SAMARA_HAVE_LIBEDIT
bool HasEditing() { return false; }
std::unique_ptr<LineEditor> MakeEditLine(Signals*, const Terminal&,
                                         const std::vector<std::string>&) {
  return nullptr;
}
#else
std::unique_ptr<LineEditor> MakeEditLine(Signals* signals, const Terminal& terminal,
                                         const std::vector<std::string>& history);
#endif

std::unique_ptr<LineEditor> MakeLineEditor(Signals* signals, const Terminal& terminal, bool utf8,
                                           const std::vector<std::string>& history) {
  std::unique_ptr<LineEditor> editor;
  // On a terminal of another character set its own line discipline knows better.
  if (!terminal.dumb && utf8) editor = MakeEditLine(signals, terminal, history);
  if (editor == nullptr) editor = std::make_unique<PlainEditor>(signals, terminal);
  return editor;
}

}  // namespace samara::apps
