// Chat templates with buffers that grow as they must.
#ifndef SAMARA_APPS_COMMON_RENDER_H_
#define SAMARA_APPS_COMMON_RENDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "samara/samara.h"

namespace samara::apps {

struct RenderedText {
  std::string text;
  std::vector<samara_span> spans;  // what comes from the conversation
};

// samara_render; `name` may be NULL.
samara_status Render(const samara_model* model, const char* name, std::string_view json,
                     RenderedText* out);

// The ids to feed: special tokens of the template only, no BOS but the template's.
samara_status TokenizeRendered(const samara_model* model, const RenderedText& rendered,
                               std::vector<int32_t>* tokens);

}  // namespace samara::apps

#endif  // SAMARA_APPS_COMMON_RENDER_H_
