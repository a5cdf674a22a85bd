#include "apps/bench/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "converter/json.h"

extern char** environ;

namespace samara::apps {
namespace {

constexpr size_t kMaxReport = size_t{16} << 20;

std::string Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

std::string UpperCase(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// Standard output of a program; its standard error is thrown away.
StatusOr<std::string> Output(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return IoError("pipe: %s", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return IoError("%s: %s", Quoted(arguments[0]).c_str(), std::strerror(error));
  }
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = read(ends[0], buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (text.size() < kMaxReport) text.append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return IoError("%s failed (%s %d)", Quoted(arguments[0]).c_str(),
                   WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  }
  return text;
}

}  // namespace

Peer Peer::FromEnvironment() {
  Peer peer;
  peer.program_ = Environment("PEER_BENCH");
  std::string flag;
  for (const char c : Environment("PEER_FLAGS") + " ") {
    if (c != ' ' && c != '\t' && c != '\n') {
      flag += c;
    } else if (!flag.empty()) {
      peer.flags_.push_back(std::move(flag));
      flag.clear();
    }
  }
  return peer;
}

std::string Peer::ModelFor(const std::string& shape, const std::string& type) const {
  return Environment("PEER_MODEL_" + UpperCase(shape) + "_" + UpperCase(type));
}
std::string Peer::AnyModel() const { return Environment("PEER_MODEL"); }

bool IsLike(const PeerResult& report, const std::string& type, double parameters) {
  // A tied output matrix may be counted twice.
  const double ratio = parameters > 0 ? report.parameters / parameters : 1;
  if (report.parameters > 0 && (ratio < 0.7 || ratio > 1.35)) return false;
  if (report.model_type.empty()) return true;
  const std::string words = " " + UpperCase(report.model_type) + " ";
  return words.find(" " + UpperCase(type) + " ") != std::string::npos;
}

StatusOr<PeerResult> Peer::Run(const std::string& model, uint32_t n_prompt, uint32_t n_gen,
                               uint32_t threads) const {
  std::vector<std::string> arguments = {program_,
                                        "-m",
                                        model,
                                        "-p",
                                        std::to_string(n_prompt),
                                        "-n",
                                        std::to_string(n_gen),
                                        "-t",
                                        std::to_string(threads),
                                        "-r",
                                        "1",
                                        "-o",
                                        "json"};
  arguments.insert(arguments.end(), flags_.begin(), flags_.end());
  SAMARA_ASSIGN_OR_RETURN(const std::string text, Output(arguments));
  return ParsePeerReport(text);
}

StatusOr<PeerResult> ParsePeerReport(const std::string& text) {
  // Some print a line before the array.
  const size_t begin = text.find('[');
  SAMARA_ASSIGN_OR_RETURN(
      const JsonDocument document,
      JsonDocument::Parse("the peer's report",
                          begin == std::string::npos ? text : text.substr(begin)));
  SAMARA_RETURN_IF_ERROR(document.root().WantArray());
  PeerResult result;
  for (const Json row : document.root()) {
    SAMARA_ASSIGN_OR_RETURN(const double speed, row.RequireNumber("avg_ts", 0, 1e12));
    SAMARA_ASSIGN_OR_RETURN(const int64_t n_prompt, row.Int("n_prompt", 0, 0, INT64_MAX));
    SAMARA_ASSIGN_OR_RETURN(const int64_t n_gen, row.Int("n_gen", 0, 0, INT64_MAX));
    if (n_prompt > 0 && n_gen == 0) result.prompt = speed;
    if (n_gen > 0 && n_prompt == 0) result.generation = speed;
    SAMARA_ASSIGN_OR_RETURN(const std::string_view type, row.String("model_type", ""));
    SAMARA_ASSIGN_OR_RETURN(result.model_bytes, row.Number("model_size", 0, 0, 1e18));
    SAMARA_ASSIGN_OR_RETURN(result.parameters, row.Number("model_n_params", 0, 0, 1e18));
    result.model_type = type;
  }
  return result;
}

}  // namespace samara::apps
