// Cases of the composite operators: run as they are, and by their decompositions.
#ifndef SAMARA_TESTS_CONFORMANCE_COMPOSITE_CASES_H_
#define SAMARA_TESTS_CONFORMANCE_COMPOSITE_CASES_H_

#include <vector>

#include "tests/conformance/harness.h"

namespace samara::test {

std::vector<Case> RmsNormCases();
std::vector<Case> RopeCases();
std::vector<Case> LayerNormCases();
std::vector<Case> GluCases();
std::vector<Case> ActivateCases();
std::vector<Case> AttentionCases();
std::vector<Case> LinearCases();

}  // namespace samara::test

#endif  // SAMARA_TESTS_CONFORMANCE_COMPOSITE_CASES_H_
