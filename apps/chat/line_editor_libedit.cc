// Line editing by libedit's wide interface. It gets its characters from Input, so Ctrl-C, a new size
// of the terminal and pasted text are seen here and no signal handler is needed.
#if SAMARA_HAVE_LIBEDIT

#include <histedit.h>
#include <unistd.h>

#include "apps/chat/line_editor.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr int kHistoryEntries = 1000;
constexpr wchar_t kPromptMark = L'\1';  // around what takes no column

void AppendUtf8(wchar_t wide, std::string* out) {
  const auto c = static_cast<uint32_t>(wide);
  if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    *out += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
             static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    *out += {static_cast<char>(0xF0 | (c >> 18 & 7)), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
             static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

// Our own texts and lines that were read: they are valid UTF-8, anything else becomes U+FFFD.
std::wstring Wide(std::string_view text) {
  std::wstring out;
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) {
      return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u;
    };
    const uint32_t a = byte(i);
    const size_t n = a < 0x80 ? 1 : a < 0xC2 ? 0 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : a < 0xF5 ? 4 : 0;
    uint32_t code = n <= 1 ? a : a & (0x7Fu >> n);
    bool valid = n != 0;
    for (size_t k = 1; valid && k < n; ++k) {
      valid = (byte(i + k) & 0xC0) == 0x80;
      code = code << 6 | (byte(i + k) & 0x3F);
    }
    out += static_cast<wchar_t>(valid && code < 0x110000 && code >> 11 != 0x1B ? code : 0xFFFD);
    i += valid ? n : 1;
  }
  return out;
}

class EditLineEditor : public LineEditor {
 public:
  EditLineEditor(Signals* signals, const Terminal& terminal)
      : input_(signals), terminal_(terminal) {}

  ~EditLineEditor() override {
    if (line_ != nullptr) el_end(line_);
    if (history_ != nullptr) history_wend(history_);
  }

  bool Start(const std::vector<std::string>& history) {
    std::FILE* out = terminal_.out ? stdout : stderr;
    NoteModeChanged();  // from now on libedit sets the terminal's mode
    line_ = el_init("samara-chat", stdin, out, stderr);
    history_ = history_winit();
    if (line_ == nullptr || history_ == nullptr) return false;
    HistEventW event;
    history_w(history_, &event, H_SETSIZE, kHistoryEntries);
    el_wset(line_, EL_CLIENTDATA, this);
    el_wset(line_, EL_EDITOR, L"emacs");
    el_wset(line_, EL_SIGNAL, 0);
    el_wset(line_, EL_GETCFN, &GetCharacter);
    el_wset(line_, EL_PROMPT_ESC, &Prompt, kPromptMark);
    el_wset(line_, EL_HIST, history_w, history_);
    el_wset(line_, EL_ADDFN, L"samara-paste", L"Insert pasted text", &Paste);
    el_wset(line_, EL_ADDFN, L"samara-end", L"End of input, or delete a character", &End);
    const wchar_t* const keys[][2] = {
        {L"\\e[200~", L"samara-paste"},  {L"^D", L"samara-end"},
        {L"^R", L"em-inc-search-prev"},  {L"\\e[3~", L"ed-delete-next-char"},
        {L"\\e[1;5D", L"ed-prev-word"},  {L"\\e[1;5C", L"em-next-word"},
        {L"\\e[H", L"ed-move-to-beg"},   {L"\\e[F", L"ed-move-to-end"},
        {L"\\e[1~", L"ed-move-to-beg"},  {L"\\e[4~", L"ed-move-to-end"},
        {L"^W", L"ed-delete-prev-word"}, {L"^U", L"vi-kill-line-prev"},
        {L"^P", L"ed-prev-history"},     {L"^N", L"ed-next-history"},
    };
    for (const auto& key : keys) el_wset(line_, EL_BIND, key[0], key[1], nullptr);
    el_source(line_, nullptr);  // ~/.editrc
    for (const std::string& entry : history) AddHistory(entry);
    return true;
  }

  ReadResult Read(const std::string& prompt, std::string* line) override {
    line->clear();
    prompt_ = Wide(prompt);
    if (terminal_.colour && prompt_.size() > 1) {
      // Escape codes go before a character that takes a column: libedit drops those at the end.
      const std::wstring mark(1, kPromptMark);
      prompt_.insert(prompt_.size() - 1, mark + L"\x1b[0m" + mark);
      prompt_.insert(0, mark + L"\x1b[1m" + mark);
    }
    NoteModeChanged();
    SetPasting(true);
    interrupted_ = interrupting_ = ended_ = false;
    // Before the prompt: what is typed from then on is no longer shown by the terminal itself.
    el_wset(line_, EL_PREP_TERM, 1);
    int n = 0;
    const wchar_t* text = el_wgets(line_, &n);
    SetPasting(false);
    if (interrupted_) {
      *line = discarded_;
      Write("^C\n");
      return ReadResult::kInterrupted;
    }
    if (text == nullptr || n <= 0 || ended_) {
      Write("\n");
      return ReadResult::kEnd;
    }
    for (int i = 0; i < n; ++i) AppendUtf8(text[i], line);
    if (!line->empty() && line->back() == '\n') line->pop_back();
    return ReadResult::kLine;
  }

  void AddHistory(const std::string& entry) override {
    HistEventW event;
    history_w(history_, &event, H_ENTER, Wide(entry).c_str());
  }

 private:
  static EditLineEditor* Of(EditLine* line) {
    void* self = nullptr;
    el_wget(line, EL_CLIENTDATA, &self);
    return static_cast<EditLineEditor*>(self);
  }

  static wchar_t* Prompt(EditLine* line) { return Of(line)->prompt_.data(); }

  static int GetCharacter(EditLine* line, wchar_t* out) {
    EditLineEditor* self = Of(line);
    constexpr wchar_t kToTheEnd = 0x05;
    for (;;) {
      if (self->interrupting_) {
        self->Discard();
        return -1;
      }
      const int code = self->input_.NextCodePoint();
      switch (code) {
        case Input::kEnd:
          self->ended_ = true;
          return 0;
        case Input::kInterrupt:  // the cursor goes behind the text first
          self->interrupting_ = true;
          *out = kToTheEnd;
          return 1;
        case Input::kResize:
          el_resize(line);
          self->Redraw();
          continue;
        case Input::kContinue:
          el_wset(line, EL_PREP_TERM, 0);
          el_wset(line, EL_PREP_TERM, 1);
          self->SetPasting(true);
          self->Redraw();
          continue;
        default:
          *out = static_cast<wchar_t>(code);
          return 1;
      }
    }
  }

  // Ctrl-C: the text stays on the screen, but not in the line.
  void Discard() {
    interrupted_ = true;
    discarded_.clear();
    const LineInfoW* info = el_wline(line_);
    for (const wchar_t* c = info->buffer; c != info->lastchar; ++c) AppendUtf8(*c, &discarded_);
  }

  // Draws the line anew, on what is the cursor's line now.
  void Redraw() {
    Write("\r\x1b[J");
    el_wset(line_, EL_REFRESH);
  }

  // Until the terminal's end mark: line breaks and tabs stay, other control characters go.
  static unsigned char Paste(EditLine* line, wint_t) {
    constexpr std::wstring_view kEnd = L"\x1b[201~";
    std::wstring text;
    wchar_t c = 0;
    while (text.size() < kEnd.size() ||
           text.compare(text.size() - kEnd.size(), kEnd.size(), kEnd)) {
      if (GetCharacter(line, &c) != 1) return CC_EOF;
      text += c;
    }
    text.resize(text.size() - kEnd.size());
    std::wstring clean;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == L'\r') {
        if (i + 1 == text.size() || text[i + 1] != L'\n') clean += L'\n';
      } else if (text[i] == L'\n' || text[i] == L'\t' ||
                 (text[i] >= 0x20 && (text[i] < 0x7F || text[i] >= 0xA0))) {
        clean += text[i];
      }
    }
    // One newline that ends the paste is no part of the message; Enter sends it.
    if (!clean.empty() && clean.back() == L'\n') clean.pop_back();
    if (clean.empty()) return CC_NORM;
    return el_winsertstr(line, clean.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  static unsigned char End(EditLine* line, wint_t) {
    const LineInfoW* info = el_wline(line);
    if (info->lastchar == info->buffer) {
      Of(line)->ended_ = true;
      return CC_EOF;
    }
    if (info->cursor == info->lastchar) return CC_ERROR;
    el_cursor(line, 1);
    el_wdeletestr(line, 1);
    return CC_REFRESH;
  }

  void SetPasting(bool on) {
    if (on) NotePasting(true);
    Write(on ? "\x1b[?2004h" : "\x1b[?2004l");
    if (!on) NotePasting(false);
  }

  void Write(std::string_view text) { WriteAll(text, terminal_.out ? stdout : stderr); }

  Input input_;
  Terminal terminal_;
  EditLine* line_ = nullptr;
  HistoryW* history_ = nullptr;
  std::wstring prompt_;
  bool interrupting_ = false, interrupted_ = false, ended_ = false;
  std::string discarded_;
};

}  // namespace

bool HasEditing() { return true; }

std::unique_ptr<LineEditor> MakeEditLine(Signals* signals, const Terminal& terminal,
                                         const std::vector<std::string>& history);
std::unique_ptr<LineEditor> MakeEditLine(Signals* signals, const Terminal& terminal,
                                         const std::vector<std::string>& history) {
  auto editor = std::make_unique<EditLineEditor>(signals, terminal);
  if (!editor->Start(history)) return nullptr;
  return editor;
}

}  // namespace samara::apps

#endif  // SAMARA_HAVE_LIBEDIT
