#include "tests/support/mirror_backend.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "runtime/sampler.h"

namespace samara::test {

namespace {

constexpr uint64_t kRegionBytes = uint64_t{8} << 30;  // reserved, not used
constexpr uint64_t kPadding = 4096;  // after every buffer: kernels may read past the end
constexpr uint32_t kMaxBuffers = 1 << 15;
constexpr uint64_t kTag = uint64_t{0x5a3a} << 48;  // no canonical address starts so
constexpr char kItem[] = "mirror device";

uint64_t AlignUp(uint64_t n, uint64_t a) { return (n + a - 1) / a * a; }

}  // namespace

class MirrorDevice;

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

const char* MirrorCallName(MirrorCall call) {
  static const char* const kNames[] = {"Open",     "Allocate", "Upload", "Compile", "Run",
                                       "Download", "Draw",     "Finish", "Fill",    "Copy"};
  return kNames[static_cast<size_t>(call)];
}

class MirrorPartition final : public Partition {
 public:
  MirrorPartition(MirrorDevice* device, uint64_t step_bytes)
      : device_(device), step_bytes_(step_bytes) {}

  InPlacePtr<Partition>* inner() { return &inner_; }
  uint64_t step_bytes() const { return step_bytes_; }
  Status Run(const void* step) override;

 private:
  MirrorDevice* device_;
  const uint64_t step_bytes_;
  InPlacePtr<Partition> inner_;
};

class MirrorDevice final : public Device {
 public:
  explicit MirrorDevice(const MirrorBackend* backend) : backend_(backend) {}

  Status Init(const DeviceOptions& options, Ledger* ledger) {
    SAMARA_RETURN_IF_ERROR(region_.Map());
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kOpen));
    return backend_->inner_->Open(options, ledger, &inner_);
  }
  const char* description() const override { return "mirror, an address space of its own"; }

  Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) override {
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kAllocate));
    if (n_buffers_ == kMaxBuffers) return OutOfMemory("more than %u buffers", kMaxBuffers);
    const uint64_t most = backend_->options_.memory;
    if (most != 0 && bytes > most - std::min(most, allocated_)) {
      return OutOfMemory("the mirror has %llu bytes", static_cast<unsigned long long>(most));
    }
    SAMARA_RETURN_IF_ERROR(ledger->Claim(name, bytes));
    uint64_t offset = 0;
    SAMARA_RETURN_IF_ERROR(region_.Allocate(bytes, &offset));
    allocated_ += bytes;
    buffers_[n_buffers_] = {offset, bytes};
    *handle = kTag | ++n_buffers_;
    return Status();
  }
  Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) override {
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kUpload));
    Drain();
    return Write(handle, offset, data, bytes);
  }
  // By pieces, as from pages of a file.
  Status UploadWeight(uint64_t handle, const Weight&, const WeightPlacement& placement,
                      const void* host) override {
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kUpload));
    for (uint64_t at = 0; at < placement.bytes; at += kPiece) {
      SAMARA_RETURN_IF_ERROR(Write(handle, backend_->options_.weight_padding + at,
                                   static_cast<const uint8_t*>(host) + at,
                                   std::min(kPiece, placement.bytes - at)));
    }
    return Status();
  }
  Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) override {
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kDownload));
    SAMARA_RETURN_IF_ERROR(Wait());
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const at, Range(handle, offset, bytes));
    if (bytes != 0) std::memcpy(data, at, bytes);
    backend_->downloaded_ += bytes;
    return Status();
  }
  Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) override {
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kFill));
    Drain();
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const at, Range(handle, offset, bytes));
    if (bytes != 0) std::memset(at, byte, bytes);
    return Status();
  }
  Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
              uint64_t bytes) override {
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kCopy));
    Drain();
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const target, Range(to, to_offset, bytes));
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const source, Range(from, from_offset, bytes));
    if (bytes != 0) std::memmove(target, source, bytes);
    return Status();
  }
  Status Finish() override {
    SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kFinish));
    return Wait();
  }
  bool can_draw() const override { return backend_->options_.draws; }
  Status Draw(const DrawRequest& request, int32_t* id) override;
  Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                 InPlacePtr<Partition>* partition) override;
  void RequestCancel() override { inner_->RequestCancel(); }
  void ClearCancel() override { inner_->ClearCancel(); }

  // Executes now, or when somebody waits.
  Status Run(MirrorPartition* partition, const void* step) {
    if (lost_) return Lost();
    if (n_queued_ == kMaxQueue) Drain();
    {
      Region::Door door(&region_);
      std::memcpy(region_.At(steps_[n_queued_]), step, partition->step_bytes());
    }
    queue_[n_queued_++] = partition;
    return backend_->options_.queued ? Status() : Wait();
  }

 private:
  struct Buffer {
    uint64_t offset, bytes;
  };
  static constexpr uint32_t kMaxQueue = 8;
  static constexpr uint64_t kPiece = 4096;

  static Status Lost() { return Status(StatusCode::kDeviceLost, "the mirror is gone"); }
  Status Enter(MirrorCall call) {
    if (lost_) return Lost();
    Status status = backend_->Enter(call);
    lost_ = status.code() == StatusCode::kDeviceLost;
    return status;
  }
  // Does what is queued; the first error stays for whoever waits.
  void Drain() {
    Region::Door door(&region_);
    for (uint32_t i = 0; i < n_queued_; ++i) {
      Status status = Enter(MirrorCall::kRun);
      if (status.ok()) status = (*queue_[i]->inner())->Run(region_.At(steps_[i]));
      if (!status.ok() && error_.ok()) error_ = std::move(status);
    }
    n_queued_ = 0;
  }
  Status Wait() {
    Drain();
    return std::exchange(error_, Status());
  }
  Status Write(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) {
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(uint8_t* const at, Range(handle, offset, bytes));
    if (bytes != 0) std::memcpy(at, data, bytes);
    return Status();
  }

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
  bool lost_ = false;
  Status error_;
  MirrorPartition* queue_[kMaxQueue] = {};
  uint64_t steps_[kMaxQueue] = {};
  uint64_t step_bytes_ = 0;
  uint32_t n_queued_ = 0;
  uint64_t allocated_ = 0, n_buffers_ = 0;
  Buffer buffers_[kMaxBuffers] = {};
};

Status MirrorPartition::Run(const void* step) { return device_->Run(this, step); }

// Steps 2 to 8 of runtime/sampler.h, written once more.
Status MirrorDevice::Draw(const DrawRequest& request, int32_t* id) {
  *id = -1;
  if (!can_draw()) return Unsupported("the mirror draws no tokens");
  SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kDraw));
  SAMARA_RETURN_IF_ERROR(Wait());
  std::vector<float> x(request.vocab);
  {
    Region::Door door(&region_);
    SAMARA_ASSIGN_OR_RETURN(const uint8_t* const row,
                            Range(request.arena, request.offset, x.size() * sizeof(float)));
    std::memcpy(x.data(), row, x.size() * sizeof(float));
  }
  for (const float value : x) {
    if (!std::isfinite(value)) return InvalidFile("a logit is not finite");
  }
  const auto best = std::max_element(x.begin(), x.end());
  if (request.temperature == 0) {
    *id = static_cast<int32_t>(best - x.begin());
    return Status();
  }
  std::vector<std::pair<float, int32_t>> order;  // best first
  for (size_t i = 0; i < x.size(); ++i) {
    order.push_back({(x[i] - *best) / request.temperature, static_cast<int32_t>(i)});
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (request.top_k != 0 && request.top_k < order.size()) order.resize(request.top_k);
  const auto by_id = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto sum = [&] {
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end(), by_id);
    double total = 0;
    for (const auto& [y, token] : sorted) total += Exp64(static_cast<double>(y));
    return total;
  };
  const double want = static_cast<double>(request.top_p) * sum();
  size_t kept = 0;
  for (double have = 0; request.top_p < 1 && kept < order.size() && (kept == 0 || have < want);) {
    have += Exp64(static_cast<double>(order[kept++].first));
  }
  if (request.top_p < 1) order.resize(kept);
  while (Exp64(static_cast<double>(order.back().first)) < static_cast<double>(request.min_p)) {
    order.pop_back();
  }
  const double t = request.uniform * sum();
  std::sort(order.begin(), order.end(), by_id);
  double running = 0;
  *id = order.back().second;
  for (const auto& [y, token] : order) {
    running += Exp64(static_cast<double>(y));
    if (running <= t) continue;
    *id = token;
    break;
  }
  return Status();
}

Status MirrorDevice::Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                             InPlacePtr<Partition>* partition) {
  constexpr uint64_t kOwn = (sizeof(MirrorPartition) + 63) / 64 * 64;
  SAMARA_RETURN_IF_ERROR(Enter(MirrorCall::kCompile));
  if (block_bytes < kOwn)
    return Internal("a block of %llu bytes", static_cast<unsigned long long>(block_bytes));
  if (spec.arena_host != nullptr) return Internal("a host pointer to the arena of a device");
  PartitionSpec inner = spec;
  SAMARA_ASSIGN_OR_RETURN(uint8_t* const arena, Range(spec.arena_device, 0, 0));
  inner.arena_host = arena;
  std::vector<WeightBinding> weights(spec.weights.begin(), spec.weights.end());
  for (WeightBinding& weight : weights) {
    if (weight.host != nullptr) return Internal("a host pointer to a weight of a device");
    if (weight.device == 0) continue;  // not of this partition
    SAMARA_ASSIGN_OR_RETURN(
        const uint8_t* const at,
        Range(weight.device, backend_->options_.weight_padding, weight.placement->bytes));
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
  if (spec.step_layout->bytes > step_bytes_) {
    for (uint64_t& step : steps_)
      SAMARA_RETURN_IF_ERROR(region_.Allocate(spec.step_layout->bytes, &step));
    step_bytes_ = spec.step_layout->bytes;
  }
  auto* object = new (block) MirrorPartition(this, spec.step_layout->bytes);
  InPlacePtr<Partition> made(object);
  Region::Door door(&region_);
  SAMARA_RETURN_IF_ERROR(inner_->Compile(inner, static_cast<uint8_t*>(block) + kOwn,
                                         block_bytes - kOwn, object->inner()));
  *partition = std::move(made);
  return Status();
}

bool MirrorBackend::Supports(const Package& package, const Graph& graph, const Op& op) const {
  return std::find(options_.lacks.begin(), options_.lacks.end(), op.code) == options_.lacks.end() &&
         inner_->Supports(package, graph, op);
}

void MirrorBackend::FailAt(MirrorCall call, uint64_t n, StatusCode code) const {
  fail_call_ = call;
  fail_code_ = code;
  fail_at_.store(calls(call) + n);
}

Status MirrorBackend::Enter(MirrorCall call) const {
  const uint64_t n = calls_[static_cast<size_t>(call)]++;
  if (call != fail_call_ || n != fail_at_.load()) return Status();
  return Status(fail_code_, std::string("made to fail at ") + MirrorCallName(call));
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
