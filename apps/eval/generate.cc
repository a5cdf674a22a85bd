#include "apps/eval/generate.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

// "ID=BIAS", where BIAS may be -inf.
bool ParseBias(const std::string& text, samara_logit_bias* bias) {
  const char* const end = text.data() + text.size();
  const auto id = std::from_chars(text.data(), end, bias->token);
  if (id.ec != std::errc() || id.ptr == end || *id.ptr != '=') return false;
  const char* begin = id.ptr + 1;
  if (begin != end && *begin == '+') ++begin;
  const auto value = std::from_chars(begin, end, bias->bias);
  return value.ec == std::errc() && value.ptr == end;
}

int ParseBiases(const std::vector<std::string>& texts, std::vector<samara_logit_bias>* biases) {
  for (const std::string& text : texts) {
    samara_logit_bias bias{};
    if (!ParseBias(text, &bias)) {
      return Fail(kExitUsage, "--logit-bias: got " + text + ", wanted ID=BIAS", "as in 12=-inf");
    }
    biases->push_back(bias);
  }
  return kExitOk;
}

// Opens model and session, and feeds the text's tokens.
int Feed(const std::string& path, std::string_view text, uint32_t tokenize_flags,
         const samara_model_options& options, const samara_session_options* session_options,
         ModelPtr* model, SessionPtr* session, size_t* n_tokens) {
  if (const int code = OpenModel(path, options, model); code != kExitOk) return code;
  samara_session* created = nullptr;
  samara_status status = samara_session_create(model->get(), session_options, &created);
  if (status != SAMARA_OK) return FailLibrary(status, path);
  session->reset(created);
  std::vector<int32_t> tokens;
  status = Tokenize(model->get(), text, tokenize_flags, &tokens);
  if (status != SAMARA_OK) return FailLibrary(status, path);
  if (tokens.empty()) return Fail(kExitUsage, "the text has no tokens");
  *n_tokens = tokens.size();
  status = samara_feed(created, tokens.data(), tokens.size());
  if (status == SAMARA_OK) return kExitOk;
  return FailLibrary(status, path, status == SAMARA_RESOURCE_EXHAUSTED ? "raise --ctx" : "");
}

samara_status SetSampling(const GenerateFlags& flags, const samara_model* model,
                          samara_session* session) {
  samara_sampling sampling{};
  sampling.struct_size = sizeof(sampling);
  const samara_status status = samara_model_sampling(model, &sampling);
  if (status != SAMARA_OK) return status;
  if (flags.temperature) sampling.temperature = *flags.temperature;
  if (flags.seed) sampling.seed = *flags.seed;
  return samara_session_set_sampling(session, &sampling);
}

void WriteLogprob(int32_t token, float logprob, JsonWriter* json) {
  json->Key("token");
  json->Int(token);
  json->Key("logprob");
  json->Number(NineDigits(logprob));
}

void WriteEvent(const samara_reply_event& event, JsonWriter* json) {
  json->BeginObject(true);
  WriteLogprob(event.token, event.logprob, json);
  json->Key("top");
  json->BeginArray();
  for (uint32_t i = 0; i < event.n_top; ++i) {
    json->BeginObject();
    WriteLogprob(event.top[i].token, event.top[i].logprob, json);
    json->EndObject();
  }
  json->EndArray();
  json->EndObject();
}

void WriteStatistics(const samara_reply_statistics& statistics, JsonWriter* json) {
  json->BeginObject(true);
  json->Member("prompt_tokens", statistics.prompt_tokens);
  json->Member("reply_tokens", statistics.reply_tokens);
  json->Member("first_token_seconds", statistics.first_token_seconds);
  json->Member("prefill_seconds", statistics.prefill_seconds);
  json->Member("decode_seconds", statistics.decode_seconds);
  json->EndObject();
}

int Print(const std::string& text) {
  return WriteAll(text, stdout) ? kExitOk : Fail(kExitFailed, "cannot write to standard output");
}

}  // namespace

void AddGenerateFlags(CLI::App* app, GenerateFlags* flags) {
  CLI::Option* generate =
      app->add_option("--generate", flags->prompt, "print what the model appends to this text")
          ->type_name("PROMPT");
  app->add_option("-n,--n-predict", flags->n,
                  "with --generate: most tokens; default: the context's")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->needs(generate);
  app->add_option("--logprobs", flags->logprobs,
                  "with --generate --json: log-probabilities of each token and the K likeliest")
      ->type_name("K")
      ->check(CLI::Range(0, SAMARA_MAX_TOP_LOGPROBS))
      ->needs(generate);
  app->add_option("--stop", flags->stops, "with --generate: end before this text; may be repeated")
      ->type_name("S")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->needs(generate);
  app->add_option("--logit-bias", flags->biases,
                  "with --generate: add B to the logit of token ID, -inf forbids; may be repeated")
      ->type_name("ID=B")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->needs(generate);
  app->add_option("--temp", flags->temperature, "with --generate: temperature; 0 is greedy")
      ->type_name("T")
      ->needs(generate);
  app->add_option("--seed", flags->seed, "with --generate: default 0")
      ->type_name("S")
      ->needs(generate);
  app->add_flag("--ignore-eos", flags->ignore_eos, "with --generate: go on past the end of text")
      ->needs(generate);
  app->add_flag("--special", flags->special, "with --generate: print special tokens")
      ->needs(generate);
}

int RunGenerate(const std::string& path, const GenerateFlags& flags, uint32_t tokenize_flags,
                bool json, const RunFlags& run) {
  std::vector<samara_logit_bias> biases;
  if (const int code = ParseBiases(flags.biases, &biases); code != kExitOk) return code;
  if (flags.logprobs && !json) return Fail(kExitUsage, "--logprobs goes with --json only");
  ModelPtr model;
  SessionPtr session;
  size_t n_tokens = 0;
  const int fed = Feed(path, *flags.prompt, tokenize_flags, run.Options(), nullptr, &model,
                       &session, &n_tokens);
  if (fed != kExitOk) return fed;
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  std::vector<const char*> stops;
  for (const std::string& stop : flags.stops) stops.push_back(stop.c_str());
  options.max_tokens = flags.n;
  options.stops = stops.data();
  options.n_stops = stops.size();
  options.logit_bias = biases.data();
  options.n_logit_bias = biases.size();
  options.logprobs = flags.logprobs ? 1 : 0;
  options.top_logprobs = flags.logprobs.value_or(0);
  options.ignore_eos = flags.ignore_eos ? 1 : 0;
  options.special = flags.special ? 1 : 0;
  options.continues_text = 1;
  samara_status status = SetSampling(flags, model.get(), session.get());
  if (status == SAMARA_OK) status = samara_reply_begin(session.get(), &options);

  std::string text;
  JsonWriter tokens, logprobs;
  tokens.BeginArray(true);
  logprobs.BeginArray();
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  while (status == SAMARA_OK && event.finish == SAMARA_FINISH_NONE) {
    status = samara_reply_next(session.get(), &event);
    if (status != SAMARA_OK) break;
    text.append(event.text, event.n_bytes);
    tokens.Int(event.token);
    if (flags.logprobs) WriteEvent(event, &logprobs);
  }
  tokens.EndArray();
  logprobs.EndArray();
  samara_reply_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (status == SAMARA_OK) status = samara_reply_get_statistics(session.get(), &statistics);
  if (status != SAMARA_OK) return FailLibrary(status, path);
  if (!json) return Print(text + "\n");

  JsonWriter out;
  out.BeginObject();
  out.Member("text", text);
  out.Key("tokens");
  out.Number(tokens.Take());
  if (flags.logprobs) {
    out.Key("logprobs");
    out.Number(logprobs.Take());
  }
  out.Member("finish_reason", samara_finish_name(event.finish));
  if (event.stop >= 0) out.Member("stop", flags.stops[static_cast<size_t>(event.stop)]);
  out.Key("statistics");
  WriteStatistics(statistics, &out);
  out.EndObject();
  return Print(out.Finish());
}

void AddEmbedFlags(CLI::App* app, EmbedFlags* flags) {
  CLI::Option* embed =
      app->add_option("--embed", flags->text, "print the embedding of this text as a JSON array")
          ->type_name("TEXT");
  app->add_option("--pool", flags->pool,
                  "with --embed: the hidden state of the last token, or the mean of all")
      ->type_name("last|mean")
      ->check(CLI::IsMember({"last", "mean"}))
      ->needs(embed);
}

int RunEmbed(const std::string& path, const EmbedFlags& flags, uint32_t tokenize_flags, bool json,
             const RunFlags& run) {
  const bool mean = flags.pool == "mean";
  samara_model_options options = run.Options();
  samara_session_options session_options = SAMARA_SESSION_OPTIONS_INIT;
  session_options.all_logits = mean ? 1 : 0;  // hidden states come with logits
  if (mean) {
    options.n_chunk = options.max_outputs = run.ctx != 0 && run.ctx < 64 ? run.ctx : 64;
  }
  ModelPtr model;
  SessionPtr session;
  size_t n_tokens = 0;
  const int fed = Feed(path, *flags.text, tokenize_flags, options, &session_options, &model,
                       &session, &n_tokens);
  if (fed != kExitOk) return fed;
  std::vector<double> sum;
  size_t n = 0;
  samara_session* s = session.get();
  samara_status status = SAMARA_OK;
  while (status == SAMARA_OK && samara_pending(s) > 0) {
    status = samara_step(&s, 1);
    const size_t rows = samara_logits_rows(s);
    for (size_t row = 0; row < rows && status == SAMARA_OK; ++row) {
      const float* hidden = nullptr;
      status = samara_hidden(s, static_cast<int64_t>(row), &hidden, &n);
      if (status != SAMARA_OK) break;
      sum.resize(n);
      for (size_t i = 0; i < n; ++i) sum[i] += static_cast<double>(hidden[i]);
    }
  }
  if (status == SAMARA_UNSUPPORTED) {
    return FailLibrary(status, path, "convert it again: packages of today have them");
  }
  if (status != SAMARA_OK) return FailLibrary(status, path);
  const double divisor = mean ? static_cast<double>(n_tokens) : 1;
  JsonWriter out;
  if (json) {
    out.BeginObject();
    out.Member("tokens", static_cast<uint64_t>(n_tokens));
    out.Member("pool", flags.pool);
    out.Key("embedding");
  }
  out.BeginArray(true);
  for (const double value : sum) out.Number(NineDigits(static_cast<float>(value / divisor)));
  out.EndArray();
  if (json) out.EndObject();
  return Print(out.Finish());
}

}  // namespace samara::apps
