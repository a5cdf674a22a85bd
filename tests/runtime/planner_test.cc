// The arena planner against an independent check, on random items.
#include "runtime/planner.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/random.h"
#include "tests/support/status.h"

namespace samara::test {
namespace {

// Brute force: at every op, no two live items share a byte but an alias with what it takes over.
bool IsValid(const std::vector<PlanItem>& items, const MemoryPlan& plan) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (plan.offsets[i] % items[i].alignment != 0) return false;
    if (plan.offsets[i] + items[i].bytes > plan.bytes) return false;
    for (size_t j = 0; j < i; ++j) {
      const bool together = items[i].first <= items[j].last && items[j].first <= items[i].last;
      const bool apart = plan.offsets[i] + items[i].bytes <= plan.offsets[j] ||
                         plan.offsets[j] + items[j].bytes <= plan.offsets[i];
      const bool empty = items[i].bytes == 0 || items[j].bytes == 0;
      const bool handover =
          (items[i].alias == static_cast<int32_t>(j) && items[i].first == items[j].last) ||
          (items[j].alias == static_cast<int32_t>(i) && items[j].first == items[i].last);
      if (together && !apart && !empty && !handover) return false;
    }
  }
  return true;
}

uint64_t LargestSumOfLive(const std::vector<PlanItem>& items) {
  uint64_t most = 0;
  for (uint32_t op = 0; op < 64; ++op) {
    uint64_t sum = 0;
    for (const PlanItem& item : items) {
      if (item.alias < 0 && item.first <= op && op <= item.last) sum += item.bytes;
    }
    most = std::max(most, sum);
  }
  return most;
}

std::vector<PlanItem> RandomItems(Random* random, size_t n, bool aliases) {
  std::vector<PlanItem> items;
  std::vector<uint8_t> taken;
  for (size_t i = 0; i < n; ++i) {
    PlanItem item;
    item.name = "item" + std::to_string(i);
    item.bytes = random->Below(5) == 0 ? 0 : random->Below(5000) + 1;
    item.alignment = uint64_t{1} << random->Below(8);
    item.first = static_cast<uint32_t>(random->Below(60));
    item.last = item.first + static_cast<uint32_t>(random->Below(64 - item.first));
    if (aliases && random->Below(3) == 0) {
      for (size_t j = 0; j < i; ++j) {
        if (!taken[j] && items[j].last > items[j].first) {
          item.first = items[j].last;
          item.last = std::max(item.last, item.first);
          item.alias = static_cast<int32_t>(j);
          taken[j] = 1;
          break;
        }
      }
    }
    items.push_back(item);
    taken.push_back(0);
  }
  return items;
}

TEST_CASE("planner: random items") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::vector<PlanItem> items = RandomItems(&random, random.Below(60), seed % 2 == 0);
    MemoryPlan plan, again;
    REQUIRE_OK(PlanArena(items, &plan));
    CHECK(IsValid(items, plan));
    CHECK_OK(CheckPlan(items, plan));
    REQUIRE_OK(PlanArena(items, &again));
    CHECK(plan.offsets == again.offsets);
    CHECK(plan.bytes == again.bytes);
    if (seed % 2 == 1) CHECK(plan.bytes >= LargestSumOfLive(items));
  }
}

TEST_CASE("planner: the check finds what is wrong") {
  uint64_t caught = 0, valid = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::vector<PlanItem> items = RandomItems(&random, 2 + random.Below(20), true);
    MemoryPlan plan;
    REQUIRE_OK(PlanArena(items, &plan));
    plan.offsets[random.Below(items.size())] += random.Below(4000);
    // An alias must stand where it takes over, which the brute force does not ask.
    bool moved = false;
    for (size_t i = 0; i < items.size(); ++i) {
      moved = moved || (items[i].alias >= 0 &&
                        plan.offsets[i] != plan.offsets[static_cast<size_t>(items[i].alias)]);
    }
    const bool want = IsValid(items, plan) && !moved;
    CHECK(CheckPlan(items, plan).ok() == want);
    ++(want ? valid : caught);
  }
  CHECK(caught > 50);
  CHECK(valid > 0);
}

TEST_CASE("planner: reuse, gaps, in-place") {
  std::vector<PlanItem> items = {{"a", 1000, 64, 0, 2, -1},
                                 {"b", 1000, 64, 3, 4, -1},
                                 {"c", 100, 64, 1, 4, -1},
                                 {"d", 64, 64, 3, 3, -1}};
  MemoryPlan plan;
  REQUIRE_OK(PlanArena(items, &plan));
  CHECK(plan.offsets[0] == plan.offsets[1]);  // b takes a's place
  CHECK(plan.bytes == 1024 + 128 + 64);

  items = {{"x", 256, 64, 0, 1, -1}, {"y", 256, 64, 1, 2, 0}, {"z", 256, 64, 2, 3, 1}};
  REQUIRE_OK(PlanArena(items, &plan));
  CHECK(plan.bytes == 256);
  CHECK(PlanText(items, plan).find("0 256 1..2 y (in place of x)") != std::string::npos);
}

TEST_CASE("planner: refuses items that break the rules") {
  MemoryPlan plan;
  CHECK(PlanArena({{"a", 1, 3, 0, 0, -1}}, &plan).code() == StatusCode::kInvalidArgument);
  CHECK(PlanArena({{"a", 1, 0, 0, 0, -1}}, &plan).code() == StatusCode::kInvalidArgument);
  CHECK(PlanArena({{"a", 1, 1, 2, 1, -1}}, &plan).code() == StatusCode::kInvalidArgument);
  CHECK(PlanArena({{"a", 1, 1, 0, 1, 0}}, &plan).code() == StatusCode::kInvalidArgument);
  CHECK(PlanArena({{"a", 1, 1, 0, 1, 7}}, &plan).code() == StatusCode::kInvalidArgument);
  CHECK(PlanArena({{"a", 1, 1, 0, 1, -1}, {"b", 1, 1, 2, 2, 0}}, &plan).code() ==
        StatusCode::kInvalidArgument);
  CHECK(PlanArena({{"a", 1, 1, 0, 1, -1}, {"b", 1, 1, 1, 2, 0}, {"c", 1, 1, 1, 2, 0}}, &plan)
            .code() == StatusCode::kInvalidArgument);
  CHECK(PlanArena({{"a", UINT64_MAX, 1, 0, 0, -1}}, &plan).code() ==
        StatusCode::kResourceExhausted);
  const PlanItem half = {"a", uint64_t{1} << 61, 1, 0, 0, -1};
  CHECK(PlanArena({half, half, half}, &plan).code() == StatusCode::kResourceExhausted);
  CHECK_OK(PlanArena({}, &plan));
  CHECK(plan.bytes == 0);
}

}  // namespace
}  // namespace samara::test
