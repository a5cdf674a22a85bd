#include "converter/gguf/gguf.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace samara {
namespace {

using Ull = unsigned long long;

constexpr uint64_t kMaxHeaderBytes = uint64_t{512} << 20;
constexpr uint64_t kMaxPairs = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 20;
constexpr uint64_t kMaxKeyBytes = 1024;
constexpr uint64_t kMaxRank = 4;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;

struct BlockType {
  uint32_t number;
  const char* name;
  uint32_t elements, bytes;  // of a block
};
constexpr BlockType kBlockTypes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},   {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},    {40, "NVFP4", 64, 36},
};

// The codec of the same name and block; kInvalid where this build has none.
DType DTypeOf(const BlockType& type) {
  std::string name = type.name;
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const DTypeInfo* info = FindDType(std::string_view(name));
  return info != nullptr && info->is_weight && info->block_elements == type.elements &&
                 info->block_bytes == type.bytes
             ? info->dtype
             : DType::kInvalid;
}

// Bytes of one element; 0: none of a fixed size.
uint64_t SizeOf(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    default:
      return 0;
  }
}

uint64_t Load(const char* at, uint64_t bytes) {
  uint64_t value = 0;
  for (uint64_t i = bytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(at[i]);
  return value;
}

int64_t LoadSigned(const char* at, uint64_t bytes) {
  const uint64_t shift = 64 - 8 * bytes;
  return static_cast<int64_t>(Load(at, bytes) << shift) >> shift;
}

bool IsSigned(GgufType type) {
  return type == GgufType::kI8 || type == GgufType::kI16 || type == GgufType::kI32 ||
         type == GgufType::kI64;
}

}  // namespace

// Reads the file from its beginning, a piece at a time, and keeps what was read.
class Gguf::Cursor {
 public:
  Cursor(const InputFile& file, std::string* bytes) : file_(file), bytes_(bytes) {}

  uint64_t position() const { return position_; }
  // The next n bytes are there.
  Status Want(uint64_t n, const char* what) {
    const uint64_t limit = std::min(file_.bytes(), kMaxHeaderBytes);
    if (n > limit - position_) {
      return InvalidFile("%s: byte %llu: got %s of %llu bytes, wanted at most %llu (%s)",
                         file_.name().c_str(), static_cast<Ull>(position_), what,
                         static_cast<Ull>(n), static_cast<Ull>(limit - position_),
                         limit == file_.bytes() ? "the rest of the file" : "the limit");
    }
    if (position_ + n <= bytes_->size()) return Status();
    const uint64_t end = std::min(limit, std::max(position_ + n, bytes_->size() + kPiece));
    const size_t old = bytes_->size();
    bytes_->resize(static_cast<size_t>(end));
    return file_.ReadAt(old, bytes_->data() + old, end - old);
  }
  StatusOr<uint64_t> Integer(uint64_t bytes, const char* what) {
    SAMARA_RETURN_IF_ERROR(Want(bytes, what));
    const uint64_t value = Load(bytes_->data() + position_, bytes);
    position_ += bytes;
    return value;
  }
  Status Skip(uint64_t bytes, const char* what) {
    SAMARA_RETURN_IF_ERROR(Want(bytes, what));
    position_ += bytes;
    return Status();
  }
  // A string's bytes begin at the offset that is returned and end at position().
  StatusOr<uint64_t> Text(const char* what) {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t length, Integer(8, what));
    const uint64_t begin = position_;
    SAMARA_RETURN_IF_ERROR(Skip(length, what));
    return begin;
  }
  std::string_view From(uint64_t begin) const {
    return std::string_view(*bytes_).substr(static_cast<size_t>(begin),
                                            static_cast<size_t>(position_ - begin));
  }
  const InputFile& file() const { return file_; }

 private:
  static constexpr uint64_t kPiece = uint64_t{1} << 20;
  const InputFile& file_;
  std::string* bytes_;
  uint64_t position_ = 0;
};

// --- GgufValue ---------------------------------------------------------------------------------

Status GgufValue::Bad(const char* wanted) const {
  constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                    "bool", "string", "array", "u64", "i64", "f64"};
  std::string got =
      std::string(is_array_ ? "an array of " : "") + kNames[static_cast<uint32_t>(type_)];
  if (is_array_) got += " of " + std::to_string(count_) + " elements";
  double number = 0;
  if (!is_array_ && NumberAt(bytes_.data(), &number)) got += " " + *NumberText();
  return InvalidFile("%s: metadata %s: got %s, wanted %s", file_->c_str(), Quoted(key_).c_str(),
                     got.c_str(), wanted);
}

bool GgufValue::NumberAt(const char* at, double* out) const {
  const uint64_t size = SizeOf(type_);
  if (size == 0) return false;
  if (type_ == GgufType::kF32) {
    *out = std::bit_cast<float>(static_cast<uint32_t>(Load(at, 4)));
  } else if (type_ == GgufType::kF64) {
    *out = std::bit_cast<double>(Load(at, 8));
  } else {
    *out = IsSigned(type_) ? static_cast<double>(LoadSigned(at, size))
                           : static_cast<double>(Load(at, size));
  }
  return true;
}

StatusOr<uint64_t> GgufValue::Uint(uint64_t max) const {
  const uint64_t size = SizeOf(type_);
  double number = 0;
  if (!is_array_ && size > 0 && type_ != GgufType::kBool) {
    if (type_ == GgufType::kF32 || type_ == GgufType::kF64) {
      if (NumberAt(bytes_.data(), &number) && number >= 0 && number <= 0x1p53 &&
          number == std::floor(number) && static_cast<uint64_t>(number) <= max) {
        return static_cast<uint64_t>(number);
      }
    } else if (!IsSigned(type_) || LoadSigned(bytes_.data(), size) >= 0) {
      const uint64_t value = Load(bytes_.data(), size);
      if (value <= max) return value;
    }
  }
  return Bad(("an integer from 0 to " + std::to_string(max)).c_str());
}

StatusOr<double> GgufValue::Number() const {
  double number = 0;
  if (is_array_ || type_ == GgufType::kBool || !NumberAt(bytes_.data(), &number) ||
      !std::isfinite(number)) {
    return Bad("a finite number");
  }
  return number;
}

StatusOr<bool> GgufValue::Bool() const {
  if (is_array_ || type_ != GgufType::kBool) return Bad("a bool");
  return bytes_[0] != 0;
}

StatusOr<std::string_view> GgufValue::String() const {
  if (!IsString()) return Bad("a string");
  return bytes_.substr(8);
}

StatusOr<std::string> GgufValue::NumberText() const {
  double number = 0;
  if (is_array_ || !NumberAt(bytes_.data(), &number) || !std::isfinite(number))
    return Bad("a finite number");
  char text[32];
  const uint64_t size = SizeOf(type_);
  std::to_chars_result end = {text, std::errc()};
  if (type_ == GgufType::kF32) {
    end = std::to_chars(text, text + sizeof text, static_cast<float>(number));
  } else if (type_ == GgufType::kF64) {
    end = std::to_chars(text, text + sizeof text, number);
  } else if (IsSigned(type_)) {
    end = std::to_chars(text, text + sizeof text, LoadSigned(bytes_.data(), size));
  } else {
    end = std::to_chars(text, text + sizeof text, Load(bytes_.data(), size));
  }
  return std::string(text, end.ptr);
}

StatusOr<std::vector<std::string_view>> GgufValue::Strings() const {
  if (!is_array_ || type_ != GgufType::kString) return Bad("an array of strings");
  std::vector<std::string_view> out;
  out.reserve(static_cast<size_t>(count_));
  size_t at = 0;  // the lengths were checked when the header was read
  for (uint64_t i = 0; i < count_; ++i) {
    const auto length = static_cast<size_t>(Load(bytes_.data() + at, 8));
    out.push_back(bytes_.substr(at + 8, length));
    at += 8 + length;
  }
  return out;
}

StatusOr<std::vector<double>> GgufValue::Numbers() const {
  const uint64_t size = SizeOf(type_);
  if (!is_array_ || size == 0) return Bad("an array of numbers");
  std::vector<double> out(static_cast<size_t>(count_));
  for (size_t i = 0; i < out.size(); ++i) {
    if (!NumberAt(bytes_.data() + i * size, &out[i]) || !std::isfinite(out[i]))
      return Bad("an array of finite numbers");
  }
  return out;
}

StatusOr<std::string_view> GgufValue::Bytes() const {
  if (!is_array_ || (type_ != GgufType::kU8 && type_ != GgufType::kI8))
    return Bad("an array of bytes");
  return bytes_;
}

// --- Gguf --------------------------------------------------------------------------------------

Status Gguf::ReadPair(Cursor* cursor, std::vector<Place>* places) {
  const auto bad = [&](std::string_view key, const char* got, uint64_t number, const char* wanted) {
    return InvalidFile("%s: metadata %s: got %s %llu, wanted %s", name_->c_str(),
                       Quoted(key).c_str(), got, static_cast<Ull>(number), wanted);
  };
  SAMARA_ASSIGN_OR_RETURN(const uint64_t key_at, cursor->Text("a metadata key"));
  const uint64_t key_bytes = cursor->position() - key_at;
  if (key_bytes == 0 || key_bytes > kMaxKeyBytes)
    return bad(cursor->From(key_at), "a key of length", key_bytes, "1 to 1,024 bytes");
  GgufValue value;
  const auto key = [&] { return std::string_view(*header_).substr(key_at, key_bytes); };
  SAMARA_ASSIGN_OR_RETURN(uint64_t type, cursor->Integer(4, "a metadata type"));
  if (type == static_cast<uint64_t>(GgufType::kArray)) {
    value.is_array_ = true;
    SAMARA_ASSIGN_OR_RETURN(type, cursor->Integer(4, "an array's type"));
    SAMARA_ASSIGN_OR_RETURN(value.count_, cursor->Integer(8, "an array's length"));
    if (type == static_cast<uint64_t>(GgufType::kArray))
      return bad(key(), "an array of arrays, type", type, "numbers, bools or strings");
  }
  if (type > static_cast<uint64_t>(GgufType::kF64))
    return bad(key(), "the value type", type, "0 to 12");
  value.type_ = static_cast<GgufType>(type);
  const uint64_t begin = cursor->position(), size = SizeOf(value.type_);
  if (size == 0) {
    for (uint64_t i = 0; i < value.count_; ++i)
      SAMARA_RETURN_IF_ERROR(cursor->Text("a string").status());
  } else {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(size, value.count_, &bytes))
      return bad(key(), "an array of length", value.count_, "one that fits in the file");
    SAMARA_RETURN_IF_ERROR(cursor->Skip(bytes, "a value"));
  }
  if (value.type_ == GgufType::kBool) {
    for (const char c : cursor->From(begin)) {
      if (c != 0 && c != 1) return bad(key(), "a bool of", static_cast<uint8_t>(c), "0 or 1");
    }
  }
  values_.push_back(value);
  places->push_back({key_at, key_bytes, begin, cursor->position() - begin});
  return Status();
}

Status Gguf::ReadTensor(Cursor* cursor) {
  TensorInfo tensor;
  SAMARA_ASSIGN_OR_RETURN(const uint64_t name_at, cursor->Text("a tensor's name"));
  tensor.name = cursor->From(name_at);
  bool good = !tensor.name.empty() && tensor.name.size() <= kMaxTensorName;
  for (const char c : tensor.name) good = good && static_cast<uint8_t>(c) >= 0x20 && c != 0x7F;
  if (!good) {
    return InvalidFile(
        "%s: tensor name: got %s of %zu bytes, wanted 1 to %llu bytes without control characters",
        name_->c_str(), Quoted(tensor.name).c_str(), tensor.name.size(),
        static_cast<Ull>(kMaxTensorName));
  }
  const auto bad = [&](const std::string& got, const std::string& wanted) {
    return InvalidFile("%s: tensor %s: got %s, wanted %s", name_->c_str(),
                       Quoted(tensor.name).c_str(), got.c_str(), wanted.c_str());
  };
  SAMARA_ASSIGN_OR_RETURN(const uint64_t rank, cursor->Integer(4, "a tensor's rank"));
  if (rank == 0 || rank > kMaxRank) return bad("rank " + std::to_string(rank), "1 to 4");
  uint64_t elements = 1;
  for (uint64_t i = 0; i < rank; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t size, cursor->Integer(8, "a tensor's size"));
    if (size == 0 || __builtin_mul_overflow(elements, size, &elements) ||
        elements > (uint64_t{1} << 60)) {
      return bad("a size of " + std::to_string(size), "sizes whose product fits in the file");
    }
    tensor.shape.insert(tensor.shape.begin(), size);
  }
  SAMARA_ASSIGN_OR_RETURN(const uint64_t number, cursor->Integer(4, "a tensor's type"));
  const auto* type = std::find_if(std::begin(kBlockTypes), std::end(kBlockTypes),
                                  [&](const BlockType& t) { return t.number == number; });
  if (type == std::end(kBlockTypes)) {
    return Unsupported(
        "%s: tensor %s: got the unknown type %llu, wanted a known one (F32, Q4_0...)",
        name_->c_str(), Quoted(tensor.name).c_str(), static_cast<Ull>(number));
  }
  tensor.type = type->name;
  tensor.dtype = DTypeOf(*type);
  if (tensor.shape.back() % type->elements != 0) {
    return bad(
        "rows of " + std::to_string(tensor.shape.back()),
        std::string("a multiple of the ") + std::to_string(type->elements) + " of " + type->name);
  }
  tensor.bytes = elements / type->elements * type->bytes;
  SAMARA_ASSIGN_OR_RETURN(tensor.offset, cursor->Integer(8, "a tensor's offset"));
  tensors_.push_back(std::move(tensor));
  return Status();
}

// Offsets become those of the file; no two tensors overlap.
Status Gguf::PlaceTensors(uint64_t header_end) {
  SAMARA_ASSIGN_OR_RETURN(const uint64_t alignment, Uint("general.alignment", 32, kMaxAlignment));
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    return InvalidFile("%s: metadata \"general.alignment\": got %llu, wanted a power of two",
                       name_->c_str(), static_cast<Ull>(alignment));
  }
  const uint64_t data = (header_end + alignment - 1) / alignment * alignment;
  const uint64_t room = data <= file_.bytes() ? file_.bytes() - data : 0;
  std::vector<const TensorInfo*> order;
  for (TensorInfo& tensor : tensors_) {
    if (tensor.offset > room || tensor.bytes > room - tensor.offset) {
      return InvalidFile(
          "%s: tensor %s: got %llu bytes at %llu of the data, wanted them in the %llu that the "
          "file "
          "has",
          name_->c_str(), Quoted(tensor.name).c_str(), static_cast<Ull>(tensor.bytes),
          static_cast<Ull>(tensor.offset), static_cast<Ull>(room));
    }
    tensor.offset += data;
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
      return InvalidFile("%s: tensors %s and %s: got places that overlap, wanted one for each",
                         name_->c_str(), Quoted(order[i - 1]->name).c_str(),
                         Quoted(order[i]->name).c_str());
    }
  }
  return Status();
}

StatusOr<Gguf> Gguf::Open(const std::string& path, const std::string& name) {
  Gguf gguf;
  gguf.name_ = std::make_unique<std::string>(name);
  gguf.header_ = std::make_unique<std::string>();
  SAMARA_ASSIGN_OR_RETURN(gguf.file_, InputFile::Open(path, name));
  Cursor cursor(gguf.file_, gguf.header_.get());
  SAMARA_RETURN_IF_ERROR(cursor.Skip(4, "a magic number"));
  if (cursor.From(0) != "GGUF")
    return InvalidFile("%s: got a file that begins with %s, wanted \"GGUF\"", name.c_str(),
                       Quoted(cursor.From(0)).c_str());
  SAMARA_ASSIGN_OR_RETURN(const uint64_t version, cursor.Integer(4, "a version"));
  if (version != 2 && version != 3) {
    const bool swapped = version != 0 && (version & 0xFFFF) == 0;
    return Unsupported("%s: got GGUF version %llu%s, wanted 2 or 3", name.c_str(),
                       static_cast<Ull>(version),
                       swapped ? " (it may be big-endian, which is not read)" : "");
  }
  SAMARA_ASSIGN_OR_RETURN(const uint64_t tensors, cursor.Integer(8, "a count of tensors"));
  SAMARA_ASSIGN_OR_RETURN(const uint64_t pairs, cursor.Integer(8, "a count of metadata"));
  if (tensors > kMaxTensors || pairs > kMaxPairs) {
    return InvalidFile("%s: got %llu tensors and %llu metadata, wanted at most %llu and %llu",
                       name.c_str(), static_cast<Ull>(tensors), static_cast<Ull>(pairs),
                       static_cast<Ull>(kMaxTensors), static_cast<Ull>(kMaxPairs));
  }
  std::vector<Place> places;
  for (uint64_t i = 0; i < pairs; ++i) SAMARA_RETURN_IF_ERROR(gguf.ReadPair(&cursor, &places));
  for (uint64_t i = 0; i < tensors; ++i) SAMARA_RETURN_IF_ERROR(gguf.ReadTensor(&cursor));

  gguf.header_->resize(static_cast<size_t>(cursor.position()));
  for (size_t i = 0; i < places.size(); ++i) {
    const std::string_view header = *gguf.header_;
    GgufValue& value = gguf.values_[i];
    value.file_ = gguf.name_.get();
    value.key_ = header.substr(places[i].key, places[i].key_bytes);
    value.bytes_ = header.substr(places[i].value, places[i].value_bytes);
  }
  std::sort(gguf.values_.begin(), gguf.values_.end(),
            [](const GgufValue& a, const GgufValue& b) { return a.key_ < b.key_; });
  for (size_t i = 1; i < gguf.values_.size(); ++i) {
    if (gguf.values_[i - 1].key_ != gguf.values_[i].key_) continue;
    return InvalidFile("%s: metadata %s: got it twice, wanted it once", name.c_str(),
                       Quoted(gguf.values_[i].key_).c_str());
  }
  SAMARA_RETURN_IF_ERROR(gguf.PlaceTensors(cursor.position()));
  return gguf;
}

const GgufValue* Gguf::Find(std::string_view key) const {
  const auto at =
      std::lower_bound(values_.begin(), values_.end(), key,
                       [](const GgufValue& value, std::string_view k) { return value.key_ < k; });
  return at != values_.end() && at->key_ == key ? &*at : nullptr;
}

std::vector<std::string_view> Gguf::Keys(std::string_view prefix) const {
  std::vector<std::string_view> keys;
  for (const GgufValue& value : values_) {
    if (value.key_.starts_with(prefix)) keys.push_back(value.key_);
  }
  return keys;
}

StatusOr<uint64_t> Gguf::Uint(std::string_view key, uint64_t otherwise, uint64_t max) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return otherwise;
  return value->Uint(max);
}

StatusOr<bool> Gguf::Bool(std::string_view key, bool otherwise) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return otherwise;
  return value->Bool();
}

StatusOr<std::string_view> Gguf::String(std::string_view key, std::string_view otherwise) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return otherwise;
  return value->String();
}

}  // namespace samara
