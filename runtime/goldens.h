// Goldens: what a package must compute, made when it is converted and replayed on the device at
// hand.
#ifndef SAMARA_RUNTIME_GOLDENS_H_
#define SAMARA_RUNTIME_GOLDENS_H_

#include <functional>
#include <string>

#include "formats/graph.h"
#include "formats/status.h"
#include "runtime/backend.h"
#include "runtime/plan.h"

namespace samara {

// Runs the finished package at `path` on the first built-in backend and puts one golden into
// package->goldens: 8 token ids, the hash of the last position's logits, the 8 largest of them, and
// norms and samples of the operators of interest. `package` is the package that the file holds.
Status MakeGoldens(const std::string& path, Package* package);

// Renders the goldens of the chat templates again (render_goldens.h), then replays the others on a
// backend. Backends that keep the numerics contract must give the hash;
// others are held to tolerances. On a mismatch: kFailedPrecondition, naming the first operator
// whose output differs from the reference backend's for the same inputs. `each` gets one line a
// golden.
Status VerifyGoldens(const std::string& path, const Backend& backend, const LoadOptions& options,
                     const std::function<void(const std::string&)>& each);

}  // namespace samara

#endif  // SAMARA_RUNTIME_GOLDENS_H_
