#include "tests/e2e/run.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace samara::test {
namespace {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "samara-e2e-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// In the child: connects a descriptor to a file, or ends.
void Connect(const std::string& path, int flags, int target) {
  const int fd = open(path.c_str(), flags, 0600);
  if (fd < 0 || dup2(fd, target) < 0) _exit(126);
}

}  // namespace

Outcome Run(const std::vector<std::string>& arguments, const RunOptions& options) {
  static int count = 0;
  const std::string base = Scratch("run" + std::to_string(count++));
  WriteFile(base + ".in", options.input);
  const std::string program = std::string(SAMARA_BIN_DIR) + "/" + arguments[0];
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const pid_t pid = fork();
  if (pid == 0) {
    Connect(base + ".in", O_RDONLY, STDIN_FILENO);
    Connect(base + ".out", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    Connect(base + ".err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    for (const std::string& pair : options.environment) putenv(const_cast<char*>(pair.c_str()));
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  Outcome outcome;
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = ReadFile(base + ".out");
  outcome.err = ReadFile(base + ".err");
  for (const char* end : {".in", ".out", ".err"}) std::filesystem::remove(base + end);
  return outcome;
}

std::string Scratch(const std::string& name) {
  static const ScratchFolder folder;
  return folder.path() + "/" + name;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

const std::string& TinyPackage() {
  static const std::string path = [] {
    std::string name = Scratch("tiny.samara");
    const Outcome made =
        Run({"samara-bench", "--make-random", "tiny", "--type", "q8_0", "-o", name});
    if (made.exit_code != 0) std::fprintf(stderr, "no package to test with: %s", made.err.c_str());
    return name;
  }();
  return path;
}

size_t Lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace samara::test
