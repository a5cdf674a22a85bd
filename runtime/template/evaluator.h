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
//   render.cc      the entry points, the only ones that may allocate and throw
#ifndef SAMARA_RUNTIME_TEMPLATE_EVALUATOR_H_
#define SAMARA_RUNTIME_TEMPLATE_EVALUATOR_H_

#include <cstdarg>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

#include "runtime/template/template.h"
#include "runtime/template/tree.h"
#include "runtime/template/value.h"

namespace samara::template_runtime {

inline constexpr uint32_t kMaxDepth = 1000;
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

// Words that end with \0, the last one with two: the place of a word (-1: none), the word of a place.
int FindWord(const char* words, std::string_view word);
const char* WordAt(const char* words, uint32_t i);

// *out = ..., true. Functions, since there are many of them.
bool Give(Value v, Value* out);
bool GiveInt(int64_t i, Value* out);
bool GiveBool(bool b, Value* out);

class Evaluator {
  friend class JsonReader;

 public:
  Evaluator(Tree tree, const RenderOptions& options, std::span<std::byte> work);

  // False after an error: code() and error() tell it.
  bool Render(std::string_view json, std::span<char> text, std::span<TemplateSpan> spans,
              RenderResult* result);
  StatusCode code() const { return code_; }
  const char* error() const { return error_; }  // may hold control characters

 private:
  // --- Errors and budgets ---
  bool failed() const { return code_ != StatusCode::kOk; }
  bool Fail(const char* format, ...) SAMARA_PRINTF(2, 3);  // INVALID_ARGUMENT at this line
  bool FailCode(StatusCode code, const char* format, ...) SAMARA_PRINTF(3, 4);
  bool FailWith(StatusCode code, const char* format, va_list list) SAMARA_PRINTF(3, 0);
  bool FailUnsupported(const char* what);           // "... is not supported"
  bool FailType(const char* what, const Value& v);  // "what, got int"
  bool FailUndefined(const Value& v);
  bool Steps(uint64_t n);
  bool Work(size_t bytes) { return Steps(bytes / 64); }  // bytes looked at
  bool Deeper();
  void Shallower() { --depth_; }

  // --- Memory ---
  bool Exhausted();
  void* Allocate(size_t bytes);  // aligned to 8; null after Fail
  void* AllocateZero(size_t n, size_t size);
  template <typename T>
  T* Make(size_t n = 1) {
    static_assert(std::is_trivially_copyable_v<T>);  // all bytes zero: as initialized
    return static_cast<T*>(AllocateZero(n, sizeof(T)));
  }
  // What a statement takes can be given back behind it, unless a value got out of it: into a
  // namespace, or a frame further out.
  struct Scratch {
    size_t low;
    uint64_t escapes;
  };
  Scratch Begin() const { return {low_, escapes_}; }
  void Release(const Scratch& scratch);
  void Escape(const Value& v);
  // The stack of values under construction. Mark, push any number, take them as a list.
  size_t Mark() const { return high_; }
  bool Push(const Value& v);
  bool TakeList(size_t mark, ListKind kind, Value* out, uint8_t flags = 0);
  bool NewDict(uint32_t capacity, Value* out, uint8_t flags = 0);

  // --- Text (text.cc) ---
  bool Append(Buffer* buffer, std::string_view s, bool data);
  bool AppendString(Buffer* buffer, const Value& string);
  bool Grow(Buffer* buffer, size_t more);
  bool Finish(const Buffer& buffer, Value* out);
  bool Concatenate(const Value* parts, uint32_t n, Value* out);
  bool InWork(const char* s) const;
  // How many bytes from s on, at most n, have the same mark, and which.
  size_t RunOf(const char* s, size_t n, bool* data) const;
  void SetMarks(const char* s, size_t n, bool data);
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
  bool ChangeCase(const Value& self, uint8_t how, Value* out);
  bool IsMethod(const Value& self, uint8_t id, Value* out);
  bool Strftime(const Value& format, Value* out);
  bool AppendTime(Buffer* buffer, std::string_view format, const TemplateTime& t);

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
  bool FilterSum(const Value& v, const Value* p, Value* out);
  // Sorts pairs (key, value) by key, stably.
  bool SortPairs(Value* pairs, uint32_t n, bool reverse);
  bool SortKey(const Value& v, bool case_sensitive, Value* out);
  bool Test(uint8_t id, const Value& v, const Value* p, uint32_t n, bool* out);

  // A text in the work memory that has room behind its end.
  struct Tail {
    const char* end;
    const char* limit;
  };
  static constexpr uint32_t kTails = 4;

  Tree tree_;
  const RenderOptions& options_;
  std::byte* work_;
  uint8_t* bits_ = nullptr;               // marks of work_
  size_t size_ = 0, low_ = 0, high_ = 0;  // what is free of work_: from low to high
  uint64_t escapes_ = 0;
  uint64_t steps_;
  uint32_t depth_ = 0, max_depth_;
  uint32_t line_ = 0;  // 0: not in the template
  Buffer result_;
  Buffer* output_ = &result_;
  std::span<TemplateSpan> spans_;
  size_t n_spans_ = 0, span_end_ = 0;
  std::string_view json_;
  Value variables_;  // dict
  Tail tails_[kTails] = {};
  uint32_t next_tail_ = 0;
  StatusCode code_ = StatusCode::kOk;
  char error_[1024] = {};
};

}  // namespace samara::template_runtime

#endif  // SAMARA_RUNTIME_TEMPLATE_EVALUATOR_H_
