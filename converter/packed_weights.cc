#include "converter/packed_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "formats/quant/blocks.h"

namespace samara {
namespace {

using Ull = unsigned long long;

constexpr uint64_t kPerWord = 8;  // numbers of 4 bits
// Where AWQ keeps row j of 8 in a word.
constexpr uint32_t kAwqPlace[kPerWord] = {0, 4, 1, 5, 2, 6, 3, 7};
constexpr uint64_t kMaxGroupSize = 1 << 20;

uint32_t Word(const uint8_t* at) {
  return at[0] | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}

bool IsFloat(const TensorInfo& tensor) {
  return tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16 || tensor.dtype == DType::kBF16;
}

// Columns [first, first + count) of rows [row, row + n) of a tensor's plain elements, `size` bytes
// each, one row after the other.
Status ReadBox(const Checkpoint& checkpoint, const TensorInfo& tensor, uint64_t size, uint64_t row,
               uint64_t n, uint64_t first, uint64_t count, std::vector<uint8_t>* out) {
  const uint64_t columns = tensor.shape[1];
  out->resize(static_cast<size_t>(n * count * size));
  if (count == columns)
    return checkpoint.Read(tensor, row * columns * size, out->data(), out->size());
  for (uint64_t i = 0; i < n; ++i) {
    SAMARA_RETURN_IF_ERROR(checkpoint.Read(tensor, ((row + i) * columns + first) * size,
                                           out->data() + i * count * size, count * size));
  }
  return Status();
}

// The same for floats of any type.
Status ReadFloats(const Checkpoint& checkpoint, const TensorInfo& tensor, uint64_t row, uint64_t n,
                  uint64_t first, uint64_t count, std::vector<float>* out) {
  std::vector<uint8_t> bytes;
  SAMARA_RETURN_IF_ERROR(ReadBox(checkpoint, tensor, FindDType(tensor.dtype)->block_bytes, row, n,
                                 first, count, &bytes));
  out->resize(static_cast<size_t>(n * count));
  DequantizeRow(tensor.dtype, bytes.data(), out->size(), out->data());
  return Status();
}

// A box of a matrix: columns [column, column + n_columns) of rows [row, row + n_rows).
struct Box {
  uint64_t row, n_rows, column, n_columns;
};

Status ReadFp8(const Checkpoint& checkpoint, const PackedWeight& w, const Box& box, float* out) {
  std::vector<uint8_t> codes;
  SAMARA_RETURN_IF_ERROR(
      ReadBox(checkpoint, w.values, 1, box.row, box.n_rows, box.column, box.n_columns, &codes));
  const uint64_t first = box.row / w.block_rows, last = (box.row + box.n_rows - 1) / w.block_rows;
  const uint64_t stride = w.scales.shape[1];
  std::vector<float> scales;
  SAMARA_RETURN_IF_ERROR(
      ReadFloats(checkpoint, w.scales, first, last - first + 1, 0, stride, &scales));
  float values[256];
  for (uint32_t bits = 0; bits < 256; ++bits)
    values[bits] = FloatFromE4m3(static_cast<uint8_t>(bits));
  for (uint64_t r = 0; r < box.n_rows; ++r) {
    const float* row_scales = scales.data() + ((box.row + r) / w.block_rows - first) * stride;
    for (uint64_t c = 0; c < box.n_columns; ++c) {
      out[r * box.n_columns + c] =
          values[codes[r * box.n_columns + c]] * row_scales[(box.column + c) / w.block_columns];
    }
  }
  return Status();
}

Status ReadInt4(const Checkpoint& checkpoint, const PackedWeight& w, const Box& box, float* out) {
  const bool awq = w.kind == PackedWeight::Kind::kAwq;
  // Words that hold the rows, eight in each.
  const uint64_t word = box.row / kPerWord, end = (box.row + box.n_rows - 1) / kPerWord + 1;
  std::vector<uint8_t> codes, zero_words;
  std::vector<float> scales;
  const uint64_t groups = w.scales.shape[0];
  SAMARA_RETURN_IF_ERROR(ReadFloats(checkpoint, w.scales, 0, groups, box.row, box.n_rows, &scales));
  SAMARA_RETURN_IF_ERROR(ReadBox(checkpoint, w.zeros, 4, 0, groups, word, end - word, &zero_words));
  std::vector<int> zeros(static_cast<size_t>(groups * box.n_rows));
  for (uint64_t g = 0; g < groups; ++g) {
    for (uint64_t r = 0; r < box.n_rows; ++r) {
      const uint64_t row = box.row + r, place = row % kPerWord;
      const uint32_t bits =
          Word(zero_words.data() + 4 * (g * (end - word) + row / kPerWord - word));
      const uint32_t shift = 4 * (awq ? kAwqPlace[place] : static_cast<uint32_t>(place));
      zeros[g * box.n_rows + r] = static_cast<int>(bits >> shift & 15) + w.zero_offset;
    }
  }
  const uint64_t first = awq ? box.column : box.column / kPerWord;
  if (awq) {
    SAMARA_RETURN_IF_ERROR(
        ReadBox(checkpoint, w.values, 4, box.column, box.n_columns, word, end - word, &codes));
  } else {
    const uint64_t last = (box.column + box.n_columns - 1) / kPerWord;
    SAMARA_RETURN_IF_ERROR(
        ReadBox(checkpoint, w.values, 4, first, last - first + 1, box.row, box.n_rows, &codes));
  }
  for (uint64_t c = 0; c < box.n_columns; ++c) {
    const uint64_t column = box.column + c, g = w.groups[static_cast<size_t>(column)];
    for (uint64_t r = 0; r < box.n_rows; ++r) {
      const uint64_t row = box.row + r;
      const uint64_t at = awq ? c * (end - word) + row / kPerWord - word
                              : (column / kPerWord - first) * box.n_rows + r;
      const uint32_t shift =
          4 * (awq ? kAwqPlace[row % kPerWord] : static_cast<uint32_t>(column % kPerWord));
      const int q = static_cast<int>(Word(codes.data() + 4 * at) >> shift & 15);
      const size_t number = static_cast<size_t>(g * box.n_rows + r);
      out[r * box.n_columns + c] = static_cast<float>(q - zeros[number]) * scales[number];
    }
  }
  return Status();
}

// --- What is there -----------------------------------------------------------------------------

class Unpacker {
 public:
  // `kept`: the type that the checkpoint's model computes in.
  Unpacker(const Json& quantization, DType kept, Checkpoint* checkpoint)
      : json_(quantization), kept_(kept), checkpoint_(checkpoint) {}

  Status Run() {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view method, json_.String("quant_method", "unnamed"));
    if (method == "fp8") {
      SAMARA_RETURN_IF_ERROR(ReadFp8Settings());
    } else if (method == "awq" || method == "gptq") {
      kind_ = method == "awq" ? PackedWeight::Kind::kAwq : PackedWeight::Kind::kGptq;
      SAMARA_RETURN_IF_ERROR(ReadInt4Settings());
    } else {
      return Unsupported(
          "config.json: field quantization_config.quant_method: got %s weights, wanted fp8, awq or "
          "gptq; convert the original checkpoint and choose a type with --quant",
          Quoted(method).c_str());
    }
    const bool fp8 = kind_ == PackedWeight::Kind::kFp8;
    const std::string ending = fp8 ? ".weight_scale_inv" : ".qweight";
    std::map<std::string, bool> parts;  // tensors that become part of a matrix
    std::vector<TensorInfo> matrices;
    for (const TensorInfo& tensor : checkpoint_->tensors()) {
      if (!tensor.name.ends_with(ending)) continue;
      const std::string stem = tensor.name.substr(0, tensor.name.size() - ending.size());
      PackedWeight weight;
      weight.kind = kind_;
      SAMARA_RETURN_IF_ERROR(fp8 ? TakeFp8(stem, &weight) : TakeInt4(stem, &weight));
      for (const TensorInfo* part : {&weight.values, &weight.scales, &weight.zeros})
        parts[part->name] = true;
      if (!fp8) parts[stem + ".g_idx"] = true;
      matrices.push_back(MatrixOf(stem + ".weight", std::move(weight)));
    }
    if (matrices.empty()) {
      return InvalidFile(
          "config.json: field quantization_config: got %s weights, but no tensor NAME%s",
          Quoted(method).c_str(), ending.c_str());
    }
    for (const TensorInfo& tensor : checkpoint_->tensors()) {
      if (parts.find(tensor.name) == parts.end()) matrices.push_back(tensor);
    }
    SAMARA_ASSIGN_OR_RETURN(
        *checkpoint_, Checkpoint::Of(std::move(*checkpoint_).TakeFiles(), std::move(matrices)));
    return Status();
  }

 private:
  Status ReadFp8Settings() {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view format, json_.String("fmt", "e4m3"));
    if (format != "e4m3" && format != "float8_e4m3fn") return json_.Find("fmt").Bad("e4m3");
    SAMARA_ASSIGN_OR_RETURN(const Json size, json_.RequireArray("weight_block_size"));
    if (size.size() != 2) return size.Bad("two sizes: rows and columns of a block");
    uint64_t* sizes[] = {&block_rows_, &block_columns_};
    int i = 0;
    for (const Json item : size) {
      SAMARA_ASSIGN_OR_RETURN(*sizes[i++], item.Uint(1, kMaxGroupSize));
    }
    return Status();
  }

  Status ReadInt4Settings() {
    SAMARA_ASSIGN_OR_RETURN(const int64_t bits, json_.Int("bits", 4, 1, 16));
    if (bits != 4) return json_.Find("bits").Bad("4");
    SAMARA_ASSIGN_OR_RETURN(const int64_t group,
                            json_.Int("group_size", 128, -1, static_cast<int64_t>(kMaxGroupSize)));
    if (group == 0) return json_.Find("group_size").Bad("1 or more, or -1");
    group_size_ = group < 0 ? 0 : static_cast<uint64_t>(group);
    if (kind_ == PackedWeight::Kind::kAwq) {
      SAMARA_ASSIGN_OR_RETURN(const std::string_view version, json_.String("version", "gemm"));
      if (version != "gemm" && version != "GEMM") return json_.Find("version").Bad("gemm");
      SAMARA_ASSIGN_OR_RETURN(const bool zeros, json_.Bool("zero_point", true));
      if (!zeros) return json_.Find("zero_point").Bad("true");
      return Status();
    }
    SAMARA_ASSIGN_OR_RETURN(const std::string_view format,
                            json_.String("checkpoint_format", "gptq"));
    if (format != "gptq" && format != "gptq_v2")
      return json_.Find("checkpoint_format").Bad("gptq or gptq_v2");
    zero_offset_ = format == "gptq" ? 1 : 0;
    return Status();
  }

  StatusOr<TensorInfo> Want(const std::string& name) const {
    const TensorInfo* tensor = checkpoint_->Find(name);
    if (tensor == nullptr) {
      return InvalidFile("tensor %s: not there, as config.json's quantization_config wants it",
                         Quoted(name, 200).c_str());
    }
    return *tensor;
  }
  static Status Bad(const TensorInfo& tensor, const std::string& wanted) {
    return InvalidFile("tensor %s: got %s %s, wanted %s", Quoted(tensor.name, 200).c_str(),
                       tensor.type.c_str(), ShapeText(tensor).c_str(), wanted.c_str());
  }
  static Status WantInts(const TensorInfo& tensor, uint64_t rows, uint64_t columns) {
    if (tensor.type == "I32" && tensor.shape == std::vector<uint64_t>{rows, columns})
      return Status();
    return Bad(tensor, "I32 [" + std::to_string(rows) + ", " + std::to_string(columns) + "]");
  }
  static Status WantFloats(const TensorInfo& tensor, uint64_t rows, uint64_t columns) {
    if (IsFloat(tensor) && tensor.shape == std::vector<uint64_t>{rows, columns}) return Status();
    return Bad(tensor,
               "F32, F16 or BF16 [" + std::to_string(rows) + ", " + std::to_string(columns) + "]");
  }

  Status TakeFp8(const std::string& stem, PackedWeight* w) const {
    SAMARA_ASSIGN_OR_RETURN(w->values, Want(stem + ".weight"));
    SAMARA_ASSIGN_OR_RETURN(w->scales, Want(stem + ".weight_scale_inv"));
    if (w->values.type != "F8_E4M3" || w->values.shape.size() != 2 || w->values.bytes == 0)
      return Bad(w->values, "F8_E4M3 [rows, columns]");
    w->rows = w->values.shape[0];
    w->columns = w->values.shape[1];
    w->block_rows = block_rows_;
    w->block_columns = block_columns_;
    return WantFloats(w->scales, (w->rows - 1) / block_rows_ + 1,
                      (w->columns - 1) / block_columns_ + 1);
  }

  Status TakeInt4(const std::string& stem, PackedWeight* w) const {
    const bool awq = kind_ == PackedWeight::Kind::kAwq;
    SAMARA_ASSIGN_OR_RETURN(w->values, Want(stem + ".qweight"));
    SAMARA_ASSIGN_OR_RETURN(w->zeros, Want(stem + ".qzeros"));
    SAMARA_ASSIGN_OR_RETURN(w->scales, Want(stem + ".scales"));
    if (w->values.type != "I32" || w->values.shape.size() != 2 || w->values.bytes == 0)
      return Bad(w->values, "I32 of two dimensions");
    // Both sizes are below 2^61, as their product is in the file.
    w->rows = w->values.shape[1] * (awq ? kPerWord : 1);
    w->columns = w->values.shape[0] * (awq ? 1 : kPerWord);
    w->zero_offset = zero_offset_;
    if (w->rows % kPerWord != 0) return Bad(w->values, "rows of a multiple of 8");
    const uint64_t size = group_size_ == 0 ? w->columns : group_size_;
    const uint64_t groups = (w->columns - 1) / size + 1;
    SAMARA_RETURN_IF_ERROR(WantFloats(w->scales, groups, w->rows));
    SAMARA_RETURN_IF_ERROR(WantInts(w->zeros, groups, w->rows / kPerWord));
    w->groups.resize(static_cast<size_t>(w->columns));
    for (uint64_t c = 0; c < w->columns; ++c)
      w->groups[static_cast<size_t>(c)] = static_cast<uint32_t>(c / size);
    const TensorInfo* index = awq ? nullptr : checkpoint_->Find(stem + ".g_idx");
    return index == nullptr ? Status() : ReadGroups(*index, groups, w);
  }

  // The group of each column, where the checkpoint has put them in another order.
  Status ReadGroups(const TensorInfo& index, uint64_t groups, PackedWeight* w) const {
    if (index.type != "I32" || index.shape != std::vector<uint64_t>{w->columns})
      return Bad(index, "I32 [" + std::to_string(w->columns) + "]");
    std::vector<uint8_t> bytes(static_cast<size_t>(index.bytes));
    SAMARA_RETURN_IF_ERROR(checkpoint_->Read(index, 0, bytes.data(), bytes.size()));
    for (uint64_t c = 0; c < w->columns; ++c) {
      const uint32_t group = Word(bytes.data() + 4 * c);
      if (group >= groups) {
        return InvalidFile("tensor %s: got %d at [%llu], wanted a group from 0 to %llu",
                           Quoted(index.name, 200).c_str(), static_cast<int>(group),
                           static_cast<Ull>(c), static_cast<Ull>(groups - 1));
      }
      w->groups[static_cast<size_t>(c)] = group;
    }
    return Status();
  }

  TensorInfo MatrixOf(std::string name, PackedWeight weight) const {
    TensorInfo matrix;
    matrix.name = std::move(name);
    matrix.type = "F32";
    matrix.dtype = DType::kF32;
    matrix.kept = kept_;
    matrix.shape = {weight.rows, weight.columns};
    matrix.file = weight.values.file;
    matrix.bytes = weight.rows * weight.columns * sizeof(float);
    matrix.packed = std::make_shared<const PackedWeight>(std::move(weight));
    return matrix;
  }

  const Json json_;
  const DType kept_;
  Checkpoint* checkpoint_;
  PackedWeight::Kind kind_ = PackedWeight::Kind::kFp8;
  uint64_t block_rows_ = 1, block_columns_ = 1, group_size_ = 0;
  int zero_offset_ = 0;
};

}  // namespace

float FloatFromE4m3(uint8_t bits) {
  const int exponent = bits >> 3 & 15, fraction = bits & 7;
  if (exponent == 15 && fraction == 7) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(fraction), -9)
                              : std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

Status UnpackWeights(const Json& config, Checkpoint* checkpoint) {
  const Json quantization = config.Find("quantization_config");
  if (quantization.IsNull()) return Status();
  SAMARA_RETURN_IF_ERROR(quantization.WantObject());
  const char* key = config.Find("dtype").IsNull() ? "torch_dtype" : "dtype";
  const StatusOr<std::string_view> name = config.Find(key).String();
  const DType kept = name.ok() && *name == "bfloat16"  ? DType::kBF16
                     : name.ok() && *name == "float16" ? DType::kF16
                                                       : DType::kF32;
  return Unpacker(quantization, kept, checkpoint).Run();
}

Status ReadPacked(const Checkpoint& checkpoint, const PackedWeight& weight, uint64_t offset,
                  uint8_t* out, uint64_t bytes) {
  // Whole rows, or a part of one.
  std::vector<float> values;
  while (bytes > 0) {
    const uint64_t element = offset / sizeof(float), count = bytes / sizeof(float);
    Box box = {element / weight.columns, 1, element % weight.columns, 0};
    if (box.column == 0 && count >= weight.columns) {
      box.n_rows = count / weight.columns;
      box.n_columns = weight.columns;
    } else {
      box.n_columns = std::min(count, weight.columns - box.column);
    }
    values.resize(static_cast<size_t>(box.n_rows * box.n_columns));
    SAMARA_RETURN_IF_ERROR(weight.kind == PackedWeight::Kind::kFp8
                               ? ReadFp8(checkpoint, weight, box, values.data())
                               : ReadInt4(checkpoint, weight, box, values.data()));
    const uint64_t done = values.size() * sizeof(float);
    memcpy(out, values.data(), done);
    out += done;
    offset += done;
    bytes -= done;
  }
  return Status();
}

}  // namespace samara
