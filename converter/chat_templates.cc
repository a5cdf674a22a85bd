#include "converter/chat_templates.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "converter/template/compile.h"

namespace samara {
namespace {

constexpr uint64_t kMaxTemplateBytes = uint64_t{1} << 20;
constexpr size_t kMaxTemplates = 64;
constexpr char kDefault[] = "default";
constexpr char kFile[] = "chat_template.jinja";
constexpr char kFolder[] = "additional_chat_templates";
constexpr std::string_view kEnding = ".jinja";

// The special tokens that templates are told of.
constexpr const char* kVariables[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                      "pad_token", "cls_token", "mask_token"};

Status AddTemplate(std::string name, std::string text, std::string origin, SourceTemplates* out) {
  if (text.size() > kMaxTemplateBytes) {
    return InvalidFile("%s: chat template %s: got %zu bytes, wanted at most %llu", origin.c_str(),
                       Quoted(name).c_str(), text.size(),
                       static_cast<unsigned long long>(kMaxTemplateBytes));
  }
  if (out->templates.size() == kMaxTemplates) {
    return Unsupported("%s: got more than %zu chat templates", origin.c_str(), kMaxTemplates);
  }
  for (const ChatTemplate& present : out->templates) {
    if (present.name == name) {
      return InvalidFile("%s: chat template %s: got it twice, wanted it once", origin.c_str(),
                         Quoted(name).c_str());
    }
  }
  ChatTemplate chat;
  chat.name = std::move(name);
  chat.source = std::move(text);
  const bool first = chat.name == kDefault;
  out->templates.insert(first ? out->templates.begin() : out->templates.end(), std::move(chat));
  out->origins.insert(first ? out->origins.begin() : out->origins.end(), std::move(origin));
  return Status();
}

// Names of *.jinja in the folder, sorted; none where there is no folder.
Status ListFolder(const std::string& directory, std::vector<std::string>* names) {
  const std::string path = directory + "/" + kFolder;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()), closedir);
  if (dir == nullptr) {
    if (errno == ENOENT || errno == ENOTDIR) return Status();
    return IoError("%s: cannot be read: %s", kFolder, std::strerror(errno));
  }
  while (const dirent* entry = readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name.size() > kEnding.size() && name.ends_with(kEnding)) names->emplace_back(name);
    if (names->size() > kMaxTemplates)
      return Unsupported("%s: got more than %zu chat templates", kFolder, kMaxTemplates);
  }
  std::sort(names->begin(), names->end());
  return Status();
}

Status ReadFiles(Source* source, SourceTemplates* out) {
  if (source->directory.empty()) return Status();
  StatusOr<std::string> text = ReadSourceFile(kFile, kMaxTemplateBytes, source);
  if (text.ok()) {
    SAMARA_RETURN_IF_ERROR(AddTemplate(kDefault, std::move(*text), kFile, out));
  } else if (text.status().code() != StatusCode::kNotFound) {
    return text.status();
  }
  std::vector<std::string> names;
  SAMARA_RETURN_IF_ERROR(ListFolder(source->directory, &names));
  for (const std::string& name : names) {
    const std::string file = std::string(kFolder) + "/" + name;
    SAMARA_ASSIGN_OR_RETURN(std::string more, ReadSourceFile(file, kMaxTemplateBytes, source));
    std::string stem = name.substr(0, name.size() - kEnding.size());
    // In transformers, a file of that name takes the place of chat_template.jinja.
    if (stem == kDefault && !out->templates.empty() && out->templates[0].name == kDefault) {
      out->templates[0].source = std::move(more);
      out->origins[0] = file;
      continue;
    }
    SAMARA_RETURN_IF_ERROR(AddTemplate(std::move(stem), std::move(more), file, out));
  }
  return Status();
}

Status ReadField(const Source& source, SourceTemplates* out) {
  if (!source.has_tokenizer_config) return Status();
  const Json field = source.tokenizer_config.root().Find("chat_template");
  if (field.IsNull()) return Status();
  const auto origin = [](const Json& text) { return text.file() + ": field " + text.Path(); };
  if (!field.IsArray()) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view text, field.String());
    return AddTemplate(kDefault, std::string(text), origin(field), out);
  }
  for (const Json item : field) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, item.RequireString("name"));
    SAMARA_ASSIGN_OR_RETURN(const std::string_view text, item.RequireString("template"));
    if (name.empty()) return item.Find("name").Bad("a name");
    SAMARA_RETURN_IF_ERROR(
        AddTemplate(std::string(name), std::string(text), origin(item.Find("template")), out));
  }
  return Status();
}

// A token is a text, or an object with its text as "content".
Status TakeVariable(const Json& config, const char* name, SourceTemplates* out) {
  const Json field = config.Find(name);
  const auto same = [name](const auto& pair) { return pair.first == name; };
  if (!field.exists()) return Status();
  std::erase_if(out->variables, same);
  if (field.IsNull()) return Status();
  std::string_view text;
  if (field.IsObject()) {
    SAMARA_ASSIGN_OR_RETURN(text, field.RequireString("content"));
  } else {
    SAMARA_ASSIGN_OR_RETURN(text, field.String());
  }
  out->variables.emplace_back(name, text);
  return Status();
}

Status ReadVariables(Source* source, SourceTemplates* out) {
  bool newer = false;
  if (source->has_tokenizer_config) {
    const Json config = source->tokenizer_config.root();
    for (const char* name : kVariables) SAMARA_RETURN_IF_ERROR(TakeVariable(config, name, out));
    newer = config.Find("added_tokens_decoder").exists();
  }
  // The older form: a file of its own, which wins.
  if (newer || source->directory.empty()) return Status();
  StatusOr<std::string> text = ReadSourceFile("special_tokens_map.json", kMaxTemplateBytes, source);
  if (text.status().code() == StatusCode::kNotFound) return Status();
  SAMARA_RETURN_IF_ERROR(text.status());
  SAMARA_ASSIGN_OR_RETURN(const JsonDocument map,
                          JsonDocument::Parse("special_tokens_map.json", *text));
  SAMARA_RETURN_IF_ERROR(map.root().WantObject());
  for (const char* name : kVariables) SAMARA_RETURN_IF_ERROR(TakeVariable(map.root(), name, out));
  return Status();
}

}  // namespace

Status ReadTemplates(Source* source, SourceTemplates* out) {
  SAMARA_RETURN_IF_ERROR(ReadFiles(source, out));
  if (out->templates.empty()) SAMARA_RETURN_IF_ERROR(ReadField(*source, out));
  if (out->templates.empty()) return Status();
  return ReadVariables(source, out);
}

Status CompileTemplates(SourceTemplates* templates) {
  for (size_t i = 0; i < templates->templates.size(); ++i) {
    ChatTemplate& chat = templates->templates[i];
    auto tree = CompileTemplate(chat.source);
    if (!tree.ok()) {
      return Status(tree.status().code(), templates->origins[i] + ": " + tree.status().message() +
                                              "; --no-template converts without templates");
    }
    chat.tree = std::move(*tree);
  }
  return Status();
}

}  // namespace samara
