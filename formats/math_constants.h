// Constants of the numerics contract (formats/numerics.md says how they are used). Normative to the last bit.
#ifndef SAMARA_FORMATS_MATH_CONSTANTS_H_
#define SAMARA_FORMATS_MATH_CONSTANTS_H_

namespace samara::math {

// exp: above gives +inf, below kExpUnderflow gives +0
inline constexpr float kExpOverflow = 0x1.62e42ep+6f;
inline constexpr float kExpUnderflow = -0x1.5d589ep+6f;
inline constexpr float kLog2E = 0x1.715476p+0f;
inline constexpr float kLn2High = 0x1.62e400p-1f;
inline constexpr float kLn2Low = 0x1.7f7d1cp-20f;
// 1/7! down to 1/2!
inline constexpr float kExpC[] = {0x1.a01a02p-13f, 0x1.6c16c2p-10f, 0x1.111112p-7f,
                                  0x1.555556p-5f,  0x1.555556p-3f,  0x1.000000p-1f};
// sin, cos: pi/2 in three parts
inline constexpr float kTwoOverPi = 0x1.45f306p-1f;
inline constexpr float kPio2Part1 = 0x1.921fb4p+0f;
inline constexpr float kPio2Part2 = 0x1.4442d2p-24f;
inline constexpr float kPio2Part3 = -0x1.ee59dap-50f;
// larger |x| gives NaN
inline constexpr float kTrigLimit = 0x1p+23f;
// s3, s2, s1 (published single-precision fit, Cephes sinf)
inline constexpr float kSinC[] = {-0x1.9943f2p-13f, 0x1.11073cp-7f, -0x1.555546p-3f};
// c3, c2, c1 (Cephes cosf)
inline constexpr float kCosC[] = {0x1.99eb9cp-16f, -0x1.6c0c34p-10f, 0x1.55554ap-5f};
// t4 .. t0 (Cephes tanhf)
inline constexpr float kTanhC[] = {-0x1.75e1d4p-8f, 0x1.52269cp-6f, -0x1.b83c5ap-5f, 0x1.110726p-3f,
                                   -0x1.555532p-2f};
inline constexpr float kTanhSmall = 0.625f;
// above gives 1
inline constexpr float kTanhLarge = 0x1.20a3d8p+3f;
// l8 .. l0 (Cephes logf)
inline constexpr float kLogC[] = {0x1.204376p-4f,  -0x1.d7a370p-4f, 0x1.de4a34p-4f,
                                  -0x1.fcba9ep-4f, 0x1.23d37ep-3f,  -0x1.555ca0p-3f,
                                  0x1.999d58p-3f,  -0x1.fffff8p-3f, 0x1.555554p-2f};
inline constexpr float kLn2LogHigh = 0x1.63p-1f;
inline constexpr float kLn2LogLow = 0x1.bd0106p-13f;
inline constexpr float kSqrtHalf = 0x1.6a09e6p-1f;
// Taylor of erf for |x| < 0.5, from x^11 down to x^1
inline constexpr float kErfSmallC[] = {-0x1.c02db4p-11f, 0x1.565bcep-8f,  -0x1.b82ce4p-6f,
                                       0x1.ce2f22p-4f,   -0x1.812746p-2f, 0x1.20dd76p+0f};
// Abramowitz and Stegun 7.1.26, a5 .. a1
inline constexpr float kErfLargeC[] = {0x1.0fb844p+0f, -0x1.7401c6p+0f, 0x1.6be1c6p+0f,
                                       -0x1.23531cp-2f, 0x1.04f20cp-2f};
inline constexpr float kErfP = 0x1.4f740ap-2f;
// 0.044715
inline constexpr float kGeluC = 0x1.6e4e26p-5f;
// sqrt(2/pi)
inline constexpr float kGeluScale = 0x1.988454p-1f;
// BF16 operands of smaller magnitude count as zero
inline constexpr float kBf16Tiny = 0x1p-56f;
// int8 blocks with a smaller amax are zero
inline constexpr float kQ8Tiny = 0x1p-100f;

}  // namespace samara::math

#endif  // SAMARA_FORMATS_MATH_CONSTANTS_H_
