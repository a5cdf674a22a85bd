// Every tolerance of the tests, each with its reason. A test that needs a new one adds it here.
#ifndef SAMARA_TESTS_TOLERANCES_H_
#define SAMARA_TESTS_TOLERANCES_H_

#include <utility>

#include "formats/dtypes.h"

namespace samara::tolerance {

// Root mean square error of quantizing standard normal numbers in blocks of 32, measured with the
// reference quantizers (PyPI gguf 0.19.0) on 4 million numbers. A million other numbers stay within
// half a per cent.
inline constexpr std::pair<DType, double> kGaussianRmse[] = {
    {DType::kF16, 0.00020759}, {DType::kBF16, 0.0016611}, {DType::kQ8_0, 0.0053496},
    {DType::kQ4_0, 0.085911},  {DType::kQ4_1, 0.078221},  {DType::kQ5_0, 0.042674},
    {DType::kQ5_1, 0.037862},
};
inline constexpr double kGaussianRmseRelative = 0.005;

// Relative root mean square errors of ggml's own encoders (the library in PyPI llama-cpp-python) on the rows of
// tools/encoder_compare, which made the table: Gaussian and Laplace numbers, and the matrices of models/demo with rows
// of 192 and 576; without importance and with. Ours may be no larger. Six digits are written: half of the last
// one is allowed.
inline constexpr double kPeerRmseDigit = 5e-7;
struct PeerRmse {
  DType dtype;
  double plain[4], weighed[4];
};
inline constexpr PeerRmse kPeerRmse[] = {
    {DType::kQ4_0,
     {0.085979, 0.106777, 0.095331, 0.092317},
     {0.072385, 0.093781, 0.083524, 0.078784}},
    {DType::kQ4_1,
     {0.078155, 0.091759, 0.080262, 0.081832},
     {0.056625, 0.067627, 0.058790, 0.059460}},
    {DType::kQ5_0,
     {0.042706, 0.053479, 0.045065, 0.045509},
     {0.035876, 0.047172, 0.041549, 0.038844}},
    {DType::kQ5_1,
     {0.037850, 0.044435, 0.038748, 0.039607},
     {0.027452, 0.032754, 0.028664, 0.028852}},
    {DType::kQ8_0,
     {0.005356, 0.006737, 0.005726, 0.005721},
     {0.005329, 0.006696, 0.005680, 0.005694}},
    {DType::kQ2_K,
     {0.296241, 0.343541, 0.297629, 0.309694},
     {0.204503, 0.232294, 0.209566, 0.212259}},
    {DType::kQ3_K,
     {0.151086, 0.176384, 0.155483, 0.157753},
     {0.123110, 0.147558, 0.129357, 0.129689}},
    {DType::kQ4_K,
     {0.071400, 0.084621, 0.073838, 0.074904},
     {0.057765, 0.069332, 0.059991, 0.060807}},
    {DType::kQ5_K,
     {0.036130, 0.042814, 0.036817, 0.037927},
     {0.029998, 0.036364, 0.031141, 0.031716}},
    {DType::kQ6_K,
     {0.017772, 0.021724, 0.018363, 0.018777},
     {0.014900, 0.018888, 0.015583, 0.015944}},
    {DType::kIQ4_NL,
     {0.076072, 0.087977, 0.080789, 0.079277},
     {0.064693, 0.076122, 0.070303, 0.067494}},
    {DType::kIQ4_XS,
     {0.076679, 0.088699, 0.081501, 0.079924},
     {0.065584, 0.077248, 0.071351, 0.068480}},
    {DType::kMXFP4,
     {0.114261, 0.125748, 0.120567, 0.117237},
     {0.114396, 0.125743, 0.121183, 0.117670}},
};

// Functions of the numerics contract against the C library's doubles
// (tests/backends/reference_math_test.cc). Half a unit in the last place is 6e-8 relative. Measured
// over 2 million samples each, with a reserve of a few per cent for points between the samples.
inline constexpr double kExpRelative = 8.5e-8;       // worst 7.9e-8
inline constexpr double kSinAbsolute = 1.3e-7;       // worst 1.2e-7, for |x| up to 2^20
inline constexpr double kSinSmallRelative = 1.2e-7;  // worst 1.1e-7, for |x| up to 1
// Up to 2^23 the quotient by pi/2 is rounded to a half, so the polynomials leave their range:
// worst 6.3e-5.
inline constexpr double kSinFarAbsolute = 1e-4;
inline constexpr double kTanhRelative = 1.6e-7;  // worst 1.5e-7, at the seam of its two formulas
inline constexpr double kErfRelative = 7e-7;    // worst 6.2e-7: the published fit is good to 1.5e-7
inline constexpr double kLogRelative = 8.5e-8;  // worst 8.0e-8
inline constexpr double kActivationAbsolute = 1.5e-6;  // worst 1.3e-6: an ulp at 20 is 1.9e-6

// Conformance (tests/conformance). "Norm" is the relative error in the 2-norm, "element" the largest error in
// units of the largest magnitude of the result.
// Float64 partitions of one operator round to F32 in between: half an ulp is 6e-8, a few operators follow.
inline constexpr double kRoundingBetweenOps = 1e-6;
// Backends that are not held to the bits may sum in any order and quantize activations with another rounding
// of a tie; this comes on top of a case's own bound.
inline constexpr double kBackendNorm = 2e-6;
inline constexpr double kBackendElement = 1e-5;
// Exact against float64: a few roundings of F32, 6e-8 each.
inline constexpr double kF32Norm = 2e-7;
inline constexpr double kF32Element = 5e-7;
// A chain of roundings: dot products up to a thousand terms, softmax.
inline constexpr double kF32DotNorm = 1e-6;
inline constexpr double kF32DotElement = 3e-6;
// BF16 activations: 8 bits, 2^-9 / sqrt(3) = 1.1e-3 for uniform mantissas.
inline constexpr double kBf16Norm = 3e-3;
inline constexpr double kBf16Element = 1e-2;
// Keys and values stored in F16: 11 bits, 2^-12 / sqrt(3) = 1.4e-4 each, partly averaged away.
inline constexpr double kF16StateNorm = 5e-4;
inline constexpr double kF16StateElement = 2e-3;
// In Q8_0: amax / 127 / sqrt(12) of runs of 32 normal numbers is 5e-3 of keys, which moves every score,
// and of values.
inline constexpr double kQ8StateNorm = 1.5e-2;
inline constexpr double kQ8StateElement = 4e-2;
// Angles are rounded to F32: half an ulp at 4,096 is 2.4e-4, and most of them are small.
inline constexpr double kRopeNorm = 1e-4;
inline constexpr double kRopeElement = 4e-4;
// Fused against decomposed: both F32, other orders.
inline constexpr double kDecompositionNorm = 2e-6;
inline constexpr double kDecompositionElement = 5e-6;
// int8 activations: amax / 127 / sqrt(12) of blocks of 32 normal numbers (amax about 2.1 sigma) is 5e-3.
inline constexpr double kInt8Norm = 1e-2;
inline constexpr double kInt8Element = 3e-2;

// Logits of a small real model in F32 against a float64 reference, absolute; logits reach 16. Sums of
// 172 products in binary32 through five layers stay far below.
inline constexpr double kStories260kLogits = 2e-4;

// The sampler's exp in binary64 against the C library's: one unit in the last place, 2.2e-16, for each.
inline constexpr double kSamplerExp = 4.5e-16;

// Its logarithm: two units in the last place of binary64, next to the C library's half of one.
inline constexpr double kSamplerLn = 4.5e-16;
// Log-probabilities as binary32, against the C library in binary64: half a unit in the last place.
inline constexpr double kLogprob = 6.1e-8;

// Means of binary32 numbers that were printed: a rounding of each, 6e-8, and of the mean.
inline constexpr double kNineDigits = 2e-7;

// Logits of a graph that runs by its decompositions against the fused one, in units of the largest logit:
// other orders of binary32 sums, a few layers deep.
inline constexpr double kDecomposedLogits = 2e-5;

// Logits of tiny random models in F32 against transformers in float32, over the largest |logit|: both
// sides round each of some hundred sums, 6e-8 each; the bar is the one promised to users.
inline constexpr double kFamilyLogits = 1e-4;

// Logits of a tiny model with one kind of composite decomposed, over the largest |logit|: the same
// sums in another order.
inline constexpr float kUnknownCompositeLogits = 1e-5f;

// Logits of a tiny model on Vulkan against the CPU's, over the largest |logit|, with keys and values in F16 and Q8_0: a
// difference of 1e-7 before the rounding of a key or value makes an ulp of F16 (2^-11), or a step of an int8, of a few.
inline constexpr double kVulkanF16Logits = 5e-4;
inline constexpr double kVulkanQ8Logits = 1e-2;
// Mean KL of F32 products with F16 weights is nothing but rounding: about the square of 1e-6 relative, for logits up to
// 20.
inline constexpr double kVulkanRoundingKl = 1e-9;
// Logits of tiny models on CUDA against CPU where keys and values are stored in F16 or Q8_0, over the largest |logit|:
// an F32 rounding before the storing may move a stored number by a step of its type, 2^-11 or 1/127 of a run.
inline constexpr double kCudaStates = 5e-3;
// Mean negative log-likelihood of the demo model on 10,000 tokens, beside float32 in another order of sums.
inline constexpr double kDemoNll = 1e-5;
// Mean KL, nats a token, of the demo model's weight types to its F32 on the same text; twice what was measured, so that
// a broken scale shows and another machine's library does not.
inline constexpr double kDemoKlQ8 = 4e-4;
inline constexpr double kDemoKlQ4 = 4e-2;

}  // namespace samara::tolerance

#endif  // SAMARA_TESTS_TOLERANCES_H_
