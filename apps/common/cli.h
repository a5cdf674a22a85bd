// What every program does alike: flags, exit codes, errors of one line.
//
// Exit codes: 0 success; 1 the work failed; 2 bad usage or bad input. An error is one line on
// stderr, "samara-chat: what is wrong; a hint", with control characters of file names and package
// texts escaped.
#ifndef SAMARA_APPS_COMMON_CLI_H_
#define SAMARA_APPS_COMMON_CLI_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "samara/samara.h"

namespace CLI {
class App;
}

namespace samara::apps {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// The exit code that fits a failed call: what the user gave is 2, what happened on the way is 1.
int ExitCodeOf(samara_status status);

// Names the program for errors and --version, and parses. Answers --describe-flags FORM (describe.h). A value is the exit code to end with.
std::optional<int> Parse(CLI::App* app, const char* program, int argc, char** argv);

// Runs a program; where it cannot go on for want of memory, says so.
int GuardMemory(const std::function<int()>& run);

// Print one line and give the exit code back. `hint` may be empty.
int Fail(int exit_code, std::string_view message, std::string_view hint = {});
// The library's last error; `about` (a file name) is put in front where the text does not have it.
int FailLibrary(samara_status status, std::string_view about, std::string_view hint = {});
void Note(std::string_view message);  // a line on stderr that is no error

// A byte count: digits with an optional K, M, G or T (powers of 1024). False if it is none.
bool ParseBytes(std::string_view text, uint64_t* bytes);

// How keys and values can be kept, as flags name it; "" is the default.
const std::vector<std::string>& KvTypeNames();
samara_kv_type KvTypeNamed(std::string_view name);

// The flags of every program that runs a model.
struct RunFlags {
  uint32_t threads = 0;
  std::string backend = "auto";
  std::string affinity;
  uint32_t ctx = 0;
  std::string kv_type;
  uint64_t memory_budget = 0, device_memory = 0;
  bool no_mmap = false, cut_layers = false;

  // The strings stay owned by this object. Warnings of the library go to stderr.
  samara_model_options Options() const;
};
void AddRunFlags(CLI::App* app, RunFlags* flags);
// "1,2,3"
void AddListFlag(CLI::App* app, const char* name, std::vector<uint32_t>* list, const char* help);
void AddBytesFlag(CLI::App* app, const char* name, uint64_t* bytes, const char* help);

}  // namespace samara::apps

#endif  // SAMARA_APPS_COMMON_CLI_H_
