// The device of these tests: a CPU with Vulkan (lavapipe), so that the same one is tested everywhere; SAMARA_TEST_VULKAN_DEVICE
// names another.
#ifndef SAMARA_TESTS_VULKAN_DEVICE_H_
#define SAMARA_TESTS_VULKAN_DEVICE_H_

#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/registry.h"
#include "tests/support/status.h"

namespace samara::test {

// Sets SAMARA_VULKAN for its life; `switches` come after the device.
class Switches {
 public:
  explicit Switches(const std::string& switches = "") {
    const char* device = getenv("SAMARA_TEST_VULKAN_DEVICE");
    const std::string text = std::string("device=") + (device == nullptr ? "cpu" : device) +
                             (switches.empty() ? "" : "," + switches);
    setenv("SAMARA_VULKAN", text.c_str(), 1);
  }
  ~Switches() { unsetenv("SAMARA_VULKAN"); }
  Switches(const Switches&) = delete;
  Switches& operator=(const Switches&) = delete;
};

// A device with buffers of its own, without a model.
class OpenDevice {
 public:
  explicit OpenDevice(const MemoryList& buffers = {}) : list_(buffers) {}
  Status Open() {
    const Backend* backend = nullptr;
    SAMARA_RETURN_IF_ERROR(FindBackend("vulkan", &backend));
    SAMARA_RETURN_IF_ERROR(backend->MeasureDevice({}, &list_));
    list_.AddLedger();
    ledger_ = std::make_unique<Ledger>(list_);
    SAMARA_RETURN_IF_ERROR(ledger_->InitStatus());
    return backend->Open({}, ledger_.get(), &device_);
  }
  Device* operator->() { return device_.get(); }
  Ledger* ledger() { return ledger_.get(); }

 private:
  MemoryList list_;
  std::unique_ptr<Ledger> ledger_;
  InPlacePtr<Device> device_;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_VULKAN_DEVICE_H_
