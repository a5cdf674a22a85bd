#include "tests/support/plain_codes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "formats/quant/blocks.h"

namespace samara::test {

void PlainCodes(const CodeForm& form, const float* x, BlockCodes* codes) {
  std::memset(codes, 0, sizeof(*codes));
  const int top = (1 << form.bits) - 1;
  int most = 0;  // the largest |v|
  for (int q = 0; q <= top; ++q)
    most = std::max(most, std::abs(QuantValue(form, static_cast<uint8_t>(q))));
  const bool q2 = form.dtype == DType::kQ2_K, q6 = form.dtype == DType::kQ6_K;
  const int scale_top = q2 ? 15 : q6 ? 127 : 63 - form.scale_bias;
  float step[16] = {}, minimum[16] = {}, step_top = 0, minimum_top = 0;
  for (uint32_t s = 0; s < form.subs(); ++s) {
    float low = 0, high = 0;
    for (uint32_t i = 0; i < form.sub; ++i) {
      low = std::min(low, x[s * form.sub + i]);
      high = std::max(high, x[s * form.sub + i]);
    }
    step[s] = form.minimum ? (high - low) / static_cast<float>(top)
                           : std::max(high, -low) / static_cast<float>(most);
    minimum[s] = form.minimum ? -low : 0;
    step_top = std::max(step_top, step[s]);
    minimum_top = std::max(minimum_top, minimum[s]);
  }
  if (form.dtype == DType::kMXFP4) {
    codes->d = step_top > 0 ? static_cast<uint16_t>(std::clamp(std::ilogb(step_top) + 129, 0, 254)) : 0;
  } else {
    codes->d =
        HalfFromFloat(form.dtype == DType::kIQ4_NL ? step_top : step_top / static_cast<float>(scale_top));
  }
  codes->m = HalfFromFloat(minimum_top / static_cast<float>(q2 ? 15 : 63));
  const float d = FloatFromHalf(codes->d), m = FloatFromHalf(codes->m);
  for (uint32_t s = 0; s < form.subs(); ++s) {
    if (form.dtype != DType::kMXFP4 && form.dtype != DType::kIQ4_NL) {
      const float code = d > 0 ? std::rint(step[s] / d) : 0;
      codes->scale[s] =
          static_cast<uint8_t>(std::min(static_cast<int>(code), scale_top) + form.scale_bias);
      if (form.minimum && m > 0) {
        codes->minimum[s] = static_cast<uint8_t>(std::min(std::rint(minimum[s] / m), q2 ? 15.f : 63.f));
      }
    }
    const float scale = SubScale(form, *codes, s), offset = SubOffset(form, *codes, s);
    for (uint32_t i = s * form.sub; i < (s + 1) * form.sub; ++i) {
      float best = 0;
      for (int q = 0; q <= top; ++q) {
        const float w = scale * static_cast<float>(QuantValue(form, static_cast<uint8_t>(q))) + offset;
        const float error = std::fabs(w - x[i]);
        if (q > 0 && !(error < best)) continue;
        best = error;
        codes->q[i] = static_cast<uint8_t>(q);
      }
    }
  }
}

void QuantizeAny(DType dtype, const float* in, uint64_t cols, uint8_t* out) {
  const CodeForm* form = FindCodeForm(dtype);
  if (form == nullptr) return QuantizeRow(dtype, in, cols, out);
  for (uint64_t k = 0; k < cols; k += form->elements, out += FindDType(dtype)->block_bytes) {
    float x[256] = {};
    std::memcpy(x, in + k, std::min<uint64_t>(form->elements, cols - k) * sizeof(float));
    BlockCodes codes;
    PlainCodes(*form, x, &codes);
    JoinBlock(*form, codes, out);
  }
}

}  // namespace samara::test
