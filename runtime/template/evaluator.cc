// Expressions.
#include "runtime/template/evaluator.h"

#include <algorithm>
#include <bit>

namespace samara::template_runtime {

bool Evaluator::Eval(uint32_t index, Frame* frame, Value* out) {
  const TemplateNode node = tree_.Node(index);
  line_ = node.line;
  // Leaves first: they need neither depth nor a frame of their own.
  switch (node.kind) {
    case kNodeConst:
      *out = node.sub == 0 ? None() : Bool(node.sub == 1);
      return Steps(1);
    case kNodeInt:
    case kNodeFloat: {
      const uint64_t bits = Operand(node, 0) | uint64_t{Operand(node, 1)} << 32;
      *out = node.kind == kNodeInt ? Int(static_cast<int64_t>(bits))
                                   : Float(std::bit_cast<double>(bits));
      return Steps(1);
    }
    case kNodeString:
      *out = String(tree_.Text(Operand(node, 0)));
      return Steps(1);
    case kNodeLoad: {
      const Frame* from = frame;
      for (uint32_t up = Operand(node, 0); up > 0; --up) from = from->parent;
      *out = from->slots[Operand(node, 1)];
      if (out->missing()) *out = Undefined(Absence::kName, tree_.Text(Operand(node, 2)));
      return Steps(1);
    }
    case kNodeMacro:
      return EvalMacro(node, index, frame, out);
    default:
      break;
  }
  if (!Deeper()) return false;
  const bool good = EvalInner(node, frame, out);
  Shallower();
  return good;
}

bool Evaluator::EvalOptional(uint32_t node, Frame* frame, Value* out) {
  *out = Value();
  return node == kTemplateNone || Eval(node, frame, out);
}

bool Evaluator::EvalInner(const TemplateNode& node, Frame* frame, Value* out) {
  switch (node.kind) {
    case kNodeTuple:
    case kNodeList:
      return EvalList(node, frame, out);
    case kNodeDict:
      return EvalDict(node, frame, out);
    case kNodeAdd:
      return EvalAdd(node, frame, out);
    case kNodeBinary:
    case kNodeNegate:
    case kNodePlus:
      return EvalBinary(node, frame, out);
    case kNodeNot:
      if (!Eval(Operand(node, 0), frame, out)) return false;
      return GiveBool(!Truth(*out), out);
    case kNodeAnd:
    case kNodeOr:
      return EvalLogic(node, frame, out);
    case kNodeCompare:
      return EvalCompare(node, frame, out);
    case kNodeConcat:
      return EvalConcat(node, frame, out);
    case kNodeCondition:
      return EvalCondition(node, frame, out);
    case kNodeGetAttr:
    case kNodeGetItem:
      return EvalAccess(node, frame, out);
    case kNodeSlice:
      return EvalSlice(node, frame, out);
    case kNodeCall:
      return EvalCall(node, frame, out);
    case kNodeFilter:
      return EvalFilter(node, frame, out);
    case kNodeMapFilter:
    case kNodeMapAttr:
      return EvalMap(node, frame, out);
    case kNodeSelect:
      return EvalSelect(node, frame, out);
    default:
      return EvalTest(node, frame, out);
  }
}

bool Evaluator::EvalList(const TemplateNode& node, Frame* frame, Value* out) {
  const size_t mark = Mark();
  for (uint32_t i = 0; i < node.n_operands; ++i) {
    if (!Eval(Operand(node, i), frame, out) || !Push(*out)) return false;
  }
  return TakeList(mark, node.kind == kNodeList ? ListKind::kList : ListKind::kTuple, out);
}

bool Evaluator::EvalDict(const TemplateNode& node, Frame* frame, Value* out) {
  if (!NewDict(node.n_operands / 2, out)) return false;
  for (uint32_t i = 0; i < node.n_operands; i += 2) {
    Value key, value;
    if (!Eval(Operand(node, i), frame, &key) || !Eval(Operand(node, i + 1), frame, &value) ||
        !DictSet(out->dict, key, value)) {
      return false;
    }
  }
  return true;
}

bool Evaluator::EvalAdd(const TemplateNode& node, Frame* frame, Value* out) {
  // All values first, so that a chain of texts becomes one text at once.
  bool texts = true;
  const size_t mark = Mark();
  for (uint32_t i = 0; i < node.n_operands; ++i) {
    if (!Eval(Operand(node, i), frame, out) || !Push(*out)) return false;
    texts = texts && out->IsString();
  }
  Value parts;
  const Scratch scratch = Begin();
  if (!TakeList(mark, ListKind::kTuple, &parts)) return false;
  const Value* items = parts.list->items;
  if (texts) return Concatenate(items, node.n_operands, out);
  Value sum = items[0];
  for (uint32_t i = 1; i < node.n_operands; ++i) {
    if (!Add(sum, items[i], out)) return false;
    sum = *out;
  }
  if (sum.kind < Kind::kString) Release(scratch);
  return true;
}

bool Evaluator::EvalBinary(const TemplateNode& node, Frame* frame, Value* out) {
  Value left, right;
  if (node.kind == kNodeBinary) {
    return Eval(Operand(node, 0), frame, &left) && Eval(Operand(node, 1), frame, &right) &&
           Binary(node.sub, left, right, out);
  }
  if (!Eval(Operand(node, 0), frame, &right)) return false;
  if (right.Is(Kind::kUndefined)) return FailUndefined(right);
  if (!right.IsNumber()) return FailType("bad operand type for unary + or -", right);
  return node.kind == kNodePlus   ? Arithmetic(kTemplateBinaries, Int(0), right, out)
         : right.Is(Kind::kFloat) ? (*out = Float(-right.d), true)
                                  : Arithmetic(kBinarySubtract, Int(0), right, out);
}

bool Evaluator::EvalLogic(const TemplateNode& node, Frame* frame, Value* out) {
  for (uint32_t i = 0; i < node.n_operands; ++i) {
    if (!Eval(Operand(node, i), frame, out)) return false;
    if (Truth(*out) == (node.kind == kNodeOr)) break;
  }
  return true;
}

bool Evaluator::EvalCompare(const TemplateNode& node, Frame* frame, Value* out) {
  Value left, right;
  bool holds = true;
  if (!Eval(Operand(node, 0), frame, &left)) return false;
  for (uint32_t i = 1; i < node.n_operands && holds; i += 2) {
    if (!Eval(Operand(node, i + 1), frame, &right) ||
        !Compare(Operand(node, i), left, right, &holds)) {
      return false;
    }
    left = right;
  }
  return GiveBool(holds, out);
}

bool Evaluator::EvalConcat(const TemplateNode& node, Frame* frame, Value* out) {
  const size_t mark = Mark();
  for (uint32_t i = 0; i < node.n_operands; ++i) {
    Value value;
    if (!Eval(Operand(node, i), frame, &value) || !ToString(value, out)) return false;
    out->flags = 0;  // ~ makes plain text
    if (!Push(*out)) return false;
  }
  Value parts;
  return TakeList(mark, ListKind::kTuple, &parts) &&
         Concatenate(parts.list->items, node.n_operands, out);
}

bool Evaluator::EvalCondition(const TemplateNode& node, Frame* frame, Value* out) {
  if (!Eval(Operand(node, 0), frame, out)) return false;
  const uint32_t chosen = Operand(node, Truth(*out) ? 1 : 2);
  if (chosen != kTemplateNone) return Eval(chosen, frame, out);
  *out = Undefined(Absence::kHint,
                   "the inline if-expression evaluated to false and no else section was defined");
  return true;
}

bool Evaluator::EvalAccess(const TemplateNode& node, Frame* frame, Value* out) {
  Value object, key;
  if (!Eval(Operand(node, 0), frame, &object)) return false;
  if (node.kind == kNodeGetAttr) {
    return GetAttr(object, tree_.Text(Operand(node, 1)), node.sub, out);
  }
  return Eval(Operand(node, 1), frame, &key) && GetItem(object, key, out);
}

bool Evaluator::EvalSlice(const TemplateNode& node, Frame* frame, Value* out) {
  Value object, bounds[3];
  if (!Eval(Operand(node, 0), frame, &object)) return false;
  for (uint32_t i = 0; i < 3; ++i) {
    if (!EvalOptional(Operand(node, i + 1), frame, &bounds[i])) return false;
  }
  return Slice(object, bounds, out);
}

bool Evaluator::EvalCall(const TemplateNode& node, Frame* frame, Value* out) {
  Value callee, caller;
  if (!Eval(Operand(node, 0), frame, &callee) || !EvalOptional(Operand(node, 1), frame, &caller)) {
    return false;
  }
  Arguments arguments{nullptr, 0, (node.n_operands - 2u) / 2};
  arguments.items = Make<Argument>(arguments.n);
  if (!arguments.items) return false;
  for (uint32_t i = 0; i < arguments.n; ++i) {
    const uint32_t name = Operand(node, 2 + 2 * i);
    Argument& argument = arguments.items[i];
    if (name == kTemplateNone) {
      ++arguments.n_positional;
    } else {
      argument.name = tree_.Text(name);
    }
    if (!Eval(Operand(node, 3 + 2 * i), frame, &argument.value)) return false;
  }
  line_ = node.line;
  return Call(callee, arguments, caller, out);
}

// The operands of a filter or test from `first` on; absent ones, up to three, are kMissing.
bool Evaluator::EvalParameters(const TemplateNode& node, uint32_t first, Frame* frame,
                               Value** out) {
  const uint32_t n = node.n_operands - first;
  *out = Make<Value>(n + 4);
  if (!*out) return false;
  for (uint32_t i = 0; i < n; ++i) {
    if (!EvalOptional(Operand(node, first + i), frame, *out + i)) return false;
  }
  return true;
}

bool Evaluator::EvalFilter(const TemplateNode& node, Frame* frame, Value* out) {
  Value value, *parameters = nullptr;
  if (!Eval(Operand(node, 0), frame, &value) || !EvalParameters(node, 1, frame, &parameters)) {
    return false;
  }
  line_ = node.line;
  return Filter(node.sub, value, parameters, node.n_operands - 1u, out);
}

bool Evaluator::EvalTest(const TemplateNode& node, Frame* frame, Value* out) {
  Value value, *parameters = nullptr;
  if (!Eval(Operand(node, 0), frame, &value) || !EvalParameters(node, 1, frame, &parameters)) {
    return false;
  }
  line_ = node.line;
  bool holds = false;
  if (!Test(node.sub, value, parameters, node.n_operands - 1u, &holds)) return false;
  return GiveBool(holds, out);
}

bool Evaluator::EvalMap(const TemplateNode& node, Frame* frame, Value* out) {
  Value value, *parameters = nullptr;
  Sequence sequence;
  if (!Eval(Operand(node, 0), frame, &value) || !EvalParameters(node, 1, frame, &parameters) ||
      !Iterate(value, &sequence)) {
    return false;
  }
  line_ = node.line;
  const size_t mark = Mark();
  for (uint32_t i = 0; i < sequence.n; ++i) {
    Value item, mapped;
    if (!Steps(1) || !At(sequence, i, &item)) return false;
    if (node.kind == kNodeMapAttr
            ? !GetPath(item, parameters[0], parameters[1], &mapped)
            : !Filter(node.sub, item, parameters, node.n_operands - 1u, &mapped)) {
      return false;
    }
    if (!Push(mapped)) return false;
  }
  return TakeList(mark, ListKind::kIterator, out);
}

bool Evaluator::EvalSelect(const TemplateNode& node, Frame* frame, Value* out) {
  Value value, path, *parameters = nullptr;
  Sequence sequence;
  if (!Eval(Operand(node, 0), frame, &value) || !EvalOptional(Operand(node, 1), frame, &path) ||
      !EvalParameters(node, 3, frame, &parameters) || !Iterate(value, &sequence)) {
    return false;
  }
  line_ = node.line;
  const uint32_t test = Operand(node, 2);
  const size_t mark = Mark();
  for (uint32_t i = 0; i < sequence.n; ++i) {
    Value item, looked;
    if (!Steps(1) || !At(sequence, i, &item) || !GetPath(item, path, Value(), &looked))
      return false;
    bool holds = Truth(looked);
    if (test != kTemplateNone &&
        !Test(static_cast<uint8_t>(test), looked, parameters, node.n_operands - 3u, &holds)) {
      return false;
    }
    if (holds != (node.sub == kSelectReject) && !Push(item)) return false;
  }
  return TakeList(mark, ListKind::kIterator, out);
}

bool Evaluator::EvalMacro(const TemplateNode&, uint32_t index, Frame* frame, Value* out) {
  Macro* macro = Make<Macro>();
  if (!macro || !Steps(1)) return false;
  *macro = {index, frame};
  *out = Value();
  out->kind = Kind::kMacro;
  out->macro = macro;
  return true;
}

}  // namespace samara::template_runtime
