// Statements, scopes and macros; the entry point.
#include <algorithm>
#include <utility>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {

// --- Frames ------------------------------------------------------------------------------------------

Value Evaluator::Resolve(std::string_view name) {
  if (const Entry* entry = DictFindText(*variables_.dict, name)) return entry->value;
#define SAMARA_NAME(id, name) name "\0"
  static constexpr char kFunctions[] = SAMARA_TEMPLATE_FUNCTIONS(SAMARA_NAME);
#undef SAMARA_NAME
  Value v;  // kMissing: a variable without a value
  if (const int id = FindWord(kFunctions, name); id >= 0) {
    v.kind = Kind::kFunction;
    v.sub = static_cast<uint8_t>(id);
  }
  return v;
}

bool Evaluator::NewFrame(uint32_t scope, Frame* parent, Frame** out) {
  Frame* frame = Make<Frame>();
  const uint32_t n = tree_.Scope(scope).n_slots;
  if (!frame) return false;
  *frame = {parent, Make<Value>(n)};
  *out = frame;
  return frame->slots && Steps(n / 4);
}

bool Evaluator::EnterFrame(uint32_t scope, Frame* frame) {
  const TemplateScope entry = tree_.Scope(scope);
  for (uint32_t i = entry.inits; i < entry.inits + entry.n_inits; ++i) {
    const TemplateInit init = tree_.Init(i);
    if (init.up == 0) {
      frame->slots[init.slot] = Resolve(tree_.Text(init.what));
      continue;
    }
    const Frame* from = frame;
    for (uint32_t up = init.up; up > 0; --up) from = from->parent;
    frame->slots[init.slot] = from->slots[init.what];
  }
  return Steps(entry.n_inits) && !failed();
}

bool Evaluator::Assign(uint32_t target, Frame* frame, const Value& value) {
  const TemplateNode node = tree_.Node(target);
  if (node.kind == kNodeTargetTuple) {
    Sequence sequence;
    if (value.Is(Kind::kUndefined) || !Iterate(value, &sequence)) {
      return Fail("cannot unpack %s", TypeName(value));
    }
    if (sequence.n != node.n_operands) {
      return Fail("got %u values to unpack, wanted %u", sequence.n, node.n_operands);
    }
    if (!Deeper()) return false;
    for (uint32_t i = 0; i < sequence.n; ++i) {
      Value item;
      if (!At(sequence, i, &item) || !Assign(Operand(node, i), frame, item)) return false;
    }
    Shallower();
    return true;
  }
  Frame* in = frame;
  for (uint32_t up = Operand(node, 0); up > 0; --up) in = in->parent;
  Value* slot = in->slots + Operand(node, 1);
  if (node.kind == kNodeTargetName) {
    if (in != frame) Escape(value);
    return Give(value, slot);
  }
  if (!slot->Is(Kind::kNamespace)) return Fail("cannot assign attribute on non-namespace object");
  const std::string_view field = tree_.Text(Operand(node, 3));
  if (field.starts_with('_')) return Fail("an attribute of a namespace cannot begin with _");
  const uint32_t n_before = slot->dict->n;
  if (!DictSet(slot->dict, String(field), value)) return false;
  Escape(value);
  if (slot->dict->n != n_before) ++escapes_;  // its entries may have moved
  return true;
}

// --- Statements --------------------------------------------------------------------------------------

Flow Evaluator::Execute(uint32_t index, Frame* frame) {
  const TemplateNode node = tree_.Node(index);
  line_ = node.line;
  switch (node.kind) {
    case kNodeText:
      return Append(output_, tree_.Text(Operand(node, 0)), false) && Steps(1) ? Flow::kNext
                                                                              : Flow::kError;
    case kNodeBreak:
      return Flow::kBreak;
    case kNodeContinue:
      return Flow::kContinue;
    case kNodeSet: {
      Value value;
      return Eval(Operand(node, 1), frame, &value) && Assign(Operand(node, 0), frame, value)
                 ? Flow::kNext
                 : Flow::kError;
    }
    default:
      break;
  }
  if (!Deeper()) return Flow::kError;
  Flow flow;
  switch (node.kind) {
    case kNodeBlock:
      flow = ExecuteBlock(node, frame);
      break;
    case kNodeOutput:
      flow = ExecuteOutput(node, frame);
      break;
    case kNodeIf:
      flow = ExecuteIf(node, frame);
      break;
    case kNodeFor:
      flow = ExecuteFor(node, frame);
      break;
    case kNodeWith:
      flow = ExecuteWith(node, frame);
      break;
    default:
      flow = ExecuteCapture(node, frame);
  }
  Shallower();
  return flow;
}

Flow Evaluator::ExecuteBlock(const TemplateNode& node, Frame* frame) {
  for (uint32_t i = 0; i < node.n_operands; ++i) {
    const Flow flow = Execute(Operand(node, i), frame);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Flow Evaluator::ExecuteOutput(const TemplateNode& node, Frame* frame) {
  for (uint32_t i = 0; i < node.n_operands; ++i) {
    const Scratch scratch = Begin();
    Value value;
    if (!Eval(Operand(node, i), frame, &value) || !Print(output_, value)) return Flow::kError;
    Release(scratch);
  }
  return Flow::kNext;
}

Flow Evaluator::ExecuteIf(const TemplateNode& node, Frame* frame) {
  for (uint32_t i = 0; i < node.n_operands; i += 2) {
    const uint32_t condition = Operand(node, i);
    if (condition != kTemplateNone) {
      Value value;
      if (!Eval(condition, frame, &value)) return Flow::kError;
      if (!Truth(value)) continue;
    }
    return Execute(Operand(node, i + 1), frame);
  }
  return Flow::kNext;
}

// The elements for which the loop's test holds.
bool Evaluator::FilterSequence(const TemplateNode& node, Frame* frame, Sequence* sequence) {
  Frame* inner = nullptr;
  const uint32_t scope = Operand(node, 5);
  if (!NewFrame(scope, frame, &inner) || !EnterFrame(scope, inner)) return false;
  const size_t mark = Mark();
  for (uint32_t i = 0; i < sequence->n; ++i) {
    Value item, holds;
    if (!Steps(1) || !At(*sequence, i, &item) || !Assign(Operand(node, 6), inner, item) ||
        !Eval(Operand(node, 7), inner, &holds)) {
      return false;
    }
    if (Truth(holds) && !Push(item)) return false;
  }
  Value list;
  if (!TakeList(mark, ListKind::kList, &list)) return false;
  *sequence = {list.list->items, nullptr, list.list->n};
  return true;
}

Flow Evaluator::ExecuteFor(const TemplateNode& node, Frame* frame) {
  Value iterable;
  Sequence sequence;
  if (!Eval(Operand(node, 3), frame, &iterable) || !Iterate(iterable, &sequence)) {
    return Flow::kError;
  }
  if (Operand(node, 5) != kTemplateNone && !FilterSequence(node, frame, &sequence)) {
    return Flow::kError;
  }
  const uint32_t scope = Operand(node, 0), loop_slot = Operand(node, 4);
  Frame* inner = nullptr;
  LoopState* loop = nullptr;
  if (!NewFrame(scope, frame, &inner)) return Flow::kError;
  const uint32_t n_slots = tree_.Scope(scope).n_slots;
  Value loop_value;
  if (loop_slot != kTemplateNone) {
    loop = Make<LoopState>();
    if (!loop) return Flow::kError;
    *loop = {sequence.items, sequence.range, sequence.n, 0, Value()};
    loop_value.kind = Kind::kLoop;
    loop_value.loop = loop;
  }
  bool completed = false;  // has any round come to the end of the body?
  for (uint32_t i = 0; i < sequence.n; ++i) {
    const Scratch scratch = Begin();
    Value item;
    std::fill(inner->slots, inner->slots + n_slots, Value());
    if (loop) {
      loop->index0 = i;
      inner->slots[loop_slot] = loop_value;
    }
    if (!Steps(1 + n_slots / 4) || !At(sequence, i, &item) ||
        !Assign(Operand(node, 1), inner, item) || !EnterFrame(scope, inner)) {
      return Flow::kError;
    }
    const Flow flow = Execute(Operand(node, 2), inner);
    if (flow == Flow::kError) return flow;
    Release(scratch);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNext) completed = true;
  }
  // As in jinja2, a loop that was left or continued in every round counts as one without a round.
  if (completed || Operand(node, 8) == kTemplateNone) return Flow::kNext;
  const uint32_t other = Operand(node, 8);
  if (!NewFrame(other, frame, &inner) || !EnterFrame(other, inner)) return Flow::kError;
  return Execute(Operand(node, 9), inner);
}

// {% set x %}...{% endset %} and {% filter f %}...{% endfilter %}
Flow Evaluator::ExecuteCapture(const TemplateNode& node, Frame* frame) {
  const bool set = node.kind == kNodeSetBlock;
  const uint32_t first = set ? 1 : 0, scope = Operand(node, first);
  Frame* inner = nullptr;
  if (!NewFrame(scope, frame, &inner) || !EnterFrame(scope, inner)) return Flow::kError;
  Buffer buffer;
  Buffer* const outer = std::exchange(output_, &buffer);
  const Flow flow = Execute(Operand(node, first + 2), inner);
  output_ = outer;
  if (flow != Flow::kNext) return flow;
  Value value;
  if (!Finish(buffer, &inner->slots[Operand(node, first + 1)]) ||
      !Eval(Operand(node, first + 3), inner, &value)) {
    return Flow::kError;
  }
  const bool good = set ? Assign(Operand(node, 0), frame, value) : Print(output_, value);
  return good ? Flow::kNext : Flow::kError;
}

Flow Evaluator::ExecuteWith(const TemplateNode& node, Frame* frame) {
  const uint32_t scope = Operand(node, 0);
  Frame* inner = nullptr;
  if (!NewFrame(scope, frame, &inner) || !EnterFrame(scope, inner)) return Flow::kError;
  for (uint32_t i = 2; i < node.n_operands; i += 2) {
    Value value;
    if (!Eval(Operand(node, i + 1), frame, &value) || !Assign(Operand(node, i), inner, value)) {
      return Flow::kError;
    }
  }
  return Execute(Operand(node, 1), inner);
}

// --- Macros ------------------------------------------------------------------------------------------

bool Evaluator::BindMacro(const TemplateNode& node, Frame* frame, const Arguments& arguments,
                          const Value& caller) {
  const std::string_view name = tree_.Text(Operand(node, 0));
  const int name_bytes = static_cast<int>(std::min<size_t>(name.size(), 80));
  const uint32_t n_parameters = (node.n_operands - 6u) / 3;
  const uint32_t caller_slot = Operand(node, 2), kwargs = Operand(node, 3),
                 varargs = Operand(node, 4);
  const auto parameter = [&](uint32_t i) { return tree_.Text(Operand(node, 6 + 3 * i)); };
  const auto slot = [&](uint32_t i) -> Value& { return frame->slots[Operand(node, 7 + 3 * i)]; };
  for (uint32_t i = 0; i < std::min(n_parameters, arguments.n_positional); ++i) {
    slot(i) = arguments.items[i].value;
  }
  if (arguments.n_positional > n_parameters && varargs == kTemplateNone) {
    return Fail("macro '%.*s' takes not more than %u argument(s)", name_bytes, name.data(),
                n_parameters);
  }
  Value more, extra, with = caller;
  if (kwargs != kTemplateNone && !NewDict(0, &extra)) return false;
  for (uint32_t i = arguments.n_positional; i < arguments.n; ++i) {
    const Argument& argument = arguments.items[i];
    uint32_t k = 0;
    while (k < n_parameters && parameter(k) != argument.name) ++k;
    if (k < n_parameters) {
      if (k < arguments.n_positional) {
        return Fail("macro '%.*s' got multiple values for argument '%.*s'", name_bytes, name.data(),
                    static_cast<int>(std::min<size_t>(argument.name.size(), 80)),
                    argument.name.data());
      }
      slot(k) = argument.value;
    } else if (argument.name == "caller" && with.missing()) {
      with = argument.value;
    } else if (kwargs != kTemplateNone) {
      if (!DictSet(extra.dict, String(argument.name), argument.value)) return false;
    } else {
      return Fail("macro '%.*s' takes no keyword argument '%.*s'", name_bytes, name.data(),
                  static_cast<int>(std::min<size_t>(argument.name.size(), 80)),
                  argument.name.data());
    }
  }
  if (caller_slot != kTemplateNone) {
    frame->slots[caller_slot] =
        with.missing() ? Undefined(Absence::kHint, "No caller defined") : with;
  } else if (!with.missing()) {
    return Fail("macro '%.*s' takes no keyword argument 'caller'", name_bytes, name.data());
  }
  if (kwargs != kTemplateNone) frame->slots[kwargs] = extra;
  if (varargs != kTemplateNone) {
    const size_t mark = Mark();
    for (uint32_t i = n_parameters; i < arguments.n_positional; ++i) {
      if (!Push(arguments.items[i].value)) return false;
    }
    if (!TakeList(mark, ListKind::kTuple, &more)) return false;
    frame->slots[varargs] = more;
  }
  return true;
}

bool Evaluator::CallMacro(const Macro& macro, const Arguments& arguments, const Value& caller,
                          Value* out) {
  const TemplateNode node = tree_.Node(macro.node);
  const uint32_t scope = Operand(node, 1);
  Frame* frame = nullptr;
  if (!Deeper() || !NewFrame(scope, macro.frame, &frame) || !EnterFrame(scope, frame) ||
      !BindMacro(node, frame, arguments, caller)) {
    return false;
  }
  const uint32_t n_parameters = (node.n_operands - 6u) / 3;
  for (uint32_t i = 0; i < n_parameters; ++i) {
    Value& slot = frame->slots[Operand(node, 7 + 3 * i)];
    if (!slot.missing()) continue;
    const uint32_t otherwise = Operand(node, 8 + 3 * i);
    Value value = Undefined(Absence::kName, tree_.Text(Operand(node, 6 + 3 * i)));
    if (otherwise != kTemplateNone && !Eval(otherwise, frame, &value)) return false;
    slot = value;
  }
  Buffer buffer;
  Buffer* const outer = std::exchange(output_, &buffer);
  const Flow flow = Execute(Operand(node, 5), frame);
  output_ = outer;
  if (flow == Flow::kError || !Finish(buffer, out)) return false;
  Shallower();
  return true;
}

// --- Entry -------------------------------------------------------------------------------------------

Evaluator::Evaluator(Tree tree, const RenderOptions& options, std::span<std::byte> work)
    : tree_(tree),
      options_(options),
      work_(work.data()),
      steps_(options.max_steps),
      max_depth_(std::min(options.max_depth, kMaxDepth)) {
  const size_t skip = (8 - reinterpret_cast<uintptr_t>(work_) % 8) % 8;
  if (work.size() < skip + 64) return;
  work_ += skip;
  // Eight bytes and one byte of marks, as often as it goes.
  size_ = (work.size() - skip) / 9 * 8;
  high_ = size_;
  bits_ = reinterpret_cast<uint8_t*>(work_ + size_);
}

bool Evaluator::Render(std::string_view json, std::span<char> text, std::span<TemplateSpan> spans,
                       RenderResult* result) {
  Value input;
  Frame* frame = nullptr;
  result_ = {text.data(), 0, text.size()};
  spans_ = spans;
  if (!ReadJson(json, &input) || !AddVariables(input) || !NewFrame(0, nullptr, &frame) ||
      !EnterFrame(0, frame) || Execute(tree_.Root(), frame) == Flow::kError) {
    return false;
  }
  *result = {result_.used, n_spans_};
  return true;
}

}  // namespace samara::template_runtime
