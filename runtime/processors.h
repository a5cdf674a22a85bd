// The processors that this process may use, and lists of them as users write them.
#ifndef SAMARA_RUNTIME_PROCESSORS_H_
#define SAMARA_RUNTIME_PROCESSORS_H_

#include <cstdint>
#include <vector>

#include "formats/status.h"

namespace samara {

inline constexpr uint32_t kMaxProcessors = 8192;

struct ProcessorSet {
  uint64_t words[kMaxProcessors / 64] = {};

  void Add(uint32_t processor) { words[processor / 64] |= uint64_t{1} << processor % 64; }
  bool Has(uint32_t processor) const {
    return processor < kMaxProcessors && (words[processor / 64] >> processor % 64 & 1) != 0;
  }
  uint32_t Count() const {
    uint32_t n = 0;
    for (uint64_t word : words) n += static_cast<uint32_t>(__builtin_popcountll(word));
    return n;
  }
};

// Where the calling thread may run, and a new place for it. False where the system cannot say or
// refuses; both allocate nothing.
bool GetAffinity(ProcessorSet* set);
bool SetAffinity(const ProcessorSet& set);
inline bool SetAffinity(uint32_t processor) {
  ProcessorSet set;
  set.Add(processor);
  return SetAffinity(set);
}

// How many processors the calling thread may use; at least 1.
uint32_t UsableProcessors();

// "0,2-3": numbers and ranges, each processor once, in this order. kInvalidArgument if it is
// anything else. Pure: the processors need not exist.
Status ParseProcessorList(const char* text, std::vector<uint32_t>* processors);

// kInvalidArgument for one that the calling thread may not use, kUnsupported where threads cannot be
// placed.
Status CheckProcessors(const std::vector<uint32_t>& processors);

}  // namespace samara

#endif  // SAMARA_RUNTIME_PROCESSORS_H_
