#include "runtime/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace samara {
namespace {

// From here on a block is an anonymous mapping: its zero pages cost nothing until they are touched.
constexpr uint64_t kMapFrom = uint64_t{256} << 10;
constexpr uint32_t kMapAlignment = 4096;

bool IsMapped(uint64_t bytes, uint32_t alignment) {
  return bytes >= kMapFrom && alignment <= kMapAlignment;
}

uint64_t SaturatingAdd(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

bool NeedsBlock(const MemoryItem& item) {
  return item.lifetime == MemoryLifetime::kModel && item.kind != MemoryClass::kMapped;
}

constexpr char kLedgerName[] = "ledger";

}  // namespace

struct Ledger::Block {
  void* address;
  uint64_t bytes;
  uint64_t alignment;
};

void MemoryList::Add(std::string name, uint64_t bytes, uint32_t alignment, MemoryClass kind,
                     MemoryLifetime lifetime) {
  items.push_back({std::move(name), bytes, alignment, kind, lifetime});
}

void MemoryList::AddLedger() {
  uint64_t n = 0;
  for (const MemoryItem& item : items) n += NeedsBlock(item);
  // Three words an item: address, bytes, alignment. The table's own entry is implied.
  Add(kLedgerName, n * 24, 64);
}

uint64_t MemoryList::Total(MemoryClass kind) const {
  uint64_t total = 0;
  for (const MemoryItem& item : items) {
    if (item.kind == kind) total = SaturatingAdd(total, item.bytes);
  }
  return total;
}

uint64_t MemoryList::Counted() const {
  uint64_t total = 0;
  for (const MemoryItem& item : items) {
    if (item.kind != MemoryClass::kMapped) total = SaturatingAdd(total, item.bytes);
  }
  return total;
}

void* AllocateBlock(uint64_t bytes, uint32_t alignment) {
  if (bytes == 0 || bytes > SIZE_MAX / 2) return nullptr;
  if (IsMapped(bytes, alignment)) {
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? nullptr : block;
  }
  void* block = nullptr;
  if (posix_memalign(&block, std::max<size_t>(alignment, sizeof(void*)), bytes) != 0)
    return nullptr;
  std::memset(block, 0, bytes);
  return block;
}

void FreeBlock(void* block, uint64_t bytes, uint32_t alignment) {
  if (block == nullptr) return;
  if (IsMapped(bytes, alignment)) {
    munmap(block, bytes);
  } else {
    std::free(block);
  }
}

Ledger::Ledger(const MemoryList& list) {
  static_assert(sizeof(Block) == 24, "MemoryList::AddLedger counts 24 bytes an item");
  pending_ = std::make_unique<std::vector<Entry>>();
  uint64_t table_bytes = 0;
  for (const MemoryItem& item : list.items) {
    if (!NeedsBlock(item)) continue;
    if (item.name == kLedgerName) {
      table_bytes = item.bytes;
    } else {
      pending_->push_back({item, false});
    }
  }
  std::sort(pending_->begin(), pending_->end(),
            [](const Entry& a, const Entry& b) { return a.item.name < b.item.name; });
  capacity_ = static_cast<uint32_t>(pending_->size());
  if (table_bytes != pending_->size() * sizeof(Block)) {
    capacity_ = 0;  // Take answers kInternal
    return;
  }
  if (capacity_ == 0) return;
  blocks_ = static_cast<Block*>(AllocateBlock(table_bytes, 64));
  failed_ = blocks_ == nullptr;
  if (!failed_) taken_bytes_ = table_bytes;
}

Ledger::Ledger(Ledger&& other) noexcept
    : blocks_(std::exchange(other.blocks_, nullptr)),
      n_blocks_(std::exchange(other.n_blocks_, 0)),
      capacity_(std::exchange(other.capacity_, 0)),
      taken_bytes_(std::exchange(other.taken_bytes_, 0)),
      pending_(std::move(other.pending_)),
      failed_(other.failed_) {}

Ledger::~Ledger() {
  for (uint32_t i = n_blocks_; i-- > 0;) {
    FreeBlock(blocks_[i].address, blocks_[i].bytes, static_cast<uint32_t>(blocks_[i].alignment));
  }
  FreeBlock(blocks_, capacity_ * sizeof(Block), 64);
}

Status Ledger::InitStatus() const {
  if (failed_) return OutOfMemory("the memory ledger of %u blocks", capacity_);
  if (pending_ != nullptr && capacity_ != pending_->size()) {
    return Internal("the memory list does not end with its ledger");
  }
  for (size_t i = 1; pending_ != nullptr && i < pending_->size(); ++i) {
    const std::string& name = (*pending_)[i].item.name;
    if (name == (*pending_)[i - 1].item.name) {
      return Internal("memory item %s is listed twice", Quoted(name).c_str());
    }
  }
  return {};
}

Status Ledger::Find(const char* name, uint64_t bytes, Entry** entry) {
  if (pending_ == nullptr) return Internal("memory item '%s' after the ledger was sealed", name);
  auto it = std::lower_bound(pending_->begin(), pending_->end(), std::string_view(name),
                             [](const Entry& e, std::string_view n) { return e.item.name < n; });
  if (it == pending_->end() || it->item.name != name || capacity_ != pending_->size()) {
    return Internal("memory item '%s' is not listed", name);
  }
  if (it->taken) return Internal("memory item '%s' is taken twice", name);
  if (it->item.bytes != bytes) {
    return Internal("memory item '%s': %llu bytes listed, %llu taken", name,
                    static_cast<unsigned long long>(it->item.bytes),
                    static_cast<unsigned long long>(bytes));
  }
  *entry = &*it;
  return {};
}

Status Ledger::Take(const char* name, uint64_t bytes, void** block) {
  *block = nullptr;
  Entry* entry = nullptr;
  SAMARA_RETURN_IF_ERROR(Find(name, bytes, &entry));
  if (bytes != 0) {
    void* address = AllocateBlock(bytes, entry->item.alignment);
    if (address == nullptr) {
      return OutOfMemory("%llu bytes for '%s'", static_cast<unsigned long long>(bytes), name);
    }
    blocks_[n_blocks_++] = {address, bytes, entry->item.alignment};
    taken_bytes_ += bytes;
    *block = address;
  }
  entry->taken = true;
  return {};
}

Status Ledger::Claim(const char* name, uint64_t bytes) {
  Entry* entry = nullptr;
  SAMARA_RETURN_IF_ERROR(Find(name, bytes, &entry));
  entry->taken = true;
  taken_bytes_ += bytes;
  return {};
}

Status Ledger::Seal() {
  SAMARA_RETURN_IF_ERROR(InitStatus());
  if (pending_ != nullptr) {
    for (const Entry& entry : *pending_) {
      if (!entry.taken) {
        return Internal("memory item %s is listed but was not taken",
                        Quoted(entry.item.name).c_str());
      }
    }
  }
  pending_.reset();
  return {};
}

}  // namespace samara
