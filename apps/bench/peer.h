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
  double model_bytes = 0, parameters = 0;
  double prompt = 0, generation = 0;  // tokens a second; 0: not measured
};

// From the environment: PEER_BENCH, the program; PEER_FLAGS, more flags for it, separated by spaces; PEER_MODEL, its
// model, which stands beside tests of its size and type; PEER_MODEL_<SHAPE>_<TYPE> (PEER_MODEL_B_Q4_0) stands beside
// those of this shape and type in any case.
class Peer {
 public:
  static Peer FromEnvironment();
  bool present() const { return !program_.empty(); }
  // PEER_MODEL_<SHAPE>_<TYPE>, and PEER_MODEL; "" if not set.
  std::string ModelFor(const std::string& shape, const std::string& type) const;
  std::string AnyModel() const;
  // Waits for the program. `n_prompt` or `n_gen` may be 0.
  StatusOr<PeerResult> Run(const std::string& model, uint32_t n_prompt, uint32_t n_gen,
                           uint32_t threads) const;

 private:
  std::string program_;
  std::vector<std::string> flags_;
};

// Is this the report of a model of that type and about so many parameters? A program that does not say is believed.
bool IsLike(const PeerResult& report, const std::string& type, double parameters);

// The report of one run.
StatusOr<PeerResult> ParsePeerReport(const std::string& text);

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_PEER_H_
