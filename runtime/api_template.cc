// The part of the C API that renders chat templates.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "formats/metadata_schema.h"
#include "formats/template_tree.h"
#include "runtime/api_guard.h"
#include "runtime/model.h"
#include "runtime/template/template.h"
#include "samara/samara.h"

namespace samara {
namespace {

static_assert(sizeof(samara_span) == sizeof(TemplateSpan) &&
              offsetof(samara_span, end) == offsetof(TemplateSpan, end));

const fb::Package* PackageOf(const samara_model* model) {
  return fb::GetPackage(reinterpret_cast<const Model*>(model)->metadata);
}

std::string_view TextOf(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view() : std::string_view(text->c_str(), text->size());
}

uint32_t CountTemplates(const fb::Package& package) {
  return package.templates() == nullptr ? 0 : package.templates()->size();
}

const fb::ChatTemplate* FindTemplate(const fb::Package& package, std::string_view name) {
  for (uint32_t i = 0; i < CountTemplates(package); ++i) {
    const fb::ChatTemplate* chat = package.templates()->Get(i);
    if (TextOf(chat->name()) == name) return chat;
  }
  return nullptr;
}

// Has the outermost object a member "tools" that is not null? Nothing is checked here: the renderer
// does that.
bool GivesTools(std::string_view json) {
  int depth = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '{' || c == '[') {
      if (depth++ == 0 && c == '[') return false;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == '"') {
      const size_t begin = ++i;
      while (i < json.size() && json[i] != '"') i += json[i] == '\\' ? 2 : 1;
      if (depth != 1 || i >= json.size() || json.substr(begin, i - begin) != "tools") continue;
      const auto skip_space = [&json](size_t at) {
        return std::min(json.find_first_not_of(" \t\r\n", at), json.size());
      };
      size_t at = skip_space(i + 1);
      if (at == json.size() || json[at] != ':') continue;  // a value
      at = skip_space(at + 1);
      return !json.substr(at).starts_with("null");
    }
  }
  return false;
}

// As transformers chooses: the name asked for; else "tool_use" for tools, if there is one; else
// "default".
Status ChooseTemplate(const fb::Package& package, const char* name, std::string_view json,
                      const fb::ChatTemplate** chat) {
  const uint32_t count = CountTemplates(package);
  if (count == 0) return NotFound("the package has no chat template");
  if (name != nullptr) {
    *chat = FindTemplate(package, name);
  } else {
    *chat = FindTemplate(package, "tool_use");
    if (*chat == nullptr || !GivesTools(json)) *chat = FindTemplate(package, "default");
  }
  if (*chat == nullptr) {
    std::string names;
    for (uint32_t i = 0; i < count; ++i)
      names += (i == 0 ? "" : ", ") + Quoted(TextOf(package.templates()->Get(i)->name()));
    return NotFound("no chat template %s; the package has %s",
                    Quoted(name == nullptr ? "default" : name).c_str(), names.c_str());
  }
  const auto* tree = (*chat)->tree();
  if (tree == nullptr || tree->size() == 0) {
    return Unsupported("chat template %s was packed as text only; convert the model again",
                       Quoted(TextOf((*chat)->name())).c_str());
  }
  // Loading checked what this build knows.
  TemplateHeader header;
  std::memcpy(&header, tree->data(), std::min<size_t>(sizeof header, tree->size()));
  if (header.version != kTemplateVersion) {
    return Unsupported("chat template %s has version %u, this build knows version %u",
                       Quoted(TextOf((*chat)->name())).c_str(), header.version, kTemplateVersion);
  }
  return {};
}

}  // namespace
}  // namespace samara

using namespace samara;  // NOLINT: this file is the boundary

extern "C" {

const char* samara_template_at(const samara_model* model, uint32_t index) {
  if (model == nullptr) return nullptr;
  const fb::Package* package = PackageOf(model);
  if (index >= CountTemplates(*package)) return nullptr;
  return package->templates()->Get(index)->name()->c_str();
}

size_t samara_render_work_size(const samara_model* model, size_t json_bytes) {
  if (model == nullptr || CountTemplates(*PackageOf(model)) == 0) return 0;
  return TemplateWorkSize(json_bytes);
}

samara_status samara_render(const samara_model* model, const char* template_name, const char* json,
                            size_t json_bytes, void* work, size_t work_bytes, char* text,
                            size_t capacity, size_t* n_bytes, samara_span* spans,
                            size_t span_capacity, size_t* n_spans) {
  return Guard([&]() -> Status {
    if (model == nullptr || json == nullptr || n_bytes == nullptr || n_spans == nullptr ||
        (work == nullptr && work_bytes != 0) || (text == nullptr && capacity != 0) ||
        (spans == nullptr && span_capacity != 0)) {
      return Null("model, json, work, text, n_bytes, spans or n_spans");
    }
    *n_bytes = *n_spans = 0;
    const fb::Package& package = *PackageOf(model);
    const fb::ChatTemplate* chat = nullptr;
    SAMARA_RETURN_IF_ERROR(ChooseTemplate(package, template_name, {json, json_bytes}, &chat));
    std::array<TemplateVariable, kMaxTemplateVariables> variables;
    const auto* pairs = package.template_variables();
    const uint32_t n = pairs == nullptr ? 0 : pairs->size();
    for (uint32_t i = 0; i < n; ++i)
      variables[i] = {TextOf(pairs->Get(i)->key()), TextOf(pairs->Get(i)->value())};
    RenderOptions options;
    options.variables = {variables.data(), n};
    RenderResult result;
    const Status status =
        RenderTemplate({chat->tree()->data(), chat->tree()->size()}, {json, json_bytes}, options,
                       {static_cast<std::byte*>(work), work_bytes}, {text, capacity},
                       {reinterpret_cast<TemplateSpan*>(spans), span_capacity}, &result);
    *n_bytes = result.n_bytes;
    *n_spans = result.n_spans;
    return status;
  });
}

}  // extern "C"
