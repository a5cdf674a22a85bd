#define SAMARA_ENCODE EncodeCodesScalar
#include "converter/quantize/encode.inl"
