#define SAMARA_ENCODE_NAME(function) function##Scalar
#include "converter/quantize/encode.inl"
