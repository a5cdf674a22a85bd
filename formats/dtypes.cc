#include "formats/dtypes.h"

namespace samara {
namespace {

// clang-format off
constexpr DTypeInfo kTypes[] = {
    // dtype, name, block elements, block bytes, quantized, weight
    {DType::kF32, "f32", 1, 4, false, true},    {DType::kF16, "f16", 1, 2, false, true},
    {DType::kBF16, "bf16", 1, 2, false, true},  {DType::kQ8_0, "q8_0", 32, 34, true, true},
    {DType::kQ4_0, "q4_0", 32, 18, true, true}, {DType::kQ4_1, "q4_1", 32, 20, true, true},
    {DType::kQ5_0, "q5_0", 32, 22, true, true}, {DType::kQ5_1, "q5_1", 32, 24, true, true},
    {DType::kQ2_K, "q2_k", 256, 84, true, true},
    {DType::kQ3_K, "q3_k", 256, 110, true, true},
    {DType::kQ4_K, "q4_k", 256, 144, true, true},
    {DType::kQ5_K, "q5_k", 256, 176, true, true},
    {DType::kQ6_K, "q6_k", 256, 210, true, true},
    {DType::kIQ4_NL, "iq4_nl", 32, 18, true, true},
    {DType::kIQ4_XS, "iq4_xs", 256, 136, true, true},
    {DType::kMXFP4, "mxfp4", 32, 17, true, true},
    {DType::kI32, "i32", 1, 4, false, false},
    {DType::kBool, "bool", 1, 1, false, false},
};
// clang-format on

}  // namespace

const DTypeInfo* FindDType(DType dtype) {
  for (const DTypeInfo& info : kTypes) {
    if (info.dtype == dtype) return &info;
  }
  return nullptr;
}

const DTypeInfo* FindDType(std::string_view name) {
  for (const DTypeInfo& info : kTypes) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

const char* DTypeName(DType dtype) {
  const DTypeInfo* info = FindDType(dtype);
  return info != nullptr ? info->name : "unknown";
}

}  // namespace samara
