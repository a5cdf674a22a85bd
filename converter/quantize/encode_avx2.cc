#if defined(__x86_64__)
#define SAMARA_ENCODE EncodeCodesAvx2
#include "converter/quantize/encode.inl"
#endif
