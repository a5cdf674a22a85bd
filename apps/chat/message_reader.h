// From lines to messages: a line that ends in a backslash goes on in the next one, and lines between
// """ and """ are one message.
#ifndef SAMARA_APPS_CHAT_MESSAGE_READER_H_
#define SAMARA_APPS_CHAT_MESSAGE_READER_H_

#include <string>

#include "apps/chat/line_editor.h"

namespace samara::apps {

class MessageReader {
 public:
  explicit MessageReader(LineEditor* editor) : editor_(editor) {}

  struct Message {
    std::string text;
    bool command = false;  // a line that begins with one slash
    std::string history;   // what the arrow keys should recall; empty: nothing
  };
  // kInterrupted: everything typed so far is thrown away; `text` is not empty if there was any.
  ReadResult Read(Message* message);

 private:
  LineEditor* editor_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_MESSAGE_READER_H_
