// Another runtime's benchmark program, run beside ours: any that takes llama-bench's flags and prints its JSON.
#ifndef SAMARA_APPS_BENCH_PEER_H_
#define SAMARA_APPS_BENCH_PEER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/status.h"

namespace samara::apps {

struct PeerResult {
  std::string model_type;  // as the peer calls it: "qwen2 1B Q4_0"
  double model_bytes = 0;
  double prompt = 0, generation = 0;  // tokens a second; 0: not measured
};

// From the environment: PEER_BENCH, the program; PEER_FLAGS, more flags for it, separated by spaces; PEER_MODEL, its
// model, or PEER_MODEL_<SHAPE>_<TYPE> (PEER_MODEL_B_Q4_0) for one shape and type.
class Peer {
 public:
  static Peer FromEnvironment();
  bool present() const { return !program_.empty(); }
  // "" if none was named. PEER_MODEL alone goes with every shape and type that has no model of its own.
  std::string ModelFor(const std::string& shape, const std::string& type) const;
  // Waits for the program. `n_prompt` or `n_gen` may be 0.
  StatusOr<PeerResult> Run(const std::string& model, uint32_t n_prompt, uint32_t n_gen,
                           uint32_t threads) const;

 private:
  std::string program_;
  std::vector<std::string> flags_;
};

// The report of one run.
StatusOr<PeerResult> ParsePeerReport(const std::string& text);

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_PEER_H_
