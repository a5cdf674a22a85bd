// Chat templates: checks and evaluates the template block (formats/template_tree.h).
//
// The evaluator works in the caller's memory alone: it allocates nothing (an error's text excepted),
// keeps nothing between two calls and may run on any number of threads at once. It ends within its
// budgets for any template and any input; its recursion takes at most 256 KiB of stack.
//
// Semantics are those of jinja2 in a sandbox as the transformers library sets it up, to the byte.
// Known differences, none of which a chat template is known to meet:
//  - integers have 64 bits; larger ones of the JSON text can be printed and compared, not reckoned with
//  - the test of a loop (`for x in y if test`) and the elements of map, select, reject and the like
//    are computed at once, not while the loop runs
//  - an object whose text Python would print with its address (a macro, a generator) is an error
// Refused with UNSUPPORTED, since no chat template is known to need it: isalpha(), isdigit() and the
// like of characters beyond ASCII, slices of a range, sorting by several attributes, formats with %
// other than s r d i f, codes of strftime beyond those in time.cc.
#ifndef SAMARA_RUNTIME_TEMPLATE_TEMPLATE_H_
#define SAMARA_RUNTIME_TEMPLATE_TEMPLATE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/status.h"

namespace samara {

// Full validation of a block from a file: bounds, kinds, arity, scopes, depth, UTF-8; linear time.
// It allocates, for the time of the call, a few bytes a node. The other functions take checked
// blocks only.
Status CheckTemplate(std::span<const uint8_t> block);

// Bytes of the text that come from the conversation, not from the template.
struct TemplateSpan {
  size_t begin, end;
};

// What the host gives besides the JSON text, e.g. bos_token. Never counted as conversation.
struct TemplateVariable {
  std::string_view name, text;
};

// Civil local time, for strftime_now.
struct TemplateTime {
  int year, month, day;      // 1970..9999, 1..12, 1..31
  int hour, minute, second;  // 0..23, 0..59, 0..59
};

struct RenderOptions {
  std::span<const TemplateVariable> variables;
  const TemplateTime* now = nullptr;  // null: the system's local time
  // A message with one of reasoning_content, thinking, reasoning gets the first two of these names,
  // as transformers does.
  bool alias_reasoning = true;
  uint64_t max_steps = 20'000'000;  // nodes evaluated, or some dozens of bytes handled
  uint32_t max_depth = 1000;        // nested evaluations; at most 1000
  size_t max_output = size_t{1} << 30;
};

struct RenderResult {
  size_t n_bytes = 0;  // of the whole text, even if the buffer was too small
  size_t n_spans = 0;
};

// Work memory that ordinary conversations of this length need, with a margin; the evaluator takes
// any size and reports RESOURCE_EXHAUSTED when it is used up.
size_t TemplateWorkSize(size_t json_bytes);

// `json` is an array of messages, or an object of variables ("messages", "tools", "documents",
// "add_generation_prompt", any other). As transformers does it, tools and documents are none and
// add_generation_prompt is false where they are not given. A variable of the JSON text hides one of
// `options.variables`.
//
// `text` gets the text, without a terminating zero, `spans` what came from the JSON text: ascending,
// apart from each other by at least a byte. Strings, numbers and the text that tojson makes of them
// count as such; slices, joins, upper and the like keep the mark byte by byte. The value of a
// message's "role" is taken for the template's when it is one of the usual words (system, user,
// assistant, tool, developer, function, ipython, model): templates make control tokens of it.
//
// Errors: INVALID_ARGUMENT for a JSON text that is ill-formed ("JSON: byte 17: ..."), for what the
// template itself refuses ("template: <message of raise_exception>") and for errors of evaluation
// ("template: line 3: ..."); UNSUPPORTED for a Python feature that is missing here;
// RESOURCE_EXHAUSTED for steps, depth, work memory, output and for a buffer that is too small (then
// *result says what is needed, if the template was evaluated to its end).
Status RenderTemplate(std::span<const uint8_t> block, std::string_view json,
                      const RenderOptions& options, std::span<std::byte> work, std::span<char> text,
                      std::span<TemplateSpan> spans, RenderResult* result);

}  // namespace samara

#endif  // SAMARA_RUNTIME_TEMPLATE_TEMPLATE_H_
