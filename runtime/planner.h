// The memory planner: a pure function from lifetimes to offsets in one arena.
//
// Items live from op `first` to op `last`, both included. Placement: largest first (ties: earlier
// first op, then lower index), each at the smallest gap that holds it between the items that live
// at the same time and are placed already; so equal inputs give equal plans everywhere. The result
// is checked by CheckPlan, which shares nothing with the placement, on every call.
#ifndef SAMARA_RUNTIME_PLANNER_H_
#define SAMARA_RUNTIME_PLANNER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/status.h"

namespace samara {

// Placement takes time in the square of the items; more are refused.
inline constexpr size_t kMaxPlanItems = 1 << 16;

struct PlanItem {
  std::string name;
  uint64_t bytes = 0;
  uint64_t alignment = 64;  // a power of two
  uint32_t first = 0;       // op that writes it
  uint32_t last = 0;        // last op that reads it; >= first
  // In-place reuse: index of the item whose memory this one takes over at op `first`, which must be
  // that item's `last`. -1: none. An item is taken over at most once.
  int32_t alias = -1;
};

struct MemoryPlan {
  std::vector<uint64_t> offsets;  // per item
  uint64_t bytes = 0;             // of the arena
};

// kInvalidArgument for items that break the rules above, kResourceExhausted if the arena passes
// 2^62 bytes, kInternal if the check of the result fails.
Status PlanArena(const std::vector<PlanItem>& items, MemoryPlan* plan);

// No two items that live at the same op overlap (but an alias at its hand-over), every offset is
// aligned and every item lies inside the arena. Names the first offence.
Status CheckPlan(const std::vector<PlanItem>& items, const MemoryPlan& plan);

// One line an item, by offset: "offset bytes first..last name".
std::string PlanText(const std::vector<PlanItem>& items, const MemoryPlan& plan);

}  // namespace samara

#endif  // SAMARA_RUNTIME_PLANNER_H_
