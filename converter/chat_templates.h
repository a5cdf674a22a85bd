// The chat templates of a checkpoint, chosen as transformers chooses them.
#ifndef SAMARA_CONVERTER_CHAT_TEMPLATES_H_
#define SAMARA_CONVERTER_CHAT_TEMPLATES_H_

#include <string>
#include <utility>
#include <vector>

#include "converter/source.h"
#include "formats/graph.h"
#include "formats/status.h"

namespace samara {

struct SourceTemplates {
  std::vector<ChatTemplate> templates;  // "default" first; trees are empty until compiled
  std::vector<std::string> origins;     // where each text is: "chat_template.jinja"
  // Special tokens by the names under which templates know them; those that are not set are absent.
  std::vector<std::pair<std::string, std::string>> variables;
};

// Files win over tokenizer_config.json: where there is chat_template.jinja or a file in
// additional_chat_templates/, its field chat_template (one text, or a list of named ones) is not
// looked at. Hashes of the files go to source->sha256.
Status ReadTemplates(Source* source, SourceTemplates* out);

// Compiles all of them. What is not supported is an error that names origin, line, column and
// construct.
Status CompileTemplates(SourceTemplates* templates);

}  // namespace samara

#endif  // SAMARA_CONVERTER_CHAT_TEMPLATES_H_
