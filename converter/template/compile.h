// Chat templates: from Jinja source to the template block (formats/template_tree.h).
//
// The language is jinja2's as the transformers library configures it: sandboxed and immutable,
// trim_blocks, lstrip_blocks, loop controls, `{% generation %}`, its own tojson, raise_exception and
// strftime_now. What this subset lacks fails here, never at rendering: block, extends, include,
// import, autoescape, do; recursive loops; *args and **kwargs in calls; the filters batch, center,
// filesizeformat, forceescape, groupby, pprint, random, slice, striptags, truncate, urlencode, urlize,
// wordcount, wordwrap and xmlattr; methods of strings that format, pad, encode or translate; cycler,
// joiner, lipsum, self; names of variables beyond ASCII; escapes \N{...}; the name of a filter or
// test of map, select and the like that is computed.
#ifndef SAMARA_CONVERTER_TEMPLATE_COMPILE_H_
#define SAMARA_CONVERTER_TEMPLATE_COMPILE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/status.h"

namespace samara {

// The block. `source` is UTF-8. Errors: "line 3, column 14: ..." (columns in characters, from 1),
// INVALID_FILE for what is no template, UNSUPPORTED for what is one but beyond this subset.
StatusOr<std::vector<uint8_t>> CompileTemplate(std::string_view source);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TEMPLATE_COMPILE_H_
