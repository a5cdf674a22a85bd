// samara-convert: a checkpoint becomes one .samara file.

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "apps/common/cli.h"
#include "apps/common/text.h"
#include "apps/convert/conversations.h"
#include "apps/convert/judge.h"
#include "apps/convert/progress.h"
#include "converter/convert.h"
#include "converter/gguf/architectures.h"
#include "converter/gguf/tokenizer.h"
#include "converter/models/models.h"
#include "converter/output_file.h"
#include "formats/dtypes.h"
#include "runtime/goldens.h"

namespace samara::apps {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;

struct Flags {
  std::string source, output, quant, importance, fit, calibrate;
  std::vector<std::string> tensor_types;
  bool no_goldens = false, no_template = false, list = false;
  uint32_t threads = 0;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->description(
      "Packs a model: a Hugging Face directory or a GGUF file becomes one .samara file.");
  app->add_option("SOURCE", flags->source,
                  "directory with config.json, tokenizer.json and *.safetensors, or GGUF file");
  app->add_option("-o,--output", flags->output, "the file to make")->type_name("OUT.samara");
  app->add_option("--quant", flags->quant,
                  "type of all matrices, or a recipe; default: the source's own types")
      ->type_name("T");
  app->add_option("--tensor-type", flags->tensor_types,
                  "type of the tensors whose names fit, '*' for anything; may be repeated")
      ->type_name("PATTERN=TYPE");
  app->add_option("--importance", flags->importance,
                  "weigh columns in the search of quants as samara-eval --calibrate measured")
      ->type_name("FILE");
  app->add_option("--fit", flags->fit,
                  "choose types so that all weights take this size, bytes as in 700M or bits of an "
                  "element as in 4.5bits, at the least loss on the text of --calibrate")
      ->type_name("SIZE");
  app->add_option("--calibrate", flags->calibrate, "with --fit: the text (- for standard input)")
      ->type_name("TEXTFILE");
  app->add_flag("--no-goldens", flags->no_goldens,
                "leave out the outputs that samara-inspect --verify replays");
  app->add_flag("--no-template", flags->no_template,
                "leave out the chat templates, for one that cannot be converted");
  app->add_flag("--list", flags->list,
                "write nothing: list the weights to be made or, without SOURCE, what is known");
  app->add_option("--threads", flags->threads,
                  "worker threads; default: the CPUs this process may use")
      ->type_name("N")
      ->check(CLI::Range(1, 64));
}

int FailStatus(const Status& status) {
  const int code = ExitCodeOf(static_cast<samara_status>(status.code()));
  // Errors of files say themselves what became of the output.
  const bool hint = code == kExitFailed && status.code() != StatusCode::kIo;
  return Fail(code, status.message(),
              hint ? "nothing was written, an older file is unchanged" : "");
}

int Print(const std::string& text) {
  return WriteAll(text, stdout) ? kExitOk : Fail(kExitFailed, "cannot write to standard output");
}

int ListKnown() {
  Table families;
  for (const Family& family : Families()) {
    const std::string gguf = GgufNamesOf(family.architectures);
    families.Row(
        {family.name, family.models, family.architectures, gguf.empty() ? "-" : "GGUF: " + gguf});
  }
  std::string text =
      "families:\n" + families.Text() + "weight types:\n  " + QuantNames() +
      "\nsources in safetensors:\n  F32, F16, BF16; FP8 (E4M3, scales of blocks), AWQ and "
      "GPTQ of 4 bits\ntokenizers (tokenizer.json):\n";
  for (const TokenizerPart& part : TokenizerParts())
    text += "  " + std::string(part.part) + ": " + part.names + "\n";
  text += "tokenizers (GGUF):\n  models: " + GgufTokenizerKinds() +
          "\n  pre-tokenizers: " + GgufPreTokenizers() + "\n";
  return Print(text);
}

void AppendDropped(const std::vector<GraphBuilder::Dropped>& dropped, std::string* text) {
  for (const GraphBuilder::Dropped& rule : dropped) {
    *text += "dropped: " + Count(rule.count) + " of " + rule.pattern + " (" + rule.reason + ")\n";
  }
}

int ListWeights(const Flags& flags, const QuantChoice& quant) {
  const StatusOr<ConversionPlan> plan = PlanConversion(flags.source, quant);
  if (!plan.ok()) return FailStatus(plan.status());
  Table table(0);
  for (const Weight& weight : plan->package.weights) {
    const std::string shape = weight.is_vector ? "[" + std::to_string(weight.cols) + "]"
                                               : "[" + std::to_string(weight.rows) + ", " +
                                                     std::to_string(weight.cols) + "]";
    table.Row({Escaped(weight.name), DTypeName(weight.dtype), shape,
               LayoutName(weight.placements[0].layout), BytesText(weight.placements[0].bytes)});
  }
  std::string text = table.Text();
  AppendDropped(plan->dropped, &text);
  return Print(text);
}

// "12.3 MB, and 45.6 MB of the file mapped, for a context of 4,096", from the runtime's own plan.
std::string MemoryText(const std::string& path) {
  uint64_t counted = 0, mapped = 0;
  const auto each = [](void* user, const samara_memory_item* item) {
    if (item->kind == SAMARA_MEMORY_MAPPED) *static_cast<uint64_t*>(user) += item->bytes;
  };
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  if (samara_plan(path.c_str(), &options, each, &mapped, &counted) != SAMARA_OK) return "";
  return BytesText(counted) + " and " + BytesText(mapped) +
         " of the file mapped, at the default context";
}

std::string TemplatesText(const Flags& flags, const ConvertSummary& summary) {
  if (flags.no_template) return "left out (--no-template)";
  std::string names;
  for (const std::string& name : summary.templates)
    names += (names.empty() ? "" : ", ") + Escaped(name);
  if (names.empty()) return "none";
  return names + (summary.conversations == 0
                      ? ""
                      : "; goldens of " + Count(summary.conversations) + " conversations");
}

std::string SummaryText(const Flags& flags, const ConvertSummary& summary) {
  std::string text = Escaped(flags.output) + "\n";
  const auto line = [&text](const char* label, const std::string& value) {
    text +=
        "  " + std::string(label) + std::string(11 - std::string(label).size(), ' ') + value + "\n";
  };
  line("model", Escaped(summary.name) + ", " + summary.architecture + ", " +
                    Count(summary.parameters) + " parameters");
  line("file", BytesText(summary.file_bytes) + " (" + Count(summary.file_bytes) + " bytes)");
  for (const ConvertSummary::Type& type : summary.types) {
    line(DTypeName(type.dtype), Count(type.elements) + " elements in " + Count(type.weights) +
                                    " weights, " + BytesText(type.bytes));
  }
  if (summary.divergence >= 0) {
    line("divergence", Fixed(summary.divergence, 6) + " nats from the source, mean of " +
                           Count(summary.positions) + " tokens");
  }
  line("tokenizer", summary.tokenizer.kind + ", " + Count(summary.tokenizer.vocab) + " ids");
  line("templates", TemplatesText(flags, summary));
  line("goldens", Count(summary.goldens));
  if (const std::string memory = MemoryText(flags.output); !memory.empty()) line("memory", memory);
  const double rate =
      summary.seconds > 0 ? static_cast<double>(summary.source_bytes) / summary.seconds : 0;
  line("speed", BytesText(summary.source_bytes) + " read in " + Fixed(summary.seconds, 2) + " s, " +
                    BytesText(static_cast<uint64_t>(rate)) + "/s; sync " +
                    Fixed(summary.sync_seconds, 2) + " s");
  for (const ConvertSummary::Exception& e : summary.exceptions) {
    text += "exception: " + Count(e.weights) + " in " + DTypeName(e.dtype) + " (" +
            Escaped(e.what) + ")\n";
  }
  if (summary.flushed > 0) {
    text += "note: " + Count(summary.flushed) +
            " numbers of magnitude below 2^-56 became zero (bf16)\n";
  }
  AppendDropped(summary.dropped, &text);
  return text;
}

// "700M", "4.5bits". False: neither.
bool ParseFit(const std::string& text, FitTarget* target) {
  constexpr std::string_view kUnit = "bits";
  if (!text.ends_with(kUnit)) return ParseBytes(text, &target->bytes) && target->bytes > 0;
  const char* end = text.data() + text.size() - kUnit.size();
  const auto [at, error] = std::from_chars(text.data(), end, target->bits);
  return error == std::errc() && at == end && target->bits >= 1 && target->bits <= 32;
}

int Run(const Flags& flags) {
  QuantChoice quant;
  if (!flags.quant.empty() && !FindQuant(flags.quant, &quant)) {
    return Fail(kExitUsage,
                "--quant: got " + Quoted(flags.quant) + ", wanted one of " + QuantNames());
  }
  for (const std::string& text : flags.tensor_types) {
    const size_t equals = text.rfind('=');
    const DTypeInfo* info = equals == std::string::npos || equals == 0
                                ? nullptr
                                : FindDType(std::string_view(text).substr(equals + 1));
    if (info == nullptr || !info->is_weight) {
      return Fail(kExitUsage, "--tensor-type: got " + Quoted(text) + ", wanted PATTERN=TYPE");
    }
    quant.overrides.push_back({text.substr(0, equals), info->dtype});
  }
  std::optional<ConvertOptions::Fit> fit;
  std::optional<Judge> judge;
  if (flags.fit.empty() != flags.calibrate.empty())
    return Fail(kExitUsage, "--fit and --calibrate go together",
                "as in --fit 4.5bits --calibrate text.txt");
  if (!flags.fit.empty()) {
    if (!flags.quant.empty()) return Fail(kExitUsage, "got --quant and --fit, wanted one");
    fit.emplace();
    if (!ParseFit(flags.fit, &fit->target)) {
      return Fail(kExitUsage, "--fit: got " + Quoted(flags.fit) +
                                  ", wanted bytes as in 700M, or bits as in 4.5bits");
    }
  }
  if (flags.list) return flags.source.empty() ? ListKnown() : ListWeights(flags, quant);
  if (flags.source.empty() || flags.output.empty()) {
    return Fail(kExitUsage,
                "got no " + std::string(flags.source.empty() ? "SOURCE" : "-o OUT.samara"),
                "samara-convert SOURCE -o OUT.samara [--quant T]");
  }
  Progress progress;
  ConvertOptions options;
  options.source = flags.source;
  options.output = flags.output;
  options.quant = quant;
  options.templates = !flags.no_template;
  options.threads = flags.threads;
  options.importance = flags.importance;
  if (fit) {
    std::string text;
    if (const int code = ReadText(flags.calibrate, kMaxTextBytes, &text); code != kExitOk)
      return code;
    const size_t slash = flags.calibrate.rfind('/');
    fit->text = flags.calibrate.substr(slash == std::string::npos ? 0 : slash + 1);
    judge.emplace(std::move(text), flags.threads);
    fit->reference = [&judge](const std::string& path) { return judge->SetReference(path); };
    fit->divergence = [&judge](const std::string& path, uint64_t* positions) {
      return judge->Divergence(path, positions);
    };
    options.fit = std::move(fit);
  }
  options.progress = [&progress](const char* stage, uint64_t done, uint64_t total) {
    progress.Update(stage, done, total);
  };
  if (!flags.no_goldens) {
    options.goldens = [&progress](const std::string& path, Package* package) {
      progress.Stage("goldens");
      SAMARA_RETURN_IF_ERROR(MakeRenderGoldens(GoldenConversations(), package));
      return MakeGoldens(path, package);
    };
  }
  OutputFile::RemoveOnSignals();
  const StatusOr<ConvertSummary> summary = Convert(options);
  progress.Clear();
  if (!summary.ok()) return FailStatus(summary.status());
  return Print(SummaryText(flags, *summary));
}

int Main(int argc, char** argv) {
  CLI::App app;
  Flags flags;
  AddFlags(&app, &flags);
  if (const std::optional<int> code = Parse(&app, "samara-convert", argc, argv)) return *code;
  return Run(flags);
}

}  // namespace
}  // namespace samara::apps

int main(int argc, char** argv) {
  try {
    return samara::apps::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    return samara::apps::Fail(samara::apps::kExitFailed, "out of memory");
  }
}
