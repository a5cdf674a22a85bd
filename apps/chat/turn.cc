#include "apps/chat/turn.h"

#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

double Rate(uint64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

std::string Speed(uint64_t tokens, double seconds) {
  if (seconds <= 0 || tokens == 0) return "";
  const double rate = Rate(tokens, seconds);
  return ", " + Fixed(rate, rate < 100 ? 1 : 0) + " tok/s";
}

// The first token of a reply comes with the prompt.
uint64_t Decoded(const ReplyStatistics& s) { return s.reply_tokens > 0 ? s.reply_tokens - 1 : 0; }

void WriteLogprob(const samara_model* model, const samara_logprob& logprob, JsonWriter* json) {
  Decoder decoder(model, /*special=*/true);
  std::string text;
  if (decoder.Append(logprob.token, &text) == SAMARA_OK) (void)decoder.End(&text);
  json->Key("token");
  json->Int(logprob.token);
  json->Member("text", text);
  json->Key("logprob");
  json->Number(NineDigits(logprob.logprob));
}

}  // namespace

std::string StatisticsLine(const Turn& turn) {
  const ReplyStatistics& s = turn.statistics;
  std::string line = "prompt " + std::to_string(s.prompt_tokens);
  if (turn.prompt.kept > 0) line += " + " + std::to_string(turn.prompt.kept) + " kept";
  line += Speed(s.prompt_tokens, s.prompt_seconds);
  line += "; reply " + std::to_string(s.reply_tokens) + Speed(Decoded(s), s.reply_seconds);
  line += "; first " + Fixed(s.first_token_seconds, 2) + " s";
  line += "; context " + std::to_string(turn.used) + "/" + std::to_string(turn.capacity);
  return line;
}

std::string TurnJson(const samara_model* model, const Turn& turn, bool logprobs) {
  const ReplyStatistics& s = turn.statistics;
  JsonWriter json;
  json.BeginObject(true);
  json.Member("reply", turn.answer);
  if (!turn.reasoning.empty()) json.Member("reasoning", turn.reasoning);
  json.Member("finish", samara_finish_name(turn.finish));
  json.Member("prompt_tokens", uint64_t{turn.prompt.total});
  json.Member("kept_tokens", uint64_t{turn.prompt.kept});
  json.Member("computed_tokens", s.prompt_tokens);
  json.Member("reply_tokens", s.reply_tokens);
  json.Member("prompt_seconds", s.prompt_seconds);
  json.Member("prompt_tok_s", Rate(s.prompt_tokens, s.prompt_seconds));
  json.Member("reply_seconds", s.reply_seconds);
  json.Member("reply_tok_s", Rate(Decoded(s), s.reply_seconds));
  json.Member("first_token_seconds", s.first_token_seconds);
  json.Member("context_used", uint64_t{turn.used});
  json.Member("context_size", uint64_t{turn.capacity});
  if (turn.dropped > 0) json.Member("dropped_tokens", uint64_t{turn.dropped});
  if (logprobs) {
    json.Key("logprobs");
    json.BeginArray(true);
    for (const TurnLogprob& logprob : turn.logprobs) {
      json.BeginObject(true);
      WriteLogprob(model, logprob.chosen, &json);
      json.Key("top");
      json.BeginArray(true);
      for (const samara_logprob& top : logprob.top) {
        json.BeginObject(true);
        WriteLogprob(model, top, &json);
        json.EndObject();
      }
      json.EndArray();
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
  return json.Finish();
}

std::string ErrorJson(std::string_view message) {
  JsonWriter json;
  json.BeginObject(true);
  json.Member("error", message);
  json.EndObject();
  return json.Finish();
}

void Totals::Add(const Turn& turn) {
  ++turns;
  prompt_tokens += turn.statistics.prompt_tokens;
  kept_tokens += turn.prompt.kept;
  reply_tokens += turn.statistics.reply_tokens;
  prompt_seconds += turn.statistics.prompt_seconds;
  reply_seconds += turn.statistics.reply_seconds;
}

}  // namespace samara::apps
