// One operator (or a few) on every backend: bit-equal to the reference on CPU, within bounds
// elsewhere.
#ifndef SAMARA_TESTS_CONFORMANCE_HARNESS_H_
#define SAMARA_TESTS_CONFORMANCE_HARNESS_H_

#include <string>
#include <vector>

#include "tests/support/graph_runner.h"
#include "tests/support/step_builder.h"
#include "tests/support/test_model.h"

namespace samara::test {

enum class Fill {
  kNormal,     // normal numbers times scale
  kPositive,   // their magnitudes
  kTies,       // multiples of scale / 2 from a short range, both zeros among them
  kSubnormal,  // most of them below the least normal number
  kWide,       // exponents from -60 to 20
  kZero,
  kIndex,  // I32: 0 .. scale - 1
  kBool,   // Bool
};

struct Case {
  std::string name;
  TestModel model;
  struct Input {
    ValueId value;
    Fill fill = Fill::kNormal;
    float scale = 1;
  };
  std::vector<Input> inputs;
  std::vector<ValueId> outputs;
  RunnerOptions options;
  // Several steps, one after the other, each of some sequences.
  std::vector<std::vector<StepSequence>> steps;
  // Exact against float64: relative error in the 2-norm, and the largest error of an element in
  // units of the largest magnitude of the result.
  double norm_bound = 0, element_bound = 0;

  // Steps of one sequence with these numbers of tokens, each from slot 0.
  void Tokens(const std::vector<uint32_t>& counts) {
    for (uint32_t n : counts) {
      steps.push_back({{.n_tokens = n}});
      options.max_tokens = std::max(options.max_tokens, n);
    }
  }
  void Bounds(double norm, double element) {
    norm_bound = norm;
    element_bound = element;
  }
};

// Results of a run: outputs of every step, then the bytes of the states.
struct Results {
  std::vector<std::vector<uint8_t>> outputs;
  std::vector<std::vector<uint8_t>> states;
};

// A backend as it was opened.
struct Variant {
  const Backend* backend;
  DeviceOptions device;
  std::string name;
};
// Every backend of the list, with every instruction set that this machine has and one and three
// threads.
const std::vector<Variant>& Variants();

// Values of the inputs for every step, the same for every backend.
using StepInputs = std::vector<std::vector<std::vector<uint8_t>>>;  // [step][input]
StepInputs MakeInputs(const Case& c, uint64_t seed);

Status RunCase(const Case& c, const Graph& graph, const StepInputs& inputs, const Variant& variant,
               bool views, bool one_op_each, Results* results);

// Compares F32 outputs; returns "" or what is wrong.
std::string Compare(const Case& c, const Results& got, const Results& want, double norm_bound,
                    double element_bound);

// Runs the case everywhere and fails the test where a backend is off.
void CheckCase(const Case& c, uint64_t seed = 1);

}  // namespace samara::test

#endif  // SAMARA_TESTS_CONFORMANCE_HARNESS_H_
