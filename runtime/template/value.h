// The values of the evaluator. What they point to lies in the work memory, in the JSON text or in the
// template. Lists and dicts do not change once they are made (the sandbox forbids it), so slices
// share their elements.
#ifndef SAMARA_RUNTIME_TEMPLATE_VALUE_H_
#define SAMARA_RUNTIME_TEMPLATE_VALUE_H_

#include <cstdint>
#include <string_view>

#include "runtime/template/template.h"

namespace samara::template_runtime {

enum class Kind : uint8_t {
  kMissing,  // a variable without a value, an absent argument; never seen by a template
  kUndefined,
  kNone,
  kBool,
  kInt,
  kBigInt,  // decimal digits of the JSON text
  kFloat,
  kString,
  kList,  // and what else is a sequence of values: ListKind
  kDict,
  kRange,
  kNamespace,
  kMacro,
  kFunction,
  kMethod,  // of a value
  kLoop,
};

enum class ListKind : uint8_t { kList, kTuple, kIterator, kKeys, kValues, kItems };

enum ValueFlags : uint8_t {
  kFlagData = 1,    // comes from the JSON text; not of strings: their bytes are marked
  kFlagMarkup = 2,  // a string that is safe for HTML
};

// Why something is undefined (Value::sub).
enum class Absence : uint8_t {
  kName,   // text: a variable
  kField,  // text: an attribute or key; `owner` is the kind of what lacks it
  kItem,   // a key that is no string
  kHint,   // text: the whole message
};

struct Value;

// Text under construction, in the work memory or (the result) in the caller's buffer.
struct Buffer {
  char* bytes = nullptr;
  size_t used = 0;  // of the result: may be more than the capacity, counted all the same
  size_t capacity = 0;
};

struct List {
  Value* items;
  uint32_t n;
  ListKind kind;
  bool consumed;  // an iterator gives its values once
};

struct Entry;
struct Dict {
  Entry* entries;
  uint32_t n, capacity;
  uint32_t* index;  // of string keys by hash, n + 1; null for small dicts
  uint32_t index_size;
};

struct Range {
  int64_t start, stop, step;
  uint32_t n;
};

struct Frame;
struct Macro {
  uint32_t node;
  Frame* frame;  // where it was defined
};

struct LoopState;
struct Method;

struct Value {
  Kind kind = Kind::kMissing;
  uint8_t flags = 0;
  uint8_t sub = 0;              // Absence, TemplateFunction
  Kind owner = Kind::kMissing;  // Absence::kField
  uint32_t n = 0;               // bytes of text
  union {
    int64_t i = 0;
    double d;
    const char* s;
    List* list;
    Dict* dict;  // kNamespace too
    Range* range;
    Macro* macro;
    LoopState* loop;
    Method* method;
  };
  bool Is(Kind k) const { return kind == k; }
  bool IsString() const { return kind == Kind::kString; }
  bool IsInteger() const { return kind == Kind::kInt || kind == Kind::kBool; }
  bool IsNumber() const { return IsInteger() || kind == Kind::kFloat || kind == Kind::kBigInt; }
  bool missing() const { return kind == Kind::kMissing; }
  std::string_view text() const { return {s, n}; }
};

struct Entry {
  Value key, value;
};

struct LoopState {
  const Value* items;  // null: a range
  const Range* range;
  uint32_t n;
  uint32_t index0;
  Value changed;  // the last arguments of loop.changed, a tuple
};

struct Method {
  Value self;
  uint8_t id;  // TemplateMethod
};
// Methods that only the evaluator's own objects have; numbered behind TemplateMethod.
enum OwnMethod : uint8_t {
  kOwnLoopCycle = 200,
  kOwnLoopChanged,
};

// Python's name of a type, for messages.
const char* TypeNameOf(Kind kind);
const char* TypeName(const Value& v);

// Python's name of a type, for messages.
const char* TypeNameOf(Kind kind);
const char* TypeName(const Value& v);

struct Frame {
  Frame* parent;
  Value* slots;
};

inline Value None() {
  Value v;
  v.kind = Kind::kNone;
  return v;
}
inline Value Bool(bool b) {
  Value v;
  v.kind = Kind::kBool;
  v.i = b;
  return v;
}
inline Value Int(int64_t i) {
  Value v;
  v.kind = Kind::kInt;
  v.i = i;
  return v;
}
inline Value Float(double d) {
  Value v;
  v.kind = Kind::kFloat;
  v.d = d;
  return v;
}
// Text of the template or of the evaluator; it must outlive the evaluation.
inline Value String(std::string_view s, uint8_t flags = 0) {
  Value v;
  v.kind = Kind::kString;
  v.flags = flags;
  v.n = static_cast<uint32_t>(s.size());
  v.s = s.data();
  return v;
}
inline Value Undefined(Absence absence, std::string_view text, Kind owner = Kind::kMissing) {
  Value v;
  v.kind = Kind::kUndefined;
  v.sub = static_cast<uint8_t>(absence);
  v.owner = owner;
  v.n = static_cast<uint32_t>(text.size());
  v.s = text.data();
  return v;
}
// Part of a string: same marks.
inline Value Part(const Value& string, size_t begin, size_t n) {
  Value v = string;
  v.s += begin;
  v.n = static_cast<uint32_t>(n);
  return v;
}
inline Value WithFlags(Value v, uint8_t flags) {
  v.flags = static_cast<uint8_t>(v.flags | flags);
  return v;
}

}  // namespace samara::template_runtime

#endif  // SAMARA_RUNTIME_TEMPLATE_VALUE_H_
