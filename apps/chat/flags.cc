#include "apps/chat/flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "apps/chat/json_value.h"
#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr uint32_t kDefaultPenaltyWindow = 64;
constexpr uint64_t kMaxToolBytes = uint64_t{16} << 20;

void AddPromptFlags(CLI::App* app, Flags* flags) {
  app->add_option("FILE", flags->model, "a .samara file")->required();
  CLI::Option* prompt = app->add_option("-p,--prompt", flags->prompt, "one turn, then exit");
  app->add_option("--file", flags->file, "the prompt from a file, or from standard input (-)")
      ->type_name("FILE")
      ->excludes(prompt);
  app->add_option("--system", flags->system, "system message")->type_name("TEXT");
  app->add_flag("--raw", flags->raw, "no chat template: print prompt + continuation");
  app->add_option("--template", flags->template_name, "one of the package's templates by name")
      ->type_name("NAME");
  CLI::Option* think = app->add_flag("--think", flags->think, "let the model reason first");
  app->add_flag("--no-think", flags->no_think, "answer without reasoning, where the template can")
      ->excludes(think);
  app->add_option("--tools", flags->tools, "tools for the template: a file with a JSON array")
      ->type_name("FILE");
  app->add_option("--template-var", flags->variables,
                  "a variable for the template; VALUE is JSON or a word")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app->add_option("--load", flags->load, "go on with a saved conversation")->type_name("FILE");
  app->add_option("--save", flags->save, "save the conversation at the end")->type_name("FILE");
}

void AddReplyFlags(CLI::App* app, Flags* flags) {
  const std::string group = "Replies";
  app->add_option("-n,--n-predict", flags->n,
                  "most tokens of a reply; default: what the context holds")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  const auto number = [&](const char* name, std::optional<float>* value, const char* help,
                          const char* type) {
    app->add_option(name, *value, help)->type_name(type)->group(group);
  };
  number("--temp", &flags->temperature, "temperature; 0 is greedy", "T");
  app->add_option("--top-k", flags->top_k, "sample among the K likeliest; 0: off")
      ->type_name("K")
      ->group(group);
  number("--top-p", &flags->top_p, "sample among the likeliest that make up P; 1: off", "P");
  number("--min-p", &flags->min_p, "drop tokens below P times the likeliest; 0: off", "P");
  number("--repeat-penalty", &flags->repeat_penalty, "penalty on the last 64 tokens; 1: off", "R");
  number("--frequency-penalty", &flags->frequency_penalty,
         "penalty for each time that a token occurred; 0: off", "F");
  number("--presence-penalty", &flags->presence_penalty, "penalty for tokens that occurred; 0: off",
         "F");
  app->add_option("--stop", flags->stops, "end the reply before this text; may be given again")
      ->type_name("S")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(group);
  app->add_option("--logit-bias", flags->logit_bias,
                  "add B to the logit of token ID (-inf: never); may be given again")
      ->type_name("ID=B")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(group);
  app->add_option("--logprobs", flags->logprobs,
                  "with --json: log-probabilities of each token and the K likeliest")
      ->type_name("K")
      ->check(CLI::Range(0u, uint32_t{SAMARA_MAX_TOP_LOGPROBS}))
      ->group(group);
  app->add_flag("--ignore-eos", flags->ignore_eos, "go on where the model would end")->group(group);
  app->add_option("--on-full", flags->on_full,
                  "a full context: stop, or slide (keep the beginning and the newest half)")
      ->type_name("HOW")
      ->check(CLI::IsMember(std::vector<std::string>{"stop", "slide"}))
      ->group(group);
  app->add_option("--seed", flags->seed, "same seed, same text; default: random")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
}

void AddOutputFlags(CLI::App* app, Flags* flags) {
  const std::string group = "Output";
  app->add_flag("--json", flags->json,
                "an object a reply on standard output; a pipe is read line by line, a turn each")
      ->group(group);
  app->add_flag("--hide-reasoning", flags->hide_reasoning, "leave out what the model thinks")
      ->group(group);
  CLI::Option* statistics =
      app->add_flag("--stats", flags->statistics, "tokens and speeds, also where no terminal is")
          ->group(group);
  app->add_flag("--no-stats", flags->no_statistics, "no tokens and speeds")
      ->excludes(statistics)
      ->group(group);
  app->add_flag("--no-history", flags->no_history, "do not keep what is typed in a file")
      ->group(group);
}

uint64_t RandomSeed() {
  uint64_t seed = 0;
  if (getentropy(&seed, sizeof(seed)) != 0) seed = static_cast<uint64_t>(getpid());
  return seed;
}

bool ParseBias(std::string_view text, samara_logit_bias* bias) {
  const size_t at = text.find('=');
  if (at == std::string_view::npos) return false;
  const char* const end = text.data() + text.size();
  const auto id = std::from_chars(text.data(), text.data() + at, bias->token);
  std::string_view value = text.substr(at + 1);
  if (value.starts_with('+')) value.remove_prefix(1);
  const auto number = std::from_chars(value.data(), end, bias->bias);
  return id.ec == std::errc() && id.ptr == text.data() + at && number.ec == std::errc() &&
         number.ptr == end && !std::isnan(bias->bias);
}

int ReadTools(const std::string& path, std::string* tools) {
  std::string error;
  if (const int code = ReadText(path, kMaxToolBytes, tools); code != kExitOk) return code;
  const std::optional<JsonValue> value = ParseJson(*tools, &error);
  if (!value) return Fail(kExitUsage, path + ": no JSON: " + error);
  if (value->kind != JsonValue::Kind::kArray) {
    return Fail(kExitUsage, path + ": wanted a JSON array of tools");
  }
  return kExitOk;
}

int AddVariable(const std::string& text, TemplateInputs* inputs) {
  const size_t at = text.find('=');
  if (at == 0 || at == std::string::npos) {
    return Fail(kExitUsage, "--template-var: got " + text + ", wanted NAME=VALUE");
  }
  std::string value = text.substr(at + 1), ignored;
  if (!ParseJson(value, &ignored)) {  // a word
    JsonWriter json;
    json.String(value);
    value = json.Take();
  }
  inputs->variables.emplace_back(text.substr(0, at), value);
  return kExitOk;
}

int MakeReplySettings(const Flags& flags, ReplySettings* reply) {
  reply->max_tokens = flags.n.value_or(0);
  reply->no_tokens = flags.n && *flags.n == 0;
  for (const std::string& stop : flags.stops) {
    if (!stop.empty()) reply->stops.push_back(stop);
  }
  for (const std::string& text : flags.logit_bias) {
    samara_logit_bias bias{};
    if (!ParseBias(text, &bias)) {
      return Fail(kExitUsage, "--logit-bias: got " + text + ", wanted ID=B as in 15=-2.5");
    }
    reply->logit_bias.push_back(bias);
  }
  reply->logprobs = flags.logprobs.has_value();
  reply->top_logprobs = flags.logprobs.value_or(0);
  reply->ignore_eos = flags.ignore_eos;
  reply->on_full = flags.on_full == "slide" ? OnFull::kSlide : OnFull::kStop;
  return kExitOk;
}

}  // namespace

void AddFlags(CLI::App* app, Flags* flags) {
  AddPromptFlags(app, flags);
  AddReplyFlags(app, flags);
  AddOutputFlags(app, flags);
  AddRunFlags(app, &flags->run);
}

std::vector<std::string> GivenSampling(const Flags& flags) {
  std::vector<std::string> names;
  const auto add = [&](bool given, const char* name) {
    if (given) names.push_back(name);
  };
  add(flags.temperature.has_value(), "temp");
  add(flags.top_k.has_value(), "top_k");
  add(flags.top_p.has_value(), "top_p");
  add(flags.min_p.has_value(), "min_p");
  add(flags.repeat_penalty.has_value(), "repeat_penalty");
  add(flags.frequency_penalty.has_value(), "frequency_penalty");
  add(flags.presence_penalty.has_value(), "presence_penalty");
  add(flags.seed.has_value(), "seed");
  return names;
}

int MakeSettings(const Flags& flags, const samara_model* model, Settings* settings) {
  samara_sampling& sampling = settings->sampling;
  sampling.struct_size = sizeof(sampling);
  const samara_status status = samara_model_sampling(model, &sampling);
  if (status != SAMARA_OK) return FailLibrary(status, flags.model);
  if (flags.temperature) sampling.temperature = *flags.temperature;
  if (flags.top_k) sampling.top_k = *flags.top_k;
  if (flags.top_p) sampling.top_p = *flags.top_p;
  if (flags.min_p) sampling.min_p = *flags.min_p;
  if (flags.repeat_penalty) sampling.repetition_penalty = *flags.repeat_penalty;
  if (flags.frequency_penalty) sampling.frequency_penalty = *flags.frequency_penalty;
  if (flags.presence_penalty) sampling.presence_penalty = *flags.presence_penalty;
  const bool penalties = sampling.repetition_penalty != 1 || sampling.frequency_penalty != 0 ||
                         sampling.presence_penalty != 0;
  if (penalties && sampling.penalty_window == 0) {
    sampling.penalty_window = std::min(kDefaultPenaltyWindow, InfoOf(model).n_ctx);
  }
  sampling.seed = flags.seed ? *flags.seed : RandomSeed();
  settings->hide_reasoning = flags.hide_reasoning;
  settings->inputs.name = flags.template_name;
  if (flags.think || flags.no_think) settings->inputs.think = flags.think;
  if (!flags.tools.empty()) {
    if (const int code = ReadTools(flags.tools, &settings->inputs.tools); code != kExitOk)
      return code;
  }
  for (const std::string& text : flags.variables) {
    if (const int code = AddVariable(text, &settings->inputs); code != kExitOk) return code;
  }
  return MakeReplySettings(flags, &settings->reply);
}

}  // namespace samara::apps
