#include "apps/eval/calibrate.h"

#include <bit>
#include <cstdio>
#include <map>

#include "apps/common/model.h"
#include "apps/common/text.h"
#include "runtime/calibrate.h"

namespace samara::apps {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;
constexpr uint32_t kContext = 512;

int FailStatus(const Status& status, const std::string& about) {
  const int code = ExitCodeOf(static_cast<samara_status>(status.code()));
  const std::string text = status.message();
  return Fail(code, text.find(about) == std::string::npos ? about + ": " + text : text);
}

// The texts' bytes of a safetensors file. Tensors that share a weight, as fused projections do, share its inputs.
std::string FileOf(const std::vector<InputSquares>& inputs, uint64_t tokens) {
  std::map<std::string, const InputSquares*> tensors;
  for (const InputSquares& input : inputs) {
    if (input.rows == 0) continue;
    for (const WeightSource& source : input.weight->sources) {
      if (!source.tensor.empty()) tensors.emplace(source.tensor, &input);
    }
  }
  JsonWriter header;
  header.BeginObject(true);
  header.Key("__metadata__");
  header.BeginObject(true);
  header.Member("format", "samara importance");
  header.Member("tokens", std::to_string(tokens));
  header.EndObject();
  std::string data;
  for (const auto& [name, input] : tensors) {
    header.Key(name);
    header.BeginObject(true);
    header.Member("dtype", "F32");
    header.Key("shape");
    header.BeginArray(true);
    header.Uint(input->sums.size());
    header.EndArray();
    header.Key("data_offsets");
    header.BeginArray(true);
    header.Uint(data.size());
    for (const double sum : input->sums) {
      const float mean = static_cast<float>(sum / static_cast<double>(input->rows));
      const uint32_t bits = std::bit_cast<uint32_t>(mean);
      for (int b = 0; b < 4; ++b) data += static_cast<char>(bits >> 8 * b);
    }
    header.Uint(data.size());
    header.EndArray();
    header.EndObject();
  }
  header.EndObject();
  std::string text = header.Finish();
  while (text.size() % 8 != 0) text += ' ';
  std::string file;
  for (int b = 0; b < 8; ++b) file += static_cast<char>(text.size() >> 8 * b);
  return file + text + data;
}

}  // namespace

int RunCalibrate(const std::string& model, const std::vector<std::string>& texts,
                 const std::string& output, uint32_t tokenize_flags, const RunFlags& run) {
  if (output.empty()) return Fail(kExitUsage, "--calibrate needs -o", "as in -o model.importance");
  ModelPtr opened;
  samara_model_options options = run.Options();
  options.n_threads = 1;
  options.n_ctx = options.n_chunk = 1;  // for the tokenizer alone
  if (const int code = OpenModel(model, options, &opened); code != kExitOk) return code;
  Calibration calibration;
  Status status = calibration.Open(model, run.threads);
  if (!status.ok()) return FailStatus(status, model);
  uint64_t n_tokens = 0;
  for (const std::string& path : texts) {
    std::string text;
    if (const int code = ReadText(path, kMaxTextBytes, &text); code != kExitOk) return code;
    std::vector<int32_t> tokens;
    const samara_status split = Tokenize(opened.get(), text, tokenize_flags, &tokens);
    if (split != SAMARA_OK) return FailLibrary(split, model);
    if (tokens.empty()) return Fail(kExitUsage, path + ": got no token, wanted text");
    status = calibration.Add(tokens, run.ctx != 0 ? run.ctx : kContext);
    if (!status.ok()) return FailStatus(status, model);
    n_tokens += tokens.size();
  }
  const std::string bytes = FileOf(calibration.inputs(), n_tokens);
  std::FILE* out = std::fopen(output.c_str(), "wb");
  if (out == nullptr) return Fail(kExitUsage, output + ": cannot be written");
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size();
  if (std::fclose(out) != 0 || !written) {
    std::remove(output.c_str());  // half a file helps nobody
    return Fail(kExitFailed, output + ": cannot be written");
  }
  return kExitOk;
}

}  // namespace samara::apps
