#include "converter/importance.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "converter/safetensors.h"
#include "formats/quant/blocks.h"

namespace samara {
namespace {

using Ull = unsigned long long;

constexpr double kLeastShare = 1e-3;  // of the mean

}  // namespace

StatusOr<Importance> Importance::Read(const std::string& path) {
  Importance out;
  out.name_ = path;
  SAMARA_ASSIGN_OR_RETURN(const Checkpoint file, Checkpoint::OpenFile(path, path));
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.dtype != DType::kF32 || tensor.shape.size() != 1) {
      return InvalidFile("%s: tensor %s: got %s %s, wanted a vector of F32", path.c_str(),
                         Quoted(tensor.name, 200).c_str(), tensor.type.c_str(),
                         ShapeText(tensor).c_str());
    }
    std::vector<uint8_t> bytes(static_cast<size_t>(tensor.bytes));
    SAMARA_RETURN_IF_ERROR(file.Read(tensor, 0, bytes.data(), bytes.size()));
    std::vector<float> values(static_cast<size_t>(tensor.shape[0]));
    DequantizeRow(DType::kF32, bytes.data(), values.size(), values.data());
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i]) || values[i] < 0) {
        return InvalidFile("%s: tensor %s: got a negative number, a NaN or infinity at [%llu]",
                           path.c_str(), Quoted(tensor.name, 200).c_str(), static_cast<Ull>(i));
      }
      sum += static_cast<double>(values[i]);
    }
    // Around 1, so that sums of squares stay far from the ends of f32.
    const double mean = values.empty() ? 0 : sum / static_cast<double>(values.size());
    for (float& v : values) {
      const double share = mean > 0 ? static_cast<double>(v) / mean : 1;
      v = static_cast<float>(std::max(share, kLeastShare));
    }
    out.tensors_.emplace(tensor.name, std::move(values));
  }
  return out;
}

const std::vector<float>* Importance::Find(std::string_view tensor) const {
  const auto at = tensors_.find(tensor);
  return at == tensors_.end() ? nullptr : &at->second;
}

const float* Importance::Of(const Model& model, size_t i) const {
  const WeightPlan& plan = model.plans[i];
  if (model.package.weights[i].is_vector || plan.pieces.empty()) return nullptr;
  const std::vector<float>* values = Find(plan.pieces[0].tensor->name);
  return values == nullptr || values->size() != model.package.weights[i].cols ? nullptr
                                                                              : values->data();
}

Status Importance::Check(const Model& model) const {
  bool any = false;
  for (size_t i = 0; i < model.plans.size(); ++i) {
    const Weight& weight = model.package.weights[i];
    const WeightPlan& plan = model.plans[i];
    if (weight.is_vector || plan.pieces.empty()) continue;
    const std::string& tensor = plan.pieces[0].tensor->name;
    const std::vector<float>* values = Find(tensor);
    if (values == nullptr) continue;
    any = true;
    if (values->size() == weight.cols) continue;
    return InvalidArgument("%s: tensor %s: got %llu columns, wanted %llu", name_.c_str(),
                           Quoted(tensor, 200).c_str(), static_cast<Ull>(values->size()),
                           static_cast<Ull>(weight.cols));
  }
  if (any) return Status();
  return InvalidArgument("%s: got no tensor of this checkpoint", name_.c_str());
}

}  // namespace samara
