#include "converter/quantize/encode.h"

namespace samara::quantize {

void EncodeRow(const CodeForm& form, const float* in, const float* weights, uint64_t cols,
               uint8_t* out) {
  BlockCodes codes;
  for (uint64_t k = 0; k < cols; k += form.elements) {
    const uint64_t n = cols - k < form.elements ? cols - k : form.elements;
    EncodeCodesScalar(form, in + k, weights != nullptr ? weights + k : nullptr, n, &codes);
    JoinBlock(form, codes, out);
    out += FindDType(form.dtype)->block_bytes;
  }
}

}  // namespace samara::quantize
