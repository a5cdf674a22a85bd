#include "converter/quantize/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "converter/quantize/encode.h"
#include "converter/quantize/kernels.h"
#include "converter/quantize/transpose.h"
#include "formats/layout/units.h"
#include "formats/quant/blocks.h"
#include "formats/quant/codes.h"

namespace samara {
namespace {

using quantize::Kernels;

constexpr uint64_t kBlock = 32;
constexpr uint64_t kMaxLanes = 32;
// Columns done at a time, so that the codes of all rows of a tile stay in the first-level cache.
constexpr uint64_t kChunk16 = 256;  // tiles of 16 rows, row-major rows
constexpr uint64_t kChunk32 = 128;  // tiles of 32 rows
constexpr uint64_t kStoreBytes = kMaxLanes * kChunk32 * 4;
static_assert(kStoreBytes >= 16 * (kChunk16 / kBlock) * 34);

const Kernels& SelectKernels(QuantizeIsa isa) {
#if defined(__x86_64__)
  if (isa == QuantizeIsa::kAvx2) return quantize::kAvx2Kernels;
  if (isa == QuantizeIsa::kAvx512) return quantize::kAvx512Kernels;
#endif
  (void)isa;
  return quantize::kScalarKernels;
}

quantize::EncodeFunction Encoder(const Kernels& kernels, DType to) {
  switch (to) {
    case DType::kQ8_0:
      return kernels.q8_0;
    case DType::kQ4_0:
      return kernels.q4_0;
    case DType::kQ4_1:
      return kernels.q4_1;
    case DType::kQ5_0:
      return kernels.q5_0;
    case DType::kQ5_1:
      return kernels.q5_1;
    default:
      return nullptr;
  }
}

template <typename T>
T LoadAs(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

// True if no element has all exponent bits set.
template <typename T>
bool ElementsFinite(const uint8_t* codes, uint64_t n, T exponent) {
  T bad = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const T bits = static_cast<T>(LoadAs<T>(codes + i * sizeof(T)) & exponent);
    bad = static_cast<T>(bad | static_cast<T>(bits == exponent));
  }
  return bad == 0;
}

bool HalfFinite(const uint8_t* half) { return (LoadAs<uint16_t>(half) & 0x7c00) != 0x7c00; }

// True if the scales of a block are. MXFP4 has no number for the exponent 255.
bool ScalesFinite(const CodeForm& form, const BlockCodes& codes) {
  if (form.dtype == DType::kMXFP4) {
    // 255 is no number; below it the three highest exponents overflow with large quants only.
    if (codes.d < 253) return true;
    bool finite = codes.d != 255;
    for (uint32_t i = 0; i < form.elements; ++i)
      finite &= std::isfinite(SubScale(form, codes, 0) *
                              static_cast<float>(QuantValue(form, codes.q[i])));
    return finite;
  }
  return (codes.d & 0x7c00) != 0x7c00 && (codes.m & 0x7c00) != 0x7c00;
}

// True if every element that these row-major codes stand for is finite.
bool CodesFinite(const DTypeInfo& info, const uint8_t* codes, uint64_t n) {
  switch (info.dtype) {
    case DType::kF32:
      return ElementsFinite<uint32_t>(codes, n, 0x7f800000u);
    case DType::kF16:
      return ElementsFinite<uint16_t>(codes, n, 0x7c00);
    case DType::kBF16:
      return ElementsFinite<uint16_t>(codes, n, 0x7f80);
    default:
      break;
  }
  bool finite = true;
  if (const CodeForm* form = FindCodeForm(info.dtype)) {
    BlockCodes block;
    for (uint64_t i = 0; i < n; i += form->elements, codes += info.block_bytes) {
      SplitBlock(*form, codes, &block);
      finite &= ScalesFinite(*form, block);
    }
    return finite;
  }
  const bool affine = info.dtype == DType::kQ4_1 || info.dtype == DType::kQ5_1;
  for (uint64_t i = 0; i < n; i += kBlock, codes += info.block_bytes) {
    finite &= HalfFinite(codes) && (!affine || HalfFinite(codes + 2));
  }
  return finite;
}

constexpr uint16_t kBf16Exponent = 0x7f80, kBf16TinyExponent = (127 - 56) << 7;

// Copies n BF16 elements, those below 2^-56 as zero, and counts the nonzero ones among them. n <
// 65536.
uint64_t FlushBf16(const uint8_t* in, uint64_t n, uint8_t* out) {
  uint16_t flushed = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const uint16_t bits = LoadAs<uint16_t>(in + 2 * i);
    const bool tiny = (bits & kBf16Exponent) < kBf16TinyExponent;
    const bool nonzero = (bits & 0x7fff) != 0;
    flushed = static_cast<uint16_t>(flushed + static_cast<uint16_t>(tiny & nonzero));
    const uint16_t kept = tiny ? 0 : bits;
    std::memcpy(out + 2 * i, &kept, 2);
  }
  return flushed;
}

// Elements [begin, begin + n) of a source row as F32.
void WidenRow(const Kernels& kernels, const DTypeInfo& from, const uint8_t* row, uint64_t begin,
              uint64_t n, float* out) {
  const uint8_t* in = row + begin / from.block_elements * from.block_bytes;
  switch (from.dtype) {
    case DType::kF32:
      std::memcpy(out, in, n * 4);
      return;
    case DType::kF16:
      return kernels.widen_f16(in, n, out);
    case DType::kBF16:
      return kernels.widen_bf16(in, n, out);
    default:
      break;
  }
  // Whole blocks, which may begin before the first element wanted.
  float block[256];
  uint64_t skip = begin % from.block_elements;
  while (n > 0) {
    const uint64_t some = std::min(n, from.block_elements - skip);
    DequantizeRow(from.dtype, in, skip + some, block);
    std::copy(block + skip, block + skip + some, out);
    in += from.block_bytes;
    out += some;
    n -= some;
    skip = 0;
  }
}

// Packs rows into a type of formats/quant/codes.h, block by block.
class CodesPacker {
 public:
  CodesPacker(QuantizeIsa isa, const Kernels& kernels, const CodeForm& form, const DTypeInfo& from,
              const float* importance, QuantizeResult* result)
      : kernels_(kernels),
        form_(form),
        from_(from),
        importance_(importance),
        result_(result),
        encode_(Encode(isa)) {}

  // One tile, or one row of the row-major layout (`unit` is nullptr then).
  bool Tile(const Rows16Unit* unit, const uint8_t* const* rows, uint64_t n_rows, uint64_t cols,
            uint64_t tile_bytes, uint8_t* out) {
    if (unit != nullptr) std::memset(out, 0, tile_bytes);
    const uint64_t count = (cols + kBlock - 1) / kBlock;
    const uint64_t block_bytes = FindDType(form_.dtype)->block_bytes;
    for (uint64_t r = 0; r < n_rows; ++r) {
      for (uint64_t k = 0; k < cols; k += form_.elements) {
        BlockCodes codes;
        const uint64_t n = std::min<uint64_t>(form_.elements, cols - k);
        if (!Codes(rows[r], r, k, n, &codes)) return false;
        if (unit != nullptr) {
          PutCodes(*unit, codes, k / kBlock, count, r, out);
        } else {
          JoinBlock(form_, codes, out + k / form_.elements * block_bytes);
        }
      }
    }
    return true;
  }

 private:
  static quantize::EncodeCodesFunction Encode(QuantizeIsa isa) {
#if defined(__x86_64__)
    if (isa == QuantizeIsa::kAvx2) return quantize::EncodeCodesAvx2;
    if (isa == QuantizeIsa::kAvx512) return quantize::EncodeCodesAvx512;
#endif
    (void)isa;
    return quantize::EncodeCodesScalar;
  }

  bool Codes(const uint8_t* row, uint64_t r, uint64_t k, uint64_t n, BlockCodes* codes) {
    if (from_.dtype == form_.dtype) {
      SplitBlock(form_, row + k / form_.elements * from_.block_bytes, codes);
      if (ScalesFinite(form_, *codes)) return true;
      return Report(QuantizeProblem::kNotFinite, r, k);
    }
    alignas(64) float wide[256];
    WidenRow(kernels_, from_, row, k, n, wide);
    for (uint64_t i = 0; i < n; ++i) {
      if ((std::bit_cast<uint32_t>(wide[i]) & 0x7f800000u) == 0x7f800000u)
        return Report(QuantizeProblem::kNotFinite, r, k + i);
    }
    encode_(form_, wide, importance_ != nullptr ? importance_ + k : nullptr, n, codes);
    if (ScalesFinite(form_, *codes)) return true;
    return Report(QuantizeProblem::kOutOfRange, r, k);
  }

  bool Report(QuantizeProblem problem, uint64_t row, uint64_t col) {
    result_->problem = problem;
    result_->row = row;
    result_->col = col;
    return false;
  }

  const Kernels& kernels_;
  const CodeForm& form_;
  const DTypeInfo& from_;
  const float* importance_;
  QuantizeResult* result_;
  const quantize::EncodeCodesFunction encode_;
};

// One call of QuantizeAndPack.
class Packer {
 public:
  Packer(QuantizeIsa isa, const Kernels& kernels, Layout layout, const DTypeInfo& to,
         const DTypeInfo& from, const float* importance, QuantizeResult* result)
      : kernels_(kernels),
        encode_(Encoder(kernels, to.dtype)),
        search_(Search(isa)),
        importance_(Searched(to.dtype) ? importance : nullptr),
        layout_(layout),
        to_(to),
        from_(from),
        result_(result) {}

  // One tile (or one row of the row-major layout); false: some element is bad.
  bool Tile(const uint8_t* const* rows, uint64_t n_rows, uint64_t cols, uint8_t* out) {
    const uint64_t lanes = LayoutTileRows(layout_);
    const uint64_t chunk = lanes == kMaxLanes ? kChunk32 : kChunk16;
    const uint64_t store_stride = kStoreBytes / lanes;
    alignas(64) uint8_t store[kStoreBytes];
    const uint8_t* codes[kMaxLanes];
    for (uint64_t begin = 0; begin < cols; begin += chunk) {
      const uint64_t n = std::min(chunk, cols - begin);
      for (uint64_t r = 0; r < n_rows; ++r) {
        if (from_.dtype != to_.dtype && begin + chunk < cols) {
          Prefetch(rows[r], begin + chunk, std::min(chunk, cols - begin - chunk));
        }
        codes[r] = Codes(rows[r], begin, n, store + r * store_stride);
        if (!CodesFinite(to_, codes[r], n)) return false;
      }
      if (n_rows < lanes) {
        uint8_t* zeros = store + n_rows * store_stride;
        std::memset(zeros, 0, store_stride);
        for (uint64_t r = n_rows; r < lanes; ++r) codes[r] = zeros;
      }
      Emit(codes, begin, n, out);
    }
    return true;
  }

  // Finds the first bad element of the rows; its tile was refused.
  void Locate(const uint8_t* const* rows, uint64_t n_rows, uint64_t cols) {
    alignas(64) float wide[kBlock];
    uint8_t code[kBlock * 4];
    for (uint64_t r = 0; r < n_rows; ++r) {
      for (uint64_t begin = 0; begin < cols; begin += kBlock) {
        const uint64_t n = std::min(kBlock, cols - begin);
        std::fill(wide, wide + kBlock, 0.0f);
        Widen(rows[r], begin, n, wide);
        for (uint64_t i = 0; i < n; ++i) {
          if ((std::bit_cast<uint32_t>(wide[i]) & 0x7f800000u) == 0x7f800000u) {
            return Report(QuantizeProblem::kNotFinite, r, begin + i);
          }
        }
        if (importance_ != nullptr) {
          search_(to_.dtype, wide, importance_ + begin, n, code);
        } else {
          QuantizeRow(to_.dtype, wide, n, code);
        }
        if (CodesFinite(to_, code, n)) continue;
        uint64_t i = 0;
        if (!to_.is_quantized) {
          while (CodesFinite(to_, code + i * to_.block_bytes, 1)) ++i;
        }
        return Report(QuantizeProblem::kOutOfRange, r, begin + i);
      }
    }
    Report(QuantizeProblem::kNotFinite, 0, 0);
  }

 private:
  void Report(QuantizeProblem problem, uint64_t row, uint64_t col) {
    result_->problem = problem;
    result_->row = row;
    result_->col = col;
  }

  // 16 or 32 rows are more streams than the hardware's prefetchers follow.
  void Prefetch(const uint8_t* row, uint64_t begin, uint64_t n) const {
    const uint8_t* from = row + begin / from_.block_elements * from_.block_bytes;
    const uint64_t bytes = RowBytes(from_.dtype, n);
    for (uint64_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i);
  }

  void Widen(const uint8_t* row, uint64_t begin, uint64_t n, float* out) const {
    WidenRow(kernels_, from_, row, begin, n, out);
  }

  // The same elements in the target's row-major form: in `store`, or in the source where nothing
  // changes.
  const uint8_t* Codes(const uint8_t* row, uint64_t begin, uint64_t n, uint8_t* store) {
    const uint8_t* in = row + begin / from_.block_elements * from_.block_bytes;
    const bool same = from_.dtype == to_.dtype;
    if (layout_ == Layout::kRows32Pairs) {
      // Not in place: the compiler's vector loop needs buffers that do not overlap.
      alignas(64) uint8_t converted[kChunk32 * 2];
      if (!same) in = Convert(row, begin, n, converted);
      result_->flushed += FlushBf16(in, n, store);
      if (n % 2 != 0) std::memset(store + 2 * n, 0, 2);
      return store;
    }
    return same ? in : Convert(row, begin, n, store);
  }

  const uint8_t* Convert(const uint8_t* row, uint64_t begin, uint64_t n, uint8_t* store) const {
    if (to_.dtype == DType::kF32) {
      Widen(row, begin, n, reinterpret_cast<float*>(store));
      return store;
    }
    alignas(64) float wide[kChunk16];
    Widen(row, begin, n, wide);
    switch (to_.dtype) {
      case DType::kF16:
        kernels_.narrow_f16(wide, n, store);
        break;
      case DType::kBF16:
        kernels_.narrow_bf16(wide, n, store);
        break;
      default: {
        const uint64_t n_blocks = (n + kBlock - 1) / kBlock;
        std::fill(wide + n, wide + n_blocks * kBlock, 0.0f);
        // What is not finite is marked by the rule without a search.
        if (importance_ != nullptr && AllFinite(wide, n)) {
          search_(to_.dtype, wide, importance_ + begin, n, store);
        } else {
          encode_(wide, n_blocks, store);
        }
      }
    }
    return store;
  }

  void Emit(const uint8_t* const* codes, uint64_t begin, uint64_t n, uint8_t* out) const {
    switch (layout_) {
      case Layout::kRowMajor:
        std::memcpy(out + begin / to_.block_elements * to_.block_bytes, codes[0],
                    RowBytes(to_.dtype, n));
        return;
      case Layout::kRows32:
        if (to_.dtype == DType::kF32) {
          quantize::TransposeWords(codes, 32, n, out + begin * 32 * 4);
        } else {
          quantize::TransposeHalves(codes, 32, n, out + begin * 32 * 2);
        }
        return;
      case Layout::kRows32Pairs:
        quantize::TransposeWords(codes, 32, (n + 1) / 2, out + begin / 2 * 32 * 4);
        return;
      case Layout::kRows16:
        for (uint64_t i = 0; i < n; i += kBlock) EmitBlock(codes, i / kBlock, begin / kBlock, out);
        return;
      case Layout::kInvalid:
        return;
    }
  }

  // Block `index` of the codes, which start at block `first` of the tile.
  void EmitBlock(const uint8_t* const* codes, uint64_t index, uint64_t first, uint8_t* out) const {
    const bool affine = to_.dtype == DType::kQ4_1 || to_.dtype == DType::kQ5_1;
    const bool five_bits = to_.dtype == DType::kQ5_0 || to_.dtype == DType::kQ5_1;
    const uint64_t header = affine ? 4 : 2;
    const Rows16Offsets at = Rows16BlockOffsets(to_.dtype, first + index);
    const uint8_t* quants[16];
    uint16_t scales[16], minimums[16];
    uint64_t high[8] = {};
    for (uint64_t r = 0; r < 16; ++r) {
      const uint8_t* block = codes[r] + index * to_.block_bytes;
      scales[r] = LoadAs<uint16_t>(block);
      minimums[r] = affine ? LoadAs<uint16_t>(block + 2) : 0;
      quants[r] = block + header + (five_bits ? 4 : 0);
      if (five_bits) {
        const uint64_t bits = LoadAs<uint32_t>(block + header);
        for (uint64_t g = 0; g < 8; ++g) high[g] |= (bits >> (4 * g) & 15) << (4 * r);
      }
    }
    if (!affine && (first + index) % 2 == 0) std::memset(out + at.scales, 0, 64);
    std::memcpy(out + at.scales, scales, 32);
    if (affine) std::memcpy(out + at.minimums, minimums, 32);
    if (five_bits) std::memcpy(out + at.high_bits, high, 64);
    quantize::TransposeWords(quants, 16, to_.dtype == DType::kQ8_0 ? 8 : 4, out + at.quants);
  }

  static quantize::EncodeBlocksFunction Search(QuantizeIsa isa) {
#if defined(__x86_64__)
    if (isa == QuantizeIsa::kAvx2) return quantize::EncodeBlocksAvx2;
    if (isa == QuantizeIsa::kAvx512) return quantize::EncodeBlocksAvx512;
#endif
    (void)isa;
    return quantize::EncodeBlocksScalar;
  }
  static bool Searched(DType to) {
    return to == DType::kQ4_0 || to == DType::kQ4_1 || to == DType::kQ5_0 || to == DType::kQ5_1;
  }
  static bool AllFinite(const float* x, uint64_t n) {
    bool finite = true;
    for (uint64_t i = 0; i < n; ++i)
      finite = finite && (std::bit_cast<uint32_t>(x[i]) & 0x7f800000u) != 0x7f800000u;
    return finite;
  }

  const Kernels& kernels_;
  const quantize::EncodeFunction encode_;
  const quantize::EncodeBlocksFunction search_;
  const float* importance_;  // of the types that search; nullptr: none
  const Layout layout_;
  const DTypeInfo& to_;
  const DTypeInfo& from_;
  QuantizeResult* result_;
};

// Rows given one by one, or at a stride.
struct RowSource {
  const uint8_t* const* pointers;
  const uint8_t* base;
  uint64_t stride;
  const uint8_t* at(uint64_t row) const {
    return pointers != nullptr ? pointers[row] : base + row * stride;
  }
};

bool PackBand(QuantizeIsa isa, Layout layout, DType to, DType from, const RowSource& source,
              uint64_t n_rows, uint64_t cols, uint8_t* out, QuantizeResult* result,
              const float* importance) {
  *result = {};
  const DTypeInfo* to_info = FindDType(to);
  const DTypeInfo* from_info = FindDType(from);
  uint64_t tile_bytes;
  if (to_info == nullptr || from_info == nullptr || !from_info->is_weight ||
      !QuantizeIsaAvailable(isa) || !LayoutTileBytes(layout, to, cols, &tile_bytes)) {
    result->problem = QuantizeProblem::kUnsupported;
    return false;
  }
  const uint64_t lanes = LayoutTileRows(layout);
  const CodeForm* form = FindCodeForm(to);
  const Rows16Unit* unit = layout == Layout::kRows16 ? FindRows16Unit(to) : nullptr;
  const uint8_t* rows[kMaxLanes];
  for (uint64_t first = 0; first < n_rows && form != nullptr; first += lanes, out += tile_bytes) {
    CodesPacker packer(isa, SelectKernels(isa), *form, *from_info, importance, result);
    const uint64_t n = std::min(lanes, n_rows - first);
    for (uint64_t r = 0; r < n; ++r) rows[r] = source.at(first + r);
    if (packer.Tile(unit, rows, n, cols, tile_bytes, out)) continue;
    result->row += first;
    return false;
  }
  if (form != nullptr) return true;
  Packer packer(isa, SelectKernels(isa), layout, *to_info, *from_info, importance, result);
  for (uint64_t first = 0; first < n_rows; first += lanes) {
    const uint64_t n = std::min(lanes, n_rows - first);
    for (uint64_t r = 0; r < n; ++r) rows[r] = source.at(first + r);
    if (!packer.Tile(rows, n, cols, out)) {
      packer.Locate(rows, n, cols);
      result->row += first;
      return false;
    }
    out += tile_bytes;
  }
  return true;
}

}  // namespace

const char* QuantizeIsaName(QuantizeIsa isa) {
  switch (isa) {
    case QuantizeIsa::kScalar:
      return "scalar";
    case QuantizeIsa::kAvx2:
      return "avx2";
    case QuantizeIsa::kAvx512:
      return "avx512";
  }
  return "unknown";
}

bool QuantizeIsaAvailable(QuantizeIsa isa) {
  if (isa == QuantizeIsa::kScalar) return true;
#if defined(__x86_64__)
  // The compiler's check covers the operating system's side too; compilers differ in whether it
  // knows F16C.
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_F16C) == 0) return false;
  if (isa == QuantizeIsa::kAvx2) return __builtin_cpu_supports("avx2") != 0;
  if (isa == QuantizeIsa::kAvx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }
#endif
  return false;
}

QuantizeIsa BestQuantizeIsa() {
  if (QuantizeIsaAvailable(QuantizeIsa::kAvx512)) return QuantizeIsa::kAvx512;
  if (QuantizeIsaAvailable(QuantizeIsa::kAvx2)) return QuantizeIsa::kAvx2;
  return QuantizeIsa::kScalar;
}

bool QuantizeAndPack(QuantizeIsa isa, Layout layout, DType to, DType from,
                     const uint8_t* const* rows, uint64_t n_rows, uint64_t cols, uint8_t* out,
                     QuantizeResult* result, const float* importance) {
  return PackBand(isa, layout, to, from, {rows, nullptr, 0}, n_rows, cols, out, result, importance);
}

bool QuantizeAndPack(QuantizeIsa isa, Layout layout, DType to, DType from, const uint8_t* rows,
                     uint64_t row_stride, uint64_t n_rows, uint64_t cols, uint8_t* out,
                     QuantizeResult* result, const float* importance) {
  return PackBand(isa, layout, to, from, {nullptr, rows, row_stride}, n_rows, cols, out, result,
                  importance);
}

uint64_t CountFlushedBf16(const uint8_t* row, uint64_t cols) {
  uint64_t flushed = 0;
  for (uint64_t i = 0; i < cols; ++i) {
    const uint16_t bits = LoadAs<uint16_t>(row + 2 * i);
    flushed += (bits & kBf16Exponent) < kBf16TinyExponent && (bits & 0x7fff) != 0;
  }
  return flushed;
}

}  // namespace samara
