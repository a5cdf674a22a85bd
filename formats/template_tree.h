// The template block: a chat template as a tree that the converter compiles and the runtime evaluates.
//
// One flat little-endian blob: TemplateHeader, then tables, each 4-aligned, in the order of
// TemplateTableId and without gaps. The runtime trusts nothing here: CheckTemplate looks at every
// entry once, in linear time.
//
//   nodes     TemplateNode: children come before their parent, each has exactly one parent; the
//             last node is the root, a kNodeBlock. So there are no cycles and no sharing.
//   operands  u32: what the nodes refer to. A node's operands lie behind those of the node before
//             it and follow the pattern of its kind (kTemplateKindTable), one word a letter:
//               E  expression          B  statement          T  target of an assignment
//               e  the same or none    b  the same or none   t  the same or none
//               S  string   s  string or none   K  number   C  scope
//             These are no words: * what follows comes any number of times; / the nodes that follow
//             are evaluated in the scope C named last; . in the node's own scope again.
//   strings   TemplateString: begin and length of UTF-8 text in `bytes`, one behind the other
//   bytes     u8, padded to 4
//   scopes    TemplateScope: a frame of variables, made by the node that has its number (C); a
//             scope belongs to exactly one operand.
//   inits     TemplateInit: what variables hold when a frame is made
//
// Names are resolved by the converter: a variable is (up, slot), `up` frames outwards from the frame
// that the expression is evaluated in. A target is evaluated in the scope that it assigns to.
#ifndef SAMARA_FORMATS_TEMPLATE_TREE_H_
#define SAMARA_FORMATS_TEMPLATE_TREE_H_

#include <cstddef>
#include <cstdint>

namespace samara {

inline constexpr uint32_t kTemplateMagic = 0x54544D53;  // "SMTT"
inline constexpr uint32_t kTemplateVersion = 1;
inline constexpr uint32_t kTemplateNone = 0xFFFFFFFF;

// Limits that both sides hold to.
inline constexpr uint32_t kTemplateMaxBytes = 4u << 20;
inline constexpr uint32_t kTemplateMaxSlots = 4096;  // variables of one scope
inline constexpr uint32_t kTemplateMaxDepth = 200;   // nodes on the way from the root to a leaf
inline constexpr uint32_t kTemplateMaxOperands = 65535;

enum TemplateTableId : uint32_t {
  kTemplateNodes = 0,
  kTemplateOperands,
  kTemplateStrings,
  kTemplateScopes,
  kTemplateInits,
  kTemplateBytes,  // last: the only one whose entries are not words
  kTemplateTables,
};

struct TemplateTable {
  uint32_t offset;  // from the blob's start
  uint32_t count;   // entries
};

struct TemplateHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t total_bytes;
  uint32_t reserved;
  TemplateTable tables[kTemplateTables];
};

struct TemplateNode {
  uint8_t kind;
  uint8_t sub;
  uint16_t n_operands;
  uint32_t operands;  // first, in kTemplateOperands
  uint32_t line;      // of the source, from 1
};

struct TemplateString {
  uint32_t begin, bytes;
};

struct TemplateScope {
  uint32_t n_slots;
  uint32_t inits, n_inits;
};

// Slots without an entry are undefined at first.
struct TemplateInit {
  uint32_t slot;
  uint32_t up;    // 0: look the name up among the variables given and the functions; else a slot of
  uint32_t what;  // an outer frame, counted from the frame that is made. String or slot.
};
static_assert(sizeof(TemplateHeader) == 16 + 8 * kTemplateTables && sizeof(TemplateNode) == 12);

enum TemplateNodeKind : uint8_t {
  // Statements.
  kNodeBlock = 0,
  kNodeText,         // prints a string
  kNodeOutput,       // prints expressions
  kNodeIf,           // pairs (condition, statement); no condition is always true
  kNodeFor,          // (scope, target, body: in it; iterable; slot of `loop` or none; test scope,
                     // target, test: in it; else scope, statement: in it)
  kNodeSet,          // target, value
  kNodeSetBlock,     // target, scope, slot of the captured text, body and value: in it
  kNodeFilterBlock,  // scope, slot of the captured text, body and value: in it
  kNodeWith,         // scope; body: in it; pairs (target: in it, value: outside)
  kNodeBreak,
  kNodeContinue,
  // Targets.
  kNodeTargetName,   // up, slot
  kNodeTargetTuple,  // targets
  kNodeTargetField,  // up, slot of a namespace, name of variable, field
  // Expressions.
  kNodeConst,  // sub: 0 none, 1 true, 2 false
  kNodeInt,    // low and high word of a 64-bit two's complement number
  kNodeFloat,  // low and high word of binary64
  kNodeString,
  kNodeLoad,  // up, slot, name
  kNodeTuple,
  kNodeList,
  kNodeDict,    // pairs (key, value)
  kNodeAdd,     // two or more, from the left
  kNodeBinary,  // sub: TemplateBinary
  kNodeNot,
  kNodeNegate,
  kNodePlus,
  kNodeAnd,        // two or more
  kNodeOr,         // two or more
  kNodeCompare,    // first, then pairs (TemplateCompare, operand)
  kNodeConcat,     // ~: two or more
  kNodeCondition,  // condition, value, value otherwise
  kNodeGetAttr,    // object, name; sub: TemplateMethod of that name or 0
  kNodeGetItem,    // object, key
  kNodeSlice,      // object, begin, end, step
  kNodeCall,    // callee, macro for `caller`; arguments (name or none, value), unnamed ones first
  kNodeFilter,  // sub: TemplateFilter; value, then its parameters in order, trailing ones absent
  kNodeMapFilter,  // the same filter over every element
  kNodeMapAttr,    // value, path, default
  kNodeSelect,     // sub: kSelectReject; value, path or none, TemplateTest or none, its parameters
  kNodeTest,       // sub: TemplateTest; value, parameters
  kNodeMacro,      // name; scope; slots of caller, kwargs, varargs, each or none; body: in it;
                   // parameters (name, slot, default: in it)
  kTemplateKinds,
};

inline constexpr uint8_t kSelectReject = 1;

// Category of a kind (its letter in a pattern) and pattern of its operands, indexed by kind.
struct TemplateKind {
  char category;
  char pattern[16];
};
inline constexpr TemplateKind kTemplateKindTable[kTemplateKinds] = {
    {'B', "*B"},              // Block
    {'B', "S"},               // Text
    {'B', "*E"},              // Output
    {'B', "*eB"},             // If
    {'B', "C/TB.EKC/teC/b"},  // For
    {'B', "TE"},              // Set
    {'B', "TC/KBE"},          // SetBlock
    {'B', "C/KBE"},           // FilterBlock
    {'B', "C/B*/T.E"},        // With
    {'B', ""},                // Break
    {'B', ""},                // Continue
    {'T', "KK"},              // TargetName
    {'T', "*T"},              // TargetTuple
    {'T', "KKSS"},            // TargetField
    {'E', ""},                // Const
    {'E', "KK"},              // Int
    {'E', "KK"},              // Float
    {'E', "S"},               // String
    {'E', "KKS"},             // Load
    {'E', "*E"},              // Tuple
    {'E', "*E"},              // List
    {'E', "*EE"},             // Dict
    {'E', "EE*E"},            // Add
    {'E', "EE"},              // Binary
    {'E', "E"},               // Not
    {'E', "E"},               // Negate
    {'E', "E"},               // Plus
    {'E', "EE*E"},            // And
    {'E', "EE*E"},            // Or
    {'E', "EKE*KE"},          // Compare
    {'E', "EE*E"},            // Concat
    {'E', "EEe"},             // Condition
    {'E', "ES"},              // GetAttr
    {'E', "EE"},              // GetItem
    {'E', "Eeee"},            // Slice
    {'E', "Ee*sE"},           // Call
    {'E', "E*e"},             // Filter
    {'E', "E*e"},             // MapFilter
    {'E', "EEe"},             // MapAttr
    {'E', "EeK*e"},           // Select
    {'E', "E*e"},             // Test
    {'E', "SC/KKKB*SKe"},     // Macro
};

enum TemplateBinary : uint8_t {
  kBinarySubtract = 0,
  kBinaryMultiply,
  kBinaryDivide,
  kBinaryFloorDivide,
  kBinaryModulo,
  kBinaryPower,
  kTemplateBinaries,
};

enum TemplateCompare : uint32_t {
  kCompareEq = 0,
  kCompareNe,
  kCompareLt,
  kCompareLe,
  kCompareGt,
  kCompareGe,
  kCompareIn,
  kCompareNotIn,
  kTemplateCompares,
};

// Filters: name, number of parameters, names of the parameters. Numbers are part of the format:
// append only.
#define SAMARA_TEMPLATE_FILTERS(X)                                   \
  X(Abs, "abs", 0, "")                                               \
  X(Attr, "attr", 1, "name")                                         \
  X(Capitalize, "capitalize", 0, "")                                 \
  X(Default, "default", 2, "default_value,boolean")                  \
  X(DictSort, "dictsort", 3, "case_sensitive,by,reverse")            \
  X(Escape, "escape", 0, "")                                         \
  X(First, "first", 0, "")                                           \
  X(Float, "float", 1, "default")                                    \
  X(Format, "format", 16, "")                                        \
  X(Indent, "indent", 3, "width,first,blank")                        \
  X(Int, "int", 2, "default,base")                                   \
  X(Items, "items", 0, "")                                           \
  X(Join, "join", 2, "d,attribute")                                  \
  X(Last, "last", 0, "")                                             \
  X(Length, "length", 0, "")                                         \
  X(List, "list", 0, "")                                             \
  X(Lower, "lower", 0, "")                                           \
  X(Max, "max", 2, "case_sensitive,attribute")                       \
  X(Min, "min", 2, "case_sensitive,attribute")                       \
  X(Replace, "replace", 3, "old,new,count")                          \
  X(Reverse, "reverse", 0, "")                                       \
  X(Round, "round", 2, "precision,method")                           \
  X(Safe, "safe", 0, "")                                             \
  X(Sort, "sort", 3, "reverse,case_sensitive,attribute")             \
  X(String, "string", 0, "")                                         \
  X(Sum, "sum", 2, "attribute,start")                                \
  X(Title, "title", 0, "")                                           \
  X(ToJson, "tojson", 4, "ensure_ascii,indent,separators,sort_keys") \
  X(Trim, "trim", 1, "chars")                                        \
  X(Unique, "unique", 2, "case_sensitive,attribute")                 \
  X(Upper, "upper", 0, "")

#define SAMARA_TEMPLATE_TESTS(X)          \
  X(Boolean, "boolean", 0, "")            \
  X(Callable, "callable", 0, "")          \
  X(Defined, "defined", 0, "")            \
  X(DivisibleBy, "divisibleby", 1, "num") \
  X(Eq, "eq", 1, "")                      \
  X(Escaped, "escaped", 0, "")            \
  X(Even, "even", 0, "")                  \
  X(False, "false", 0, "")                \
  X(Float, "float", 0, "")                \
  X(Ge, "ge", 1, "")                      \
  X(Gt, "gt", 1, "")                      \
  X(In, "in", 1, "seq")                   \
  X(Integer, "integer", 0, "")            \
  X(Iterable, "iterable", 0, "")          \
  X(Le, "le", 1, "")                      \
  X(Lower, "lower", 0, "")                \
  X(Lt, "lt", 1, "")                      \
  X(Mapping, "mapping", 0, "")            \
  X(Ne, "ne", 1, "")                      \
  X(None, "none", 0, "")                  \
  X(Number, "number", 0, "")              \
  X(Odd, "odd", 0, "")                    \
  X(SameAs, "sameas", 1, "other")         \
  X(Sequence, "sequence", 0, "")          \
  X(String, "string", 0, "")              \
  X(True, "true", 0, "")                  \
  X(Undefined, "undefined", 0, "")        \
  X(Upper, "upper", 0, "")

// Methods of values: name; types that have it (s string, d dict, l list, t tuple; capital letter:
// it changes the value, which templates may not do); most positional arguments.
#define SAMARA_TEMPLATE_METHODS(X)        \
  X(Append, "append", "L", 1)             \
  X(Capitalize, "capitalize", "s", 0)     \
  X(Clear, "clear", "DL", 0)              \
  X(Copy, "copy", "dl", 0)                \
  X(Count, "count", "slt", 3)             \
  X(EndsWith, "endswith", "s", 3)         \
  X(Extend, "extend", "L", 1)             \
  X(Find, "find", "s", 3)                 \
  X(Get, "get", "d", 2)                   \
  X(Index, "index", "slt", 3)             \
  X(Insert, "insert", "L", 2)             \
  X(IsAlnum, "isalnum", "s", 0)           \
  X(IsAlpha, "isalpha", "s", 0)           \
  X(IsAscii, "isascii", "s", 0)           \
  X(IsDecimal, "isdecimal", "s", 0)       \
  X(IsDigit, "isdigit", "s", 0)           \
  X(IsLower, "islower", "s", 0)           \
  X(IsSpace, "isspace", "s", 0)           \
  X(IsUpper, "isupper", "s", 0)           \
  X(Items, "items", "d", 0)               \
  X(Join, "join", "s", 1)                 \
  X(Keys, "keys", "d", 0)                 \
  X(Lower, "lower", "s", 0)               \
  X(LStrip, "lstrip", "s", 1)             \
  X(Partition, "partition", "s", 1)       \
  X(Pop, "pop", "DL", 2)                  \
  X(PopItem, "popitem", "D", 0)           \
  X(Remove, "remove", "L", 1)             \
  X(RemovePrefix, "removeprefix", "s", 1) \
  X(RemoveSuffix, "removesuffix", "s", 1) \
  X(Replace, "replace", "s", 3)           \
  X(Reverse, "reverse", "L", 0)           \
  X(RFind, "rfind", "s", 3)               \
  X(RIndex, "rindex", "s", 3)             \
  X(RPartition, "rpartition", "s", 1)     \
  X(RSplit, "rsplit", "s", 2)             \
  X(RStrip, "rstrip", "s", 1)             \
  X(SetDefault, "setdefault", "D", 2)     \
  X(Sort, "sort", "L", 0)                 \
  X(Split, "split", "s", 2)               \
  X(SplitLines, "splitlines", "s", 1)     \
  X(StartsWith, "startswith", "s", 3)     \
  X(Strip, "strip", "s", 1)               \
  X(Title, "title", "s", 0)               \
  X(Update, "update", "D", 1)             \
  X(Upper, "upper", "s", 0)               \
  X(Values, "values", "d", 0)

// Functions that a name means when no variable has it.
#define SAMARA_TEMPLATE_FUNCTIONS(X)   \
  X(Dict, "dict")                      \
  X(Namespace, "namespace")            \
  X(RaiseException, "raise_exception") \
  X(Range, "range")                    \
  X(StrftimeNow, "strftime_now")

#define SAMARA_TEMPLATE_ENUM(name, ...) k##name,
namespace template_filter {
enum TemplateFilter : uint8_t { SAMARA_TEMPLATE_FILTERS(SAMARA_TEMPLATE_ENUM) kTotal };
}
namespace template_test {
enum TemplateTest : uint8_t { SAMARA_TEMPLATE_TESTS(SAMARA_TEMPLATE_ENUM) kTotal };
}
namespace template_method {
enum TemplateMethod : uint8_t { kNone, SAMARA_TEMPLATE_METHODS(SAMARA_TEMPLATE_ENUM) kTotal };
}
namespace template_function {
enum TemplateFunction : uint8_t { SAMARA_TEMPLATE_FUNCTIONS(SAMARA_TEMPLATE_ENUM) kTotal };
}
#undef SAMARA_TEMPLATE_ENUM
using template_filter::TemplateFilter;
using template_function::TemplateFunction;
using template_method::TemplateMethod;
using template_test::TemplateTest;

}  // namespace samara

#endif  // SAMARA_FORMATS_TEMPLATE_TREE_H_
