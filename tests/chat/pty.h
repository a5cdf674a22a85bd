// A program at a terminal of its own, as a person has it: keys go in, what appears comes out.
#ifndef SAMARA_TESTS_CHAT_PTY_H_
#define SAMARA_TESTS_CHAT_PTY_H_

#include <sys/types.h>
#include <termios.h>

#include <string>
#include <vector>

namespace samara::test {

struct PtyOptions {
  std::vector<std::string> environment = {"TERM=xterm", "LC_ALL=C.UTF-8"};
  int rows = 24, columns = 80;
  int out_fd = -1;  // standard output goes here instead of to the terminal
};

class Pty {
 public:
  // `arguments[0]` is a program of the build.
  explicit Pty(const std::vector<std::string>& arguments, const PtyOptions& options = {});
  ~Pty();  // ends the program, if it runs
  Pty(const Pty&) = delete;
  Pty& operator=(const Pty&) = delete;

  void Send(const std::string& keys);
  // Waits until `text` appears behind what earlier calls found; false after ten seconds, or when
  // the program has ended without it.
  bool Expect(const std::string& text);
  // Until the program waits for a line.
  bool ExpectPrompt() { return Expect(prompt_); }
  void Resize(int rows, int columns);
  void Signal(int signal);
  // Reads until the program ends. Its exit code, 128 + signal, or -1 after ten seconds.
  int Wait();
  const std::string& seen() const { return seen_; }  // all that has appeared
  // What appeared behind what Expect found last.
  std::string rest() const { return seen_.substr(found_); }
  struct termios Mode() const;

 private:
  bool Read(int timeout_ms);  // false: nothing came, or nothing will
  int master_ = -1, slave_ = -1;
  pid_t pid_ = -1;
  bool over_ = false;
  std::string seen_;
  std::string prompt_ = ">\x1b[0m ";  // bold, where there are colours
  size_t found_ = 0;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_CHAT_PTY_H_
