// A conversation with the model: turns, and what can be done with them. Every mode of the program
// and every command works on this.
#ifndef SAMARA_APPS_CHAT_CHAT_H_
#define SAMARA_APPS_CHAT_CHAT_H_

#include <string>
#include <vector>

#include "apps/chat/conversation.h"
#include "apps/chat/engine.h"
#include "apps/chat/file_watch.h"
#include "apps/chat/printer.h"
#include "apps/chat/reasoning.h"
#include "apps/chat/settings.h"
#include "apps/chat/signals.h"
#include "apps/chat/turn.h"

namespace samara::apps {

enum class TurnResult {
  kDone,
  kStopped,       // by Ctrl-C
  kRefused,       // said why; the message was taken back and the conversation can go on
  kOutputClosed,  // nobody reads standard output any more
  kFatal,         // said why; the program should end
};

struct ChatOptions {
  bool raw = false;
  bool json = false;         // an object a turn instead of its text
  bool statistics = false;   // a line of numbers on stderr
  bool echo_prompt = false;  // print the prompt before the reply
  bool interactive = false;  // commands can be given, and keys pressed in a reply are not shown
};

class Chat {
 public:
  // All belong to the caller. `watch` may be nullptr.
  Chat(samara_model* model, samara_session* session, const Settings& settings,
       const ChatOptions& options, Printer* printer, Signals* signals, const FileWatch* watch);

  TurnResult Send(const std::string& text);
  // The last reply once more, drawn anew. kRefused if there is none.
  TurnResult Retry();
  // Takes the last message and its reply back; the message, or nothing if there is none.
  std::string Undo();
  void Clear();  // all messages; system message and settings stay
  void SetSystem(const std::string& text) { conversation_.system = text; }
  // False: *error says why, and nothing was changed.
  bool SetParameter(std::string_view name, std::string_view value, std::string* error);

  // The conversation to a file, and what is computed to another beside it. False: *error says why.
  // *note: why what is computed was not saved, if it was not.
  bool Save(const std::string& path, std::string* error, std::string* note);
  // *note: why what was computed could not be taken over, if it was not.
  bool Load(const std::string& path, std::string* error, std::string* note);

  const Conversation& conversation() const { return conversation_; }
  void SetConversation(const Conversation& conversation) { conversation_ = conversation; }
  const Settings& settings() const { return settings_; }
  const Totals& totals() const { return totals_; }
  const Engine& engine() const { return engine_; }
  const Turn& last() const { return last_; }
  samara_model* model() const { return model_; }
  int exit_code() const { return exit_code_; }  // of the last kRefused or kFatal
  // After kFatal: it was a device's failure, and the CPU could go on. The message that had no reply.
  bool device_failed() const { return device_failed_; }
  const std::string& unanswered() const { return unanswered_; }

 private:
  TurnResult Respond();
  TurnResult Refuse(int exit_code, const std::string& message, const std::string& hint);
  TurnResult RefuseLibrary(samara_status status);
  samara_status Draw(const Prompt& prompt, Turn* turn);
  samara_status ComputeOnly(Turn* turn);
  TurnResult Finish(const Turn& turn);
  void TakeBack();

  samara_model* model_;
  Settings settings_;
  ChatOptions options_;
  Printer* printer_;
  Signals* signals_;
  const FileWatch* watch_;
  Engine engine_;
  Conversation conversation_;
  std::vector<ReasoningTag> tags_;
  Totals totals_;
  Turn last_;
  size_t dropped_ = 0;  // by sliding, in this turn
  int exit_code_ = 0;
  bool device_failed_ = false;
  std::string unanswered_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_CHAT_H_
