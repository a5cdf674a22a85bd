// --fit: a type for every matrix, so that all take a given size at the least loss.
//
// The loss of a type is measured: the divergence of a model in which one group of matrices has it and all others have the
// source's type. Losses of groups are taken to add up; that of the whole is measured at the end.
#ifndef SAMARA_CONVERTER_FIT_H_
#define SAMARA_CONVERTER_FIT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "converter/builder.h"
#include "converter/passes/recipes.h"
#include "formats/status.h"

namespace samara {

struct FitTarget {
  uint64_t bytes = 0;  // of all weights; 0: bits counts
  double bits = 0;     // of a matrix's element, on average
};

struct FitOption {
  DType dtype = DType::kInvalid;
  uint64_t bytes = 0;
  double loss = 0;
};
// Matrices that get one type: one tensor of the checkpoint or, where those are many, all of a role in neighbouring layers.
struct FitGroup {
  std::vector<std::string> tensors;
  uint64_t elements = 0;
  std::vector<FitOption> options;  // the smallest first
};

// Of the graph that a family wrote, before any pass; losses are 0. Tensors that an override of `choice` matches stay out.
std::vector<FitGroup> MakeFitGroups(const Model& model, const QuantChoice& choice);

// For each group its option with the least sum of losses among those on the lower hulls that take at most `bytes`, nearly:
// steps with the largest gain a byte first, while there is room. kInvalidArgument: even the smallest are too large.
StatusOr<std::vector<size_t>> ChooseOptions(const std::vector<FitGroup>& groups, uint64_t bytes);

// Measures every option of every group and chooses. `measure` gives the divergence of a model with these types from the
// source's; `progress` gets measurements done and in all.
StatusOr<QuantChoice> FitTypes(const Model& model, const QuantChoice& choice,
                               const FitTarget& target,
                               const std::function<StatusOr<double>(const QuantChoice&)>& measure,
                               const std::function<void(uint64_t, uint64_t)>& progress);

}  // namespace samara

#endif  // SAMARA_CONVERTER_FIT_H_
