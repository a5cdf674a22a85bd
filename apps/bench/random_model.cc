#include "apps/bench/random_model.h"

#include <unistd.h>

#include <filesystem>
#include <vector>

#include "apps/bench/random_checkpoint.h"
#include "apps/common/cli.h"
#include "apps/common/text.h"
#include "converter/convert.h"
#include "converter/output_file.h"
#include "formats/dtypes.h"
#include "runtime/goldens.h"

namespace samara::apps {
namespace {

int FailStatus(const Status& status) {
  return Fail(ExitCodeOf(static_cast<samara_status>(status.code())), status.message());
}

// A folder that goes with its content.
class TemporaryFolder {
 public:
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Status Create(const std::string& beside) {
    std::string name = beside + ".random-XXXXXX";
    if (mkdtemp(name.data()) == nullptr)
      return IoError("%s: cannot be created", Quoted(name).c_str());
    path_ = name;
    return Status();
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

std::string ShapeNames() {
  std::string names;
  for (const RandomShape& shape : RandomShapes())
    names += (names.empty() ? "" : ", ") + std::string(shape.name);
  return names;
}

int MakeRandom(const std::string& name, const std::string& type, uint64_t seed,
               const std::string& output) {
  const RandomShape* shape = nullptr;
  for (const RandomShape& candidate : RandomShapes()) {
    if (name == candidate.name) shape = &candidate;
  }
  if (shape == nullptr)
    return Fail(kExitUsage, "--make-random: got " + name + ", wanted one of " + ShapeNames());
  const DTypeInfo* dtype = FindDType(type);
  if (dtype == nullptr || !dtype->is_weight) {
    return Fail(kExitUsage,
                "--type: got " + type + ", wanted a type of weights as in f16, q8_0, q4_0");
  }
  Status status = CheckOutputPath(output);
  if (!status.ok()) return FailStatus(status);

  // The checkpoint is written beside the package, where there must be room anyway, and converted as
  // any other is.
  TemporaryFolder folder;
  status = folder.Create(output);
  const std::string source = folder.path() + "/random-" + name;
  std::error_code error;
  if (status.ok() && !std::filesystem::create_directory(source, error)) {
    status = IoError("%s: %s", Quoted(source).c_str(), error.message().c_str());
  }
  if (status.ok()) status = WriteRandomCheckpoint(*shape, seed, source);
  if (!status.ok()) return FailStatus(status);
  ConvertOptions options;
  options.source = source;
  options.output = output;
  options.quant = dtype->dtype;
  options.goldens = MakeGoldens;
  const auto summary = Convert(options);
  if (!summary.ok()) return FailStatus(summary.status());
  Note(output + ": " + Count(summary->parameters) + " parameters, " +
       BytesText(summary->file_bytes));
  return kExitOk;
}

}  // namespace samara::apps
