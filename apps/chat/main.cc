// samara-chat: text from a packed model, by the public C API alone.

#include <errno.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "apps/chat/completion.h"
#include "apps/chat/interrupt.h"
#include "apps/common/cli.h"
#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr uint64_t kMaxPromptBytes = uint64_t{64} << 20;
constexpr uint32_t kDefaultPenaltyWindow = 64;

struct Flags {
  std::string model;
  std::optional<std::string> prompt;
  std::string file;
  std::optional<uint64_t> n;
  std::optional<float> temperature, top_p, min_p, repeat_penalty;
  std::optional<uint32_t> top_k;
  std::optional<uint64_t> seed;
  std::vector<std::string> stops;
  std::string system;
  bool raw = false;
  bool statistics = false;
  RunFlags run;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("FILE", flags->model, "a .samara file")->required();
  CLI::Option* prompt = app->add_option("-p,--prompt", flags->prompt, "one prompt, then exit");
  app->add_option("--file", flags->file, "the prompt from a file, or from standard input (-)")
      ->excludes(prompt);
  app->add_option("-n,--n-predict", flags->n,
                  "most tokens of a reply; default: what the context holds")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  app->add_option("--temp", flags->temperature, "temperature; 0 is greedy")->type_name("T");
  app->add_option("--top-k", flags->top_k, "sample among the K likeliest; 0: off")->type_name("K");
  app->add_option("--top-p", flags->top_p, "sample among the likeliest that make up P; 1: off")
      ->type_name("P");
  app->add_option("--min-p", flags->min_p, "drop tokens below P times the likeliest; 0: off")
      ->type_name("P");
  app->add_option("--repeat-penalty", flags->repeat_penalty,
                  "penalty on the last 64 tokens; 1: off")
      ->type_name("R");
  app->add_option("--stop", flags->stops, "end the reply before this text; may be given again")
      ->type_name("S")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app->add_option("--seed", flags->seed, "same seed, same text; default: random")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber);
  app->add_option("--system", flags->system, "system message (needs a chat template)")
      ->type_name("TEXT");
  app->add_flag("--raw", flags->raw, "no chat template: print prompt + continuation");
  app->add_flag("--stats", flags->statistics, "speeds on stderr, also where that is no terminal");
  AddRunFlags(app, &flags->run);
}

uint64_t RandomSeed() {
  uint64_t seed = 0;
  if (getentropy(&seed, sizeof(seed)) != 0) seed = static_cast<uint64_t>(getpid());
  return seed;
}

samara_status SetSampling(const Flags& flags, const samara_model* model, samara_session* session) {
  samara_sampling sampling{};
  sampling.struct_size = sizeof(sampling);
  const samara_status status = samara_model_sampling(model, &sampling);
  if (status != SAMARA_OK) return status;
  if (flags.temperature) sampling.temperature = *flags.temperature;
  if (flags.top_k) sampling.top_k = *flags.top_k;
  if (flags.top_p) sampling.top_p = *flags.top_p;
  if (flags.min_p) sampling.min_p = *flags.min_p;
  if (flags.repeat_penalty) sampling.repetition_penalty = *flags.repeat_penalty;
  if (sampling.repetition_penalty != 1 && sampling.penalty_window == 0) {
    sampling.penalty_window = std::min(kDefaultPenaltyWindow, InfoOf(model).n_ctx);
  }
  sampling.seed = flags.seed ? *flags.seed : RandomSeed();
  return samara_session_set_sampling(session, &sampling);
}

// A prompt from a file or a pipe usually ends in a newline that nobody meant.
void DropFinalNewline(std::string* text) {
  if (!text->empty() && text->back() == '\n') text->pop_back();
  if (!text->empty() && text->back() == '\r') text->pop_back();
}

// Reads a line from the terminal; false at its end (Ctrl-D).
bool ReadLine(std::string* line) {
  line->clear();
  if (!WriteAll("> ", stderr)) return false;
  char c = 0;
  for (;;) {
    const ssize_t n = read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return !line->empty();
    if (c == '\n') return true;
    line->push_back(c);
  }
}

int Loop(samara_model* model, samara_session* session, const CompletionOptions& options,
         Interrupt* interrupt) {
  Note("each line is a prompt of its own; Ctrl-C stops a reply, Ctrl-D ends");
  std::string line;
  while (ReadLine(&line)) {
    if (line.empty()) continue;
    interrupt->Begin();
    const int code = Complete(model, session, line, options, interrupt);
    const bool interrupted = interrupt->requested();
    interrupt->End();
    if (code == kExitFailed && !interrupted) return code;
  }
  return WriteAll("\n", stderr) ? kExitOk : kExitFailed;
}

// Called by the library while it loads.
int CancelLoad(void* interrupt, const char*, uint64_t, uint64_t) {
  return static_cast<const Interrupt*>(interrupt)->requested() ? 1 : 0;
}

int Run(const Flags& flags) {
  if (const int code = CheckModelFile(flags.model); code != kExitOk) return code;
  if (!flags.raw) return Fail(kExitUsage, "chat templates are not built yet", "use --raw");
  if (!flags.system.empty())
    return Fail(kExitUsage, "--system needs a chat template", "leave out --system");

  const bool loop = !flags.prompt && flags.file.empty() && isatty(STDIN_FILENO);
  std::string prompt = flags.prompt.value_or("");
  if (!flags.prompt && !loop) {
    const std::string source = flags.file.empty() ? "-" : flags.file;
    if (const int code = ReadText(source, kMaxPromptBytes, &prompt); code != kExitOk) return code;
    DropFinalNewline(&prompt);
  }

  Interrupt interrupt;
  interrupt.Begin();
  samara_model_options options = flags.run.Options();
  options.progress = CancelLoad;
  options.user = &interrupt;
  ModelPtr model;
  if (const int code = OpenModel(flags.model, options, &model); code != kExitOk) return code;
  samara_session* opened = nullptr;
  samara_status status = samara_session_create(model.get(), nullptr, &opened);
  if (status != SAMARA_OK) return FailLibrary(status, flags.model);
  const SessionPtr session(opened);
  status = SetSampling(flags, model.get(), session.get());
  if (status != SAMARA_OK) return FailLibrary(status, "");
  interrupt.SetModel(model.get());

  CompletionOptions completion;
  completion.max_tokens = flags.n;
  completion.stops = flags.stops;
  completion.terminal = isatty(STDOUT_FILENO);
  completion.statistics = flags.statistics || isatty(STDERR_FILENO);
  int code = kExitOk;
  if (loop) {
    interrupt.End();
    code = Loop(model.get(), session.get(), completion, &interrupt);
  } else {
    code = Complete(model.get(), session.get(), prompt, completion, &interrupt);
  }
  interrupt.SetModel(nullptr);
  return code;
}

int Main(int argc, char** argv) {
  CLI::App app("Runs a packed model: prints a prompt and what the model appends to it.");
  Flags flags;
  AddFlags(&app, &flags);
  if (const std::optional<int> code = Parse(&app, "samara-chat", argc, argv)) return *code;
  return Run(flags);
}

}  // namespace
}  // namespace samara::apps

int main(int argc, char** argv) {
  return samara::apps::GuardMemory([&] { return samara::apps::Main(argc, argv); });
}
