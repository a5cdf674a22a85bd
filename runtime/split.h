// Which operators run on the backend's device and which on the host.
//
// A pure function of graph, backends and one number. The graph is a row of units: what comes before the first layer
// (the embedding), the layers, what comes after the last (the output). A layer is a run of operators whose names have
// the same number as a part between dots. The device takes the units from `first_unit` on, so that a step goes over
// to it once and what it draws from lies there; the host takes those before, and operators that the device lacks.
// Between two units few values are alive; inside a repeated layer a cut would be paid in every layer, so it is refused
// unless asked for.
#ifndef SAMARA_RUNTIME_SPLIT_H_
#define SAMARA_RUNTIME_SPLIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "runtime/backend.h"

namespace samara {

enum class Side : uint8_t { kDevice = 0, kHost = 1 };

// Operators [first_op, first_op + n_ops) of the lowered graph: one partition.
struct OpRange {
  Side side = Side::kDevice;
  uint32_t first_op = 0, n_ops = 0;
};

struct SplitRequest {
  const Package* package = nullptr;
  const Graph* graph = nullptr;      // as stored
  const Backend* backend = nullptr;  // of the device
  const Backend* host = nullptr;     // nullptr: everything runs on the device, or nothing does
  uint32_t first_unit = 0;           // units before it run on the host
  bool cut_layers = false;           // layers may be cut
  bool decompose = false;            // every composite that carries a decomposition runs by it
};

struct Split {
  Graph graph;                // after decomposition; values of the stored graph keep their numbers
  uint32_t n_decomposed = 0;  // operators of the stored graph that run by decomposition
  std::vector<Side> sides;    // per operator
  // Per operator: 1: it runs on the host because the device lacks it; 2: because another one on its state does.
  std::vector<uint8_t> lacking;
  std::vector<OpRange> ranges;  // in order, neighbours on different sides; at least one
  uint32_t n_units = 0, first_unit = 0;
  uint32_t n_layers = 0, device_layers = 0;

  bool uses_host() const { return ranges.size() > 1 || ranges[0].side == Side::kHost; }
};

// kUnsupported names what cannot run, or the layer that would be cut.
Status SplitGraph(const SplitRequest& request, Split* split);

// The side on which an activation is made.
Side MakerSide(const Split& split, ValueId value);

// Units of a stored graph; at least one.
uint32_t CountUnits(const Graph& graph);

// "layers 12 to 21 of 22 and what follows run on cuda, the rest on cpu"
std::string SplitText(const Split& split, const char* device, const char* host);

}  // namespace samara

#endif  // SAMARA_RUNTIME_SPLIT_H_
