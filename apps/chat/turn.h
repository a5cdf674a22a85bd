// One turn's numbers, for the line on the terminal and for --json.
#ifndef SAMARA_APPS_CHAT_TURN_H_
#define SAMARA_APPS_CHAT_TURN_H_

#include <string>
#include <vector>

#include "apps/chat/engine.h"

namespace samara::apps {

struct TurnLogprob {
  samara_logprob chosen;
  std::vector<samara_logprob> top;
};

struct Turn {
  std::string content;    // the reply as the template will get it
  std::string answer;     // what of it is no reasoning
  std::string reasoning;  // between the tags
  samara_finish finish = SAMARA_FINISH_NONE;
  Prepared prompt;
  ReplyStatistics statistics;
  size_t used = 0, capacity = 0;
  size_t dropped = 0;  // tokens that sliding left out, in this turn
  std::vector<TurnLogprob> logprobs;
};

// "prompt 12 + 340 kept, 85.2 tok/s; reply 45, ...": tokens computed, kept and drawn.
std::string StatisticsLine(const Turn& turn);
// One line with an object, its line break included.
std::string TurnJson(const samara_model* model, const Turn& turn, bool logprobs);
std::string ErrorJson(std::string_view message);

// Over all turns.
struct Totals {
  uint64_t turns = 0, prompt_tokens = 0, kept_tokens = 0, reply_tokens = 0;
  double prompt_seconds = 0, reply_seconds = 0;
  void Add(const Turn& turn);
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_TURN_H_
