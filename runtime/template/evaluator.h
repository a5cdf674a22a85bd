// Evaluates a checked template. One object serves one rendering.
//
// Functions that can fail return false after Fail: the first error stays. Work memory is taken from
// its low end for good and from its high end as a stack of values under construction.
//
//   evaluator.cc   expressions        statements.cc  statements, macros
//   access.cc      attributes, items, slices         calls.cc  functions and methods, not of strings
//   operators.cc   arithmetic, comparison            filters*.cc, tests.cc, string_methods.cc
//   text.cc        strings and marks  print.cc       str(), repr(), tojson
//   json.cc        the reader         time.cc        strftime
#ifndef SAMARA_RUNTIME_TEMPLATE_EVALUATOR_H_
#define SAMARA_RUNTIME_TEMPLATE_EVALUATOR_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/template/template.h"
#include "runtime/template/tree.h"
#include "runtime/template/value.h"

namespace samara::template_runtime {

inline constexpr uint32_t kMaxElements = 1u << 28;
inline constexpr size_t kMaxText = size_t{1} << 31;
inline constexpr uint32_t kMaxRange = 100'000;  // of the sandbox
inline constexpr size_t kNotFound = SIZE_MAX;

struct Argument {
  std::string_view name;  // "" where positional; those come first
  Value value;
};
struct Arguments {
  Argument* items;
  uint32_t n_positional, n;
};

enum class Flow : uint8_t { kNext, kBreak, kContinue, kError };

// What a loop goes through.
struct Sequence {
  const Value* items = nullptr;
  const Range* range = nullptr;
  uint32_t n = 0;
};

class Evaluator {
  friend class JsonReader;

 public:
  Evaluator(Tree tree, const RenderOptions& options, std::span<std::byte> work);

  Status Render(std::string_view json, std::span<char> text, std::span<TemplateSpan> spans,
                RenderResult* result);

 private:
  // --- Budgets and errors ---
  bool Fail(const char* format, ...) SAMARA_PRINTF(2, 3);  // of this line of the template
  bool FailUnsupported(const char* what);                  // "... is not supported"
  bool FailType(const char* what, const Value& v);         // "what: got 'int object'"
  bool FailUndefined(const Value& v);
  bool FailStatus(Status status);
  bool Steps(uint64_t n);
  bool Work(size_t bytes) { return Steps(bytes / 64); }  // bytes looked at
  bool Deeper();
  void Shallower() { --depth_; }

  // --- Memory ---
  void* Allocate(size_t bytes);  // aligned to 8; null after Fail
  template <typename T>
  T* Make(size_t n = 1) {
    T* p = n > SIZE_MAX / 2 / sizeof(T) ? static_cast<T*>(Exhausted())
                                        : static_cast<T*>(Allocate(n * sizeof(T)));
    for (size_t i = 0; p && i < n; ++i) new (p + i) T();
    return p;
  }
  void* Exhausted();
  // The stack of values under construction. Mark, push any number, take them as a list.
  size_t Mark() const { return high_; }
  bool Push(const Value& v);
  bool TakeList(size_t mark, ListKind kind, Value* out, uint8_t flags = 0);
  bool NewDict(uint32_t capacity, Value* out, uint8_t flags = 0);

  // --- Text (text.cc) ---
  bool Append(Buffer* buffer, std::string_view s, bool data);
  bool AppendString(Buffer* buffer, const Value& string);
  bool Grow(Buffer* buffer, size_t more);
  void MarkData(Buffer* buffer, size_t begin, size_t end);
  bool Finish(const Buffer& buffer, Value* out);
  bool NewText(std::string_view s, Value* out, uint8_t flags = 0);  // a copy
  bool Concatenate(const Value& left, const Value& right, Value* out);
  bool AppendEscaped(Buffer* buffer, const Value& string);  // for HTML
  bool Find(std::string_view text, std::string_view what, size_t from, size_t* at);
  bool FindLast(std::string_view text, std::string_view what, size_t end, size_t* at);
  bool CountCharacters(std::string_view text, size_t* n);
  size_t OffsetOf(std::string_view text, size_t character) const;
  bool AllData(const Value& string) const;

  // --- Printing (print.cc) ---
  bool ToString(const Value& v, Value* out);   // str()
  bool Print(Buffer* buffer, const Value& v);  // str()
  bool PrintRepr(Buffer* buffer, const Value& v, bool data);
  bool PrintStringRepr(Buffer* buffer, const Value& v, bool data);
  struct JsonStyle {
    bool ensure_ascii, sort_keys, indented;
    std::string_view item_separator, key_separator, indent;
  };
  bool PrintJson(Buffer* buffer, const Value& v, const JsonStyle& style, uint32_t level, bool data);
  bool PrintJsonString(Buffer* buffer, const Value& v, bool ascii, bool data);
  bool PrintJsonKey(Buffer* buffer, const Value& key, const JsonStyle& style, bool data);
  bool PrintJsonBreak(Buffer* buffer, const JsonStyle& style, uint32_t level, bool data);
  bool FilterToJson(const Value& v, const Value* p, Value* out);

  // --- JSON (json.cc) ---
  bool ReadJson(std::string_view json, Value* out);
  bool AddVariables(const Value& input);
  bool PrepareMessages(Value* messages);

  // --- Statements (statements.cc) ---
  Flow Execute(uint32_t node, Frame* frame);
  Flow ExecuteBlock(const TemplateNode& node, Frame* frame);
  Flow ExecuteOutput(const TemplateNode& node, Frame* frame);
  Flow ExecuteIf(const TemplateNode& node, Frame* frame);
  Flow ExecuteFor(const TemplateNode& node, Frame* frame);
  Flow ExecuteCapture(const TemplateNode& node, Frame* frame);
  Flow ExecuteWith(const TemplateNode& node, Frame* frame);
  bool FilterSequence(const TemplateNode& node, Frame* frame, Sequence* sequence);
  bool Assign(uint32_t target, Frame* frame, const Value& value);
  bool NewFrame(uint32_t scope, Frame* parent, Frame** out);
  bool EnterFrame(uint32_t scope, Frame* frame);  // variables as they begin
  Value Resolve(std::string_view name);
  bool CallMacro(const Macro& macro, const Arguments& arguments, const Value& caller, Value* out);
  bool BindMacro(const TemplateNode& node, Frame* frame, const Arguments& arguments,
                 const Value& caller);

  // --- Expressions (evaluator.cc) ---
  bool Eval(uint32_t node, Frame* frame, Value* out);
  bool EvalOptional(uint32_t node, Frame* frame, Value* out);  // kMissing where absent
  bool EvalInner(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalList(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalDict(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalAdd(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalBinary(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalLogic(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalCompare(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalConcat(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalCondition(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalAccess(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalSlice(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalCall(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalFilter(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalMap(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalSelect(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalTest(const TemplateNode& node, Frame* frame, Value* out);
  bool EvalMacro(const TemplateNode& node, uint32_t index, Frame* frame, Value* out);
  bool EvalParameters(const TemplateNode& node, uint32_t first, Frame* frame, Value** out);
  uint32_t Operand(const TemplateNode& node, uint32_t i) const {
    return tree_.Operand(node.operands + i);
  }

  // --- Access (access.cc) ---
  bool GetAttr(const Value& object, std::string_view name, uint8_t method, Value* out);
  bool GetItem(const Value& object, const Value& key, Value* out);
  // A path as filters take it: "a.b", 0. kMissing: the element itself.
  bool GetPath(const Value& object, const Value& path, const Value& otherwise, Value* out);
  bool Attribute(const Value& object, std::string_view name, uint8_t method, Value* out,
                 bool* found);
  bool Item(const Value& object, const Value& key, Value* out, bool* found);
  bool LoopAttribute(const Value& object, std::string_view name, Value* out, bool* found);
  bool BoundMethod(const Value& self, uint8_t id, Value* out);
  bool Slice(const Value& object, const Value bounds[3], Value* out);
  // What iterating gives; an iterator is used up.
  bool Iterate(const Value& v, Sequence* out);
  bool At(const Sequence& sequence, uint32_t i, Value* out);
  bool Length(const Value& v, size_t* n, bool* has_length);
  bool DictList(const Value& dict, ListKind kind, Value* out);

  // --- Dicts (dict.cc) ---
  bool DictFind(const Dict& dict, const Value& key, Entry** out);
  Entry* DictFindText(const Dict& dict, std::string_view key);
  bool DictSet(Dict* dict, const Value& key, const Value& value);
  bool DictCopy(const Dict& from, uint32_t capacity, Value* out, uint8_t flags);
  bool DictGrow(Dict* dict);
  bool Hashable(const Value& key);

  // --- Operators (operators.cc) ---
  bool Truth(const Value& v);
  bool Equal(const Value& a, const Value& b, bool* out);
  bool Order(const Value& a, const Value& b, const char* op, int* out);  // -1, 0, 1; 2: unordered
  bool Compare(uint32_t op, const Value& a, const Value& b, bool* out);
  bool Contains(const Value& container, const Value& v, bool* out);
  bool Add(const Value& a, const Value& b, Value* out);
  bool Binary(uint8_t op, const Value& a, const Value& b, Value* out);
  bool Repeat(const Value& sequence, int64_t times, Value* out);
  bool Arithmetic(uint8_t op, const Value& a, const Value& b, Value* out);
  bool Power(const Value& a, const Value& b, Value* out);
  bool FormatPercent(const Value& format, const Value& values, Value* out);
  bool IntOf(const Value& v, const char* what, int64_t* out);

  // --- Calls (calls.cc, string_methods.cc) ---
  bool Call(const Value& callee, const Arguments& arguments, const Value& caller, Value* out);
  bool CallFunction(uint8_t id, const Arguments& arguments, Value* out);
  bool CallRange(const Arguments& arguments, Value* out);
  bool CallDict(const Arguments& arguments, Value* out);
  bool CallMethod(const Method& method, const Arguments& arguments, Value* out);
  bool StringMethod(const Value& self, uint8_t id, const Value* a, uint32_t n, Value* out);
  bool Split(const Value& self, const Value& separator, int64_t limit, bool from_right, Value* out);
  bool SplitSpace(const Value& self, int64_t limit, bool from_right, Value* out);
  bool SplitLines(const Value& self, bool keep, Value* out);
  bool Strip(const Value& self, const Value& characters, bool left, bool right, Value* out);
  bool Affix(const Value& self, const Value& affix, bool end, bool* out);
  bool Replace(const Value& self, const Value& old, const Value& with, int64_t limit, Value* out);
  bool JoinStrings(const Value& separator, const Value& values, bool convert, const Value& path,
                   Value* out);
  bool FindMethod(const Value& self, uint8_t id, const Value* a, uint32_t n, Value* out);
  bool Partition(const Value& self, const Value& separator, bool last, Value* out);
  bool Pad(const Value& self, uint8_t id, const Value* a, uint32_t n, Value* out);
  bool ChangeCase(const Value& self, uint8_t how, Value* out);
  bool IsMethod(const Value& self, uint8_t id, Value* out);
  bool FormatBraces(const Value& self, const Value* a, uint32_t n, Value* out);
  bool Strftime(const Value& format, Value* out);

  // --- Filters and tests ---
  bool Filter(uint8_t id, const Value& v, const Value* p, uint32_t n, Value* out);
  bool TextFilter(uint8_t id, const Value& v, const Value* p, uint32_t n, Value* out);
  bool NumberFilter(uint8_t id, const Value& v, const Value* p, Value* out);
  bool SequenceFilter(uint8_t id, const Value& v, const Value* p, Value* out);
  bool FilterIndent(const Value& v, const Value* p, Value* out);
  bool FilterRound(const Value& v, const Value* p, Value* out);
  bool FilterSort(const Value& v, const Value& path, bool reverse, bool case_sensitive, Value* out);
  bool FilterDictSort(const Value& v, const Value* p, Value* out);
  bool FilterUnique(const Value& v, const Value* p, Value* out);
  bool FilterExtreme(const Value& v, const Value* p, bool largest, Value* out);
  bool FilterGroupBy(const Value& v, const Value* p, Value* out);
  bool FilterBatch(const Value& v, const Value* p, Value* out);
  bool FilterSlice(const Value& v, const Value* p, Value* out);
  bool FilterSum(const Value& v, const Value* p, Value* out);
  // Sorts pairs (key, value) by key, stably.
  bool SortPairs(Value* pairs, uint32_t n, bool reverse);
  bool SortKey(const Value& v, bool case_sensitive, Value* out);
  bool Test(uint8_t id, const Value& v, const Value* p, uint32_t n, bool* out);

  Tree tree_;
  const RenderOptions& options_;
  Status status_;
  std::byte* work_;
  size_t low_ = 0, high_ = 0;  // what is free of work_
  uint64_t steps_ = 0;
  uint32_t depth_ = 0;
  uint32_t line_ = 0;
  Buffer* output_ = nullptr;
  Value variables_;  // dict
};

}  // namespace samara::template_runtime

#endif  // SAMARA_RUNTIME_TEMPLATE_EVALUATOR_H_
