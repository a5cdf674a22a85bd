// The parts of samara-inspect's output. Each prints its part as text, or as one JSON value if
// `json` is not null.
#ifndef SAMARA_APPS_INSPECT_SECTIONS_H_
#define SAMARA_APPS_INSPECT_SECTIONS_H_

#include <string>

#include "apps/common/cli.h"
#include "apps/common/text.h"
#include "apps/inspect/package_file.h"

namespace samara::apps {

// The options under which memory is planned and goldens are replayed.
struct LoadFlags {
  RunFlags run;
  uint32_t batch = 0;
  uint32_t sessions = 0;

  samara_model_options Options() const;
};

// Prints a Status as every error is printed; the exit code.
int FailStatus(const Status& status);

// What the package holds. `memory_line`: counted bytes with default options follow.
int PrintSummary(const PackageReader& file, JsonWriter* json, std::string* text);
// Every byte that loading would allocate; no weight byte is read.
int PrintMemory(const std::string& path, const LoadFlags& flags, JsonWriter* json,
                std::string* text);
// The devices of this machine, and why some cannot be used.
int PrintDevices(JsonWriter* json, std::string* text);
// The stored operators, and the functions that they decompose into.
int PrintGraph(const PackageReader& file, JsonWriter* json, std::string* text);
int PrintTensors(const PackageReader& file, JsonWriter* json, std::string* text);
// Which operators run fused, which by their decomposition, and where activations lie.
int PrintPlan(const PackageReader& file, const LoadFlags& flags, JsonWriter* json,
              std::string* text);
// Replays the goldens.
int PrintVerify(const std::string& path, const LoadFlags& flags, JsonWriter* json,
                std::string* text);
// Every chunk of every segment against its hash.
int PrintCheck(PackageReader* file, JsonWriter* json, std::string* text);
// kExitOk if equal, kExitFailed if not.
int PrintDiff(PackageReader* a, PackageReader* b, JsonWriter* json, std::string* text);

}  // namespace samara::apps

#endif  // SAMARA_APPS_INSPECT_SECTIONS_H_
