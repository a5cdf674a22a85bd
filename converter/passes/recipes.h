// Which type each matrix gets: one for all, or a recipe that spends more bits where they count. What a matrix is for is
// read from the graph, never from names.
#ifndef SAMARA_CONVERTER_PASSES_RECIPES_H_
#define SAMARA_CONVERTER_PASSES_RECIPES_H_

#include <string>
#include <string_view>
#include <vector>

#include "converter/builder.h"
#include "formats/status.h"

namespace samara {

enum class Role : uint8_t {
  kOther,
  kEmbedding,
  kOutput,  // makes the logits; a table that is both counts as this
  kQuery,
  kKey,
  kValue,
  kAttentionOutput,
  kGateUp,  // in front of a gated unit or activation
  kDown,    // behind it
};
const char* RoleName(Role role);

struct WeightRole {
  Role role = Role::kOther;
  int layer = 0;  // counted by attentions
};
struct GraphRoles {
  std::vector<WeightRole> weights;  // one for each of package.weights
  int layers = 0;
  int queries_per_key = 1;  // heads, of the first attention
};
// Of the graph that a family wrote, before any pass.
GraphRoles FindRoles(const Model& model);

enum class Recipe : uint8_t { kOne, kQ2_K, kQ3_K_S, kQ3_K_M, kQ3_K_L, kQ4_K_S, kQ4_K_M, kQ5_K_S, kQ5_K_M };

// What --quant and --tensor-type ask for.
struct QuantChoice {
  DType base = DType::kInvalid;  // kInvalid: the source's types
  Recipe recipe = Recipe::kOne;
  std::string name;  // as asked for
  struct Override {
    std::string pattern;  // of the checkpoint's tensor names, '*' for anything
    DType dtype = DType::kInvalid;
  };
  std::vector<Override> overrides;  // the first that matches holds

  QuantChoice() = default;
  QuantChoice(DType dtype) : base(dtype) {}  // NOLINT: a type is a choice
};
// A weight type ("q4_k") or a recipe ("q4_k_m"); false: neither.
bool FindQuant(std::string_view name, QuantChoice* choice);
// "f32, ..., q4_k, q4_k_m, ...".
std::string QuantNames();

// Codec of every weight: vectors F32, matrices as chosen. A pattern that matches no matrix is an error.
Status AssignTypes(const QuantChoice& choice, Model* model);

// Whether `name` fits `pattern`, in which each '*' stands for any text.
bool MatchesPattern(std::string_view pattern, std::string_view name);

}  // namespace samara

#endif  // SAMARA_CONVERTER_PASSES_RECIPES_H_
