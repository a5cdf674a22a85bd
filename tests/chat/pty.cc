#include "tests/chat/pty.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

namespace samara::test {
namespace {

constexpr double kPatience = 60;  // seconds; slow machines only wait longer for a failure

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Pty::Pty(const std::vector<std::string>& arguments, const PtyOptions& options) {
  for (const std::string& pair : options.environment) {
    if (pair == "TERM=dumb" || pair == "NO_COLOR=1") prompt_ = "> ";
  }
  struct winsize size {};
  size.ws_row = static_cast<unsigned short>(options.rows);
  size.ws_col = static_cast<unsigned short>(options.columns);
  if (openpty(&master_, &slave_, nullptr, nullptr, &size) != 0) return;
  const std::string program = std::string(SAMARA_BIN_DIR) + "/" + arguments[0];
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    setsid();
    ioctl(slave_, TIOCSCTTY, 0);
    dup2(slave_, STDIN_FILENO);
    dup2(options.out_fd >= 0 ? options.out_fd : slave_, STDOUT_FILENO);
    dup2(slave_, STDERR_FILENO);
    close(master_);
    if (slave_ > STDERR_FILENO) close(slave_);
    if (options.out_fd > STDERR_FILENO) close(options.out_fd);
    signal(SIGPIPE, SIG_DFL);
    for (const char* name : {"NO_COLOR", "LANG", "LC_CTYPE", "HOME"}) unsetenv(name);
    for (const std::string& pair : options.environment) putenv(const_cast<char*>(pair.c_str()));
    execv(program.c_str(), argv.data());
    _exit(127);
  }
}

Pty::~Pty() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (const int fd : {master_, slave_}) {
    if (fd >= 0) close(fd);
  }
}

void Pty::Send(const std::string& keys) {
  for (size_t at = 0; at < keys.size();) {
    const ssize_t n = write(master_, keys.data() + at, keys.size() - at);
    if (n <= 0 && errno != EINTR) return;
    if (n > 0) at += static_cast<size_t>(n);
  }
}

bool Pty::Read(int timeout_ms) {
  struct pollfd fd = {master_, POLLIN, 0};
  if (poll(&fd, 1, timeout_ms) <= 0) return false;
  char buffer[65536];
  const ssize_t n = read(master_, buffer, sizeof(buffer));
  if (n <= 0) return false;
  seen_.append(buffer, static_cast<size_t>(n));
  return true;
}

bool Pty::Expect(const std::string& text) {
  const Clock::time_point begin = Clock::now();
  for (;;) {
    const size_t at = seen_.find(text, found_);
    if (at != std::string::npos) {
      found_ = at + text.size();
      return true;
    }
    if (Since(begin) > kPatience) return false;
    if (Read(50)) continue;
    siginfo_t info{};
    const bool ended = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
    if ((ended || info.si_pid == pid_) && !Read(0)) return false;
  }
}

void Pty::Resize(int rows, int columns) {
  struct winsize size {};
  size.ws_row = static_cast<unsigned short>(rows);
  size.ws_col = static_cast<unsigned short>(columns);
  ioctl(master_, TIOCSWINSZ, &size);
}

void Pty::Signal(int signal) { kill(pid_, signal); }

int Pty::Wait() {
  const Clock::time_point begin = Clock::now();
  while (Since(begin) < kPatience) {
    Read(20);
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) continue;
    while (Read(0)) continue;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return -1;
}

struct termios Pty::Mode() const {
  struct termios mode {};
  tcgetattr(slave_, &mode);
  return mode;
}

}  // namespace samara::test
