// Every construct of the language against jinja2 (make_cases.py).
#include <doctest/doctest.h>

#include "converter/json.h"
#include "tests/template/helpers.h"

namespace samara::template_test {
namespace {

constexpr TemplateVariable kVariables[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
constexpr TemplateTime kNow{2026, 3, 5, 14, 7, 9};

TEST_CASE("templates render as jinja2 renders them") {
  const auto file =
      JsonDocument::ReadFile(SAMARA_SOURCE_DIR "/tests/template/data/cases.json", "cases.json");
  REQUIRE_MESSAGE(file.ok(), std::string(file.status().message()));
  RenderOptions options;
  options.variables = kVariables;
  options.now = &kNow;
  const Json inputs = file->root().Find("inputs");
  int n = 0, refused = 0;
  for (const Json entry : file->root().Find("cases")) {
    std::vector<Json> fields;
    for (const Json field : entry) fields.push_back(field);
    const std::string source(*fields[0].String());
    CAPTURE(source);
    const std::string_view json = *inputs.Find(*fields[1].String()).String();
    const Rendered got = RenderSource(source, json, options);
    ++n;
    if (fields[2].IsNull()) {
      ++refused;
      CHECK(!got.status.ok());
      CHECK_MESSAGE(got.status.code() == StatusCode::kInvalidArgument, got.message());
      // What raise_exception said.
      const std::string wanted(*fields[3].String());
      if (!wanted.empty()) CHECK(got.message() == "template: " + wanted);
    } else {
      CHECK_MESSAGE(got.status.ok(), got.message());
      CHECK(got.text == std::string(*fields[2].String()));
    }
  }
  CHECK(n >= 650);
  CHECK(refused > 80);
}

TEST_CASE("the text fits into exactly as much as it needs") {
  const auto block = CompileTemplate("{% for x in messages %}ab{{ x }}{% endfor %}");
  REQUIRE(block.ok());
  const std::string json = R"(["xyz", "q"])";
  std::vector<std::byte> work(TemplateWorkSize(json.size()));
  for (const size_t capacity : {0u, 1u, 7u, 8u, 9u}) {
    for (const size_t n_spans : {0u, 1u, 2u}) {
      std::vector<char> text(capacity);
      std::vector<TemplateSpan> spans(n_spans);
      RenderResult result;
      const Status status = RenderTemplate(*block, json, {}, work, text, spans, &result);
      CHECK(result.n_bytes == 8);
      CHECK(result.n_spans == 2);
      CHECK(status.ok() == (capacity >= 8 && n_spans >= 2));
      if (!status.ok()) CHECK(status.code() == StatusCode::kResourceExhausted);
    }
  }
}

TEST_CASE("what is beyond the language is refused with its place") {
  const struct {
    const char *source, *message;
    StatusCode code;
  } kCases[] = {
      {"a\n {% include 'x' %}", "line 2, column 5: statement include is not supported",
       StatusCode::kUnsupported},
      {"{% block a %}{% endblock %}", "line 1, column 4: statement block is not supported",
       StatusCode::kUnsupported},
      {"{{ x |\n  wordwrap }}", "line 2, column 3: filter \"wordwrap\" is not supported",
       StatusCode::kUnsupported},
      {"{% if n is prime %}{% endif %}", "line 1, column 12: test \"prime\" is not supported",
       StatusCode::kUnsupported},
      {"{{ \"\xC3\xA4\" }}{{ f(*a) }}", "line 1, column 15: unpacking in a call is not supported",
       StatusCode::kUnsupported},
      {"{{ 'a'.encode() }}", "line 1, column 7: method encode is not supported",
       StatusCode::kUnsupported},
      {"{{ x | map(attr) }}",
       "line 1, column 8: map with a filter that is not a string constant is not supported",
       StatusCode::kUnsupported},
      {"{{ cycler(1) }}", "line 1, column 4: name cycler is not supported",
       StatusCode::kUnsupported},
      {"{% for x in y recursive %}{% endfor %}",
       "line 1, column 15: recursive loop is not supported", StatusCode::kUnsupported},
      {"{{ 99999999999999999999 }}", "line 1, column 4: number out of range is not supported",
       StatusCode::kUnsupported},
      {"{% if x %}", "line 1, column 11: got the end of the template, wanted elif or else or endif",
       StatusCode::kInvalidFile},
      {"{{ 1 + }}", "line 1, column 8: got '}}', wanted an expression", StatusCode::kInvalidFile},
      {"{{ x", "line 1, column 5: unexpected end of the template inside a tag",
       StatusCode::kInvalidFile},
      {"ab{# x", "line 1, column 3: comment without #}", StatusCode::kInvalidFile},
      {"{% endif %}", "line 1, column 4: unknown or misplaced statement \"endif\"",
       StatusCode::kInvalidFile},
      {"{% break %}", "line 1, column 4: break outside of a loop", StatusCode::kInvalidFile},
      {"{{ x | replace('a') }}",
       "line 1, column 8: filter replace without an argument that it needs",
       StatusCode::kInvalidFile},
      {"{{ x | tojson(depth=1) }}", "line 1, column 8: filter tojson with an argument \"depth\"",
       StatusCode::kInvalidFile},
      {"{{ 'abc }}", "line 1, column 4: string without its closing quote",
       StatusCode::kInvalidFile},
      {"{{ (1] }}", "line 1, column 6: unexpected ']'", StatusCode::kInvalidFile},
      {"{{ a $ b }}", "line 1, column 6: unexpected character \"$\"", StatusCode::kInvalidFile},
      {"\xFF", "the template is not UTF-8", StatusCode::kInvalidFile},
  };
  for (const auto& c : kCases) {
    const auto block = CompileTemplate(c.source);
    CAPTURE(std::string(c.source));
    REQUIRE(!block.ok());
    CHECK(std::string(block.status().message()) == std::string(c.message));
    CHECK(block.status().code() == c.code);
  }
}

TEST_CASE("depth of nesting is bounded in the converter") {
  for (const char* part : {"(", "[", "-", "not ", "x[", "{1:", "x if ", "f("}) {
    std::string source = "{{ ";
    for (int i = 0; i < 100000; ++i) source += part;
    CHECK(!CompileTemplate(source).ok());
  }
  std::string source;
  for (int i = 0; i < 100000; ++i) source += "{% if x %}";
  CHECK(!CompileTemplate(source).ok());
}

TEST_CASE("an ill-formed JSON text is refused with its place") {
  const struct {
    const char *json, *message;
  } kCases[] = {
      {"", "JSON: byte 0: wanted a value"},
      {"[1,]", "JSON: byte 3: wanted a value"},
      {"{\"a\" 1}", "JSON: byte 5: wanted ':'"},
      {"{a: 1}", "JSON: byte 1: wanted a key in quotes"},
      {"[\"a", "JSON: byte 1: a string without its closing quote"},
      {"[\"\\ud800\"]", "JSON: byte 2: half a surrogate pair"},
      {"[\"\\ud83d\\u0041\"]", "JSON: byte 2: half a surrogate pair"},
      {"[\"\\x\"]", "JSON: byte 2: an unknown escape"},
      {"[\"\n\"]", "JSON: byte 2: a control character in a string"},
      {"[\"\xC3(\"]", "JSON: byte 2: ill-formed UTF-8"},
      {"[01]", "JSON: byte 1: a number with a leading zero"},
      {"[1.]", "JSON: byte 3: wanted a digit"},
      {"[NaN]", "JSON: byte 1: wanted a value"},
      {"[] []", "JSON: byte 3: wanted nothing behind the value"},
      {"5", "JSON: wanted an array of messages or an object"},
  };
  for (const auto& c : kCases) {
    CAPTURE(std::string(c.json));
    const Rendered got = RenderSource("x", c.json);
    CHECK(got.status.code() == StatusCode::kInvalidArgument);
    CHECK(got.message() == std::string(c.message));
  }
  CHECK(RenderSource("x", std::string(100000, '[')).message() == "JSON: byte 200: nested too deep");
}

}  // namespace
}  // namespace samara::template_test
