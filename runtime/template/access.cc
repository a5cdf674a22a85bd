// Attributes, items, slices and iteration.
#include <algorithm>

#include "runtime/template/evaluator.h"
#include "runtime/template/unicode.h"

namespace samara::template_runtime {
namespace {

#define SAMARA_NAME(id, name, types, n) name "\0"
#define SAMARA_TYPES(id, name, types, n) types "\0"
constexpr char kMethodNames[] = SAMARA_TEMPLATE_METHODS(SAMARA_NAME);
constexpr char kMethodTypes[] = SAMARA_TEMPLATE_METHODS(SAMARA_TYPES);
#undef SAMARA_NAME
#undef SAMARA_TYPES

uint8_t FindMethodId(std::string_view name) {
  return static_cast<uint8_t>(FindWord(kMethodNames, name) + 1);
}

// The letter of a type in the table of methods.
char TypeLetter(const Value& v) {
  if (v.IsString()) return 's';
  if (v.Is(Kind::kDict)) return 'd';
  if (!v.Is(Kind::kList)) return '\0';
  return v.list->kind == ListKind::kList ? 'l' : v.list->kind == ListKind::kTuple ? 't' : '\0';
}

}  // namespace

const char* TypeNameOf(Kind kind) {
  static constexpr char kNames[] =
      "function\0Undefined\0None\0bool\0int\0int\0float\0str\0list\0dict\0range\0namespace\0"
      "macro\0function\0function\0loop\0";
  return WordAt(kNames, static_cast<uint32_t>(kind));
}

const char* TypeName(const Value& v) {
  static constexpr char kLists[] = "list\0tuple\0generator\0dict_keys\0dict_values\0dict_items\0";
  return v.Is(Kind::kList) ? WordAt(kLists, static_cast<uint32_t>(v.list->kind))
                           : TypeNameOf(v.kind);
}

bool Evaluator::FailType(const char* what, const Value& v) {
  return Fail("%s, got %s", what, TypeName(v));
}

bool Evaluator::FailUndefined(const Value& v) {
  const int n = static_cast<int>(std::min(v.n, 400u));
  const char* owner = TypeNameOf(v.owner);
  const char* object = v.owner == Kind::kNone ? "" : " object";
  switch (static_cast<Absence>(v.sub)) {
    case Absence::kName:
      return Fail("'%.*s' is undefined", n, v.s);
    case Absence::kField:
      return Fail("'%s%s' has no attribute '%.*s'", owner, object, n, v.s);
    case Absence::kItem:
      return Fail("%s%s has no such element", owner, object);
    default:
      return Fail("%.*s", n, v.s);
  }
}

bool Evaluator::BoundMethod(const Value& self, uint8_t id, Value* out) {
  Method* method = Make<Method>();
  if (!method) return false;
  *method = {self, id};
  *out = Value();
  out->kind = Kind::kMethod;
  out->method = method;
  return true;
}

bool Evaluator::LoopAttribute(const Value& object, std::string_view name, Value* out, bool* found) {
  static constexpr char kNames[] =
      "index0\0index\0first\0last\0length\0revindex0\0revindex\0depth0\0depth\0previtem\0"
      "nextitem\0cycle\0changed\0";
  const LoopState& loop = *object.loop;
  const Sequence sequence{loop.items, loop.range, loop.n};
  const int64_t index = loop.index0;
  *found = true;
  switch (FindWord(kNames, name)) {
    case 0:
      return GiveInt(index, out);
    case 1:
      return GiveInt(index + 1, out);
    case 2:
      return GiveBool(index == 0, out);
    case 3:
      return GiveBool(index + 1 == loop.n, out);
    case 4:
      return GiveInt(loop.n, out);
    case 5:
      return GiveInt(loop.n - index - 1, out);
    case 6:
      return GiveInt(loop.n - index, out);
    case 7:
      return GiveInt(0, out);
    case 8:
      return GiveInt(1, out);
    case 9:
      if (index > 0) return At(sequence, loop.index0 - 1, out);
      return Give(Undefined(Absence::kHint, "there is no previous item"), out);
    case 10:
      if (index + 1 < loop.n) return At(sequence, loop.index0 + 1, out);
      return Give(Undefined(Absence::kHint, "there is no next item"), out);
    case 11:
      return BoundMethod(object, kOwnLoopCycle, out);
    case 12:
      return BoundMethod(object, kOwnLoopChanged, out);
    default:
      *found = false;
      return true;
  }
}

// getattr(): attributes of Python objects, never keys.
bool Evaluator::Attribute(const Value& object, std::string_view name, uint8_t method, Value* out,
                          bool* found) {
  *found = false;
  switch (object.kind) {
    case Kind::kUndefined:
      return FailUndefined(object);
    case Kind::kNamespace: {
      const Entry* entry = DictFindText(*object.dict, name);
      if (!entry) return !failed();
      *out = entry->value;
      *found = true;
      return true;
    }
    case Kind::kLoop:
      return LoopAttribute(object, name, out, found);
    default:
      break;
  }
  const char letter = TypeLetter(object);
  if (method == template_method::kNone || letter == '\0') return true;
  for (const char* type = WordAt(kMethodTypes, method - 1u); *type; ++type) {
    if (*type == letter) {
      *found = true;
      return BoundMethod(object, method, out);
    }
    if (*type == (letter & ~0x20)) {
      // The sandbox's answer: undefined, an error once it is called or looked into.
      Buffer hint;
      for (const char* part : {"access to attribute '", WordAt(kMethodNames, method - 1u), "' of '",
                               TypeName(object), "' object is unsafe."}) {
        if (!Append(&hint, part, false)) return false;
      }
      *found = true;
      return Give(Undefined(Absence::kHint, {hint.bytes, hint.used}), out);
    }
  }
  return true;
}

// object[key] of Python, without slices.
bool Evaluator::Item(const Value& object, const Value& key, Value* out, bool* found) {
  *found = false;
  switch (object.kind) {
    case Kind::kUndefined:
      return FailUndefined(object);
    case Kind::kDict: {
      if (key.Is(Kind::kDict) || (key.Is(Kind::kList) && key.list->kind != ListKind::kTuple)) {
        return true;  // jinja takes the error of an unhashable key for an absent one
      }
      Entry* entry = nullptr;
      if (!DictFind(*object.dict, key, &entry)) return false;
      if (!entry) return true;
      *out = entry->value;
      *found = true;
      return true;
    }
    case Kind::kString: {
      if (!key.IsInteger()) return true;
      size_t n = 0;
      if (!CountCharacters(object.text(), &n)) return false;
      const int64_t i = key.i < 0 ? key.i + static_cast<int64_t>(n) : key.i;
      if (i < 0 || i >= static_cast<int64_t>(n)) return true;
      const size_t begin = OffsetOf(object.text(), static_cast<size_t>(i));
      *out = Part(object, begin, CharacterAt(object.text(), begin).bytes);
      *found = true;
      return true;
    }
    case Kind::kRange:
    case Kind::kList: {
      if (!key.IsInteger()) return true;
      if (object.Is(Kind::kList) && object.list->kind != ListKind::kList &&
          object.list->kind != ListKind::kTuple) {
        return true;
      }
      const int64_t n = object.Is(Kind::kRange) ? object.range->n : object.list->n;
      const int64_t i = key.i < 0 ? key.i + n : key.i;
      if (i < 0 || i >= n) return true;
      *found = true;
      if (object.Is(Kind::kList)) return *out = object.list->items[i], true;
      return GiveInt(object.range->start + i * object.range->step, out);
    }
    default:
      return true;
  }
}

bool Evaluator::GetAttr(const Value& object, std::string_view name, uint8_t method, Value* out) {
  bool found = false;
  if (!Attribute(object, name, method, out, &found)) return false;
  if (!found && object.Is(Kind::kDict)) {
    const Entry* entry = DictFindText(*object.dict, name);
    if (entry) return *out = entry->value, true;
    if (failed()) return false;
  }
  if (!found) *out = Undefined(Absence::kField, name, object.kind);
  return true;
}

bool Evaluator::GetItem(const Value& object, const Value& key, Value* out) {
  bool found = false;
  if (!Item(object, key, out, &found)) return false;
  if (!found && key.IsString()) {
    if (!Attribute(object, key.text(), FindMethodId(key.text()), out, &found)) return false;
  }
  if (found) return true;
  *out = key.IsString() ? Undefined(Absence::kField, key.text(), object.kind)
                        : Undefined(Absence::kItem, "", object.kind);
  return true;
}

bool Evaluator::GetPath(const Value& object, const Value& path, const Value& otherwise,
                        Value* out) {
  *out = object;
  if (path.missing() || path.Is(Kind::kNone)) return true;
  const std::string_view text = path.IsString() ? path.text() : std::string_view();
  for (size_t begin = 0;;) {
    size_t end = std::min(text.find('.', begin), text.size());
    Value key = path;
    if (path.IsString()) {
      key = Part(path, begin, end - begin);
      int64_t index = 0;
      bool digits = key.n > 0 && key.n < 10;
      for (const char c : key.text()) {
        digits = digits && c >= '0' && c <= '9';
        if (digits) index = index * 10 + (c - '0');
      }
      if (digits) key = Int(index);
    }
    const Value from = *out;
    if (!GetItem(from, key, out)) return false;
    if (out->Is(Kind::kUndefined) && !otherwise.missing()) *out = otherwise;
    if (end >= text.size()) return true;
    begin = end + 1;
  }
}

bool Evaluator::Length(const Value& v, size_t* n, bool* has_length) {
  *has_length = true;
  switch (v.kind) {
    case Kind::kUndefined:
      *n = 0;
      return true;
    case Kind::kString:
      return CountCharacters(v.text(), n);
    case Kind::kDict:
      *n = v.dict->n;
      return true;
    case Kind::kRange:
      *n = v.range->n;
      return true;
    case Kind::kLoop:
      *n = v.loop->n;
      return true;
    case Kind::kList:
      *n = v.list->n;
      *has_length = v.list->kind != ListKind::kIterator;
      return true;
    default:
      *has_length = false;
      return true;
  }
}

bool Evaluator::DictList(const Value& dict, ListKind kind, Value* out) {
  const size_t mark = Mark();
  for (uint32_t i = 0; i < dict.dict->n; ++i) {
    const Entry& entry = dict.dict->entries[i];
    Value item = kind == ListKind::kValues ? entry.value : entry.key;
    if (kind == ListKind::kItems) {
      List* pair = Make<List>();
      Value* items = Make<Value>(2);
      if (!pair || !items) return false;
      items[0] = entry.key;
      items[1] = entry.value;
      *pair = {items, 2, ListKind::kTuple, false};
      item = Value();
      item.kind = Kind::kList;
      item.flags = dict.flags & kFlagData;
      item.list = pair;
    }
    if (!Push(item)) return false;
  }
  return TakeList(mark, kind, out, dict.flags & kFlagData);
}

bool Evaluator::Iterate(const Value& v, Sequence* out) {
  *out = {};
  Value list;
  switch (v.kind) {
    case Kind::kUndefined:
      return true;
    case Kind::kRange:
      out->range = v.range;
      out->n = v.range->n;
      return true;
    case Kind::kList:
      list = v;
      if (v.list->kind == ListKind::kIterator) {
        if (v.list->consumed) return true;
        v.list->consumed = true;
      }
      break;
    case Kind::kDict:
      if (!DictList(v, ListKind::kKeys, &list)) return false;
      break;
    case Kind::kString: {
      const size_t mark = Mark();
      for (size_t i = 0; i < v.n;) {
        const uint32_t bytes = CharacterAt(v.text(), i).bytes;
        if (!Push(Part(v, i, bytes))) return false;
        i += bytes;
      }
      if (!TakeList(mark, ListKind::kList, &list)) return false;
      break;
    }
    default:
      return Fail("%s object is not iterable", TypeName(v));
  }
  out->items = list.list->items;
  out->n = list.list->n;
  return true;
}

bool Evaluator::At(const Sequence& sequence, uint32_t i, Value* out) {
  *out = sequence.items ? sequence.items[i]
                        : Int(sequence.range->start + int64_t{i} * sequence.range->step);
  return true;
}

bool Evaluator::Slice(const Value& object, const Value bounds[3], Value* out) {
  if (object.Is(Kind::kUndefined)) return FailUndefined(object);
  const bool is_list = object.Is(Kind::kList) && object.list->kind <= ListKind::kTuple;
  if (object.Is(Kind::kRange)) return FailUnsupported("slicing a range (add | list)");
  if (!object.IsString() && !is_list) {
    return Fail("%s object cannot be sliced", TypeName(object));
  }
  size_t length = 0;
  bool has_length = false;
  int64_t numbers[3] = {0, 0, 1};
  bool given[3];
  for (int k = 0; k < 3; ++k) {
    given[k] = !bounds[k].missing() && !bounds[k].Is(Kind::kNone);
    if (given[k] && !IntOf(bounds[k], "slice indices must be integers or None", &numbers[k])) {
      return false;
    }
  }
  const int64_t step = numbers[2];
  if (step == 0) return Fail("slice step cannot be zero");
  if (!Length(object, &length, &has_length)) return false;
  const int64_t n = static_cast<int64_t>(length);
  // A bound beyond the ends becomes the first or last place that a step in this direction may have.
  const int64_t lowest = step < 0 ? -1 : 0, highest = step < 0 ? n - 1 : n;
  const auto clip = [&](int k, int64_t otherwise) {
    if (!given[k]) return otherwise;
    const int64_t i = numbers[k] < -n ? -1 : numbers[k] < 0 ? numbers[k] + n : numbers[k];
    return std::clamp(i, lowest, highest);
  };
  const int64_t begin = clip(0, step < 0 ? highest : lowest);
  const int64_t end = clip(1, step < 0 ? lowest : highest);
  int64_t count = 0;
  if (step > 0 && begin < end) count = (end - begin - 1) / step + 1;
  if (step < 0 && end < begin) count = (begin - end - 1) / (step == INT64_MIN ? n : -step) + 1;
  if (object.IsString() && step == 1) {
    const size_t first = OffsetOf(object.text(), static_cast<size_t>(begin));
    const size_t bytes =
        count == 0 ? 0 : OffsetOf(object.text().substr(first), static_cast<size_t>(count));
    *out = Part(object, first, bytes);
    return true;
  }
  if (is_list && step == 1) {
    List* list = Make<List>();
    if (!list) return false;
    *list = {object.list->items + begin, static_cast<uint32_t>(count), object.list->kind, false};
    *out = object;
    out->list = list;
    return true;
  }
  Sequence sequence;
  if (!Steps(static_cast<uint64_t>(count)) || !Iterate(object, &sequence)) return false;
  const size_t mark = Mark();
  Buffer buffer;
  for (int64_t k = 0; k < count; ++k) {
    const Value& item = sequence.items[begin + k * step];
    if (!(is_list ? Push(item) : AppendString(&buffer, item))) return false;
  }
  if (is_list) return TakeList(mark, object.list->kind, out, object.flags & kFlagData);
  return Finish(buffer, out);
}

}  // namespace samara::template_runtime
