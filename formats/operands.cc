#include "formats/operands.h"

#include <charconv>

namespace samara {
namespace {

const AttrInfo* FindAttr(const OpInfo& info, AttrKey key) {
  for (int i = 0; i < info.n_attrs; ++i) {
    if (info.attrs[i].key == key) return &info.attrs[i];
  }
  return nullptr;
}

std::string Number(double value) {
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, value);
  return std::string(text, end.ptr);
}

Status CheckAttr(const Op& op, const AttrInfo& info, const Attr& attr) {
  auto check = [&](double value) {
    // Written so that NaN fails.
    if (value >= info.min && value <= info.max) return Status();
    return InvalidFile("%s: attribute %s is %s, want %s to %s", OpText(op).c_str(), info.name,
                       Number(value).c_str(), Number(info.min).c_str(), Number(info.max).c_str());
  };
  if (info.type == AttrType::kInt) return check(static_cast<double>(attr.i));
  if (info.type == AttrType::kFloat) return check(attr.f);
  for (int64_t element : attr.ints) SAMARA_RETURN_IF_ERROR(check(static_cast<double>(element)));
  return Status();
}

}  // namespace

OperandUse UseOfOperand(OpCode code, size_t input) {
  switch (code) {
    case OpCode::kGather:
      return input == 0 ? OperandUse::kTable : OperandUse::kPlain;
    case OpCode::kMatmul:
      return input == 1 ? OperandUse::kMatrix : OperandUse::kPlain;
    case OpCode::kLinear:
      return input == 1   ? OperandUse::kMatrix
             : input == 2 ? OperandUse::kVector
                          : OperandUse::kPlain;
    case OpCode::kRmsNorm:
    case OpCode::kRopeTable:
      return input == 1 ? OperandUse::kVector : OperandUse::kPlain;
    case OpCode::kLayerNorm:
      return input > 0 ? OperandUse::kVector : OperandUse::kPlain;
    case OpCode::kStateWrite:
      return input == 1 ? OperandUse::kState : OperandUse::kPlain;
    case OpCode::kStateRead:
    case OpCode::kStateVisible:
      return OperandUse::kState;
    case OpCode::kAttention:
      return input == 1   ? OperandUse::kState
             : input == 2 ? OperandUse::kVector
                          : OperandUse::kPlain;
    default:
      return OperandUse::kPlain;
  }
}

const State* StateOfValue(const Package& package, const Value& value) {
  bool state = value.kind == ValueKind::kState ||
               (value.kind == ValueKind::kInput && value.dtype == DType::kInvalid);
  if (!state || value.index < 0 || static_cast<size_t>(value.index) >= package.states.size()) {
    return nullptr;
  }
  return &package.states[value.index];
}

std::string OpText(const Op& op) {
  const OpInfo* info = FindOp(op.code);
  std::string type = info != nullptr ? info->name : Quoted(op.type_name, 60);
  return "operator " + Quoted(op.name, 120) + " (" + type + ")";
}

bool IsKnown(const Op& op) {
  const OpInfo* info = FindOp(op.code);
  if (info == nullptr || op.version > info->version) return false;
  for (const Attr& attr : op.attrs) {
    if (FindAttr(*info, attr.key) == nullptr) return false;
  }
  return true;
}

Status CheckForm(const Op& op) {
  const OpInfo* info = FindOp(op.code);
  if (info == nullptr) return Unsupported("%s is not known to this build", OpText(op).c_str());
  if (op.inputs.size() < info->min_inputs ||
      (info->max_inputs != 255 && op.inputs.size() > info->max_inputs)) {
    return InvalidFile("%s has %zu inputs, want %d to %d", OpText(op).c_str(), op.inputs.size(),
                       info->min_inputs, info->max_inputs);
  }
  if (op.outputs.size() != info->outputs) {
    return InvalidFile("%s has %zu outputs, want %d", OpText(op).c_str(), op.outputs.size(),
                       info->outputs);
  }
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    bool optional = i >= info->required_inputs && info->max_inputs != 255;
    if (op.inputs[i] == kNoValue && !optional) {
      return InvalidFile("%s: input %zu is absent", OpText(op).c_str(), i);
    }
  }
  for (size_t i = 0; i < op.attrs.size(); ++i) {
    const AttrInfo* attr = FindAttr(*info, op.attrs[i].key);
    if (attr == nullptr) {
      return Unsupported("%s: attribute %d is not known to this build", OpText(op).c_str(),
                         static_cast<int>(op.attrs[i].key));
    }
    if (op.Find(attr->key) != &op.attrs[i]) {
      return InvalidFile("%s: attribute %s is given twice", OpText(op).c_str(), attr->name);
    }
    SAMARA_RETURN_IF_ERROR(CheckAttr(op, *attr, op.attrs[i]));
  }
  for (int i = 0; i < info->n_attrs; ++i) {
    if (info->attrs[i].required && op.Find(info->attrs[i].key) == nullptr) {
      return InvalidFile("%s: attribute %s is missing", OpText(op).c_str(), info->attrs[i].name);
    }
  }
  return Status();
}

}  // namespace samara
