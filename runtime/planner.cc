#include "runtime/planner.h"

#include <algorithm>
#include <numeric>

namespace samara {
namespace {

using Ull = unsigned long long;

constexpr uint64_t kMaxArena = uint64_t{1} << 62;

// A chain of aliases is one block: as large as its largest item, live over all of them.
struct Chain {
  uint64_t bytes = 0;
  uint64_t alignment = 1;
  uint32_t first = 0;
  uint32_t last = 0;
  uint64_t offset = 0;
};

uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

Status CheckItems(const std::vector<PlanItem>& items) {
  if (items.size() > kMaxPlanItems) {
    return ResourceExhausted("plan of %zu items, at most %zu are planned", items.size(),
                             kMaxPlanItems);
  }
  std::vector<uint8_t> taken(items.size(), 0);
  for (size_t i = 0; i < items.size(); ++i) {
    const PlanItem& item = items[i];
    const std::string name = Quoted(item.name);
    if (item.alignment == 0 || (item.alignment & (item.alignment - 1)) != 0 ||
        item.alignment > kMaxArena) {
      return InvalidArgument("plan item %s: alignment %llu, want a power of two", name.c_str(),
                             static_cast<Ull>(item.alignment));
    }
    if (item.last < item.first) {
      return InvalidArgument("plan item %s: lives from op %u to %u", name.c_str(), item.first,
                             item.last);
    }
    if (item.bytes > kMaxArena) {
      return ResourceExhausted("plan item %s: %llu bytes", name.c_str(),
                               static_cast<Ull>(item.bytes));
    }
    if (item.alias == -1) continue;
    if (item.alias < 0 || static_cast<size_t>(item.alias) >= items.size() ||
        static_cast<size_t>(item.alias) == i) {
      return InvalidArgument("plan item %s: alias %d of %zu items", name.c_str(), item.alias,
                             items.size());
    }
    const PlanItem& other = items[static_cast<size_t>(item.alias)];
    // first < first forbids cycles.
    if (other.last != item.first || other.first >= item.first) {
      return InvalidArgument("plan item %s: takes over at op %u what lives from op %u to %u",
                             name.c_str(), item.first, other.first, other.last);
    }
    if (taken[static_cast<size_t>(item.alias)]++ != 0) {
      return InvalidArgument("plan item %s is taken over twice", Quoted(other.name).c_str());
    }
  }
  return {};
}

}  // namespace

Status PlanArena(const std::vector<PlanItem>& items, MemoryPlan* plan) {
  *plan = {};
  plan->offsets.assign(items.size(), 0);
  SAMARA_RETURN_IF_ERROR(CheckItems(items));

  // Items ordered by their first op, so that an alias follows what it takes over.
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return items[a].first != items[b].first ? items[a].first < items[b].first : a < b;
  });
  std::vector<Chain> chains;
  std::vector<uint32_t> chain_of(items.size());
  for (uint32_t i : order) {
    const PlanItem& item = items[i];
    if (item.alias < 0) {
      chain_of[i] = static_cast<uint32_t>(chains.size());
      chains.push_back({item.bytes, item.alignment, item.first, item.last, 0});
      continue;
    }
    chain_of[i] = chain_of[static_cast<size_t>(item.alias)];
    Chain& chain = chains[chain_of[i]];
    chain.bytes = std::max(chain.bytes, item.bytes);
    chain.alignment = std::max(chain.alignment, item.alignment);
    chain.last = std::max(chain.last, item.last);
  }

  std::vector<uint32_t> by_size(chains.size());
  std::iota(by_size.begin(), by_size.end(), 0u);
  std::sort(by_size.begin(), by_size.end(), [&](uint32_t a, uint32_t b) {
    if (chains[a].bytes != chains[b].bytes) return chains[a].bytes > chains[b].bytes;
    return chains[a].first != chains[b].first ? chains[a].first < chains[b].first : a < b;
  });

  std::vector<uint32_t> placed;  // by offset, then index
  for (uint32_t c : by_size) {
    Chain& chain = chains[c];
    if (chain.bytes == 0) continue;
    uint64_t end = 0;  // of what lives at the same time, up to here
    uint64_t best_gap = UINT64_MAX;
    uint64_t best = 0;
    for (uint32_t p : placed) {
      const Chain& other = chains[p];
      if (other.last < chain.first || chain.last < other.first) continue;
      const uint64_t start = AlignUp(end, chain.alignment);
      if (other.offset > end && start <= other.offset && other.offset - start >= chain.bytes &&
          other.offset - end < best_gap) {
        best_gap = other.offset - end;
        best = start;
      }
      end = std::max(end, other.offset + other.bytes);
    }
    chain.offset = best_gap != UINT64_MAX ? best : AlignUp(end, chain.alignment);
    if (chain.offset > kMaxArena || chain.bytes > kMaxArena - chain.offset) {
      return ResourceExhausted("the activation arena passes 2^62 bytes");
    }
    plan->bytes = std::max(plan->bytes, chain.offset + chain.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), c,
                                   [&](uint32_t a, uint32_t b) {
                                     return chains[a].offset != chains[b].offset
                                                ? chains[a].offset < chains[b].offset
                                                : a < b;
                                   }),
                  c);
  }
  for (size_t i = 0; i < items.size(); ++i) plan->offsets[i] = chains[chain_of[i]].offset;
  return CheckPlan(items, *plan);
}

Status CheckPlan(const std::vector<PlanItem>& items, const MemoryPlan& plan) {
  if (plan.offsets.size() != items.size()) {
    return Internal("plan of %zu items has %zu offsets", items.size(), plan.offsets.size());
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const PlanItem& item = items[i];
    const uint64_t offset = plan.offsets[i];
    if (offset % item.alignment != 0) {
      return Internal("plan item %s at offset %llu, alignment %llu", Quoted(item.name).c_str(),
                      static_cast<Ull>(offset), static_cast<Ull>(item.alignment));
    }
    if (item.bytes > plan.bytes || offset > plan.bytes - item.bytes) {
      return Internal("plan item %s: %llu bytes at %llu pass the arena's %llu",
                      Quoted(item.name).c_str(), static_cast<Ull>(item.bytes),
                      static_cast<Ull>(offset), static_cast<Ull>(plan.bytes));
    }
  }
  // Sweep over the ops: at each op start, a new item is compared with all that live then.
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return items[a].first < items[b].first; });
  std::vector<uint32_t> live;
  for (uint32_t i : order) {
    const PlanItem& item = items[i];
    live.erase(std::remove_if(live.begin(), live.end(),
                              [&](uint32_t j) { return items[j].last < item.first; }),
               live.end());
    for (uint32_t j : live) {
      const PlanItem& other = items[j];
      const bool overlap = plan.offsets[i] < plan.offsets[j] + other.bytes &&
                           plan.offsets[j] < plan.offsets[i] + item.bytes && item.bytes != 0 &&
                           other.bytes != 0;
      if (!overlap) continue;
      const bool handover = item.alias == static_cast<int32_t>(j) && other.last == item.first &&
                            plan.offsets[i] == plan.offsets[j];
      if (!handover) {
        return Internal("plan items %s and %s overlap at op %u", Quoted(other.name).c_str(),
                        Quoted(item.name).c_str(), item.first);
      }
    }
    live.push_back(i);
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].alias >= 0 &&
        plan.offsets[i] != plan.offsets[static_cast<size_t>(items[i].alias)]) {
      return Internal("plan item %s is not where it takes over", Quoted(items[i].name).c_str());
    }
  }
  return {};
}

std::string PlanText(const std::vector<PlanItem>& items, const MemoryPlan& plan) {
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return plan.offsets[a] != plan.offsets[b] ? plan.offsets[a] < plan.offsets[b] : a < b;
  });
  std::string text = "arena " + std::to_string(plan.bytes) + " bytes\n";
  for (uint32_t i : order) {
    const PlanItem& item = items[i];
    text += std::to_string(plan.offsets[i]) + " " + std::to_string(item.bytes) + " " +
            std::to_string(item.first) + ".." + std::to_string(item.last) + " " + item.name;
    if (item.alias >= 0)
      text += " (in place of " + items[static_cast<size_t>(item.alias)].name + ")";
    text += "\n";
  }
  return text;
}

}  // namespace samara
