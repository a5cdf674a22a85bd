#include "apps/common/render.h"

#include <algorithm>

namespace samara::apps {
namespace {

constexpr int kMaxGrowth = 3;  // times that the work area becomes four times as large

}  // namespace

samara_status Render(const samara_model* model, const char* name, std::string_view json,
                     RenderedText* out) {
  std::vector<unsigned char> work(samara_render_work_size(model, json.size()));
  out->text.resize(4 * json.size() + 4096);
  out->spans.resize(256);
  for (int growth = 0;;) {
    size_t n_bytes = 0, n_spans = 0;
    const samara_status status = samara_render(
        model, name, json.data(), json.size(), work.data(), work.size(), out->text.data(),
        out->text.size(), &n_bytes, out->spans.data(), out->spans.size(), &n_spans);
    const bool longer = n_bytes > out->text.size() || n_spans > out->spans.size();
    // Where nothing tells what lacked, it was the work area, or a budget that more does not help.
    const bool retry =
        status == SAMARA_RESOURCE_EXHAUSTED && (longer || (n_bytes == 0 && ++growth <= kMaxGrowth));
    if (!retry) {
      out->text.resize(status == SAMARA_OK ? n_bytes : 0);
      out->spans.resize(status == SAMARA_OK ? n_spans : 0);
      return status;
    }
    out->text.resize(std::max(out->text.size(), n_bytes));
    out->spans.resize(std::max(out->spans.size(), n_spans));
    if (!longer) work.resize(4 * work.size() + 65536);
  }
}

samara_status TokenizeRendered(const samara_model* model, const RenderedText& rendered,
                               std::vector<int32_t>* tokens) {
  std::vector<unsigned char> work(samara_tokenize_work_size(model, rendered.text.size()));
  tokens->resize(rendered.text.size() + 16);
  for (;;) {
    size_t n = 0;
    const samara_status status = samara_tokenize_spans(
        model, rendered.text.data(), rendered.text.size(), SAMARA_TOKENIZE_NO_SPECIAL,
        rendered.spans.data(), rendered.spans.size(), work.data(), work.size(), tokens->data(),
        tokens->size(), &n);
    if (status != SAMARA_RESOURCE_EXHAUSTED || n <= tokens->size()) {
      tokens->resize(status == SAMARA_OK ? n : 0);
      return status;
    }
    tokens->resize(n);
  }
}

}  // namespace samara::apps
