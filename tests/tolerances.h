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

}  // namespace samara::tolerance

#endif  // SAMARA_TESTS_TOLERANCES_H_
