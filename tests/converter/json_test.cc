#include "converter/json.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace samara {
namespace {

JsonDocument Good(const std::string& text) {
  StatusOr<JsonDocument> document = JsonDocument::Parse("t.json", text);
  REQUIRE_MESSAGE(document.ok(), std::string(document.status().message()));
  return std::move(*document);
}

std::string Error(const std::string& text) {
  StatusOr<JsonDocument> document = JsonDocument::Parse("t.json", text);
  REQUIRE_MESSAGE(!document.ok(), text);
  CHECK(document.status().code() == StatusCode::kInvalidFile);
  return document.status().message();
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("json: values") {
  const JsonDocument d = Good(
      " {\"a\": [1, -2, 18446744073709551615, 1.5e3, 1000000000000000019884624838656], \"b\": "
      "{\"c\": null, "
      "\"d\": true}, \"e\": \"x\\u00e9\\ud83d\\ude00\\n\\\"\", \"\": \"\", \"z\\u0000\": false} ");
  const Json root = d.root();
  CHECK(root.size() == 5);
  const Json a = root.Find("a");
  CHECK(a.size() == 5);
  std::vector<Json> items;
  for (const Json item : a) items.push_back(item);
  CHECK(*items[0].Int() == 1);
  CHECK(*items[1].Int(-2, 5) == -2);
  CHECK(*items[2].Uint() == UINT64_MAX);
  CHECK(*items[3].Number() == 1500);
  CHECK(items[4].kind() == JsonKind::kDouble);
  CHECK(items[3].Path() == "a[3]");
  CHECK(*root.Find("e").String() == "x\xc3\xa9\xf0\x9f\x98\x80\n\"");
  CHECK(*root.Find("").String() == "");
  CHECK(root.Find(std::string_view("z\0", 2)).exists());
  CHECK(root.Find("b").Find("c").IsNull());
  CHECK(root.Find("b").Find("c").exists());
  CHECK(!root.Find("b").Find("x").exists());
  CHECK(root.Find("b").Find("d").Path() == "b.d");
  CHECK(*root.Bool("nope", true));
  std::string keys;
  for (const Json member : root) keys += std::string(member.key()) + ",";
  CHECK(keys == std::string("a,b,e,,z\0,", 10));
  const JsonDocument empty = Good("[]");
  for (const Json nothing : empty.root()) FAIL(nothing.Path());
}

TEST_CASE("json: typed getters name the path, what was got and wanted") {
  const JsonDocument d =
      Good("{\"rope\": {\"factor\": \"8\", \"low\": -1, \"list\": [0, {\"x\": 2.5}]}, \"n\": 7}");
  const Json rope = d.root().Find("rope");
  CHECK(std::string(rope.RequireNumber("factor", 1, 1e9).status().message()) ==
        "t.json: field rope.factor: got the string \"8\", wanted a number from 1 to 1e+09");
  CHECK(std::string(rope.Int("low", 0, 0, INT64_MAX).status().message()) ==
        "t.json: field rope.low: got -1, wanted an integer of 0 or more");
  CHECK(std::string(rope.RequireInt("high", 1, 5).status().message()) ==
        "t.json: field rope.high: got nothing, wanted an integer from 1 to 5");
  Json deep;
  for (const Json item : rope.Find("list")) deep = item.Find("x");
  CHECK(std::string(deep.Int().status().message()) ==
        "t.json: field rope.list[1].x: got 2.5, wanted an integer");
  CHECK(std::string(d.root().Find("n").WantArray().message()) ==
        "t.json: field n: got 7, wanted an array");
  CHECK(std::string(d.root().String().status().message()) ==
        "t.json: the whole: got an object, wanted a string");
  CHECK(*d.root().RequireInt("n") == 7);
  CHECK(*d.root().Find("n").Number() == 7);
}

TEST_CASE("json: refused texts") {
  struct Case {
    std::string text, part;
  };
  const Case cases[] = {
      {"", "byte 0: got the end of the file, wanted a value"},
      {"{", "wanted '\"' of a key"},
      {"[1,]", "byte 3: got \"]\", wanted a value"},
      {"{\"a\":1,}", "wanted '\"' of a key"},
      {"{\"a\" 1}", "wanted ':'"},
      {"[1 2]", "wanted ',' or ']'"},
      {"1 2", "wanted the end of the file"},
      {"NaN", "wanted a value"},
      {"-Infinity", "wanted a digit"},
      {"nul", "wanted a value"},
      {"01", "wanted the end of the file"},
      {"1.", "wanted a digit"},
      {".5", "wanted a value"},
      {"1e", "wanted a digit"},
      {"1e400", "wanted one in the range of binary64"},
      {"+1", "wanted a value"},
      {"\"a", "at the end of a string"},
      {"\"\t\"", "an escaped control character"},
      {"\"\\x\"", "after a backslash"},
      {"\"\\u12g4\"", "four hexadecimal digits"},
      {"\"\\ud800\"", "a pair of surrogates"},
      {"\"\\udc00\\ud800\"", "a pair of surrogates"},
      {"\"\\ud800\\u0041\"", "a pair of surrogates"},
      {"\"\x80\"", "wanted UTF-8"},
      {"\"\xc0\xaf\"", "wanted UTF-8"},
      {"\"\xed\xa0\x80\"", "wanted UTF-8"},
      {"\"\xf4\x90\x80\x80\"", "wanted UTF-8"},
      {"\"\xe2\x82", "wanted UTF-8"},
      {"\xef\xbb\xbf{}", "wanted a value"},
      {"{\"a\":1,\"b\":2,\"\\u0061\":3}", "the key \"a\" twice"},
      {"[1]/**/", "wanted the end of the file"},
      {"'a'", "wanted a value"},
  };
  for (const Case& c : cases) {
    const std::string message = Error(c.text);
    CHECK_MESSAGE(Has(message, c.part), c.text << " gave " << message);
    CHECK(message.find('\n') == std::string::npos);
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "[";
  CHECK(Has(Error(deep), "at most 64 levels"));
  CHECK(Has(Error(std::string("\"\0\"", 3)), "an escaped control character"));
}

TEST_CASE("json: every prefix of a text is an error or the text") {
  const std::string text = "{\"a\": [1.5, \"\\ud83d\\ude00\xc3\xa9\", {\"b\": true}], \"c\": null}";
  for (size_t n = 0; n < text.size(); ++n) Error(text.substr(0, n));
  Good(text);
}

}  // namespace
}  // namespace samara
