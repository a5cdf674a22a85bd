#include "backends/cuda/cuda_backend.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "backends/cuda/gpu.h"
#include "backends/cuda/plan.h"

namespace samara {
namespace cuda {
namespace {

using Ull = unsigned long long;

constexpr char kObjectItem[] = "cuda device object";
constexpr char kWorkItem[] = "cuda device work";
constexpr char kPinnedItem[] = "cuda pinned memory";
constexpr uint64_t kUploadBytes = uint64_t{4} << 20;
constexpr uint64_t kWorkBytes = kStepBytes + kTickets * sizeof(uint32_t) + kUploadBytes;
// Pinned: the step block, what the device tells (a fault, a drawn id), weights on their way.
constexpr uint64_t kAnswerBytes = 256;
constexpr uint64_t kPinnedBytes = kStepBytes + kAnswerBytes + kUploadBytes;
constexpr uint32_t kMaxBuffers = 1 << 15;

uint64_t AlignUp(uint64_t n, uint64_t a) { return (n + a - 1) / a * a; }

// Takes consecutive arrays out of a block; with a null block it only adds up.
class Cursor {
 public:
  explicit Cursor(void* block) : block_(static_cast<uint8_t*>(block)) {}
  template <typename E>
  E* Take(uint64_t n) {
    E* taken = block_ == nullptr ? nullptr : reinterpret_cast<E*>(block_ + used_);
    used_ += AlignUp(n * sizeof(E), 64);
    return taken;
  }
  template <typename E>
  const E* Copy(const std::vector<E>& from) {
    E* to = Take<E>(from.size());
    if (to != nullptr && !from.empty()) std::memcpy(to, from.data(), from.size() * sizeof(E));
    return to;
  }
  uint64_t used() const { return used_; }

 private:
  uint8_t* block_;
  uint64_t used_ = 0;
};

class CudaDevice;

class CudaPartition final : public Partition {
 public:
  ~CudaPartition() override;
  void Bind(const PlanDraft& draft, const PartitionSpec& spec, Cursor* cursor) {
    nodes_ = cursor->Copy(draft.nodes);
    n_nodes_ = draft.nodes.size();
    args_ = cursor->Copy(draft.args);
    dims_ = cursor->Copy(draft.dims);
    n_dims_ = draft.dims.size();
    symbols_ = cursor->Take<uint64_t>(spec.capacity->size());
    kinds_ = cursor->Take<SymbolKind>(spec.capacity->size());
    n_symbols_ = spec.capacity->size();
    for (size_t i = 0; i < n_symbols_ && symbols_ != nullptr; ++i) {
      symbols_[i] = (*spec.capacity)[i];
      kinds_[i] = spec.package->symbols[i].kind;
    }
    step_bytes_ = spec.step_layout->bytes;
    max_seqs_ = spec.step_layout->max_seqs;
    bucket_tokens_ = spec.bucket_tokens;
    max_outputs_ = spec.max_outputs;
    profile_ = spec.profile;
  }
  Status Capture(CudaDevice* device);
  Status Run(const void* step) override;

 private:
  Status Prepare(const void* step);
  Status Queue(uint64_t first, uint64_t last);
  Status RunProfiled();

  CudaDevice* device_ = nullptr;
  GpuGraph* graph_ = nullptr;
  const Node* nodes_ = nullptr;
  const uint8_t* args_ = nullptr;
  const Dim* dims_ = nullptr;
  uint64_t* symbols_ = nullptr;
  SymbolKind* kinds_ = nullptr;
  uint64_t n_nodes_ = 0, n_dims_ = 0, n_symbols_ = 0;
  uint64_t step_bytes_ = 0;
  uint32_t max_seqs_ = 0, bucket_tokens_ = 0, max_outputs_ = 0;
  ProfileSink* profile_ = nullptr;
};

class CudaDevice final : public Device {
 public:
  ~CudaDevice() override {
    (void)gpu_.Sync();
    for (uint32_t i = n_buffers_; i > 0; --i) gpu_.Free(buffers_[i - 1]);
    if (work_ != nullptr) gpu_.Free(work_);
    if (pinned_ != nullptr) gpu_.FreeHost(pinned_);
  }

  Status Init(Ledger* ledger) {
    SAMARA_RETURN_IF_ERROR(gpu_.Open());
    SAMARA_RETURN_IF_ERROR(ledger->Claim(kWorkItem, kWorkBytes));
    SAMARA_RETURN_IF_ERROR(ledger->Claim(kPinnedItem, kPinnedBytes));
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(gpu_.Allocate(kWorkBytes, &block));
    work_ = static_cast<uint8_t*>(block);
    SAMARA_RETURN_IF_ERROR(gpu_.AllocateHost(kPinnedBytes, &block));
    pinned_ = static_cast<uint8_t*>(block);
    std::memset(pinned_, 0, kStepBytes + kAnswerBytes);
    SAMARA_RETURN_IF_ERROR(gpu_.Fill(work_, 0, kStepBytes + kTickets * sizeof(uint32_t)));
    SAMARA_RETURN_IF_ERROR(gpu_.Sync());
    std::snprintf(description_, sizeof description_,
                  "cuda, %s, compute capability %u.%u, %u multiprocessors", gpu_.facts().name,
                  gpu_.facts().capability / 10, gpu_.facts().capability % 10,
                  gpu_.facts().multiprocessors);
    return {};
  }

  const char* description() const override { return description_; }

  Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) override {
    if (n_buffers_ == kMaxBuffers) return OutOfMemory("more than %u buffers", kMaxBuffers);
    SAMARA_RETURN_IF_ERROR(ledger->Claim(name, bytes));
    void* memory = nullptr;
    SAMARA_RETURN_IF_ERROR(gpu_.Allocate(std::max<uint64_t>(bytes, 1), &memory));
    buffers_[n_buffers_++] = memory;
    *handle = reinterpret_cast<uint64_t>(memory);
    // Buffers begin as zeros, like the blocks of a ledger.
    return gpu_.Fill(memory, 0, bytes);
  }
  Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) override {
    SAMARA_RETURN_IF_ERROR(gpu_.CopyIn(At(handle, offset), data, bytes));
    return Finish();
  }
  Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) override {
    SAMARA_RETURN_IF_ERROR(gpu_.CopyOut(data, At(handle, offset), bytes));
    return Finish();
  }
  Status UploadWeight(uint64_t handle, const Weight& weight, const WeightPlacement& placement,
                      const void* host) override;
  Status Finish() override {
    const Status status = gpu_.Sync();
    running_ = false;
    SAMARA_RETURN_IF_ERROR(status);
    return TakeFault();
  }
  bool can_draw() const override { return true; }
  Status Draw(const DrawRequest& request, int32_t* id) override;
  Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) override {
    return gpu_.Fill(At(handle, offset), byte, bytes);
  }
  Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
              uint64_t bytes) override {
    return gpu_.CopyWithin(At(to, to_offset), At(from, from_offset), bytes);
  }
  Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                 InPlacePtr<Partition>* partition) override;
  void RequestCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  void ClearCancel() override { cancelled_.store(false, std::memory_order_relaxed); }

  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  Gpu& gpu() { return gpu_; }
  uint8_t* step_staging() { return pinned_; }
  uint8_t* step() { return work_; }
  // The step block in pinned memory must not change while a run still copies it.
  Status WaitForStep() { return running_ ? Finish() : Status(); }
  void SetRunning() { running_ = true; }

  Status LaunchNow(const Entry& entry, uint64_t grid_x, const void* args, size_t bytes) {
    Launch launch;
    launch.function = entry.function;
    launch.grid_x = static_cast<uint32_t>(grid_x);
    launch.threads = entry.threads;
    launch.shared_bytes = entry.shared_bytes;
    launch.args = args;
    launch.args_bytes = static_cast<uint32_t>(bytes);
    return gpu_.Run(launch);
  }

 private:
  static uint8_t* At(uint64_t handle, uint64_t offset) {
    return reinterpret_cast<uint8_t*>(handle) + offset;
  }
  uint32_t* fault() { return reinterpret_cast<uint32_t*>(pinned_ + kStepBytes); }
  int32_t* drawn() { return reinterpret_cast<int32_t*>(pinned_ + kStepBytes + 64); }
  uint8_t* upload_staging() { return pinned_ + kStepBytes + kAnswerBytes; }
  uint8_t* upload_buffer() { return work_ + kStepBytes + kTickets * sizeof(uint32_t); }
  Status TakeFault() {
    const uint32_t fault_code = *fault();
    *fault() = kNoFault;
    switch (fault_code) {
      case kNoFault:
        return {};
      case kFaultGatherRow:
        return Internal("gather: a row outside of its table");
      case kFaultBlock:
        return Internal("a block outside of the pool of its state");
      default:
        return Internal("attention: a token that sees nothing");
    }
  }

  Gpu gpu_;
  uint8_t* work_ = nullptr;
  uint8_t* pinned_ = nullptr;
  bool running_ = false;
  std::atomic<bool> cancelled_{false};
  char description_[224] = {};
  uint32_t n_buffers_ = 0;
  void* buffers_[kMaxBuffers] = {};
};

CudaPartition::~CudaPartition() {
  if (graph_ == nullptr) return;
  (void)device_->gpu().Sync();
  device_->gpu().Destroy(graph_);
}

Status CudaPartition::Queue(uint64_t first, uint64_t last) {
  for (uint64_t i = first; i < last; ++i) {
    const Node& node = nodes_[i];
    Launch launch;
    launch.function = node.function;
    launch.grid_x = node.grid_x;
    launch.grid_y = node.grid_y;
    launch.threads = node.threads;
    launch.shared_bytes = node.shared_bytes;
    launch.args = args_ + node.args_at;
    launch.args_bytes = node.args_bytes;
    // The first kernel follows a copy, which triggers nothing early.
    launch.chained = i != 0;
    SAMARA_RETURN_IF_ERROR(device_->gpu().Run(launch));
  }
  return {};
}

Status CudaPartition::Capture(CudaDevice* device) {
  device_ = device;
  if (profile_ != nullptr) return {};
  Gpu& gpu = device->gpu();
  SAMARA_RETURN_IF_ERROR(gpu.BeginCapture());
  Status status = gpu.CopyIn(device->step(), device->step_staging(),
                             AlignUp(step_bytes_, 64) + n_dims_ * sizeof(uint32_t));
  if (status.ok()) status = Queue(0, n_nodes_);
  const Status ended = gpu.EndCapture(&graph_);
  return status.ok() ? ended : status;
}

// The step block and the dimensions of this step into pinned memory.
Status CudaPartition::Prepare(const void* step) {
  const StepHeader& header = *static_cast<const StepHeader*>(step);
  if (header.n_tokens < 1 || header.n_tokens > bucket_tokens_ || header.n_seqs < 1 ||
      header.n_seqs > max_seqs_ || header.n_outputs > max_outputs_) {
    return Internal(
        "a step of %u tokens, %u sequences and %u outputs in a partition for %u, %u and %u",
        header.n_tokens, header.n_seqs, header.n_outputs, bucket_tokens_, max_seqs_, max_outputs_);
  }
  SAMARA_RETURN_IF_ERROR(device_->WaitForStep());
  for (uint64_t i = 0; i < n_symbols_; ++i) {
    if (kinds_[i] == SymbolKind::kTokens) symbols_[i] = header.n_tokens;
    if (kinds_[i] == SymbolKind::kOutputs) symbols_[i] = header.n_outputs;
    if (kinds_[i] == SymbolKind::kSeqs) symbols_[i] = header.n_seqs;
  }
  std::memcpy(device_->step_staging(), step, step_bytes_);
  auto* values = reinterpret_cast<uint32_t*>(device_->step_staging() + AlignUp(step_bytes_, 64));
  for (uint64_t i = 0; i < n_dims_; ++i) {
    uint64_t value = 0;
    if (!EvaluateDim(dims_[i], symbols_, n_symbols_, &value) || value > UINT32_MAX) {
      return Internal("dimension %llu of the partition has no value at this step",
                      static_cast<Ull>(i));
    }
    values[i] = static_cast<uint32_t>(value);
  }
  return {};
}

Status CudaPartition::Run(const void* step) {
  if (device_->cancelled()) return Cancelled("cancelled");
  SAMARA_RETURN_IF_ERROR(Prepare(step));
  if (profile_ != nullptr) return RunProfiled();
  device_->SetRunning();
  return device_->gpu().RunGraph(graph_);
}

// Operator by operator, each waited for.
Status CudaPartition::RunProfiled() {
  Gpu& gpu = device_->gpu();
  SAMARA_RETURN_IF_ERROR(gpu.CopyIn(device_->step(), device_->step_staging(),
                                    AlignUp(step_bytes_, 64) + n_dims_ * sizeof(uint32_t)));
  SAMARA_RETURN_IF_ERROR(device_->Finish());
  for (uint64_t first = 0; first < n_nodes_;) {
    if (device_->cancelled()) return Cancelled("cancelled");
    uint64_t last = first + 1;
    while (last < n_nodes_ && nodes_[last].op == nodes_[first].op) ++last;
    const int64_t begin = ProfileSink::Now();
    SAMARA_RETURN_IF_ERROR(Queue(first, last));
    SAMARA_RETURN_IF_ERROR(device_->Finish());
    profile_->Add(nodes_[first].op, begin, ProfileSink::Now());
    first = last;
  }
  return {};
}

Status CudaDevice::UploadWeight(uint64_t handle, const Weight& weight,
                                const WeightPlacement& placement, const void* host) {
  const auto* from = static_cast<const uint8_t*>(host);
  if (weight.is_vector) {
    const DTypeInfo* info = FindDType(weight.dtype);
    const uint64_t element = info->block_bytes;
    const uint64_t most = kUploadBytes / element;
    for (uint64_t at = 0; at < weight.cols; at += most) {
      const uint64_t n = std::min(most, weight.cols - at);
      std::memcpy(upload_staging(), from + at * element, n * element);
      SAMARA_RETURN_IF_ERROR(gpu_.CopyIn(upload_buffer(), upload_staging(), n * element));
      const UploadVectorArgs args = {upload_buffer(), static_cast<uint32_t>(weight.dtype),
                                     static_cast<uint32_t>(n),
                                     reinterpret_cast<float*>(handle) + at};
      SAMARA_RETURN_IF_ERROR(LaunchNow(FindKernel(Kernel::kUploadVector),
                                       std::clamp<uint64_t>(n / 256, 1, 1024), &args, sizeof args));
      SAMARA_RETURN_IF_ERROR(Finish());
    }
    return {};
  }
  const uint64_t tile_rows = LayoutTileRows(placement.layout);
  uint64_t tile_bytes = 0;
  if (!LayoutTileBytes(placement.layout, weight.dtype, weight.cols, &tile_bytes)) {
    return Internal("weight %s has no size in its layout", Quoted(weight.name).c_str());
  }
  if (tile_bytes > kUploadBytes) {
    return Unsupported("weight %s has tiles of %llu bytes, at most %llu",
                       Quoted(weight.name).c_str(), static_cast<Ull>(tile_bytes),
                       static_cast<Ull>(kUploadBytes));
  }
  const uint64_t rows_a_piece = kUploadBytes / std::max<uint64_t>(tile_bytes, 1) * tile_rows;
  UploadArgs args = {};
  args.raw = upload_buffer();
  args.layout = static_cast<uint32_t>(placement.layout);
  args.tile_bytes = tile_bytes;
  args.to = BindMatrix(weight, handle);
  for (uint64_t row = 0; row < weight.rows; row += rows_a_piece) {
    const uint64_t n = std::min(rows_a_piece, weight.rows - row);
    const uint64_t bytes = (n + tile_rows - 1) / tile_rows * tile_bytes;
    std::memcpy(upload_staging(), from + row / tile_rows * tile_bytes, bytes);
    SAMARA_RETURN_IF_ERROR(gpu_.CopyIn(upload_buffer(), upload_staging(), bytes));
    args.first_row = static_cast<uint32_t>(row);
    args.n_rows = static_cast<uint32_t>(n);
    const uint64_t units = n * args.to.units_per_row;
    SAMARA_RETURN_IF_ERROR(LaunchNow(FindKernel(Kernel::kUpload),
                                     std::clamp<uint64_t>(units / 256, 1, 4096), &args,
                                     sizeof args));
    SAMARA_RETURN_IF_ERROR(Finish());
  }
  return {};
}

Status CudaDevice::Draw(const DrawRequest& request, int32_t* id) {
  *id = -1;
  if (request.vocab == 0) return InvalidArgument("a draw from no logits");
  DrawArgs args = {};
  args.logits = reinterpret_cast<const float*>(At(request.arena, request.offset));
  args.vocab = request.vocab;
  args.temperature = request.temperature;
  args.top_k = request.top_k;
  args.top_p = request.top_p;
  args.min_p = request.min_p;
  args.uniform = request.uniform;
  args.id = drawn();
  *drawn() = -1;
  SAMARA_RETURN_IF_ERROR(LaunchNow(FindKernel(Kernel::kDraw), 1, &args, sizeof args));
  SAMARA_RETURN_IF_ERROR(Finish());
  *id = *drawn();
  if (*id < 0) return InvalidFile("logits are not finite: weights or states overflow");
  return {};
}

// Bytes that a draft takes in its block.
uint64_t BlockBytes(const PlanDraft& draft, const PartitionSpec& spec) {
  Cursor cursor(nullptr);
  cursor.Take<CudaPartition>(1);
  CudaPartition().Bind(draft, spec, &cursor);
  return cursor.used();
}

Status CudaDevice::Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                           InPlacePtr<Partition>* partition) {
  PlanRequest request;
  request.spec = &spec;
  request.shared = {work_, reinterpret_cast<uint32_t*>(work_ + kStepBytes), fault()};
  request.facts = gpu_.facts();
  PlanDraft draft;
  SAMARA_RETURN_IF_ERROR(BuildPlan(request, &draft));
  if (BlockBytes(draft, spec) > block_bytes) {
    return Internal("a partition of %llu bytes in a block of %llu",
                    static_cast<Ull>(BlockBytes(draft, spec)), static_cast<Ull>(block_bytes));
  }
  Cursor cursor(block);
  auto* object = new (cursor.Take<CudaPartition>(1)) CudaPartition();
  InPlacePtr<Partition> made(object);
  object->Bind(draft, spec, &cursor);
  SAMARA_RETURN_IF_ERROR(object->Capture(this));
  *partition = std::move(made);
  return {};
}

class CudaBackendImpl final : public Backend {
 public:
  const char* name() const override { return "cuda"; }
  const char* description() const override { return "NVIDIA GPUs from compute capability 7.5 on"; }
  bool host_memory() const override { return false; }
  uint64_t WeightBytes(const Weight& weight, const WeightPlacement&) const override {
    return PlanMatrix(weight).bytes;
  }
  bool Supports(const Package& package, const Graph& graph, const Op& op) const override {
    return SupportsOp(package, graph, op);
  }
  Status ListDevices(std::vector<DeviceInfo>* devices) const override {
    std::vector<GpuFacts> found;
    SAMARA_RETURN_IF_ERROR(Gpu::List(&found));
    for (size_t i = 0; i < found.size(); ++i) {
      DeviceInfo info;
      info.name = found[i].name;
      info.memory_bytes = found[i].memory_bytes;
      if (found[i].capability < 75) info.unusable = "its compute capability is below 7.5";
      if (i > 0) info.unusable = "only the first device is used";
      devices->push_back(std::move(info));
    }
    return {};
  }
  Status MeasureDevice(const DeviceOptions&, MemoryList* list) const override {
    list->Add(kObjectItem, sizeof(CudaDevice));
    list->Add(kWorkItem, kWorkBytes, 256, MemoryClass::kDevice);
    list->Add(kPinnedItem, kPinnedBytes, 4096);
    return {};
  }
  // Which groups of operators are fused depends on where values lie, which is not known here: memory for both.
  Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const override {
    PlanRequest request;
    request.spec = &spec;
    PlanDraft fused, plain;
    SAMARA_RETURN_IF_ERROR(BuildPlan(request, &fused));
    request.fuse = false;
    SAMARA_RETURN_IF_ERROR(BuildPlan(request, &plain));
    measure->plan_bytes = BlockBytes(fused, spec) + BlockBytes(plain, spec);
    measure->scratch_bytes = std::move(plain.scratch_bytes);
    for (size_t i = 0; i < measure->scratch_bytes.size(); ++i) {
      measure->scratch_bytes[i] = std::max(measure->scratch_bytes[i], fused.scratch_bytes[i]);
    }
    return {};
  }
  Status Open(const DeviceOptions& options, Ledger* ledger,
              InPlacePtr<Device>* device) const override {
    if (options.isa != nullptr) {
      return Unsupported("backend cuda has no instruction set to choose, not %s",
                         Quoted(options.isa).c_str());
    }
    std::vector<GpuFacts> found;
    SAMARA_RETURN_IF_ERROR(Gpu::List(&found));
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger->Take(kObjectItem, sizeof(CudaDevice), &block));
    auto* object = new (block) CudaDevice();
    InPlacePtr<Device> made(object);
    SAMARA_RETURN_IF_ERROR(object->Init(ledger));
    *device = std::move(made);
    return {};
  }
};

}  // namespace

Status MeasureReadBandwidth(uint64_t bytes, double* bytes_per_second) {
  Gpu gpu;
  SAMARA_RETURN_IF_ERROR(gpu.Open());
  void* memory = nullptr;
  SAMARA_RETURN_IF_ERROR(gpu.Allocate(bytes + 256, &memory));
  BandwidthArgs args = {
      static_cast<const uint8_t*>(memory), bytes / 16 * 16,
      reinterpret_cast<uint32_t*>(static_cast<uint8_t*>(memory) + bytes / 16 * 16)};
  const Entry entry = FindKernel(Kernel::kBandwidth);
  Launch launch;
  launch.function = entry.function;
  launch.threads = entry.threads;
  launch.grid_x = gpu.facts().multiprocessors * 8;
  launch.args = &args;
  launch.args_bytes = sizeof args;
  Status status = gpu.Fill(memory, 0x5a, bytes);
  double best = 0;
  // Several reads at a time, so that the time of a launch does not count.
  constexpr int kReads = 8;
  for (int i = 0; i < 5 && status.ok(); ++i) {
    status = gpu.Sync();
    const auto start = std::chrono::steady_clock::now();
    for (int k = 0; k < kReads && status.ok(); ++k) status = gpu.Run(launch);
    if (status.ok()) status = gpu.Sync();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds > 0) best = std::max(best, kReads * static_cast<double>(args.bytes) / seconds);
  }
  gpu.Free(memory);
  SAMARA_RETURN_IF_ERROR(status);
  *bytes_per_second = best;
  return {};
}

}  // namespace cuda

const Backend* CudaBackend() {
  static const cuda::CudaBackendImpl backend;
  return &backend;
}

}  // namespace samara
