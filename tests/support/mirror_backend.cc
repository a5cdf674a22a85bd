#include "tests/support/mirror_backend.h"

#include <sys/mman.h>

#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace samara::test {

namespace {

constexpr uint64_t kRegionBytes = uint64_t{8} << 30;  // reserved, not used
constexpr uint64_t kPadding = 4096;  // after every buffer: kernels may read past the end
constexpr uint32_t kMaxBuffers = 1 << 15;
constexpr uint64_t kTag = uint64_t{0x5a3a} << 48;  // no canonical address starts so
constexpr char kItem[] = "mirror device";

uint64_t AlignUp(uint64_t n, uint64_t a) { return (n + a - 1) / a * a; }

}  // namespace

// The device's memory. Closed unless a Door is open; doors nest.
class Region {
 public:
  Status Map() {
    void* address =
        mmap(nullptr, kRegionBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) return OutOfMemory("the mirror's region");
    base_ = static_cast<uint8_t*>(address);
    return Status();
  }
  ~Region() {
    if (base_ != nullptr) munmap(base_, kRegionBytes);
  }
  Status Allocate(uint64_t bytes, uint64_t* offset) {
    const uint64_t start = used_;
    if (bytes > kRegionBytes - kPadding - start) return OutOfMemory("the mirror's region is full");
    used_ = AlignUp(start + bytes + kPadding, 4096);
    *offset = start;
    return Status();
  }
  uint8_t* At(uint64_t offset) const { return base_ + offset; }

  class Door {
   public:
    explicit Door(Region* region) : region_(region) {
      if (region_->doors_++ == 0) region_->Protect(PROT_READ | PROT_WRITE);
    }
    ~Door() {
      if (--region_->doors_ == 0) region_->Protect(PROT_NONE);
    }
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

   private:
    Region* region_;
  };

 private:
  void Protect(int protection) {
    if (used_ != 0) mprotect(base_, used_, protection);
  }

  uint8_t* base_ = nullptr;
  uint64_t used_ = 0;
  int doors_ = 0;
};

class MirrorPartition final : public Partition {
 public:
  MirrorPartition(const MirrorBackend* backend, Region* region, uint64_t step, uint64_t step_bytes)
      : backend_(backend), region_(region), step_(step), step_bytes_(step_bytes) {}

  InPlacePtr<Partition>* inner() { return &inner_; }

  Status Run(const void* step) override {
    ++backend_->runs_;
    Region::Door door(region_);
    std::memcpy(region_->At(step_), step, step_bytes_);
    return inner_->Run(region_->At(step_));
  }

 private:
  const MirrorBackend* backend_;
  Region* region_;
  const uint64_t step_, step_bytes_;
  InPlacePtr<Partition> inner_;
};

class MirrorDevice final : public Device {
 public:
  explicit MirrorDevice(const MirrorBackend* backend) : backend_(backend) {}

  Status Init(const DeviceOptions& options, Ledger* ledger) {
    SAMARA_RETURN_IF_ERROR(region_.Map());
    return backend_->inner_->Open(options, ledger, &inner_);
  }
  const char* description() const override { return "mirror, an address space of its own"; }

  Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) override {
    if (n_buffers_ == kMaxBuffers) return OutOfMemory("more than %u buffers", kMaxBuffers);
    SAMARA_RETURN_IF_ERROR(ledger->Claim(name, bytes));
    uint64_t offset = 0;
    SAMARA_RETURN_IF_ERROR(region_.Allocate(bytes, &offset));
    buffers_[n_buffers_] = {offset, bytes};
    *handle = kTag | ++n_buffers_;
    return Status();
  }
  Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) override {
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const at, Range(handle, offset, bytes));
    if (bytes != 0) std::memcpy(at, data, bytes);
    return Status();
  }
  Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) override {
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const at, Range(handle, offset, bytes));
    if (bytes != 0) std::memcpy(data, at, bytes);
    return Status();
  }
  Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) override {
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const at, Range(handle, offset, bytes));
    if (bytes != 0) std::memset(at, byte, bytes);
    return Status();
  }
  Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
              uint64_t bytes) override {
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const target, Range(to, to_offset, bytes));
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const source, Range(from, from_offset, bytes));
    if (bytes != 0) std::memmove(target, source, bytes);
    return Status();
  }
  Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                 InPlacePtr<Partition>* partition) override;
  void RequestCancel() override { inner_->RequestCancel(); }
  void ClearCancel() override { inner_->ClearCancel(); }

 private:
  struct Buffer {
    uint64_t offset, bytes;
  };

  StatusOr<uint8_t*> Range(uint64_t handle, uint64_t offset, uint64_t bytes) const {
    const uint64_t index = handle ^ kTag;
    if (index == 0 || index > n_buffers_) return Internal("a handle that is not of this device");
    const Buffer& buffer = buffers_[index - 1];
    if (offset > buffer.bytes || bytes > buffer.bytes - offset) {
      return Internal("bytes %llu to %llu of a buffer of %llu",
                      static_cast<unsigned long long>(offset),
                      static_cast<unsigned long long>(offset + bytes),
                      static_cast<unsigned long long>(buffer.bytes));
    }
    return region_.At(buffer.offset + offset);
  }

  const MirrorBackend* backend_;
  Region region_;
  InPlacePtr<Device> inner_;
  uint64_t n_buffers_ = 0;
  Buffer buffers_[kMaxBuffers] = {};
};

Status MirrorDevice::Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                             InPlacePtr<Partition>* partition) {
  constexpr uint64_t kOwn = (sizeof(MirrorPartition) + 63) / 64 * 64;
  if (block_bytes < kOwn)
    return Internal("a block of %llu bytes", static_cast<unsigned long long>(block_bytes));
  if (spec.arena_host != nullptr) return Internal("a host pointer to the arena of a device");
  PartitionSpec inner = spec;
  SAMARA_ASSIGN_OR_RETURN(uint8_t* const arena, Range(spec.arena_device, 0, 0));
  inner.arena_host = arena;
  std::vector<WeightBinding> weights(spec.weights.begin(), spec.weights.end());
  for (WeightBinding& weight : weights) {
    weight.host = nullptr;
    if (weight.device == 0) continue;  // not of this partition
    SAMARA_ASSIGN_OR_RETURN(const uint8_t* const at,
                            Range(weight.device, 0, weight.placement->bytes));
    weight.host = at;
  }
  std::vector<StateBinding> states(spec.states.begin(), spec.states.end());
  for (StateBinding& state : states) {
    for (int part = 0; part < 2; ++part) {
      if (state.host[part] != nullptr) return Internal("a host pointer to a state of a device");
      if (state.device[part] == 0) continue;
      SAMARA_ASSIGN_OR_RETURN(uint8_t* const at, Range(state.device[part], 0, 0));
      state.host[part] = at;
    }
  }
  inner.weights = weights;
  inner.states = states;
  uint64_t step = 0;
  SAMARA_RETURN_IF_ERROR(region_.Allocate(spec.step_layout->bytes, &step));
  auto* object = new (block) MirrorPartition(backend_, &region_, step, spec.step_layout->bytes);
  InPlacePtr<Partition> made(object);
  Region::Door door(&region_);
  SAMARA_RETURN_IF_ERROR(inner_->Compile(inner, static_cast<uint8_t*>(block) + kOwn,
                                         block_bytes - kOwn, object->inner()));
  ++backend_->compiles_;
  *partition = std::move(made);
  return Status();
}

Status MirrorBackend::MeasureDevice(const DeviceOptions& options, MemoryList* list) const {
  list->Add(kItem, sizeof(MirrorDevice));
  return inner_->MeasureDevice(options, list);
}

Status MirrorBackend::Measure(const PartitionSpec& spec, PartitionMeasure* measure) const {
  SAMARA_RETURN_IF_ERROR(inner_->Measure(spec, measure));
  measure->plan_bytes += (sizeof(MirrorPartition) + 63) / 64 * 64;
  return Status();
}

Status MirrorBackend::Open(const DeviceOptions& options, Ledger* ledger,
                           InPlacePtr<Device>* device) const {
  void* block = nullptr;
  SAMARA_RETURN_IF_ERROR(ledger->Take(kItem, sizeof(MirrorDevice), &block));
  auto* object = new (block) MirrorDevice(this);
  device->reset(object);
  return object->Init(options, ledger);
}

}  // namespace samara::test
