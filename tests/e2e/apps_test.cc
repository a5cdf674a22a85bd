// What the programs share.
#include <doctest/doctest.h>

#include <limits>

#include "apps/common/cli.h"
#include "apps/common/text.h"
#include "converter/json.h"

namespace samara::apps {
namespace {

std::string Escape(std::string_view text, bool lines) {
  std::string out;
  AppendEscaped(text, lines, &out);
  return out;
}

TEST_CASE("control characters and invalid UTF-8 are escaped, text is not") {
  CHECK(Escape("a\tb\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", false) ==
        "a\tb\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK(Escape("\x1B[31m", false) == "\\x1b[31m");
  CHECK(Escape("a\nb\r", true) == "a\nb\\x0d");
  CHECK(Escape("a\nb", false) == "a\\x0ab");
  CHECK(Escape("\xC2\x9B\x7F", false) == "\\xc2\\x9b\\x7f");
  CHECK(Escape("\xFF\xC3", false) == "\\xff\\xc3");
  CHECK(Escape("\xED\xA0\x80", false) == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(Escape(std::string_view("\0", 1), false) == "\\x00");
  // What turns the direction of writing around is shown, marks that belong to a word stay.
  CHECK(Escape("a\u202Eb\u2066c\u2069", true) == "a\\u202eb\\u2066c\\u2069");
  CHECK(Escape("\u202A\u2029\u202F\u200E\u2065\u206A", true) ==
        "\\u202a\u2029\u202F\u200E\u2065\u206A");
}

TEST_CASE("numbers do not depend on a locale and keep their bits") {
  CHECK(Fixed(12.345, 1) == "12.3");
  CHECK(NineDigits(0.1f) == "0.100000001");
  CHECK(NineDigits(-0.0f) == "-0");
  CHECK(Count(0) == "0");
  CHECK(Count(1234567) == "1,234,567");
  CHECK(Count(123) == "123");
  CHECK(BytesText(999) == "999 B");
  CHECK(BytesText(999999) == "1.0 MB");
}

TEST_CASE("byte counts of the command line") {
  uint64_t bytes = 0;
  CHECK(ParseBytes("4096", &bytes));
  CHECK(bytes == 4096);
  CHECK(ParseBytes("2G", &bytes));
  CHECK(bytes == uint64_t{2} << 30);
  CHECK(ParseBytes("3k", &bytes));
  CHECK(bytes == 3072);
  CHECK(ParseBytes("18446744073709551615", &bytes));
  for (const char* wrong :
       {"", "G", "-1", "1.5G", "18446744073709551616", "18446744073709551615K", "1GB", "0x10"}) {
    CAPTURE(wrong);
    CHECK_FALSE(ParseBytes(wrong, &bytes));
  }
}

TEST_CASE("JSON that is written can be read") {
  JsonWriter writer;
  writer.BeginObject();
  writer.Member("text", "quote \" backslash \\ newline \n escape \x1B e \xC3\xA9 bad \xFF");
  writer.Key("numbers");
  writer.BeginArray(true);
  writer.Uint(UINT64_MAX);
  writer.Int(-3);
  writer.Double(0.1);
  writer.Double(std::numeric_limits<double>::infinity());
  writer.EndArray();
  writer.Key("empty");
  writer.BeginArray();
  writer.EndArray();
  writer.Member("yes", true);
  writer.EndObject();
  const auto document = JsonDocument::Parse("test", writer.Finish());
  REQUIRE_MESSAGE(document.ok(), document.status().message());
  const Json root = document->root();
  CHECK(*root.Find("text").String() ==
        "quote \" backslash \\ newline \n escape \x1B e \xC3\xA9 bad \xEF\xBF\xBD");
  CHECK(root.Find("numbers").size() == 4);
  CHECK(*(*root.Find("numbers").begin()).Uint() == UINT64_MAX);
  CHECK(root.Find("empty").size() == 0);
  CHECK(*root.Find("yes").Bool());
}

TEST_CASE("a table is aligned: words left, numbers right") {
  Table table;
  table.Row({"a", "1", "x"});
  table.Row({"bbb", "1000", ""});
  CHECK(table.Text() == "  a       1  x\n  bbb  1000\n");
}

}  // namespace
}  // namespace samara::apps
