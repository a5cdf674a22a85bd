// The public C API with owners: what the programs share on top of samara.h.
#ifndef SAMARA_APPS_COMMON_MODEL_H_
#define SAMARA_APPS_COMMON_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "samara/samara.h"

namespace samara::apps {

struct ModelClose {
  // Fails only while sessions exist; owners are destroyed in reverse order, so there are none.
  void operator()(samara_model* model) const { (void)samara_model_close(model); }
};
struct SessionClose {
  void operator()(samara_session* session) const { samara_session_close(session); }
};
using ModelPtr = std::unique_ptr<samara_model, ModelClose>;
using SessionPtr = std::unique_ptr<samara_session, SessionClose>;

// Is there a file that could be a package? If not, says why, with the converter's command where
// that is the way, and gives the exit code; else 0.
int CheckModelFile(const std::string& path);
// CheckModelFile, then samara_model_open; errors are printed. The exit code.
int OpenModel(const std::string& path, const samara_model_options& options, ModelPtr* model);
samara_model_info InfoOf(const samara_model* model);

// All bytes of a file or of standard input ("-"), at most `limit`. Errors are printed. The exit
// code.
int ReadText(const std::string& path, uint64_t limit, std::string* text);

samara_status Tokenize(const samara_model* model, std::string_view text, uint32_t flags,
                       std::vector<int32_t>* tokens);

// Tokens to text, whole characters only. `special`: special tokens are printed.
class Decoder {
 public:
  explicit Decoder(const samara_model* model, bool special = false)
      : model_(model), special_(special), buffer_(1024) {}
  samara_status Append(int32_t token, std::string* text);
  samara_status End(std::string* text);
  // No byte of the tokens so far waits for the rest of its character.
  bool whole() const;

 private:
  const samara_model* model_;
  bool special_;
  samara_detokenizer state_{};
  std::vector<char> buffer_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_COMMON_MODEL_H_
