// samara-eval: logits, tokens and quality measures of a packed model, for programs to read.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "apps/common/cli.h"
#include "apps/common/model.h"
#include "apps/common/render.h"
#include "apps/common/text.h"
#include "apps/eval/calibrate.h"
#include "apps/eval/evaluate.h"
#include "apps/eval/generate.h"

namespace samara::apps {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxMessagesBytes = uint64_t{64} << 20;
constexpr size_t kSampledTokens = 256;

struct Flags {
  std::string model, text;
  std::vector<uint32_t> ids;
  std::string logits;
  std::optional<std::string> tokenize;
  bool parse_special = false, no_bos = false;
  std::string render, chat_template;
  bool tokens = false;
  std::string perplexity, other, other_kv_type;
  std::vector<std::string> calibrate;
  std::string output;
  GenerateFlags generate;
  EmbedFlags embed;
  bool json = false;
  RunFlags run;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("FILE", flags->model, "a .samara file")->required();
  app->add_option("TEXT", flags->text, "with --kl: the text to compare on");
  AddListFlag(app, "--ids", &flags->ids, "token ids, separated by commas");
  app->add_option("--logits", flags->logits,
                  "with --ids: write the logits of every position (- for standard output)")
      ->type_name("OUT.json");
  app->add_option("--tokenize", flags->tokenize, "print the ids of this text as a JSON array")
      ->type_name("TEXT");
  app->add_flag("--parse-special", flags->parse_special,
                "special tokens written in the text become their ids");
  app->add_flag("--no-bos", flags->no_bos, "add no token before or after the text");
  app->add_option("--render", flags->render,
                  "print what the chat template makes of these messages (- for standard input): a "
                  "JSON array, or an object with messages, tools, add_generation_prompt, ...")
      ->type_name("MESSAGES.json");
  app->add_option(
         "--template", flags->chat_template,
         "with --render: the name of the template; default: default, or tool_use for tools")
      ->type_name("NAME");
  app->add_flag("--tokens", flags->tokens, "with --render: print the ids of the text instead");
  app->add_option("--perplexity", flags->perplexity,
                  "perplexity on a text file (- for standard input)")
      ->type_name("TEXTFILE");
  app->add_option(
         "--kl", flags->other,
         "divergence from another package, on TEXT, --ids, or 256 tokens sampled from that package")
      ->type_name("OTHER.samara");
  app->add_option("--kl-kv-type", flags->other_kv_type,
                  "with --kl: how OTHER keeps keys and values; default: as --kv-type says")
      ->type_name("T")
      ->check(CLI::IsMember(KvTypeNames()));
  app->add_option(
         "--calibrate", flags->calibrate,
         "measure on this text (- for standard input; may be repeated) how much each column "
         "of the matrices counts, for samara-convert --importance")
      ->type_name("TEXTFILE");
  app->add_option("-o,--output", flags->output, "with --calibrate: the file to make")
      ->type_name("FILE");
  AddGenerateFlags(app, &flags->generate);
  AddEmbedFlags(app, &flags->embed);
  app->add_flag("--json", flags->json, "with --generate or --embed: one JSON object");
  AddRunFlags(app, &flags->run);
}

uint32_t TokenizeFlags(const Flags& flags) {
  return (flags.no_bos ? SAMARA_TOKENIZE_NO_SPECIAL : 0u) |
         (flags.parse_special ? SAMARA_TOKENIZE_PARSE_SPECIAL : 0u);
}

int TokenizeFile(const Flags& flags, const Evaluator& evaluator, const std::string& path,
                 uint32_t tokenize_flags, std::vector<int32_t>* tokens) {
  std::string text;
  if (const int code = ReadText(path, kMaxTextBytes, &text); code != kExitOk) return code;
  const samara_status status = Tokenize(evaluator.model(), text, tokenize_flags, tokens);
  return status == SAMARA_OK ? kExitOk : FailLibrary(status, flags.model);
}

// For text alone: no step will run.
int OpenForText(const Flags& flags, ModelPtr* model) {
  samara_model_options options = flags.run.Options();
  options.n_threads = 1;
  options.n_ctx = options.n_chunk = 1;
  return OpenModel(flags.model, options, model);
}

int PrintIds(const std::vector<int32_t>& tokens) {
  JsonWriter json;
  json.BeginArray(true);
  for (const int32_t token : tokens) json.Int(token);
  json.EndArray();
  return WriteAll(json.Finish(), stdout) ? kExitOk
                                         : Fail(kExitFailed, "cannot write to standard output");
}

int RunRender(const Flags& flags) {
  ModelPtr model;
  if (const int code = OpenForText(flags, &model); code != kExitOk) return code;
  std::string json;
  if (const int code = ReadText(flags.render, kMaxMessagesBytes, &json); code != kExitOk)
    return code;
  const char* name = flags.chat_template.empty() ? nullptr : flags.chat_template.c_str();
  RenderedText rendered;
  samara_status status = Render(model.get(), name, json, &rendered);
  // What the messages are to blame for goes with their name, the rest with the package's.
  if (status != SAMARA_OK)
    return FailLibrary(status, status == SAMARA_INVALID_ARGUMENT ? flags.render : flags.model);
  if (!flags.tokens) {
    return WriteAll(rendered.text, stdout) ? kExitOk
                                           : Fail(kExitFailed, "cannot write to standard output");
  }
  std::vector<int32_t> tokens;
  status = TokenizeRendered(model.get(), rendered, &tokens);
  return status == SAMARA_OK ? PrintIds(tokens) : FailLibrary(status, flags.model);
}

int RunTokenize(const Flags& flags) {
  ModelPtr model;
  if (const int code = OpenForText(flags, &model); code != kExitOk) return code;
  std::vector<int32_t> tokens;
  const samara_status status =
      Tokenize(model.get(), *flags.tokenize, TokenizeFlags(flags), &tokens);
  return status == SAMARA_OK ? PrintIds(tokens) : FailLibrary(status, flags.model);
}

// {"ids": [...], "logits": [[...], ...]}, one row a line, written as it comes.
int WriteLogits(Evaluator* evaluator, const std::vector<int32_t>& ids, std::FILE* out) {
  std::string text = "{\"ids\": [";
  for (size_t i = 0; i < ids.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(ids[i]);
  text += "],\n \"logits\": [";
  if (const int code = evaluator->Begin(ids); code != kExitOk) return code;
  for (;;) {
    if (const int code = evaluator->Step(); code != kExitOk) return code;
    if (evaluator->Rows() == 0) break;
    for (size_t i = 0; i < evaluator->Rows(); ++i) {
      std::span<const float> logits;
      if (const int code = evaluator->Row(i, &logits); code != kExitOk) return code;
      text += evaluator->FirstRow() + i > 0 ? ",\n  [" : "\n  [";
      for (size_t k = 0; k < logits.size(); ++k)
        (text += k > 0 ? ", " : "") += NineDigits(logits[k]);
      text += ']';
      if (!WriteAll(text, out)) return Fail(kExitFailed, "cannot write the logits");
      text.clear();
    }
  }
  return WriteAll("\n ]}\n", out) ? kExitOk : Fail(kExitFailed, "cannot write the logits");
}

int RunLogits(const Flags& flags) {
  if (flags.ids.empty()) return Fail(kExitUsage, "--logits needs --ids", "as in --ids 1,2,3");
  if (flags.logits.empty())
    return Fail(kExitUsage, "--ids needs --logits or --kl", "as in --logits OUT.json");
  const std::vector<int32_t> ids(flags.ids.begin(), flags.ids.end());
  Evaluator evaluator;
  if (const int code = evaluator.Open(flags.model, flags.run); code != kExitOk) return code;
  if (flags.logits == "-") return WriteLogits(&evaluator, ids, stdout);
  std::FILE* out = std::fopen(flags.logits.c_str(), "wb");
  if (out == nullptr) return Fail(kExitUsage, flags.logits + ": cannot be written");
  const int code = WriteLogits(&evaluator, ids, out);
  if (std::fclose(out) != 0 && code == kExitOk)
    return Fail(kExitFailed, flags.logits + ": cannot be written");
  if (code != kExitOk) std::remove(flags.logits.c_str());  // half a file helps nobody
  return code;
}

int RunPerplexity(const Flags& flags) {
  Evaluator evaluator;
  if (const int code = evaluator.Open(flags.model, flags.run); code != kExitOk) return code;
  std::vector<int32_t> tokens;
  const uint32_t tokenize_flags = SAMARA_TOKENIZE_NO_SPECIAL | TokenizeFlags(flags);
  if (const int code = TokenizeFile(flags, evaluator, flags.perplexity, tokenize_flags, &tokens);
      code != kExitOk) {
    return code;
  }
  Perplexity result;
  if (const int code = MeasurePerplexity(&evaluator, tokens, &result); code != kExitOk) return code;
  JsonWriter json;
  json.BeginObject(true);
  json.Member("perplexity", std::exp(result.nll));
  json.Member("nll", result.nll);
  json.Member("tokens", result.scored);
  json.Member("n_ctx", evaluator.info().n_ctx);
  json.EndObject();
  return WriteAll(json.Finish(), stdout) ? kExitOk
                                         : Fail(kExitFailed, "cannot write to standard output");
}

int RunDivergence(const Flags& flags) {
  Evaluator reference, evaluator;
  RunFlags other = flags.run;
  if (!flags.other_kv_type.empty()) other.kv_type = flags.other_kv_type;
  if (const int code = reference.Open(flags.other, other); code != kExitOk) return code;
  if (const int code = evaluator.Open(flags.model, flags.run); code != kExitOk) return code;
  std::vector<int32_t> tokens(flags.ids.begin(), flags.ids.end());
  int code = kExitOk;
  if (!flags.text.empty()) {
    code = TokenizeFile(flags, evaluator, flags.text, TokenizeFlags(flags), &tokens);
  } else if (tokens.empty()) {
    code = SampleTokens(&reference, kSampledTokens, &tokens);
  }
  if (code != kExitOk) return code;
  Divergence result;
  code = MeasureDivergence(&reference, &evaluator, tokens, &result);
  if (code != kExitOk) return code;
  JsonWriter json;
  json.BeginObject(true);
  json.Member("kl_mean", result.mean);
  json.Member("kl_max", result.max);
  json.Member("top1_agreement", result.same_top);
  json.Member("positions", result.positions);
  json.EndObject();
  return WriteAll(json.Finish(), stdout) ? kExitOk
                                         : Fail(kExitFailed, "cannot write to standard output");
}

int Run(const Flags& flags) {
  if (const int code = CheckModelFile(flags.model); code != kExitOk) return code;
  const int asked = (flags.tokenize ? 1 : 0) + (flags.render.empty() ? 0 : 1) +
                    (flags.perplexity.empty() ? 0 : 1) + (flags.other.empty() ? 0 : 1) +
                    (flags.logits.empty() ? 0 : 1) + (flags.generate.prompt ? 1 : 0) +
                    (flags.calibrate.empty() ? 0 : 1) + (flags.embed.text ? 1 : 0);
  if (asked > 1)
    return Fail(kExitUsage,
                "got several of --logits, --tokenize, --render, --perplexity, --kl, --calibrate, "
                "--generate and --embed, wanted one");
  if (!flags.output.empty() && flags.calibrate.empty())
    return Fail(kExitUsage, "-o goes with --calibrate only");
  if (flags.json && !flags.generate.prompt && !flags.embed.text)
    return Fail(kExitUsage, "--json goes with --generate or --embed only");
  if (flags.render.empty() && (flags.tokens || !flags.chat_template.empty()))
    return Fail(kExitUsage, "--template and --tokens go with --render only");
  if (!flags.text.empty() && flags.other.empty())
    return Fail(kExitUsage, flags.text + ": a text goes with --kl only");
  if (!flags.other_kv_type.empty() && flags.other.empty())
    return Fail(kExitUsage, "--kl-kv-type goes with --kl only");
  const uint32_t tokenize_flags = TokenizeFlags(flags);
  if (flags.generate.prompt)
    return RunGenerate(flags.model, flags.generate, tokenize_flags, flags.json, flags.run);
  if (flags.embed.text)
    return RunEmbed(flags.model, flags.embed, tokenize_flags, flags.json, flags.run);
  if (flags.tokenize) return RunTokenize(flags);
  if (!flags.render.empty()) return RunRender(flags);
  if (!flags.perplexity.empty()) return RunPerplexity(flags);
  if (!flags.other.empty()) return RunDivergence(flags);
  if (!flags.calibrate.empty())
    return RunCalibrate(flags.model, flags.calibrate, flags.output, tokenize_flags, flags.run);
  if (!flags.logits.empty() || !flags.ids.empty()) return RunLogits(flags);
  return Fail(kExitUsage, "nothing to do",
              "give --logits, --tokenize, --render, --perplexity, --kl, --calibrate, --generate or "
              "--embed");
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Prints logits, token ids, replies, embeddings and quality measures of a packed model.");
  Flags flags;
  AddFlags(&app, &flags);
  if (const std::optional<int> code = Parse(&app, "samara-eval", argc, argv)) return *code;
  return Run(flags);
}

}  // namespace
}  // namespace samara::apps

int main(int argc, char** argv) {
  return samara::apps::GuardMemory([&] { return samara::apps::Main(argc, argv); });
}
