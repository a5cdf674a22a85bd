#include "apps/common/cli.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <new>

#include "apps/common/describe.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

const char* g_program = "samara";

void PrintLine(std::string_view line) {
  std::string text = g_program;
  text += ": ";
  AppendEscaped(line, /*keep_line_breaks=*/false, &text);
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void LogWarning(void*, samara_log_level level, const char* line) {
  if (level == SAMARA_LOG_WARNING) Note(line);
}

}  // namespace

int ExitCodeOf(samara_status status) {
  switch (status) {
    case SAMARA_OK:
      return kExitOk;
    case SAMARA_INVALID_ARGUMENT:
    case SAMARA_NOT_FOUND:
    case SAMARA_INVALID_FILE:
    case SAMARA_UNSUPPORTED:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

std::optional<int> Parse(CLI::App* app, const char* program, int argc, char** argv) {
  g_program = program;
  app->name(program);
  app->set_version_flag("--version", std::string(program) + " " + samara_version());
  app->get_formatter()->column_width(34);
  // The build makes man pages and completions with this; it is not among the flags that --help lists.
  if (std::string text; argc == 3 && std::string_view(argv[1]) == "--describe-flags" &&
                        DescribeFlags(*app, argv[2], &text)) {
    return WriteAll(text, stdout) ? kExitOk : kExitFailed;
  }
  try {
    app->parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    app->exit(asked);
    return std::fflush(stdout) == 0 ? kExitOk : kExitFailed;
  } catch (const CLI::ParseError& error) {
    return Fail(kExitUsage, error.what(), std::string(program) + " --help lists the flags");
  }
  return std::nullopt;
}

int GuardMemory(const std::function<int()>& run) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return Fail(kExitFailed, "out of memory");
  }
}

int Fail(int exit_code, std::string_view message, std::string_view hint) {
  std::string line(message);
  if (!hint.empty()) (line += "; ") += hint;
  PrintLine(line);
  return exit_code;
}

int FailLibrary(samara_status status, std::string_view about, std::string_view hint) {
  std::string message = samara_last_error();
  if (message.empty()) message = samara_status_name(status);
  if (!about.empty() && message.find(about) == std::string::npos) {
    message = std::string(about) + ": " + message;
  }
  return Fail(ExitCodeOf(status), message, hint);
}

void Note(std::string_view message) { PrintLine(message); }

bool ParseBytes(std::string_view text, uint64_t* bytes) {
  uint64_t value = 0;
  size_t i = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<uint64_t>(text[i] - '0'), &value)) {
      return false;
    }
  }
  if (i == 0 || text.size() - i > 1) return false;
  int shift = 0;
  if (i < text.size()) {
    const size_t unit = std::string_view("KMGT").find(static_cast<char>(text[i] & ~0x20));
    if (unit == std::string_view::npos) return false;
    shift = 10 * (static_cast<int>(unit) + 1);
  }
  if (value > UINT64_MAX >> shift) return false;
  *bytes = value << shift;
  return true;
}

const std::vector<std::string>& KvTypeNames() {
  static const std::vector<std::string> names = {"f32", "f16", "q8_0", "q4_0"};
  return names;
}

samara_kv_type KvTypeNamed(std::string_view name) {
  if (name == "f32") return SAMARA_KV_F32;
  if (name == "f16") return SAMARA_KV_F16;
  if (name == "q8_0") return SAMARA_KV_Q8_0;
  if (name == "q4_0") return SAMARA_KV_Q4_0;
  return SAMARA_KV_DEFAULT;
}

samara_model_options RunFlags::Options() const {
  samara_model_options options{};
  options.struct_size = sizeof(options);
  options.backend = backend.c_str();
  options.n_threads = threads;
  options.affinity = affinity.c_str();
  options.pin_caller = affinity.empty() ? 0 : 1;  // these programs step on one thread of their own
  options.n_ctx = ctx;
  options.kv_type = KvTypeNamed(kv_type);
  options.memory_budget = memory_budget;
  options.no_mmap = no_mmap ? 1 : 0;
  options.device_memory = device_memory;
  options.cut_layers = cut_layers ? 1 : 0;
  options.log = LogWarning;
  return options;
}

void AddListFlag(CLI::App* app, const char* name, std::vector<uint32_t>* list, const char* help) {
  app->add_option_function<std::string>(
         name,
         [name, list](const std::string& text) {
           list->clear();
           const char* at = text.data();
           const char* const end = at + text.size();
           for (;;) {
             uint32_t value = 0;
             const auto result = std::from_chars(at, end, value);
             if (result.ec != std::errc() || (result.ptr != end && *result.ptr != ',')) {
               throw CLI::ValidationError(
                   name, "got " + text + ", wanted whole numbers separated by commas");
             }
             list->push_back(value);
             if (result.ptr == end) return;
             at = result.ptr + 1;
           }
         },
         help)
      ->type_name("N,N,...");
}

void AddBytesFlag(CLI::App* app, const char* name, uint64_t* bytes, const char* help) {
  app->add_option_function<std::string>(
         name,
         [name, bytes](const std::string& text) {
           if (!ParseBytes(text, bytes)) {
             throw CLI::ValidationError(name,
                                        "got " + text + ", wanted bytes as in 4096, 300M or 2G");
           }
         },
         help)
      ->type_name("BYTES");
}

void AddRunFlags(CLI::App* app, RunFlags* flags) {
  const std::string group = "Running";
  app->add_option("--threads", flags->threads, "threads; default: the CPUs this process may use")
      ->type_name("N")
      ->group(group);
  app->add_option("--affinity", flags->affinity,
                  "processors to run on, as in 0,2-3, one thread each; default: any")
      ->type_name("LIST")
      ->group(group);
  app->add_option("--backend", flags->backend,
                  "auto (a GPU's, else cpu), cpu, cuda, vulkan, reference, ...")
      ->type_name("B")
      ->group(group);
  app->add_option("--ctx", flags->ctx, "positions a session holds; default: min(trained, 4096)")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->group(group);
  app->add_option("--kv-type", flags->kv_type,
                  "f32, f16, q8_0 or q4_0: how keys and values are kept")
      ->type_name("T")
      ->check(CLI::IsMember(KvTypeNames()))
      ->group(group);
  AddBytesFlag(app, "--memory-budget", &flags->memory_budget,
               "refuse to load if more than this would be allocated (K, M, G, T allowed)");
  app->get_option("--memory-budget")->group(group);
  AddBytesFlag(app, "--device-memory", &flags->device_memory,
               "memory to take of a GPU; layers that find no room run on the CPU");
  app->get_option("--device-memory")->group(group);
  app->add_flag("--cut-layers", flags->cut_layers,
                "run operators that a GPU lacks on the CPU even inside layers")
      ->group(group);
  app->add_flag("--no-mmap", flags->no_mmap, "read the weights into private memory")->group(group);
}

}  // namespace samara::apps
