// The memory contract: every byte that a loaded model will hold, listed by name before it is
// allocated.
//
// PlanMemory (runtime/plan.h) makes a MemoryList; the loader hands it to a Ledger and can then only
// take blocks that are on the list, each once, with exactly the listed bytes. Objects that live as
// long as the model are placed in such blocks; standard containers are for temporary work while
// loading.
#ifndef SAMARA_RUNTIME_MEMORY_H_
#define SAMARA_RUNTIME_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/status.h"

namespace samara {

enum class MemoryClass : uint8_t {
  kHeap = 0,    // counted: host memory that Samara allocates
  kDevice = 1,  // counted: device memory that Samara allocates
  kStack = 2,   // counted: stacks of Samara's threads
  kMapped = 3,  // apart: file pages, reclaimable by the system
};
enum class MemoryLifetime : uint8_t { kModel = 0, kSession = 1 };

struct MemoryItem {
  std::string name;  // unique in its list: "state pool layers.0.kv keys"
  uint64_t bytes = 0;
  uint32_t alignment = 64;
  MemoryClass kind = MemoryClass::kHeap;
  MemoryLifetime lifetime = MemoryLifetime::kModel;
};

struct MemoryList {
  std::vector<MemoryItem> items;
  void Add(std::string name, uint64_t bytes, uint32_t alignment = 64,
           MemoryClass kind = MemoryClass::kHeap, MemoryLifetime lifetime = MemoryLifetime::kModel);
  // The ledger's own table, sized for the items added so far: add it last.
  void AddLedger();
  // Sums saturate at UINT64_MAX.
  uint64_t Total(MemoryClass kind) const;
  uint64_t Counted() const;  // everything but kMapped
};

// One zeroed block of exactly `bytes` requested bytes: posix_memalign for small blocks, an
// anonymous mapping for large ones (their pages cost nothing until touched). nullptr: out of
// memory, or bytes = 0.
void* AllocateBlock(uint64_t bytes, uint32_t alignment);
void FreeBlock(void* block, uint64_t bytes, uint32_t alignment);

// Hands out the blocks of a list (lifetime kModel). Blocks come zeroed and are given back by the
// destructor. Not thread-safe.
class Ledger {
 public:
  explicit Ledger(const MemoryList& list);  // keeps no reference; call InitStatus() first
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  Ledger(Ledger&& other) noexcept;
  Status InitStatus() const;
  // kInternal if the name is not listed, was taken before, or `bytes` differs; kOutOfMemory.
  Status Take(const char* name, uint64_t bytes, void** block);
  // The same for memory that the caller allocates elsewhere (on a device): counted, not allocated
  // here.
  Status Claim(const char* name, uint64_t bytes);
  // After loading: every item taken? Names the first that was not. Then forgets the names (they are
  // temporary).
  Status Seal();
  uint64_t taken_bytes() const { return taken_bytes_; }

 private:
  struct Block;
  struct Entry {
    MemoryItem item;
    bool taken = false;
  };
  Status Find(const char* name, uint64_t bytes, Entry** entry);
  // The ledger's own table of blocks is itself a listed item ("ledger").
  Block* blocks_ = nullptr;
  uint32_t n_blocks_ = 0;
  uint32_t capacity_ = 0;
  uint64_t taken_bytes_ = 0;
  std::unique_ptr<std::vector<Entry>> pending_;  // sorted by name, gone after Seal
  bool failed_ = false;
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_MEMORY_H_
