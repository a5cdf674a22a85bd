// A backend with an address space of its own, for tests: it runs another backend's kernels, but all
// of its buffers lie in a region that cannot be read or written outside of its own calls. Handles
// are no addresses. Whoever touches device memory directly crashes; whoever mixes up handles gets
// an error.
//
//   MirrorBackend mirror(CpuBackend());   // outlives its devices
//
// A partition is compiled once; Run copies the step block into the region and executes, nothing
// else. Options make it more of a GPU: runs that are only queued, draws, a memory limit, weights in
// a layout of its own, operators that it lacks. And any call can be made to fail.
#ifndef SAMARA_TESTS_SUPPORT_MIRROR_BACKEND_H_
#define SAMARA_TESTS_SUPPORT_MIRROR_BACKEND_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/backend.h"

namespace samara::test {

struct MirrorOptions {
  bool queued = false;             // Run only queues; the next waiting call does the work
  bool draws = false;              // Draw works
  uint64_t memory = 0;             // bytes that Allocate gives out; 0: no limit
  uint64_t weight_padding = 0;     // bytes before and after a weight, as if it had another layout
  std::vector<OpCode> lacks = {};  // operators that are not supported
  std::string name = "mirror";
};

// Calls that can be made to fail.
enum class MirrorCall : uint8_t {
  kOpen,
  kAllocate,
  kUpload,
  kCompile,
  kRun,
  kDownload,
  kDraw,
  kFinish,
  kFill,
  kCopy,
  kCount
};
const char* MirrorCallName(MirrorCall call);

class MirrorBackend final : public Backend {
 public:
  explicit MirrorBackend(const Backend* inner, MirrorOptions options = {})
      : inner_(inner), options_(std::move(options)) {}

  const char* name() const override { return options_.name.c_str(); }
  bool host_memory() const override { return false; }
  uint64_t StateHeadBytes(DType kv_type, uint32_t dim) const override {
    return inner_->StateHeadBytes(kv_type, dim);
  }
  uint64_t WeightBytes(const Weight&, const WeightPlacement& placement) const override {
    return placement.bytes + 2 * options_.weight_padding;
  }
  bool Supports(const Package& package, const Graph& graph, const Op& op) const override;
  Status ListDevices(std::vector<DeviceInfo>* devices) const override {
    devices->push_back({"mirror of " + std::string(inner_->name()), options_.memory, false, ""});
    return Status();
  }
  Status MeasureDevice(const DeviceOptions& options, MemoryList* list) const override;
  Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const override;
  Status Open(const DeviceOptions& options, Ledger* ledger,
              InPlacePtr<Device>* device) const override;

  // Since this object was made, over all of its devices.
  uint64_t compiles() const { return calls(MirrorCall::kCompile); }
  uint64_t runs() const { return calls(MirrorCall::kRun); }
  uint64_t calls(MirrorCall call) const { return calls_[static_cast<size_t>(call)].load(); }
  uint64_t downloaded_bytes() const { return downloaded_.load(); }

  // The n-th call from now on (0: the next) ends with this code; a device that was lost stays lost. A queued run fails
  // when its work is done.
  void FailAt(MirrorCall call, uint64_t n, StatusCode code) const;
  void FailNothing() const { fail_at_.store(UINT64_MAX); }

 private:
  friend class MirrorDevice;
  friend class MirrorPartition;
  // Counts a call and gives its error.
  Status Enter(MirrorCall call) const;

  const Backend* inner_;
  const MirrorOptions options_;
  mutable std::atomic<uint64_t> calls_[static_cast<size_t>(MirrorCall::kCount)] = {};
  mutable std::atomic<uint64_t> fail_at_{UINT64_MAX}, downloaded_{0};
  mutable MirrorCall fail_call_ = MirrorCall::kCount;
  mutable StatusCode fail_code_ = StatusCode::kOk;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_MIRROR_BACKEND_H_
