#if defined(__x86_64__)
#define SAMARA_ENCODE_NAME(function) function##Avx512
#include "converter/quantize/encode.inl"
#endif
