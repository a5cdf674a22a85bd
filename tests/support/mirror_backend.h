// A backend with an address space of its own, for tests: it runs another backend's kernels, but all
// of its buffers lie in a region that cannot be read or written outside of its own calls. Handles
// are no addresses. Whoever touches device memory directly crashes; whoever mixes up handles gets
// an error.
//
//   MirrorBackend mirror(CpuBackend());   // outlives its devices
//
// A partition is compiled once; Run copies the step block into the region and executes, nothing
// else.
#ifndef SAMARA_TESTS_SUPPORT_MIRROR_BACKEND_H_
#define SAMARA_TESTS_SUPPORT_MIRROR_BACKEND_H_

#include <atomic>
#include <cstdint>

#include "runtime/backend.h"

namespace samara::test {

class MirrorBackend final : public Backend {
 public:
  explicit MirrorBackend(const Backend* inner) : inner_(inner) {}

  const char* name() const override { return "mirror"; }
  bool host_memory() const override { return false; }
  uint64_t StateHeadBytes(DType kv_type, uint32_t dim) const override {
    return inner_->StateHeadBytes(kv_type, dim);
  }
  bool Supports(const Package& package, const Graph& graph, const Op& op) const override {
    return inner_->Supports(package, graph, op);
  }
  Status MeasureDevice(const DeviceOptions& options, MemoryList* list) const override;
  Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const override;
  Status Open(const DeviceOptions& options, Ledger* ledger,
              InPlacePtr<Device>* device) const override;

  // Since this object was made, over all of its devices.
  uint64_t compiles() const { return compiles_.load(); }
  uint64_t runs() const { return runs_.load(); }

 private:
  friend class MirrorDevice;
  friend class MirrorPartition;
  const Backend* inner_;
  mutable std::atomic<uint64_t> compiles_{0}, runs_{0};
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_MIRROR_BACKEND_H_
