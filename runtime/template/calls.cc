// Calls: functions, methods of dicts, lists and the evaluator's own objects.
#include <algorithm>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {
namespace {

#define SAMARA_MOST(id, name, types, n) n,
constexpr uint8_t kMostArguments[] = {SAMARA_TEMPLATE_METHODS(SAMARA_MOST)};
#undef SAMARA_MOST

}  // namespace

bool Evaluator::Call(const Value& callee, const Arguments& arguments, const Value& caller,
                     Value* out) {
  if (!caller.missing() && !callee.Is(Kind::kMacro)) {
    return Fail("a call block of something that is no macro");
  }
  switch (callee.kind) {
    case Kind::kUndefined:
      return FailUndefined(callee);
    case Kind::kMacro:
      return CallMacro(*callee.macro, arguments, caller, out);
    case Kind::kFunction:
      return CallFunction(callee.sub, arguments, out);
    case Kind::kMethod:
      return CallMethod(*callee.method, arguments, out);
    case Kind::kLoop:
      return FailUnsupported("a recursive loop");
    default:
      return Fail("%s object is not callable", TypeName(callee));
  }
}

// dict(mapping or pairs, name=value...): for namespace() too.
bool Evaluator::CallDict(const Arguments& arguments, Value* out) {
  if (arguments.n_positional > 1) return Fail("expected at most 1 argument");
  if (!NewDict(arguments.n, out)) return false;
  if (arguments.n_positional == 1) {
    const Value& from = arguments.items[0].value;
    if (from.Is(Kind::kDict)) {
      if (!DictCopy(*from.dict, from.dict->n + arguments.n, out, from.flags)) return false;
    } else {
      Sequence sequence, pair;
      if (!Iterate(from, &sequence)) return false;
      for (uint32_t i = 0; i < sequence.n; ++i) {
        Value item, key, value;
        if (!At(sequence, i, &item) || !Iterate(item, &pair)) return false;
        if (pair.n != 2) return Fail("dictionary update sequence element has length %u", pair.n);
        if (!At(pair, 0, &key) || !At(pair, 1, &value) || !DictSet(out->dict, key, value)) {
          return false;
        }
      }
    }
  }
  for (uint32_t i = arguments.n_positional; i < arguments.n; ++i) {
    const Argument& argument = arguments.items[i];
    if (!DictSet(out->dict, String(argument.name), argument.value)) return false;
  }
  return true;
}

bool Evaluator::CallRange(const Arguments& arguments, Value* out) {
  if (arguments.n == 0 || arguments.n > 3 || arguments.n_positional != arguments.n) {
    return Fail("range expected 1 to 3 arguments");
  }
  int64_t numbers[3] = {0, 0, 1};
  for (uint32_t i = 0; i < arguments.n; ++i) {
    if (!IntOf(arguments.items[i].value, "range: wanted integers", &numbers[i])) return false;
  }
  Range* range = Make<Range>();
  if (!range) return false;
  range->start = arguments.n == 1 ? 0 : numbers[0];
  range->stop = arguments.n == 1 ? numbers[0] : numbers[1];
  range->step = numbers[2];
  if (range->step == 0) return Fail("range() arg 3 must not be zero");
  // Distances as unsigned numbers: they may need all 64 bits.
  const bool up = range->step > 0;
  uint64_t n = 0;
  if (up ? range->start < range->stop : range->start > range->stop) {
    const uint64_t start = static_cast<uint64_t>(range->start),
                   stop = static_cast<uint64_t>(range->stop),
                   step = static_cast<uint64_t>(range->step);
    n = ((up ? stop - start : start - stop) - 1) / (up ? step : 0 - step) + 1;
  }
  if (n > kMaxRange) {
    return Fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (%u).", kMaxRange);
  }
  range->n = static_cast<uint32_t>(n);
  *out = Value();
  out->kind = Kind::kRange;
  out->range = range;
  return true;
}

bool Evaluator::CallFunction(uint8_t id, const Arguments& arguments, Value* out) {
  const auto argument = [&](uint32_t i) {
    return i < arguments.n ? arguments.items[i].value : Value();
  };
  switch (id) {
    case template_function::kRange:
      return CallRange(arguments, out);
    case template_function::kDict:
      return CallDict(arguments, out);
    case template_function::kNamespace: {
      if (!CallDict(arguments, out)) return false;
      out->kind = Kind::kNamespace;
      // Its own, in case the dict is another's.
      Value own;
      if (!DictCopy(*out->dict, 0, &own, 0)) return false;
      out->dict = own.dict;
      for (uint32_t i = 0; i < own.dict->n; ++i) {
        const Value& key = own.dict->entries[i].key;
        if (key.IsString() && key.text().starts_with('_')) {
          return Fail("an attribute of a namespace cannot begin with _");
        }
      }
      return true;
    }
    case template_function::kRaiseException: {
      Value text;
      if (arguments.n != 1) return Fail("raise_exception expected 1 argument");
      if (!ToString(argument(0), &text)) return false;
      line_ = 0;
      return FailCode(StatusCode::kInvalidArgument, "template: %.*s",
                      static_cast<int>(std::min(text.n, 1000u)), text.s);
    }
    default:  // strftime_now
      if (arguments.n != 1) return Fail("strftime_now expected 1 argument");
      if (!argument(0).IsString()) return FailType("strftime_now: wanted a format", argument(0));
      return Strftime(argument(0), out);
  }
}

bool Evaluator::CallMethod(const Method& method, const Arguments& arguments, Value* out) {
  const Value& self = method.self;
  const uint32_t n = arguments.n;
  // The few methods with names for their arguments take them in this order.
  Value values[17];
  for (uint32_t i = 0; i < n; ++i) {
    const Argument& argument = arguments.items[i];
    uint32_t place = i;
    if (i >= arguments.n_positional) {
      const uint8_t id = method.id;
      const bool split = id == template_method::kSplit || id == template_method::kRSplit;
      if (split && (argument.name == "sep" || argument.name == "maxsplit")) {
        place = argument.name == "maxsplit";
      } else if (id == template_method::kSplitLines && argument.name == "keepends") {
        place = 0;
      } else {
        return FailUnsupported("this argument of a method by its name");
      }
      if (place < arguments.n_positional) return Fail("argument given twice");
    }
    if (place < 17) values[place] = argument.value;
  }
  switch (method.id) {
    case kOwnLoopCycle:
      if (n == 0) return Fail("no items for cycling given");
      *out = arguments.items[self.loop->index0 % n].value;
      return true;
    case kOwnLoopChanged: {
      const size_t mark = Mark();
      Value now;
      bool equal = false;
      for (uint32_t i = 0; i < n; ++i) {
        if (!Push(arguments.items[i].value)) return false;
      }
      if (!TakeList(mark, ListKind::kTuple, &now) || !Equal(now, self.loop->changed, &equal)) {
        return false;
      }
      self.loop->changed = now;
      ++escapes_;
      return GiveBool(!equal, out);
    }
    default:
      break;
  }
  if (n > kMostArguments[method.id - 1]) return Fail("a method with too many arguments");
  if (self.IsString()) return StringMethod(self, method.id, values, n, out);
  switch (method.id) {
    case template_method::kGet: {
      Entry* entry = nullptr;
      if (n == 0) return Fail("get expected at least 1 argument");
      if (!DictFind(*self.dict, values[0], &entry)) return false;
      *out = entry ? entry->value : n > 1 ? values[1] : None();
      return true;
    }
    case template_method::kItems:
      return DictList(self, ListKind::kItems, out);
    case template_method::kKeys:
      return DictList(self, ListKind::kKeys, out);
    case template_method::kValues:
      return DictList(self, ListKind::kValues, out);
    case template_method::kCopy:
      *out = self;
      return true;
    default: {  // count and index of lists
      if (n == 0) return Fail("expected at least 1 argument");
      if (n > 1) return FailUnsupported("index() with bounds");
      int64_t count = 0;
      for (uint32_t i = 0; i < self.list->n; ++i) {
        bool equal = false;
        if (!Steps(1) || !Equal(self.list->items[i], values[0], &equal)) return false;
        if (equal && method.id == template_method::kIndex) return GiveInt(i, out);
        count += equal;
      }
      if (method.id == template_method::kIndex) return Fail("the value is not in the list");
      return GiveInt(count, out);
    }
  }
}

}  // namespace samara::template_runtime
