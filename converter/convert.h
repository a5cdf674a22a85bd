// From a checkpoint directory to a .samara file: the converter's whole interface.
//
// The converter knows nothing of the runtime. What needs to run a model (goldens) is handed in as a
// function.
#ifndef SAMARA_CONVERTER_CONVERT_H_
#define SAMARA_CONVERTER_CONVERT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "converter/builder.h"
#include "converter/fit.h"
#include "converter/passes/recipes.h"
#include "converter/tokenizer/compile.h"
#include "formats/graph.h"
#include "formats/status.h"

namespace samara {

struct ConvertOptions {
  std::string source;      // a Hugging Face directory
  std::string output;      // the file to make
  QuantChoice quant;       // types of the matrices; default: the source's own
  bool templates = true;   // false: leave out the chat templates
  unsigned threads = 0;    // 0: the CPUs that this process may use
  std::string importance;  // a file of importance.h; empty: all columns count alike
  // "weights" with source bytes done and in all; on the caller's thread.
  std::function<void(const char* stage, uint64_t done, uint64_t total)> progress;
  // Types for a size (fit.h), where it is set; `quant` then gives the overrides only.
  struct Fit {
    FitTarget target;
    std::string text;  // that losses are measured on, as the package shall name it
    // What is measured against: a package in the source's types. It is gone afterwards.
    std::function<Status(const std::string& path)> reference;
    // Mean divergence of a package from that, in nats, and over how many positions.
    std::function<StatusOr<double>(const std::string& path, uint64_t* positions)> divergence;
  };
  std::optional<Fit> fit;
  // Runs the finished temporary package and fills package->goldens; empty: no goldens.
  std::function<Status(const std::string& path, Package* package)> goldens;
};

struct ConvertSummary {
  struct Type {
    DType dtype = DType::kInvalid;
    uint64_t weights = 0, elements = 0, bytes = 0;
  };
  struct Exception {
    uint64_t weights = 0;  // of the checkpoint
    std::string what;      // they have in common
    DType dtype = DType::kInvalid;
  };
  std::string name, architecture;
  uint64_t file_bytes = 0;
  uint64_t parameters = 0;
  uint64_t source_bytes = 0;  // of weights, read
  double seconds = 0;         // reading, converting and writing weights
  double sync_seconds = 0;    // then: until the storage device has them
  uint64_t flushed = 0;       // values that BF16 stores as zero (magnitude below 2^-56)
  std::vector<Type> types;
  std::vector<Exception> exceptions;  // matrices that are not in the type asked for
  std::vector<GraphBuilder::Dropped> dropped;
  TokenizerSummary tokenizer;
  std::vector<std::string> templates;  // names
  uint64_t goldens = 0;                // of the model
  uint64_t conversations = 0;          // goldens of the templates
  double divergence = -1;              // measured; below 0: not measured
  uint64_t positions = 0;              // that it is the mean of
};

// On success the file is complete and synced; on failure the old file, if any, is as it was and
// nothing else is left.
StatusOr<ConvertSummary> Convert(const ConvertOptions& options);

// What Convert would write: the package without segments, goldens and tokenizer, checked but for
// its bytes.
struct ConversionPlan {
  Package package;
  std::vector<GraphBuilder::Dropped> dropped;
};
StatusOr<ConversionPlan> PlanConversion(const std::string& source, const QuantChoice& quant);

// Config and graph of an opened checkpoint, through passes, placements and decompositions; for
// tests too.
struct Source;
Status BuildModel(const Source& source, const QuantChoice& quant, Model* model,
                  std::vector<GraphBuilder::Dropped>* dropped);

}  // namespace samara

#endif  // SAMARA_CONVERTER_CONVERT_H_
